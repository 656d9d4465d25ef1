"""Heat maps: tables of accuracies in colours, one below the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dfl_actors.report.canvas import new_figure, plain
from dfl_actors.report.charts.palette import PICTURE, SCALES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, ROW = 0.68, 0.3  # Inches a column is wide, and a row high that has one line of text.
LEFT, HEAD, FOOT = 1.7, 0.5, 1.1  # Inches beside, above and below a table.
DARK = 0.45  # Of the colours from light to dark, where white text begins to be read better than black.


class Heat(msgspec.Struct, frozen=True):
    """A table: what is in each cell, None where nothing is known, and the text in it; the last `apart` columns stand off."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    apart: int = 0

    @property
    def height(self) -> float:
        """Of its rows, in inches."""
        lines = max((text.count("\n") + 1 for row in self.texts for text in row), default=1)
        return len(self.rows) * ROW * (1 + 0.5 * (lines - 1))


def draw_heats(heats: Sequence[Heat], title: str) -> "Figure":
    """All of them in the same colours, from the least value of all to 1."""
    low = min((value for heat in heats for row in heat.values for value in row if value is not None), default=0.0)
    heights = [heat.height + HEAD + FOOT for heat in heats]
    width = max(LEFT + COLUMN * len(heat.columns) for heat in heats) + 0.3
    figure, top = new_figure(width, sum(heights) + HEAD), sum(heights)
    figure.set_layout_engine("none")
    whole = sum(heights) + HEAD
    figure.suptitle(plain(title), y=1 - 0.25 / whole, fontsize=10)
    for heat, height in zip(heats, heights, strict=True):
        place = (LEFT / width, (top - HEAD - heat.height) / whole, COLUMN * len(heat.columns) / width, heat.height / whole)
        _draw(figure.add_axes(place), heat, min(low, 0.999))
        top -= height
    return figure


def _draw(axes: "Axes", heat: Heat, low: float) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    values = np.array([[np.nan if value is None else value for value in row] for row in heat.values], float)
    colours = LinearSegmentedColormap.from_list("accuracy", SCALES["light"]["scale"])
    axes.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=1, aspect="auto")
    axes.set_title(plain(heat.title), fontsize=9, loc="left")
    axes.set_xticks(range(len(heat.columns)), map(plain, heat.columns), rotation=40, ha="right", fontsize=7, rotation_mode="anchor")
    axes.set_yticks(range(len(heat.rows)), map(plain, heat.rows), fontsize=7)
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value > low + DARK * (1 - low) else PICTURE["ink"]
        axes.text(column, row, plain(heat.texts[row][column]), ha="center", va="center", fontsize=6.5, color=ink)
    if heat.apart:
        axes.axvline(len(heat.columns) - heat.apart - 0.5, color="white", linewidth=3)
