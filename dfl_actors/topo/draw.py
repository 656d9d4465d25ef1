"""A topology as a picture: the graph with the role of each node, and beside it the data of each node by label.

Roles have a colour and a shape, so that the picture also serves without colour. Up to `MOST_BARS` nodes have a small bar chart each;
the data of more nodes is a table of shades, a row a node. The same topology gives the same bytes.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from dfl_actors.errors import ConfigError
from dfl_actors.topo.describe import Described, Description

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
MOST_BARS = 60
MOST_SPRINGS = 499
"""Beyond, networkx needs scipy for its spring layout, and a picture of so many nodes is a cloud anyway: they stand in a circle."""

POINTS = 250
"""About how many points a unit of the graph's axes has."""

INK = "#222222"
FAINT = "#8A8A8A"


class Look(NamedTuple):
    """How a kind of node is drawn. The shapes have about the same area at the same size."""

    colour: str
    marker: str


LOOKS: Mapping[str, Look] = {
    "normal": Look("#0072B2", "o"),
    "observer": Look("#009E73", "s"),
    "attacker": Look("#D55E00", "D"),
}
"""Okabe and Ito's colours: they can be told apart by the colour-blind."""

Positions = dict[str, npt.NDArray[np.float64]]


def plot_format(path: Path) -> str:
    """`png` or `svg`, from the name of the file. Raises ConfigError for another."""
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise ConfigError(f"--plot {path}: a plot is a PNG or an SVG; give a name that ends in .png or .svg")
    return ending


def plot_topology(description: Description, path: Path, kind: str) -> None:
    """Write the picture as `kind` (`png` or `svg`) to `path`. Raises OSError if it cannot be written."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "dfl-actors", "svg.fonttype": "none"}):
        draw_topology(description).savefig(path, dpi=150, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})


def draw_topology(description: Description) -> "Figure":
    """The picture: first axes the graph, second axes the data."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(description.nodes)
    side = 6.0 if count <= 12 else 8.5
    columns = 0 if count > MOST_BARS else math.ceil(count / rows_for(count))
    data_width = 4.5 if not columns else 1.5 * columns + 0.4
    figure = Figure(figsize=(side + data_width, side), layout="constrained")
    FigureCanvasAgg(figure)
    graph, data = figure.subplots(1, 2, width_ratios=[side, data_width])
    _draw_graph(graph, description)
    if columns:
        _draw_bars(data, description.nodes, columns)
    else:
        _draw_shades(data, description.nodes)
    figure.suptitle(f"{_plain(description.name)}: {summary(description)}", fontsize=11, color=INK)
    return figure


def rows_for(count: int) -> int:
    """Rows of small bar charts beside a graph: few nodes stand in one column, fifty in five."""
    return max(1, min(count, 5) if count <= 5 else math.ceil(count / max(2, round(count / 10))))


def summary(description: Description) -> str:
    """The figures of the graph in a line."""
    low, mean, high = description.degrees
    one_way = f" ({description.one_way} one way)" if description.one_way else ""
    degrees = f"{low} neighbours each" if low == high else f"{low} to {high} neighbours, {mean:.1f} on average"
    return (
        f"{len(description.nodes)} nodes, {description.links} links{one_way}, {degrees}, "
        f"diameter {description.diameter}, spectral gap {description.gap:.3g}"
    )


# ---- the graph


def _draw_graph(axes: "Axes", description: Description) -> None:
    places = positions(description)
    area = node_area(len(description.nodes))
    _draw_links(axes, description, places, area)
    for kind, label in description.kinds().items():
        look, names = LOOKS[kind], [node.name for node in description.nodes if node.kind == kind]
        spots = np.array([places[name] for name in names])
        size = area * (0.8 if look.marker == "D" else 0.9 if look.marker == "s" else 1.0)
        axes.scatter(
            spots[:, 0],
            spots[:, 1],
            s=size,
            c=look.colour,
            marker=look.marker,
            edgecolors="white",
            linewidths=1,
            label=_plain(label),
            zorder=2,
        )
    _name_nodes(axes, places, area)
    axes.set_xlim(-1.12, 1.12)
    axes.set_ylim(-1.12, 1.12)
    axes.axis("off")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3, frameon=False, fontsize=9, markerscale=min(1.0, (120 / area) ** 0.5)
    )


def _draw_links(axes: "Axes", description: Description, places: Positions, area: float) -> None:
    """A line for a link both ways, an arrow that ends before its node for one that leads one way."""
    from matplotlib.collections import LineCollection

    names = [(node.name, other) for node in description.nodes for other in node.neighbours if node.name < other]
    arrows = [(node.name, other) for node in description.nodes for other in node.receivers if other not in node.senders]
    led = {frozenset(arrow) for arrow in arrows}
    crowd = len(description.nodes)
    alpha = min(0.8, max(0.06, 150 / max(len(names), 1)))
    lines = [(places[one], places[other]) for one, other in names if frozenset((one, other)) not in led]
    axes.add_collection(LineCollection(lines, colors=FAINT, linewidths=1.2 if crowd <= 20 else 0.8, alpha=alpha, zorder=1))
    if arrows:
        starts = np.array([places[one] for one, _ in arrows])
        ways = np.array([places[other] for _, other in arrows]) - starts
        rim = 0.65 * math.sqrt(area) / POINTS
        ways *= 1 - rim / np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-9)
        thin = 0.003 if crowd <= 20 else 0.0015
        axes.quiver(*starts.T, *ways.T, angles="xy", scale_units="xy", scale=1, width=thin, headwidth=6, color=FAINT, alpha=alpha, zorder=1)


