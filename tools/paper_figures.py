"""Figures 9, 10 and 11 of the paper, drawn from the runs that are there: in each place the accuracy above and the weight difference below.

Nodes and layers are means over a cell's runs, as in the paper; biases, which never travel here, are left out of the difference, as they are
there. All places of a figure have the same axes, and one legend stands above them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from paper_cells import CELLS, FIGURES, Cell
from paper_results import LAST, Floats, Result, share

from dfl_actors.files import whole
from dfl_actors.report.charts.palette import COLOURS, PICTURE
from dfl_actors.report.simulated import read_table

COLUMNS = {
    "iid": "IID",
    "dirichlet_1": "Dirichlet, alpha = 1",
    "dirichlet_0.1": "Dirichlet, alpha = 0.1",
    "two_labels": "two labels a node",
}
ROWS = {
    "half_fedavg": "HalfFedAvg",
    "reputation": "Reputation-0.05",
    "none": "nobody malicious",
    "random_data": "dataset poisoning",
    "random_model": "model poisoning",
}
PUBLISHED = "#E69F00"
MEAN = "#000000"
FAINT: dict[str, Any] = {"color": "#DDDDDD", "linewidth": 0.5}

WEIGHTS, BIAS = "/kernel", "/bias"
"""What Keras calls the two arrays of a layer."""

WIDTH, HEIGHT = 3.6, 3.3
"""Inches that one place takes."""

LEFT, RIGHT, TOP, BOTTOM = 0.95, 0.2, 1.15, 0.55
"""Inches around the places: the sides' names, and above them two rows of legend and the columns' titles."""


class Place(NamedTuple):
    """Where a cell stands in its figure: accuracy above, difference below."""

    cell: Cell
    above: Axes
    below: Axes


def draw_figures(results: Sequence[Result], out: Path) -> list[str]:
    """Write the PNG of each figure of which there is a run into `out`; returns their names. Raises `StoreError`."""
    found = {result.cell.name: result for result in results}
    names = [name for name in FIGURES if any(cell.name in found for cell in CELLS if cell.figure == name)]
    for name in names:
        with whole(out / f"{name}.png") as draft:
            draw_figure(name, found).savefig(draft, dpi=130, format="png")
    return [f"{name}.png" for name in names]


def draw_figure(name: str, results: Mapping[str, Result]) -> Figure:
    """One figure; `results` by the names of their cells, those that are missing leave their places empty."""
    rows = rows_of(name)
    figure = Figure(figsize=(WIDTH * len(rows[0]) + LEFT + RIGHT, HEIGHT * len(rows) + TOP + BOTTOM))
    FigureCanvasAgg(figure)
    places = [place for row in places_of(figure, rows) for place in row]
    there = [results[place.cell.name] for place in places if place.cell.name in results]
    for place in places:
        if (result := results.get(place.cell.name)) is None:
            place.above.text(0.5, 0.5, "no run", transform=place.above.transAxes, ha="center", va="center", color="#888888")
        else:
            draw_accuracy(place.above, result)
            draw_difference(place.below, result)
    same_axes(places, there)
    draw_legend(figure, there)
    return figure


def rows_of(name: str) -> list[list[Cell]]:
    """The cells of a figure as they stand in it: figure 9 has a row for each algorithm and attack, the others have one row."""
    cells = [cell for cell in CELLS if cell.figure == name]
    keys = list(dict.fromkeys(cell.row for cell in cells)) if name == "figure_9" else [""]
    return [[cell for cell in cells if not key or cell.row == key] for key in keys]


def places_of(figure: Figure, rows: Sequence[Sequence[Cell]]) -> list[list[Place]]:
    """The axes, with the titles around them."""
    width, height = figure.get_size_inches()
    grid = figure.add_gridspec(
        len(rows),
        len(rows[0]),
        left=LEFT / width,
        right=1 - RIGHT / width,
        top=1 - TOP / height,
        bottom=BOTTOM / height,
        wspace=0.1,
        hspace=0.1,
    )
    places = [[place_at(figure, grid[line, column], cell) for column, cell in enumerate(row)] for line, row in enumerate(rows)]
    for place in places[0]:
        place.above.set_title(title_of(place.cell), fontsize=12)
    for row in places:
        row[0].above.set_ylabel(f"{side_of(row[0].cell)}accuracy", fontsize=10)
        row[0].below.set_ylabel("weight difference", fontsize=10)
        for place in row[1:]:
            place.above.tick_params(labelleft=False)
            place.below.tick_params(labelleft=False)
    for place in places[-1]:
        place.below.set_xlabel("tick")
        place.below.tick_params(labelbottom=True)
    return places


def place_at(figure: Figure, spot: Any, cell: Cell) -> Place:
    parts = spot.subgridspec(2, 1, height_ratios=(3, 2), hspace=0.07)
    above, below = figure.add_subplot(parts[0]), figure.add_subplot(parts[1])
    for axes in (above, below):
        axes.grid(**FAINT)
        axes.tick_params(labelbottom=False, labelsize=9)
    below.set_yscale("log")
    return Place(cell, above, below)


def title_of(cell: Cell) -> str:
    """Of its column."""
    partition = COLUMNS[cell.partition]
    return partition if cell.figure == "figure_9" else f"update/train {cell.row.replace('-', ':')}, {partition}"


def side_of(cell: Cell) -> str:
    """Of its row; the only row of a figure needs no name."""
    return "".join(f"{ROWS[part]}\n" for part in cell.row.split("/")) if cell.figure == "figure_9" else ""


def draw_accuracy(axes: Axes, result: Result) -> None:
    """Every node, the honest ones' mean, and the published final accuracy over the measurements that it is the mean of."""
    nodes, runs = result.runs[0].nodes, result.runs
    means = np.mean([run.accuracies[: len(result.ticks)] for run in runs], axis=0)
    for number, node in enumerate(nodes):
        attacks = node in runs[0].attackers
        axes.plot(result.ticks, means[:, number], **line_of(attacks), zorder=3 if attacks else 2)
    axes.plot(result.ticks, result.curve, color=MEAN, linewidth=1.6, zorder=4)
    said = f"{share(result.mean)}" + (f", {len(runs)} runs" if len(runs) > 1 else "")
    axes.plot(result.ticks[-LAST:][[0, -1]], [result.cell.published] * 2, color=PUBLISHED, linewidth=4, zorder=5, solid_capstyle="butt")
    said += f"; published {share(result.cell.published)}"
    box = {"facecolor": "#FFFFFF", "edgecolor": "none", "alpha": 0.8, "pad": 2}
    axes.text(
        0.98,
        0.04 if result.mean > 0.5 else 0.96,
        said,
        transform=axes.transAxes,
        ha="right",
        va="bottom" if result.mean > 0.5 else "top",
        fontsize=9,
        bbox=box,
        zorder=6,
    )


