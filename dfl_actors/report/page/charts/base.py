"""What all charts of the page share.

A figure is a plain Plotly specification, {"data": traces, "layout": layout}. Its colours are names such as "@ink", which the page
replaces by those of the scheme it is shown in (`palette.py`). What the page's own code (`page.js`) needs to know of a trace stands in
its "meta":

* "node": the trace is this node's: it has the node's colour while the node is chosen, else it steps back;
* "rows": a node for each entry of the arrays named in "cut": only those of chosen nodes are shown;
* "frames": what takes the place of "z" as the slider moves.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec

from dfl_actors.report.load import Run
from dfl_actors.report.series import Numbers, Series, thinned

Json = dict[str, Any]

FEW = 10
"""Up to so many nodes have a colour and a symbol of their own; more are shown as a crowd in which the chosen ones stand out."""

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "triangle-left", "triangle-right", "star")

MOST_POINTS = 12_000
"""Points of all traces of a chart together: what a browser draws and moves without delay."""


class Entry(msgspec.Struct, frozen=True):
    """A line of a chart's key; `text` is as `label` gives it. `sign` is one of Plotly's symbols, "line", "thick", "dot" (a dotted line),
    "box" or "band"."""

    text: str
    colour: str
    sign: str = "box"


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart of the page: what it shows (`about`), from which events, and its figure; without one, `missing` says why.

    `height` is in pixels, 0 for as high as wide; `slider` has a label for each frame; `keyed` charts use the nodes' colours. The page
    sets the `key`, for Plotly's own legends do not fit narrow charts.
    """

    id: str
    title: str
    about: str
    source: str
    figure: Json | None = None
    missing: str = "Nothing of this was recorded in this run."
    height: int = 380
    wide: bool = False
    keyed: bool = False
    slider: tuple[str, ...] = ()
    key: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()

    def filled(self, data: Sequence[Json], layout: Json, **more: Any) -> "Chart":
        """The chart with its figure."""
        return msgspec.structs.replace(self, figure={"data": data, "layout": layout}, **more)


def label(text: str, most: int = 16) -> str:
    """User's text for a figure: cut if long, and without what Plotly takes for markup or for a template."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return escape(cut, quote=False).replace("%{", "%&#123;")


def labels(names: Sequence[str]) -> list[str]:
    """The names as labels of an axis: those that are equal after cutting stay whole."""
    cut = [label(name, 10) for name in names]
    return [short if cut.count(short) == 1 else label(name, 64) for short, name in zip(cut, names, strict=True)]


def axis(title: str = "", **more: Any) -> Json:
    """An axis with a light grid."""
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 13, "color": "@muted"}},
        "tickfont": {"size": 12},
        "gridcolor": "@grid",
        "linecolor": "@line",
        "zeroline": False,
        "automargin": True,
        "fixedrange": False,
        **more,
    }


def layout(**more: Any) -> Json:
    """A layout with room for the tool bar above the drawing; the page adds the fonts and the colours of its scheme."""
    return {"margin": {"l": 8, "r": 12, "t": 30, "b": 8}, "hovermode": "closest", "showlegend": False, **more}


def time_axis(run: Run, **more: Any) -> Json:
    """The whole run, in seconds."""
    return axis("seconds since the network was ready", range=[0, round(max(run.elapsed, 1.0), 3)], **more)


def stepped(style: Json) -> Json:
    """A style whose line goes in steps: a value stands until the next one."""
    return {**style, "line": {**style["line"], "shape": "hv"}}


def line(name: str, series: Series, most: int, digits: int = 4, **more: Any) -> Json:
    """A trace of a series, thinned to `most` points."""
    seconds, values = thinned(series, most)
    return {"type": "scatter", "mode": "lines", "name": name, "x": rounded(seconds, 3), "y": rounded(values, digits), **more}


def node_style(nodes: list[str], name: str, width: float = 2.0, crowd: str = "@crowd") -> Json:
    """A node's trace: its colour if nodes are few, a thin line of the colour `crowd` in a crowd."""
    few = len(nodes) <= FEW
    colour, drawn = (f"@node{nodes.index(name)}", width) if few else (crowd, 1.2)
    return {"line": {"color": colour, "width": drawn}, "meta": {"node": name, "width": width}}


def share(traces: int) -> int:
    """Points for each of so many traces."""
    return max(MOST_POINTS // max(traces, 1), 100)


def thinning_note(counts: list[int], most: int) -> tuple[str, ...]:
    """Says that points were left out, if any were; `counts` are those of each trace."""
    if max(counts, default=0) <= most:
        return ()
    text = f"Thinned out: of up to {max(counts):,} points a line, {most:,} are drawn, the least and the greatest of each stretch."
    return (text,)


def rounded(values: Numbers, digits: int) -> list[float | None]:
    """For JSON, which has no NaN."""
    return [None if value != value else value for value in values.round(digits).tolist()]
