"""Heat maps: tables of accuracies in colours, one below the other."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dfl_actors.report.canvas import ink_on, new_figure, plain
from dfl_actors.report.charts.palette import SCALES
from dfl_actors.report.paper import POINTS, inches

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, ROW = 0.68, 0.3  # Inches a column is wide at least, and a row high that has one line of text.
MARGIN = 0.06  # Inches between what stands in a cell and its edges, on either side.
LETTERS = 6.5  # Points, in cells.
LEFT, HEAD, FOOT = 1.7, 0.5, 1.1  # Inches beside, above and below a table.


class Heat(msgspec.Struct, frozen=True):
    """A table: what is in each cell, None where nothing is known, and where there are `names` the one to say with it; the last `apart`
    columns stand off."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    names: tuple[tuple[str, ...], ...] = ()
    apart: int = 0

    def numbers(self, text: Callable[[float], str] = "{:.3f}".format) -> list[list[str]]:
        """The values as text, empty where nothing is known."""
        return [["" if value is None else text(value) for value in row] for row in self.values]

    @property
    def height(self) -> float:
        """Of its rows, in inches."""
        return len(self.rows) * ROW * (1.5 if self.names else 1)

    @property
    def least(self) -> float:
        """The least value; 0 where nothing is known."""
        return min((value for row in self.values for value in row if value is not None), default=0.0)


def draw_heats(heats: Sequence[Heat], title: str) -> "Figure":
    """All of them in the same colours, from the least value of all to 1."""
    low = lowest(heats)
    heights = [heat.height + HEAD + FOOT for heat in heats]
    columns = [max(COLUMN, _widest(heat)) for heat in heats]
    width = max(LEFT + column * len(heat.columns) for heat, column in zip(heats, columns, strict=True)) + 0.3
    figure, top = new_figure(width, sum(heights) + HEAD), sum(heights)
    figure.set_layout_engine("none")
    whole = sum(heights) + HEAD
    figure.suptitle(plain(title), y=1 - 0.25 / whole, fontsize=10)
    for heat, height, column in zip(heats, heights, columns, strict=True):
        place = (LEFT / width, (top - HEAD - heat.height) / whole, column * len(heat.columns) / width, heat.height / whole)
        axes = figure.add_axes(place)
        shade(axes, heat, joined(heat.numbers(), heat.names), low, fontsize=LETTERS)
        axes.set_title(plain(heat.title), fontsize=9, loc="left")
        axes.set_xticks(range(len(heat.columns)), map(plain, heat.columns), rotation=40, ha="right", fontsize=7, rotation_mode="anchor")
        axes.set_yticks(range(len(heat.rows)), map(plain, heat.rows), fontsize=7)
        top -= height
    return figure


def _widest(heat: Heat) -> float:
    """Inches that a column wants for the names in its cells; small letters on a screen are a little wider."""
    return inches(name for row in heat.names for name in row) * LETTERS / POINTS + 3 * MARGIN


def joined(numbers: Sequence[Sequence[str]], names: Sequence[Sequence[str]], between: str = "\n") -> list[list[str]]:
    """What stands in the cells: each number, and the name to say with it, where there is one."""
    pairs = [zip(*row, strict=True) for row in zip(numbers, names or numbers, strict=True)]
    return [[f"{number}{between}{name}" if names and number and name else number for number, name in row] for row in pairs]


def lowest(heats: Sequence[Heat]) -> float:
    """The value of the lightest colour, the same in all of them."""
    return min(0.999, *(heat.least for heat in heats))


def shade(axes: "Axes", heat: Heat, texts: Sequence[Sequence[str]], low: float, fontsize: float) -> None:
    """The cells of a table, one hue that is darker where there is more, with their texts."""
    from matplotlib.colors import LinearSegmentedColormap

    values = np.array([[np.nan if value is None else value for value in row] for row in heat.values], float)
    colours = LinearSegmentedColormap.from_list("accuracy", SCALES["light"]["scale"])
    image = axes.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=1, aspect="auto")
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values):
        ink = ink_on(tuple(image.to_rgba(value)))
        axes.text(column, row, plain(texts[row][column]), ha="center", va="center_baseline", fontsize=fontsize, color=ink)
    if heat.apart:
        axes.axvline(len(heat.columns) - heat.apart - 0.5, color="white", linewidth=3)
