"""The report's charts as files, for papers and slides: every chart of the page as PNG and SVG, drawn by matplotlib.

They show what the page shows without being moved: of the reputations the last moment, of a crowd of nodes faint lines.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dfl_actors.errors import StoreError
from dfl_actors.files import whole
from dfl_actors.report.journeys import PARTS, in_steps, journeys
from dfl_actors.report.load import Run
from dfl_actors.report.matrices import places, receipts, traffic
from dfl_actors.report.page.charts.chains import STEP_TEXTS
from dfl_actors.report.page.charts.cost import WORK_TEXTS, task_rows
from dfl_actors.report.page.charts.learning import layer_label, layers_shown
from dfl_actors.report.page.charts.palette import LIGHT, STEPS
from dfl_actors.report.page.charts.traffic import width_of
from dfl_actors.report.plots import COLOURS, CROWD, KEY, draw_accuracy, plain
from dfl_actors.report.series import Numbers, Series, heights, reputations, standings, weight_differences
from dfl_actors.report.summary import WORK, Figures, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
SHORT = 10
"""Characters of a node's name at an axis or in the graph."""

MOST_TEXTS = 12
"""Of more nodes than this a matrix shows no numbers in its cells."""

MOST_NAMES = 25
"""Of more nodes than this a matrix names only some."""


def write_plots(run: Run, directory: Path) -> list[Path]:
    """Write the charts of `run` into `directory`, which is made; a chart without data is left out. Raises StoreError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{directory} cannot be made ({error.strerror}): correct its permissions, or remove what is there") from error
    written = []
    for name, figure in draw_all(run).items():
        for ending in FORMATS:
            path = directory / f"{name}.{ending}"
            with whole(path) as draft, warnings.catch_warnings():
                # A sign that the font lacks becomes a box; that is no news for the terminal.
                warnings.filterwarnings("ignore", "Glyph .* missing")
                figure.savefig(draft, dpi=150, format=ending)
            written.append(path)
    return written


def draw_all(run: Run) -> dict[str, "Figure"]:
    """Every chart that has data, by the name that it has on the page."""
    cpu = summarise(run)["cpu"]
    drawers: dict[str, Callable[[], Figure | None]] = {
        "accuracy": lambda: draw_accuracy(run),
        "weight-difference": lambda: draw_weight_difference(run),
        "chains": lambda: draw_chains(run),
        "reputations": lambda: draw_reputations(run),
        "standing": lambda: draw_standing(run),
        "network": lambda: draw_network(run),
        "receipts": lambda: draw_receipts(run),
        "cpu-tasks": lambda: draw_cpu_by_task(cpu),
        "cpu-nodes": lambda: draw_cpu_by_node(cpu),
        "transactions": lambda: draw_transactions(run),
    }
    drawn = {name: draw() for name, draw in drawers.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _empty(title: str, width: float = 8, height: float = 4.8) -> tuple["Figure", "Axes"]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(plain(title))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


# --- over time


def draw_weight_difference(run: Run) -> "Figure | None":
    """Equation 5 over all layers, and by layer."""
    overall, layers = weight_differences(run)
    if not len(overall[0]):
        return None
    figure, axes = _empty(f"{run.name}: weight difference")
    axes.plot(*overall, color="black", linewidth=2.5, label="all layers")
    for place, name in enumerate(layers_shown(layers)):
        axes.plot(*layers[name], color=COLOURS[place % len(COLOURS)], linewidth=1.2, label=plain(layer_label(name, list(layers))))
    if np.any(overall[1] > 0):
        axes.set_yscale("log")
    _over_time(axes, run, "weight difference (equation 5)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
    return figure


def draw_chains(run: Run) -> "Figure | None":
    """Blocks of each chain."""
    return _by_node(run, heights(run), "blocks of each chain", "blocks")


def draw_standing(run: Run) -> "Figure | None":
    """The mean reputation of each node."""
    return _by_node(run, standings(run), "standing of each node", "mean reputation")


def _by_node(run: Run, series: Mapping[str, Series], title: str, what: str) -> "Figure | None":
    if not series:
        return None
    figure, axes = _empty(f"{run.name}: {title}")
    nodes = list(run.nodes)
    few = len(nodes) <= len(COLOURS)
    for name, (seconds, values) in series.items():
        look: dict[str, Any] = {"color": COLOURS[nodes.index(name)], "label": plain(name, 16)} if few else {"color": CROWD, "alpha": 0.6}
        axes.step(seconds, values, where="post", linewidth=1.6 if few else 0.8, **look)
    _over_time(axes, run, what)
    if few:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8, title="node")
    return figure


def _over_time(axes: "Axes", run: Run, what: str) -> None:
    axes.set_xlabel("seconds since the network was ready")
    axes.set_ylabel(what)
    axes.set_xlim(0, run.elapsed or 1)
    axes.grid(True, linewidth=0.5, alpha=0.5)


# --- matrices


def draw_reputations(run: Run) -> "Figure | None":
    """Who trusted whom at the end."""
    found = reputations(run, 2)
    if not len(found.seconds):
        return None
    return _matrix(run, found.values[-1], f"reputations after {found.seconds[-1]:.1f} s", ("who trusts", "whom"), "RdBu", 1.0)


def draw_receipts(run: Run) -> "Figure | None":
    """Receipts by witness and generator."""
    found = receipts(run)
    if not found.counts.any():
        return None
    counts = np.where(found.counts > 0, found.counts, np.nan)
    return _matrix(run, counts, "receipts", ("witness", "generator"), "Blues", float(found.counts.max()))


def _matrix(run: Run, values: Numbers, title: str, sides: tuple[str, str], colours: str, most: float) -> "Figure":
    figure, axes = _empty(f"{run.name}: {title}", 6.6, 6)
    image = axes.imshow(values, cmap=colours, vmin=0, vmax=most)
    names, step = [plain(name, SHORT) for name in run.nodes], -(-len(run.nodes) // MOST_NAMES)
    ticks = range(0, len(names), step)
    axes.set_xticks(ticks, names[::step], rotation=0 if max(map(len, names)) <= 3 else 45, fontsize=8)
    axes.set_yticks(ticks, names[::step], fontsize=8)
    axes.set_ylabel(sides[0])
    axes.set_xlabel(sides[1])
    axes.set_facecolor("#F0F2F4")
    if len(names) <= MOST_TEXTS:
        for (row, column), value in np.ndenumerate(values):
            if value == value:
                strong = value > 0.6 * most or (colours == "RdBu" and value < 0.25 * most)
                text = f"{value:.2f}" if most <= 1 else f"{value:.0f}"
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if strong else "black")
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


# --- the network


def draw_network(run: Run) -> "Figure | None":
    """The graph, its links as wide as their traffic."""
    if not run.nodes:
        return None
    links = traffic(run)
    where = places(run, links)
    figure, axes = _empty(f"{run.name}: link traffic", 6.6, 6.6)
    most = max((link.total for link in links), default=0)
    for link in links:
        (x, y), (u, v) = where[link.one], where[link.other]
        style = "-" if link.total else ":"
        axes.plot([x, u], [y, v], style, color=str(LIGHT["link"]), linewidth=width_of(link.total, most, len(links)), zorder=1)
    inside = all(len(name) <= 3 for name in where)
    for name, (x, y) in where.items():
        _draw_node(axes, run, name, x, y, inside)
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.margins(0.12 if inside else 0.25)
    return figure


def _draw_node(axes: "Axes", run: Run, name: str, x: float, y: float, inside: bool) -> None:
    nodes, few = list(run.nodes), len(run.nodes) <= len(COLOURS)
    colour = KEY if name not in run.nodes else COLOURS[nodes.index(name)] if few else CROWD
    axes.scatter([x], [y], s=380 if few else 160, color=colour, edgecolors="white", linewidths=1.5, zorder=2)
    look = {"ha": "center", "va": "center", "color": "white", "xytext": (0, 0)} if inside else _beside(x, y)
    axes.annotate(plain(name, SHORT), (x, y), textcoords="offset points", fontsize=9 if few else 6, zorder=3, **look)


def _beside(x: float, y: float) -> dict[str, Any]:
    """Where a node's name stands: on the side away from the middle."""
    if abs(x) > 0.35:
        return {"ha": "left" if x > 0 else "right", "va": "center", "xytext": (14 if x > 0 else -14, 0)}
    return {"ha": "center", "va": "bottom" if y > 0 else "top", "xytext": (0, 14 if y > 0 else -14)}


