"""The picture of a simulation, as the paper's figure 9 has them: accuracy above, weight difference below."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfl_actors.config import Config
from dfl_actors.report.plots import ALARM, COLOURS, CROWD, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_simulation(path: Path, config: Config, to: Path) -> None:
    """Write the picture of the simulation in `path` as a PNG to `to`. Raises OSError if it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    draw_accuracy(above, config, read_table(path / "accuracy.csv"))
    draw_difference(below, read_table(path / "model_weight_diff.csv"))
    above.set_title(plain(config.network.name, 60), loc="left", fontsize=11)
    figure.savefig(to, dpi=150, format="png")


def draw_accuracy(axes: "Axes", config: Config, rows: list[dict[str, float]]) -> None:
    """Every node's accuracy; attackers dashed; with more than ten nodes honest ones are one colour, and their mean is thick."""
    ticks = [row["tick"] for row in rows]
    honest = [node.name for node in config.nodes if node.attack is None]
    few = len(config.nodes) <= len(COLOURS)
    for number, node in enumerate(config.nodes):
        attacks = node.attack is not None
        colour = ALARM if attacks else COLOURS[number] if few else CROWD
        (line,) = axes.plot(ticks, [row[node.name] for row in rows], color=colour, linewidth=0.8, alpha=0.8 if few else 0.3)
        line.set_linestyle("--" if attacks else "-")
        if few:
            line.set_label(f"{plain(node.name, 16)}  {node.attack}" if attacks else plain(node.name, 16))
    if honest:
        axes.plot(
            ticks, [np.mean([row[name] for name in honest]) for row in rows], color="#000000", linewidth=2, label="mean of the honest"
        )
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1)
    axes.grid(color="#DDDDDD", linewidth=0.5)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)


def draw_difference(axes: "Axes", rows: list[dict[str, float]]) -> None:
    """Equation 5, a line a layer, on a logarithmic scale."""
    layers = [column for column in (rows[0] if rows else {}) if column != "tick"]
    for number, layer in enumerate(layers):
        values = [row[layer] or np.nan for row in rows]
        axes.plot([row["tick"] for row in rows], values, color=COLOURS[number % len(COLOURS)], linewidth=1, label=plain(layer, 24))
    axes.set_yscale("log")
    axes.set_xlabel("tick")
    axes.set_ylabel("weight difference")
    axes.grid(color="#DDDDDD", linewidth=0.5)
    if layers:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)


def read_table(path: Path) -> list[dict[str, float]]:
    """The rows of a table of numbers, none if it was not made."""
    return [{column: float(value) for column, value in row.items()} for row in read_rows(path)]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text, none if it was not made."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