def line_of(attacks: bool) -> dict[str, Any]:
    """How the curve of a node looks."""
    if attacks:
        return {"color": PICTURE["alarm"], "linewidth": 1, "linestyle": "--"}
    return {"color": PICTURE["crowd"], "linewidth": 0.6, "alpha": 0.45}


def draw_difference(axes: Axes, result: Result) -> None:
    """Equation 5, a line a layer."""
    ticks, values = differences(result)
    for number, line in enumerate(values.values()):
        axes.plot(ticks, line, color=COLOURS[number % len(COLOURS)], linewidth=1)


def differences(result: Result) -> tuple[Floats, dict[str, Floats]]:
    """The ticks, and the difference of each layer, a mean over the runs; a logarithmic scale has no place for zeros."""
    tables = [read_table(run.folder / "model_weight_diff.csv") for run in result.runs]
    length = min(len(table.get("tick", ())) for table in tables)
    layers = [column for column in tables[0] if column != "tick" and not column.endswith(BIAS)]
    means = {layer: np.mean([table[layer][:length] for table in tables], axis=0) for layer in layers}
    ticks = tables[0].get("tick", np.array([]))[:length]
    return ticks, {layer: np.where(line > 0, line, np.nan) for layer, line in means.items()}


def same_axes(places: Sequence[Place], results: Sequence[Result]) -> None:
    """The same limits everywhere: what can be compared at a glance should be."""
    last = max(float(result.ticks[-1]) for result in results)
    values = np.concatenate([[1.0], *(line for result in results for line in differences(result)[1].values())])
    for place in places:
        for axes in (place.above, place.below):
            axes.set_xlim(0, last)
            axes.xaxis.set_major_locator(MaxNLocator(4))
        place.above.set_ylim(0, 1)
        place.below.set_ylim(np.nanmin(values) / 2, np.nanmax(values) * 2)


def draw_legend(figure: Figure, results: Sequence[Result]) -> None:
    """What the lines are: a row for those of the accuracy, one for those of the difference."""
    accuracy = [
        Line2D([], [], **line_of(False), label="honest node"),
        Line2D([], [], color=MEAN, linewidth=1.6, label="mean of the honest"),
        Line2D([], [], color=PUBLISHED, linewidth=4, label="published, of the last 20 measurements"),
    ]
    if any(result.runs[0].attackers for result in results):
        accuracy.insert(1, Line2D([], [], **line_of(True), label="attacker"))
    layers = dict.fromkeys(layer for result in results for layer in differences(result)[1])
    difference = [
        Line2D([], [], color=COLOURS[number % len(COLOURS)], label=layer.removesuffix(WEIGHTS).rpartition("/")[2])
        for number, layer in enumerate(layers)
    ]
    height = figure.get_size_inches()[1]
    for inches, name, handles in ((0.05, "accuracy:", accuracy), (0.35, "weight difference:", difference)):
        handles.insert(0, Line2D([], [], linestyle="none", label=name))
        spot = (0.5, 1 - inches / height)
        figure.legend(handles=handles, loc="upper center", bbox_to_anchor=spot, ncols=len(handles), frameon=False, fontsize=10)
