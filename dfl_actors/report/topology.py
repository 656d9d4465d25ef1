"""A topology shown: the figures of its graph and a row a node in the terminal, and a picture.

The picture has the graph with the role of each node, and beside it the data of each node by label. Roles have a colour and a symbol, so
that it also serves without colour. Up to `MOST_BARS` nodes have a small bar chart each; the data of more is a table of shades.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from dfl_actors.config.toml_text import counted, listed
from dfl_actors.learning.form import numbered
from dfl_actors.report.canvas import colour_of, new_figure, plain
from dfl_actors.report.charts.chart import Dot, Edge, Graph, cut
from dfl_actors.report.graph_picture import draw_graph, spread
from dfl_actors.report.kinds import kind_text
from dfl_actors.report.layout import bends, positions
from dfl_actors.report.paper import Draw, finished, inches, panels_of, within
from dfl_actors.report.roles import ALARM
from dfl_actors.report.table import short_names
from dfl_actors.topo.describe import Described, Description

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = {"normal": "", "observer": "green", "attacker": "red"}  # Of a row in the terminal, by kind of node.

LOOKS = {"normal": ("@node0", "circle"), "observer": ("@node2", "square"), "attacker": (ALARM, "diamond")}
"""Colour and symbol in the picture, by kind of node: attackers are red, as on every screen, and observers hollow."""

MOST_NAMES = 8
MOST_TEXT = 40  # Characters in a row of labels.
MOST_BARS = 60
ROW, HIGHEST = 0.6, 8.4  # Inches of a paper that a row of small bar charts takes, and all of them at most: beyond it they are shades.
CHART, CHART_WIDTHS = 0.84, (1.1, 1.7)  # Of its place that a small bar chart takes; inches of a paper for one with a short and a long name.
BOLD = 0.9  # How wide usual letters are that take as much as bold ones.


# --- in the terminal


def render(description: Description, console: Console) -> None:
    """Print it. Nothing is cut but long names, in their middle: lines that do not fit go on in the next, and columns in a table below."""
    console.print(Text(headline(description), style="bold"))
    console.print(figures(description))
    console.print()
    console.print(Text(f"rate in samples a second; data by label in percent{legend(description.labels)}", style="dim"))
    for number, table in enumerate(nodes_tables(description, console)):
        if number:
            console.print()
        console.print(table)


def headline(description: Description) -> str:
    """Name, nodes by kind, links, data."""
    special = "; ".join(words for kind, words in description.kinds().items() if kind != "normal")
    nodes = f"{len(description.nodes)} nodes{f' ({special})' if special else ''}"
    return f"{description.name}: {nodes}, {_links(description)}, {description.source}, partition {description.partition}"


def _links(description: Description) -> str:
    return f"{counted(description.links, 'link')}{f' ({description.one_way} one way)' if description.one_way else ''}"


def figures(description: Description) -> RenderableType:
    """The figures of the graph, each with what it means."""
    rows = {"neighbours": _range(description.degrees)}
    if description.one_way:
        rows |= {"sends to": _range(description.out_degrees), "hears": _range(description.in_degrees)}
    rows |= {
        "distance": f"at most {description.diameter} (the diameter), {description.distance:.2f} on average",
        "spectral gap": f"{description.gap:.4g}: a tenth of the differences is left after {_rounds(description.rounds)}",
    }
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in rows.items():
        table.add_row(Text(name), Text(value))
    return table


def _range(degrees: tuple[int, float, int]) -> str:
    low, mean, high = degrees
    return f"{low} to {high}, {mean:.2f} on average" if low != high else f"{low} each"


def _rounds(rounds: float) -> str:
    return "one round" if rounds <= 1 else f"about {rounds:.{0 if rounds >= 10 else 1}f} rounds"


def nodes_tables(description: Description, console: Console) -> list[Table]:
    """A row a node, in one table where that fits, else links and data each by itself, of the data so many labels as fit."""
    every, whole = range(len(description.labels)), [node.name for node in description.nodes]
    short = short_names(whole)
    for names in (whole, short):
        table = _table(description, names, links=True, labels=every)
        if _least(table, console) <= console.width:
            return [table]
    beside = _least(_table(description, short), console)
    each = max(1, *(_least(_table(description, short, labels=[label]), console) - beside for label in every))
    count = max((console.width - beside) // each, 1)
    data = [_table(description, short, labels=every[start : start + count]) for start in range(0, len(every), count)]
    return [_table(description, short, links=True), *data]


def _least(table: Table, console: Console) -> int:
    """Columns that a table takes in which nothing is cut."""
    return console.measure(table, options=console.options.update(width=10_000)).minimum


def _table(description: Description, names: Sequence[str], *, links: bool = False, labels: Sequence[int] = ()) -> Table:
    """A row a node, by these names. With one-way links it counts those out and in, and an arrow tells which way a link to a neighbour
    leads."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("node", no_wrap=True)
    if links:
        table.add_column("kind", no_wrap=True)
        for count in ("out", "in") if description.one_way else ("links",):
            table.add_column(count, justify="right", no_wrap=True)
        table.add_column("neighbours", min_width=12, overflow="fold")
        table.add_column("rate", justify="right", no_wrap=True)
    heads = headings(description.labels)
    for label in labels:
        table.add_column(Text(heads[label]), justify="right", min_width=3, no_wrap=True)
    short = {node.name: name for node, name in zip(description.nodes, names, strict=True)}
    for node in description.nodes:
        cells = [short[node.name], *(_linked(node, short, bool(description.one_way)) if links else ())]
        table.add_row(*map(Text, [*cells, *(_percent(node.labels[label]) for label in labels)]), style=STYLES[node.kind])
    return table


