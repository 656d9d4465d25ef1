"""Heat maps: tables of accuracies in colours, one below the other."""

from collections.abc import Callable, Iterable, Sequence
from math import cos, degrees, radians, sin
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
LEFT, HEAD, FOOT = 1.7, 0.5, 1.1  # Inches beside, above and below a table, where its names want no more.
TITLE, HEADING, NAMES = 10.0, 9.0, 7.0  # Points of what stands above all tables, above each, and beside and below them.
SLOPE = radians(40)  # By how much the names below a table are turned.
ALL_LOST = "div."  # In place of the value of a cell whose runs have all diverged.
EDGE = 0.15  # Inches between what is drawn and the edge of the picture.


class Heat(msgspec.Struct, frozen=True):
    """A table: what is in each cell, None where nothing is known, and where there are `names` the one to say with it; `lost` is the share
    of a cell's runs that have diverged; the last `apart` columns stand off."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    names: tuple[tuple[str, ...], ...] = ()
    lost: tuple[tuple[float, ...], ...] = ()
    apart: int = 0

    def numbers(self, text: Callable[[float], str] = "{:.3f}".format) -> list[list[str]]:
        """The values as text, empty where nothing is known; with a star where some runs have diverged, and in a word where all have."""
        if not self.lost:
            return [["" if value is None else text(value) for value in row] for row in self.values]
        pairs = [zip(*row, strict=True) for row in zip(self.values, self.lost, strict=True)]
        return [["" if value is None else _marked(text(value), lost) for value, lost in row] for row in pairs]

    @property
    def height(self) -> float:
        """Of its rows, in inches."""
        return len(self.rows) * ROW * (1.5 if self.names else 1)

    @property
    def least(self) -> float:
        """The least value; 0 where nothing is known."""
        return min((value for row in self.values for value in row if value is not None), default=0.0)


def _marked(number: str, lost: float) -> str:
    return ALL_LOST if lost == 1 else number + "*" * (lost > 0)


def draw_heats(heats: Sequence[Heat], title: str) -> "Figure":
    """All of them in the same colours, from the least value of all to 1."""
    low = lowest(heats)
    turned = [_wide(heat.columns, NAMES) for heat in heats]
    heights = [heat.height + HEAD + max(FOOT, sin(SLOPE) * names + 2 * EDGE) for heat, names in zip(heats, turned, strict=True)]
    columns = [max(COLUMN, _wide([name for row in heat.names for name in row], LETTERS) + 3 * MARGIN) for heat in heats]
    left = max(LEFT, cos(SLOPE) * max(turned), *(_wide(heat.rows, NAMES) + 2 * EDGE for heat in heats))
    tables = (column * len(heat.columns) for heat, column in zip(heats, columns, strict=True))
    width = max(left + max(*tables, _wide([heat.title for heat in heats], HEADING)), _wide([title], TITLE)) + 2 * EDGE
    figure, top = new_figure(width, sum(heights) + HEAD), sum(heights)
    figure.set_layout_engine("none")
    whole = sum(heights) + HEAD
    figure.suptitle(plain(title), y=1 - 0.25 / whole, fontsize=TITLE)
    for heat, height, column in zip(heats, heights, columns, strict=True):
        place = (left / width, (top - HEAD - heat.height) / whole, column * len(heat.columns) / width, heat.height / whole)
        axes = figure.add_axes(place)
        shade(axes, heat, joined(heat.numbers(), heat.names), low, fontsize=LETTERS)
        axes.set_title(plain(heat.title), fontsize=HEADING, loc="left")
        axes.set_xticks(
            range(len(heat.columns)), map(plain, heat.columns), rotation=degrees(SLOPE), ha="right", fontsize=NAMES, rotation_mode="anchor"
        )
        axes.set_yticks(range(len(heat.rows)), map(plain, heat.rows), fontsize=NAMES)
        top -= height
    return figure


def _wide(names: Iterable[str], points: float) -> float:
    """Inches that the widest of these names wants in letters of that size."""
    return inches(names) * points / POINTS


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
