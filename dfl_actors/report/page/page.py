"""The report: one HTML page that holds everything, its drawing library included, and asks the network for nothing.

The figures are made here as data; `page.js` draws them with Plotly in the colours of the reader's scheme. The page forbids
itself by its content security policy to load anything.
"""

from html import escape
from importlib import resources
from string import Template

import orjson

from dfl_actors import __version__
from dfl_actors.report.charts import charts
from dfl_actors.report.charts.chart import FEW, Chart, Matrix
from dfl_actors.report.charts.palette import as_css, page_palettes
from dfl_actors.report.load import Run
from dfl_actors.report.page import parts
from dfl_actors.report.page.plotly import specification
from dfl_actors.report.page.tables import tables_after
from dfl_actors.report.summary import Figures, summarise


def page(run: Run, held: float | None = None) -> str:
    """The page as text; `held` is what `held_since` says of the run's lock."""
    from plotly.offline import get_plotlyjs

    summary = summarise(run)
    made = charts(run, summary)
    name = run.name
    return Template(_resource("page.html")).substitute(
        version=__version__,
        title=escape(f"{name}: report of a run"),
        name=escape(name),
        state=parts.state(run, held),
        headline=escape(summary["headline"]["text"]),
        remarks=parts.remarks(summary),
        cards=parts.cards(summary, run.simulated, run.score),
        chooser=parts.chooser(run),
        sections="\n".join(section for chart in made for section in _sections(chart, run, summary)),
        data=_data(run, made),
        style=f"{as_css()}\n{_resource('page.css')}",
        plotly=get_plotlyjs(),
        script=_resource("page.js"),
    )


def _sections(chart: Chart, run: Run, summary: Figures) -> list[str]:
    return [parts.chart_section(chart, run), *tables_after(chart.id, summary, run.simulated, run.score)]


def _data(run: Run, made: list[Chart]) -> str:
    """What the page's code needs, as JSON that no script element can be ended with."""
    data = {
        "name": "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in run.name),
        "nodes": list(run.nodes),
        "attackers": [name for name in run.nodes if name in run.attacks],
        "crowd": len(run.nodes) > FEW,
        "figures": {chart.id: specification(chart.figure) for chart in made if chart.figure is not None},
        "sliders": {chart.id: chart.figure.moments for chart in made if isinstance(chart.figure, Matrix) and chart.figure.moments},
        "palettes": page_palettes(),
    }
    return orjson.dumps(data).decode().replace("<", "\\u003c")


def _resource(name: str) -> str:
    return resources.files("dfl_actors.report.page").joinpath(name).read_text(encoding="utf-8")