# --- bars


def draw_cpu_by_task(cpu: Figures) -> "Figure | None":
    """CPU seconds of all nodes by task."""
    if not cpu["network"]["total"]:
        return None
    rows = task_rows(cpu)
    return _bars("CPU by task", rows, {WORK_TEXTS[work]: str(LIGHT[work]) for work in WORK_TEXTS}, "CPU seconds", flat=True)


def draw_cpu_by_node(cpu: Figures) -> "Figure | None":
    """CPU seconds of each node by kind of work."""
    if not cpu["network"]["total"]:
        return None
    rows = {name: [its[work] for work in WORK] + [its["unattributed"]] for name, its in cpu["nodes"].items()}
    return _bars("CPU by node", rows, {WORK_TEXTS[work]: str(LIGHT[work]) for work in WORK_TEXTS}, "CPU seconds", flat=False)


def draw_transactions(run: Run) -> "Figure | None":
    """The slowest transactions, cut at their steps."""
    found = journeys(run)
    if not found.slowest:
        return None
    rows = {f"median of {found.count:,}": [found.typical[part] for part in PARTS]}
    rows |= {f"{way.generator[:SHORT]} · {way.tx[:8]}": [float(part) for part in in_steps(way)] for way in found.slowest}
    colours = {STEP_TEXTS[part]: colour for part, colour in zip(PARTS, STEPS, strict=True)}
    return _bars("The slowest transactions, by step", rows, colours, "milliseconds since trained", flat=True)


def _bars(title: str, rows: Mapping[str, list[float]], colours: Mapping[str, str], unit: str, flat: bool) -> "Figure":
    """Stacked bars: a bar for each row, a colour for each part."""
    figure, axes = _empty(title, 8 if flat else min(max(0.3 * len(rows) + 3, 6), 16), max(0.24 * len(rows) + 1.6, 3.2) if flat else 4.6)
    names = [plain(name, 24 if flat else SHORT) for name in rows]
    begun = np.zeros(len(rows))
    for place, (text, colour) in enumerate(colours.items()):
        sizes = np.array([row[place] for row in rows.values()])
        if sizes.any():
            look: dict[str, Any] = {"color": colour, "label": text, "edgecolor": "white", "linewidth": 0.5}
            axes.barh(range(len(rows)), sizes, left=begun, **look) if flat else axes.bar(range(len(rows)), sizes, bottom=begun, **look)
        begun += sizes
    if flat:
        axes.set_yticks(range(len(rows)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel(unit)
    else:
        axes.set_xticks(range(len(rows)), names, fontsize=8, rotation=0 if max(map(len, names)) <= 3 else 45)
        axes.set_ylabel(unit)
    axes.grid(True, axis="x" if flat else "y", linewidth=0.5, alpha=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
    return figure