def _linked(node: Described, short: Mapping[str, str], one_way: bool) -> list[str]:
    """What it is, counts of links, neighbours and rate."""
    counts = [node.receivers, node.senders] if one_way else [node.neighbours]
    return [
        kind_text(node.role, node.attack),
        *(str(len(others)) for others in counts),
        _names(node, short),
        f"{node.rate:g}" if node.rate else "max",
    ]


def headings(labels: Sequence[str]) -> Sequence[str]:
    """The labels' names where they fit into so many characters in a row, else their numbers."""
    return labels if sum(max(3, len(label)) + 1 for label in labels) <= MOST_TEXT else numbered(len(labels))


def legend(labels: Sequence[str]) -> str:
    """What the numbers mean where `headings` gives those instead of names."""
    if headings(labels) == labels or tuple(labels) == numbered(len(labels)):
        return ""
    return f": {listed([f'{number} {label}' for number, label in enumerate(labels)])}"


def _names(node: Described, short: Mapping[str, str]) -> str:
    names = [_way(node, other) + short.get(other, other) for other in node.neighbours]
    more = len(names) - MOST_NAMES
    return " ".join(names) if more <= 1 else f"{' '.join(names[:MOST_NAMES])} and {more} more"


def _way(node: Described, other: str) -> str:
    """`->` to one that only hears, `<-` from one that is only heard."""
    return "<-" if other not in node.receivers else "->" if other not in node.senders else ""


def _percent(share: float) -> str:
    return "." if not share else f"{100 * share:.0f}"


# --- as a picture


def draw_topology(description: Description) -> "Figure":
    """The picture: first axes the graph, second axes the data."""
    count = len(description.nodes)
    side = 6.0 if count <= 12 else 8.5
    groups = alike(description)
    columns = 0 if len(groups) > MOST_BARS else math.ceil(len(groups) / rows_for(len(groups)))
    width = 4.5 if not columns else 3.4 if columns == 1 and len(groups) < count else 1.5 * columns + 0.4
    figure = new_figure(side + width, side)
    axes, data = figure.subplots(1, 2, width_ratios=[side, width])
    graph = graph_of(description)
    draw_graph(axes, graph)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3, frameon=False, fontsize=9, markerscale=0.5 if count <= 12 else 0.7)
    if columns:
        _draw_bars(data, description, groups, columns, least=3)
    else:
        _draw_shades(data, description)
    figure.suptitle(f"{plain(description.name)}: {summary(description)}", fontsize=11)
    spread(axes, graph)
    return figure


def paper_panels(description: Description) -> dict[str, Draw]:
    """The graph and the data for a paper, each by itself."""
    return {"graph": panels_of(graph_of(description))[""], "data": partial(_data_panel, description)}


def _data_panel(description: Description, width: float) -> "Figure":
    groups = alike(description)
    wanted = min(max(inches(group.title for group in groups) / BOLD / CHART, CHART_WIDTHS[0]), CHART_WIDTHS[1])
    count, columns = len(groups), max(min(int(width / wanted), len(groups)), 1)
    rows = math.ceil(count / columns)
    bars = count <= MOST_BARS and ROW * rows <= HIGHEST
    height = ROW * rows + 0.2 if bars else 3.0
    figure = new_figure(width, height)
    axes = figure.subplots()
    if bars:
        room = width / math.ceil(count / rows)
        _draw_bars(axes, description, groups, math.ceil(count / rows), room=room)
        figure.supxlabel(axes.get_title(loc="left"), x=0.01, ha="left")
    else:
        _draw_shades(axes, description)
    return finished(figure, width, height, "share", hatched=False)


def rows_for(count: int) -> int:
    """Rows of small bar charts beside a graph: few nodes stand in one column, fifty in five."""
    return max(1, min(count, 5) if count <= 5 else math.ceil(count / max(2, round(count / 10))))


def summary(description: Description) -> str:
    """The figures of the graph in a line."""
    low, mean, high = description.degrees
    degrees = f"{counted(low, 'neighbour')} each" if low == high else f"{low} to {high} neighbours, {mean:.1f} on average"
    end = f"diameter {description.diameter}, spectral gap {description.gap:.3g}"
    return f"{len(description.nodes)} nodes, {_links(description)}, {degrees}, {end}"


