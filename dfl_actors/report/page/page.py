"""The report: one HTML page that holds everything, its drawing library included, and asks the network for nothing.

The figures are made here as data; `page.js` draws them with Plotly in the colours of the reader's scheme. The page forbids
itself by its content security policy to load anything.
"""

from collections.abc import Sequence
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
from dfl_actors.report.page.chains import chains_section, wrong_chains
from dfl_actors.report.page.plotly import specification
from dfl_actors.report.page.tables import tables_after
from dfl_actors.report.summary import Figures, summarise
from dfl_actors.runtime.examined import Examined

FILES = "metrics.jsonl and run.json. Seconds leave out the time between sessions."
PLOTLY = "vendored/plotly-cartesian.min.js"


def page(run: Run, held: float | None = None, chains: Sequence[Examined] = ()) -> str:
    """The page as text; `held` is what `held_since` says of the run's lock, `chains` what was found in those that are there."""
    summary = summarise(run)
    summary["findings"] = [*wrong_chains(chains), *summary["findings"]]
    made = charts(run, summary)
    return Template(resource("page.html")).substitute(
        version=__version__,
        title=escape(f"{run.name}: report of a {'simulation' if run.simulated else 'run'}"),
        files="the tables of the simulation." if run.simulated else FILES,
        head=head(run, summary, held),
        chooser=parts.chooser(run),
        sections="\n".join(section for chart in made for section in sections(chart, run, summary, chains)),
        data=in_script({**data(run), **figures(made)}),
        style=style(),
        plotly=resource(PLOTLY),
        script=resource("page.js"),
    )


def head(run: Run, summary: Figures, held: float | None, waits: str = "") -> str:
    """What stands on top: name, state, what it waits for, headline, remarks and cards."""
    return "\n".join(
        [
            parts.tag("h1", escape(run.name)),
            parts.tag("p", parts.state(run, held), class_="state"),
            parts.tag("p", escape(waits), class_="state") if waits else "",
            parts.tag("p", escape(summary["headline"]["text"]), class_="headline"),
            parts.remarks(summary),
            parts.tag("dl", parts.cards(run, summary), class_="cards"),
        ]
    )


def sections(chart: Chart, run: Run, summary: Figures, chains: Sequence[Examined] = ()) -> list[str]:
    """A chart's section, and those of the tables, and of the chains, that follow it."""
    strips = chains_section(run, chains) if chart.id == "chains" else ""
    return [parts.chart_section(chart, run), *tables_after(chart.id, run, summary), *filter(None, [strips])]


def data(run: Run) -> dict[str, object]:
    """What the page's code needs besides figures."""
    return {
        "name": "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in run.name),
        "nodes": list(run.nodes),
        "attackers": [name for name in run.nodes if name in run.attacks],
        "crowd": len(run.nodes) > FEW,
        "palettes": page_palettes(),
    }


def figures(made: Sequence[Chart]) -> dict[str, object]:
    """The figures of charts that have one, those of their other modes, and the moments, or choices, that readers go through."""
    drawn = [(chart.id, chart.figure) for chart in made if chart.figure is not None]
    frames = {name: figure.moments or figure.choices for name, figure in drawn if isinstance(figure, Matrix)}
    sliders = {name: words for name, words in frames.items() if words}
    modes = {chart.id: {name: specification(figure) for name, figure in chart.modes.items()} for chart in made if chart.modes}
    return {"figures": {name: specification(figure) for name, figure in drawn}, "sliders": sliders, "modes": modes}


def in_script(value: object) -> str:
    """JSON that no script element can be ended with."""
    return orjson.dumps(value).decode().replace("<", "\\u003c")


def style() -> str:
    """The page's style sheet."""
    return f"{as_css()}\n{resource('page.css')}"


def resource(name: str) -> str:
    """A file that lies beside this one."""
    return resources.files("dfl_actors.report.page").joinpath(name).read_text(encoding="utf-8")
