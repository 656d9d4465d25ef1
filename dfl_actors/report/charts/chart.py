"""What a chart is, described once: the page draws the description with Plotly (`page/plotly.py`), the files with matplotlib
(`pictures.py`).

Colours are names such as "@ink", which stand for a colour in each palette (`palette.py`). Texts are as their authors wrote them; each
renderer escapes them in its own way. `node` says whose a line, a row or a dot is, for the page lets its readers choose nodes.
"""

import sys
from collections.abc import Sequence

import msgspec

from dfl_actors.report.layout import Point, Points, Positions, path
from dfl_actors.report.series import Mark, Numbers, Series

FEW = 10  # Up to so many nodes have a colour and a symbol of their own; more are shown as a crowd in which the chosen ones stand out.
WHOLE = (-0.02, 1.03)  # The ends of an axis from 0 to 1, with room for a line at either.
MOST_TEXTS = 12  # Matrices of more nodes show no numbers in their cells.
LETTERS = (5, 24), (FEW, 14), (sys.maxsize, 10)  # Of names on an axis, where there are at most so many.
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "triangle-left", "triangle-right", "star")

MARK_STYLES = {
    "fault": ("injected fault", "diamond", "@alarm", "solid"),
    "event": ("event", "triangle-down", "@muted", "dash"),
    "restart": ("restart", "x", "@alarm", "dot"),
    "resume": ("resumed", "triangle-right", "@muted", "dashdot"),
}
"""Name, symbol, colour and dashes of what disturbs a network."""


class Look(msgspec.Struct, frozen=True):
    """How a node is drawn. `said` is what it is, empty of a normal one; `symbol` is one of `SYMBOLS`."""

    colour: str
    symbol: str
    attacks: bool
    hollow: bool
    said: str

    @property
    def dash(self) -> str:
        """The dashes of its lines."""
        return "dash" if self.attacks else "solid"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A curve. `label` stands in the legend of a picture where that is not the name; `thin` lines are one of a crowd and have no legend.

    `stepped`: a value stands until the next one; `symbol` is one of `SYMBOLS`, a `hollow` one is not filled; `dash` is solid, dot, dash or
    dashdot.
    """

    name: str
    series: Series
    colour: str
    width: float = 2.0
    node: str | None = None
    label: str = ""
    dash: str = "solid"
    symbol: str = ""
    symbol_size: float = 7
    hollow: bool = False
    stepped: bool = False
    thin: bool = False


class Band(msgspec.Struct, frozen=True):
    """What lies between two curves over the same seconds."""

    colour: str
    seconds: Numbers
    low: Numbers
    high: Numbers
    label: str = ""


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """Curves over one axis. `value` is Plotly's template for a value, `of` the text behind a curve's name.

    `reach` are the ends of the axis, `whole` those that readers of the page may ask for instead; `counts`: whole numbers from 0; `share` is
    its part of the height.
    """

    title: str
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    value: str = "%{y:.3f}"
    of: str = ""
    reach: tuple[float, float] | None = None
    whole: tuple[float, float] | None = None
    log: bool = False
    counts: bool = False
    share: float = 1.0


class OverTime(msgspec.Struct, frozen=True, kw_only=True):
    """Panels above one another over the same time, which ends at `end`; `marks` and `targets` are lines across the first."""

    panels: Sequence[Panel]
    end: float
    marks: Sequence[Mark] = ()
    targets: Sequence[float] = ()
    unit: str = "seconds since the network was ready"


class Part(msgspec.Struct, frozen=True):
    """The part of each bar that has one colour."""

    name: str
    colour: str
    values: list[float]


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """A stacked bar a row, lying if `flat`. `nodes` says whose each row is, `looks` how its name is drawn; with `cut`, those of nodes that
    are not chosen are left out.

    `hover` is Plotly's template; `details` are texts for it, one a row, and with them a row of nobody stands out.
    """

    names: list[str]
    nodes: list[str | None]
    looks: Sequence[Look | None] = ()
    parts: Sequence[Part]
    unit: str
    hover: str
    side: str = ""
    flat: bool = True
    cut: bool = True
    details: list[str] = []


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """Values in 0..`most` of every node and every other [frames, N, N], NaN where there is none; `moments` names the frames, or `choices`
    where readers choose one instead of going through time. The last is shown first.

    `labels` are the nodes on the axes, `nodes` who they are here, `looks` how their names are drawn; `hover` is Plotly's template;
    `details` are texts for it, one a cell; `decimals` are those of the numbers in cells. `below` stands below it in files, where nobody
    can point at a cell.
    """

    nodes: Sequence[str | None]
    labels: list[str]
    looks: Sequence[Look | None] = ()
    frames: Numbers
    moments: tuple[str, ...]
    sides: tuple[str, str]
    colours: str
    most: float
    hover: str
    decimals: int
    details: list[list[str]] = []
    choices: tuple[str, ...] = ()
    below: Bars | None = None


class Edge(msgspec.Struct, frozen=True):
    """A link. `busy` ones are drawn through, others dotted; `arrow`: it leads from `one` to `other` only; `via`: towards where it is bent
    (`layout.bends`); `colour`, if not a link's own."""

    one: str
    other: str
    width: float
    busy: bool = True
    text: str = ""
    arrow: bool = False
    via: Point | None = None
    colour: str = ""


class Dot(msgspec.Struct, frozen=True):
    """A node of the graph; `text` describes it, `group` its entry in a picture's legend. `hollow`: its sign is not filled."""

    name: str
    colour: str
    symbol: str
    text: str = ""
    node: str | None = None
    group: str = ""
    hollow: bool = False


class Graph(msgspec.Struct, frozen=True):
    """Nodes at their places in -1..1, and the links between them."""

    places: Positions
    edges: Sequence[Edge]
    dots: Sequence[Dot]

    def path(self, edge: Edge) -> Points:
        """The points through which a link is drawn [n, 2]."""
        return path(self.places[edge.one], self.places[edge.other], edge.via)

    @property
    def names_inside(self) -> bool:
        """Whether names are short enough to stand in the nodes' signs."""
        return all(len(dot.name) <= 3 for dot in self.dots)


Figure = OverTime | Bars | Matrix | Graph


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart of the report: what it shows (`about`), from which events, and its figure; without one, `missing` says why.

    `height` is in pixels, 0 for as high as wide; `keyed` charts use the nodes' colours. Readers of the page may choose one of the `modes`
    instead of the figure, which is called `mode`.
    """

    id: str
    title: str
    about: str
    source: str
    figure: Figure | None = None
    missing: str = "Nothing of this was recorded in this run."
    height: int = 380
    wide: bool = False
    keyed: bool = False
    notes: tuple[str, ...] = ()
    mode: str = ""
    modes: dict[str, Figure] = {}


def cut(text: str, most: int = 16) -> str:
    """A name with its end left out where it is too long."""
    return text if len(text) <= most else text[: most - 1] + "…"


def short_names(names: Sequence[str]) -> list[str]:
    """The names as labels of an axis, of few as long as there is room; those that are equal after cutting stay whole."""
    short = [cut(name, next(most for count, most in LETTERS if len(names) <= count)) for name in names]
    return [one if short.count(one) == 1 else cut(name, 64) for one, name in zip(short, names, strict=True)]
