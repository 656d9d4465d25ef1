"""Graphs as pictures: of a run's network, and of a topology."""

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from dfl_actors.report.canvas import MARKERS, colour_of, ink_on, plain
from dfl_actors.report.charts.chart import Dot, Graph
from dfl_actors.report.graph_names import part_names
from dfl_actors.report.layout import POINTS, node_area
from dfl_actors.report.table import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOMY = ("circle", "square", "diamond")  # Signs that a name fits into.


def draw_graph(axes: "Axes", graph: Graph, scale: float = 1.0) -> None:
    """Nodes and links, with a legend of the nodes' groups."""
    area = node_area(len(graph.dots)) * scale**2
    _draw_edges(axes, graph, area)
    groups: dict[tuple[str, str, str, bool], list[Dot]] = defaultdict(list)
    for dot in graph.dots:
        groups[dot.colour, dot.symbol if dot.symbol in ROOMY or not _inside(graph, area) else "circle", dot.group, dot.hollow].append(dot)
    for (token, symbol, group, hollow), dots in groups.items():
        x, y = zip(*(graph.places[dot.name] for dot in dots), strict=True)
        # The symbols have about the same area at the same size.
        size = area * {"diamond": 0.8, "square": 0.9}.get(symbol, 1.0)
        inner, edge = ("white", colour_of(token)) if hollow else (colour_of(token), "white")
        spots = axes.scatter(x, y, s=size, c=inner, marker=MARKERS[symbol], edgecolors=edge, linewidths=2 if hollow else 1, zorder=2)
        spots.set_label(plain(group) or "_")
    frame(axes, graph, 0.12 if _draw_names(axes, graph, area) else 0.25)
    axes.axis("off")


def frame(axes: "Axes", graph: Graph, beyond: float) -> None:
    """Show all nodes, and so much of their space around them."""
    points = np.abs(np.array(list(graph.places.values())))
    for axis, reach in zip(("x", "y"), points.max(axis=0) + beyond, strict=True):
        axes.set(**{f"{axis}lim": (-reach, reach)})


def spread(axes: "Axes", graph: Graph, scale: float = 1.0) -> None:
    """Move names that stand beside their nodes apart, once the picture has its size."""
    area = node_area(len(graph.dots)) * scale**2
    if not _inside(graph, area):
        part_names(axes, math.sqrt(area) / 2)


def _draw_edges(axes: "Axes", graph: Graph, area: float) -> None:
    """A line for a link both ways, an arrow that ends before its node for one that leads one way."""
    from matplotlib.collections import LineCollection

    alpha, colour = min(0.8, max(0.06, 150 / max(len(graph.edges), 1))), colour_of("@link")
    for busy in (True, False):
        edges = [edge for edge in graph.edges if edge.busy == busy and not edge.arrow]
        if edges:
            look = {"colors": colour, "linewidths": [edge.width for edge in edges], "linestyles": "-" if busy else ":"}
            axes.add_collection(LineCollection([graph.path(edge) for edge in edges], alpha=alpha, zorder=1, **look))
    _draw_arrows(axes, graph, area, alpha)


def _draw_arrows(axes: "Axes", graph: Graph, area: float, alpha: float) -> None:
    from matplotlib.patches import FancyArrowPatch

    arrows, colour = [edge for edge in graph.edges if edge.arrow and edge.via is None], colour_of("@link")
    if arrows:
        starts = np.array([graph.places[edge.one] for edge in arrows])
        ways = np.array([graph.places[edge.other] for edge in arrows]) - starts
        rim = 0.65 * math.sqrt(area) / POINTS
        ways *= 1 - rim / np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-9)
        quiver = axes.quiver(*starts.T, *ways.T, angles="xy", scale_units="xy", scale=1, headwidth=6, color=colour, alpha=alpha, zorder=1)
        quiver.width = 0.003 if len(graph.dots) <= 20 else 0.0015
    for edge in graph.edges:
        if edge.arrow and edge.via is not None:
            (x, y), (to_x, to_y) = graph.places[edge.one], graph.places[edge.other]
            beside = (edge.via[0] - (x + to_x) / 2) * (to_y - y) - (edge.via[1] - (y + to_y) / 2) * (to_x - x)
            bend = f"arc3,rad={beside / max((to_x - x) ** 2 + (to_y - y) ** 2, 1e-9):.4f}"
            arrow = FancyArrowPatch((x, y), (to_x, to_y), connectionstyle=bend, arrowstyle="-|>", shrinkA=0, shrinkB=0.6 * math.sqrt(area))
            arrow.set(color=colour, alpha=alpha, zorder=1, linewidth=edge.width, mutation_scale=12)
            axes.add_patch(arrow)


def _inside(graph: Graph, area: float) -> bool:
    """Whether all names fit into the nodes' signs."""
    return max(len(dot.name) for dot in graph.dots) <= (3 if area >= 200 else 2 if area >= 160 else area >= 100)


def _draw_names(axes: "Axes", graph: Graph, area: float) -> bool:
    """Names inside the nodes when they fit, above them when there are few, and none in a crowd. Whether they are inside."""
    from matplotlib.colors import to_rgb
    from matplotlib.patheffects import withStroke

    inside, count = _inside(graph, area), len(graph.dots)
    short = dict(zip(graph.places, short_names(list(graph.places)), strict=True))
    colours = {dot.name: colour_of(dot.colour) for dot in graph.dots}
    inks = {dot.name: colours[dot.name] if dot.hollow else ink_on(to_rgb(colours[dot.name])) for dot in graph.dots}
    for name, (x, y) in graph.places.items() if count <= 100 else ():
        offset = (0, 0) if inside else (0, math.sqrt(area) / 2 + 2)
        text = axes.annotate(plain(short[name]), (x, y), offset, "data", "offset points", ha="center", zorder=3)
        text.set(fontsize=10 if count <= 12 else 8 if count <= 60 else 6, va="center" if inside else "bottom")
        if inside:
            text.set(color=inks[name], fontweight="bold")
        else:
            text.set(color=colour_of("@ink"), path_effects=[withStroke(linewidth=3, foreground="white")])
    return inside