def node_area(count: int) -> float:
    """The area of a node, in square points."""
    return 620 if count <= 12 else max(18, 16000 / count)


def _name_nodes(axes: "Axes", places: Positions, area: float) -> None:
    """Names inside the nodes when they fit, above them when there are few, and none in a crowd."""
    from matplotlib.patheffects import withStroke

    inside = max(map(len, places)) <= (3 if area >= 200 else 2)
    if len(places) > 100:
        return
    size = 10 if len(places) <= 12 else 8 if len(places) <= 60 else 6
    colour, weight, effects = ("white", "bold", []) if inside else (INK, "normal", [withStroke(linewidth=3, foreground="white")])
    for name, (x, y) in places.items():
        offset = (0, 0) if inside else (0, math.sqrt(area) / 2 + 2)
        text = axes.annotate(_plain(name), (x, y), offset, "data", "offset points", ha="center", fontsize=size, color=colour, zorder=3)
        text.set(va="center" if inside else "bottom", fontweight=weight, path_effects=effects)


def positions(description: Description) -> Positions:
    """Where each node stands. A small or complete graph stands in a circle; the links of others pull them into place."""
    import networkx

    names = [node.name for node in description.nodes]
    count = len(names)
    if count <= 6 or description.diameter == 1 or count > MOST_SPRINGS:
        return _circle(names)
    graph = networkx.Graph()
    graph.add_nodes_from(names)
    graph.add_edges_from((node.name, other) for node in description.nodes for other in node.neighbours)
    circle = _circle(names)
    # Nodes with the same neighbours start at one place in a spectral layout, and nothing would part them.
    start = {name: place + 0.2 * circle[name] for name, place in networkx.spectral_layout(graph).items()}
    pulled = networkx.spring_layout(graph, pos=start, seed=1, iterations=300, k=1.6 / math.sqrt(count))
    return dict(zip(names, _spread(np.array([pulled[name] for name in names])), strict=True))


def _spread(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The places [n, 2] moved apart where nodes would cover each other, and stretched to -1..1 in both directions."""
    least = 1.5 * math.sqrt(node_area(len(places))) / POINTS
    for _ in range(60):
        places = _stretched(places)
        between = places[:, None] - places[None]
        distance = np.linalg.norm(between, axis=2) + np.eye(len(places))
        overlap = np.clip(least - distance, 0, None)
        if not overlap.any():
            break
        places = places + (between * (0.5 * overlap / np.maximum(distance, 1e-9))[:, :, None]).sum(axis=1)
    return _stretched(places)


def _stretched(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = places.min(axis=0), places.max(axis=0)
    # A line has no height to stretch.
    stretched: npt.NDArray[np.float64] = 2 * (places - (low + high) / 2) / np.where(high - low > 1e-3, high - low, 2)
    return stretched


def _circle(names: Sequence[str]) -> Positions:
    """The nodes clockwise from the top."""
    angles = np.pi / 2 - np.arange(len(names)) * 2 * np.pi / len(names)
    return {name: np.array([np.cos(angle), np.sin(angle)]) for name, angle in zip(names, angles, strict=True)}


# ---- the data


def _draw_bars(axes: "Axes", nodes: Sequence[Described], columns: int) -> None:
    """A bar chart a node, in columns from the top; all have the same scale."""
    from matplotlib.patches import Rectangle

    rows = math.ceil(len(nodes) / columns)
    labels = len(nodes[0].labels)
    # Data that is spread evenly should not look like full bars.
    top = max(2 / labels, *(max(node.labels) for node in nodes))
    width, height = 0.84, 0.62
    for number, node in enumerate(nodes):
        left, bottom = number // rows, -(number % rows) - 1
        look = LOOKS[node.kind]
        for label, share in enumerate(node.labels):
            axes.add_patch(
                Rectangle((left + label * width / labels, bottom), 0.8 * width / labels, share / top * height, color=look.colour, lw=0)
            )
        axes.plot([left, left + width], [bottom, bottom], color=FAINT, linewidth=0.8)
        axes.text(left, bottom + height + 0.03, _plain(node.name), fontsize=8, color=look.colour, va="bottom", fontweight="bold")
        if number % rows == rows - 1 or number == len(nodes) - 1:
            for label in range(0, labels, math.ceil(labels / 10)):
                axes.text(left + (label + 0.4) * width / labels, bottom - 0.04, str(label), fontsize=6, color=INK, ha="center", va="top")
    axes.set_xlim(-0.05, columns)
    axes.set_ylim(-rows - 0.25, 0.05)
    axes.axis("off")
    axes.set_title(f"data by label, up to {top:.0%}", fontsize=9, color=INK, loc="left")


def _draw_shades(axes: "Axes", nodes: Sequence[Described]) -> None:
    """A row a node, a column a label, the darker the larger the share."""
    table = np.array([node.labels for node in nodes])
    image = axes.imshow(table, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
    axes.set_xticks(range(0, table.shape[1], math.ceil(table.shape[1] / 10)))
    axes.set_xlabel("label")
    axes.set_ylabel("node")
    step = math.ceil(len(nodes) / 25)
    axes.set_yticks(range(0, len(nodes), step), [_plain(nodes[number].name) for number in range(0, len(nodes), step)], fontsize=7)
    axes.set_title("data by label", fontsize=9, color=INK, loc="left")
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    bar.ax.set_title("share", fontsize=8)


def _plain(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")