def graph_of(description: Description) -> Graph:
    """The graph, its nodes by kind. Of a link that leads one way the sender comes first."""
    width = 1.2 if len(description.nodes) <= 20 else 0.8
    pairs = [(node, other) for node in description.nodes for other in node.neighbours]
    both = [(node.name, other) for node, other in pairs if node.name < other and not _way(node, other)]
    arrows = [(node.name, other) for node, other in pairs if _way(node, other) == "->"]
    kinds = description.kinds()
    order = sorted(description.nodes, key=lambda node: list(kinds).index(node.kind))
    dots = [Dot(node.name, *LOOKS[node.kind], group=kinds[node.kind], hollow=node.kind == "observer") for node in order]
    places = positions([node.name for node in description.nodes], [*both, *arrows])
    bent = bends(places, [*both, *arrows])
    edges = [Edge(*pair, width, arrow=arrow, via=bent.get(pair)) for arrow, some in ((False, both), (True, arrows)) for pair in some]
    return Graph(places, edges, dots)


class _Alike(NamedTuple):
    """Nodes that have the same data, and of which kind they are."""

    nodes: list[Described]
    all_of_them: bool

    @property
    def title(self) -> str:
        names = [node.name for node in self.nodes]
        if self.all_of_them:
            return f"all {len(names)} nodes alike"
        return cut(names[0], 20) if len(names) == 1 else f"{len(names)} nodes alike: {cut(listed(names), 24)}"

    @property
    def colour(self) -> str:
        kinds = {node.kind for node in self.nodes}
        return colour_of(LOOKS[kinds.pop()][0] if len(kinds) == 1 else "@ink")


def alike(description: Description) -> list[_Alike]:
    """The nodes by their data, those together whose shares nobody could tell apart in a chart."""
    groups: dict[tuple[int, ...], list[Described]] = {}
    for node in description.nodes:
        groups.setdefault(tuple(round(200 * share) for share in node.labels), []).append(node)
    return [_Alike(nodes, 1 < len(nodes) == len(description.nodes)) for nodes in groups.values()]


def _draw_bars(
    axes: "Axes", description: Description, groups: Sequence[_Alike], columns: int, least: int = 1, room: float | None = None
) -> None:
    """A bar chart for each data, in columns from the top, with room for at least so many rows; all have the same scale. For a paper a chart
    has `room` inches for letters of its size."""
    names = headings(description.labels)
    rows, labels = math.ceil(len(groups) / columns), len(description.labels)
    # Data that is spread evenly should not look like full bars.
    top = max(2 / labels, *(max(node.labels) for node in description.nodes))
    width, height = CHART, 0.62
    starts = np.arange(labels) * width / labels
    titles, step = [group.title for group in groups], math.ceil(labels / 10)
    if room is not None:
        titles = [within([title], BOLD * width * room)[0] for title in titles]
        step = max(step, math.ceil((inches(names) + 0.05) * labels / (width * room)))
    for number, group in enumerate(groups):
        left, bottom = number // rows, -(number % rows) - 1
        heights = np.array(group.nodes[0].labels) / top * height
        axes.bar(left + starts, heights, 0.8 * width / labels, bottom, align="edge", color=group.colour, linewidth=0)
        axes.plot([left, left + width], [bottom, bottom], color=colour_of("@muted"), linewidth=0.8)
        axes.text(left, bottom + height + 0.03, plain(titles[number]), fontsize=8, color=group.colour, va="bottom", fontweight="bold")
        if number % rows == rows - 1 or number == len(groups) - 1:
            for label in range(0, labels, step):
                axes.text(left + (label + 0.4) * width / labels, bottom - 0.04, plain(names[label]), fontsize=6, ha="center", va="top")
    axes.set(xlim=(-0.05, columns), ylim=(-max(rows, least) - 0.25, 0.05))
    axes.axis("off")
    axes.set_title(f"data by label, up to {top:.0%}{plain(legend(description.labels))}", fontsize=9, loc="left", wrap=True)


def _draw_shades(axes: "Axes", description: Description) -> None:
    """A row a node, a column a label, the darker the larger the share."""
    nodes = description.nodes
    table = np.array([node.labels for node in nodes])
    image = axes.imshow(table, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
    ticks = range(0, table.shape[1], math.ceil(table.shape[1] / 10))
    axes.set_xticks(ticks, [plain(cut(description.labels[label], 12)) for label in ticks])
    if max(map(len, description.labels)) > 3:
        axes.tick_params(axis="x", labelrotation=45)
    axes.set_xlabel("label")
    axes.set_ylabel("node")
    step = math.ceil(len(nodes) / 25)
    axes.set_yticks(range(0, len(nodes), step), [plain(nodes[number].name) for number in range(0, len(nodes), step)], fontsize=7)
    axes.set_title("data by label", fontsize=9, loc="left")
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    bar.ax.set_title("share", fontsize=8)
