"""A heat map for a paper: so wide, in letters of 8 points, with two decimals in each cell.

A table whose columns have no room beside each other goes on below. Where each cell has a name to say (an attack) it stands below the value
if it has room there, and else a letter that a line below the table explains.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil, cos, radians
from string import ascii_letters
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from dfl_actors.report.canvas import new_figure, plain
from dfl_actors.report.charts.chart import cut
from dfl_actors.report.heat import MARGIN, Heat, joined, lowest, shade
from dfl_actors.report.paper import POINTS, Draw, inches, slugs, within

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE, ROW = 0.15, 0.12  # Inches that a line of text is high, and one in a cell, without its margins.
EDGE, GAP = 0.06, 0.12  # Inches at the edges, and between the parts of a table.
MOST_LEFT = 0.4  # Of the width that the names of rows take.
MOST_NAME = 24  # Letters of a column's name.
ANGLE = 45
TOGETHER = "\u00a0"  # A blank at which no line is broken.


def heat_panels(heats: Sequence[Heat]) -> dict[str, Draw]:
    """Those in which anything is known, all in the same colours, by a name for a file."""
    known = [heat for heat in heats if any(value is not None for row in heat.values for value in row)]
    names = slugs([f"heat {heat.title.partition(': ')[2] or heat.title}" for heat in known]) if len(known) > 1 else ["heat"]
    return {name: partial(_drawn, heat, lowest(known)) for name, heat in zip(names, known, strict=False)}


class _Plan(NamedTuple):
    """Where everything is, in inches: `left` of the cells, `cell` and `row` are the size of one, `foot` is below each part of the table,
    which has `per` columns. `rows` are their names, `texts` what stands in the cells, and `key` what explains the letters in them."""

    rows: Sequence[str]
    texts: Sequence[Sequence[str]]
    key: Sequence[str]
    left: float
    cell: float
    row: float
    foot: float
    per: int
    lying: bool


def _drawn(heat: Heat, low: float, width: float) -> "Figure":
    plan = _planned(heat, width)
    parts = range(0, len(heat.columns), plan.per)
    rows = plan.row * len(heat.rows)
    height = EDGE + len(parts) * (rows + plan.foot + GAP) + LINE * len(plan.key)
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    for number, start in enumerate(parts):
        columns = slice(start, start + plan.per)
        top = height - EDGE - number * (rows + plan.foot + GAP)
        count = len(heat.columns[columns])
        axes = figure.add_axes((plan.left / width, (top - rows) / height, count * plan.cell / width, rows / height))
        _part(axes, heat, columns, plan, low)
    for number, line in enumerate(reversed(plan.key)):
        figure.text(EDGE / width, (EDGE + LINE * number) / height, plain(line), fontsize=POINTS, va="bottom")
    return figure


def _part(axes: "Axes", heat: Heat, columns: slice, plan: _Plan, low: float) -> None:
    last = columns.stop >= len(heat.columns)
    values, apart = tuple(row[columns] for row in heat.values), heat.apart if last else 0
    part = msgspec.structs.replace(heat, columns=heat.columns[columns], values=values, names=(), lost=(), apart=apart)
    shade(axes, part, [row[columns] for row in plan.texts], low, fontsize=POINTS)
    turned: dict[str, Any] = {} if plan.lying else {"rotation": ANGLE, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(part.columns)), [plain(name, MOST_NAME) for name in part.columns], fontsize=POINTS, **turned)
    axes.set_yticks(range(len(heat.rows)), map(plain, plan.rows), fontsize=POINTS)
    axes.tick_params(pad=72 * EDGE / 2)
    for side in axes.spines.values():
        side.set_visible(False)


def _planned(heat: Heat, width: float) -> _Plan:
    rows = within(heat.rows, MOST_LEFT * width)
    left = inches(rows) + 2 * EDGE
    texts, key, lines = _texts(heat, (width - left - EDGE) / len(heat.columns), width)
    names = inches(cut(name, MOST_NAME) for name in heat.columns)
    lying = names + EDGE < (width - left - EDGE) / len(heat.columns)
    slope = names * cos(radians(ANGLE)) + LINE / 2
    if not lying:
        left = max(left, slope)
    room = width - left - EDGE
    fit = min(max(int(room / _cell(texts)), 1), len(heat.columns))
    per = ceil(len(heat.columns) / ceil(len(heat.columns) / fit))
    return _Plan(rows, texts, key, left, room / per, lines * ROW + 2 * MARGIN, LINE if lying else slope, per, lying)


def _texts(heat: Heat, cell: float, width: float) -> tuple[Sequence[Sequence[str]], Sequence[str], int]:
    """What stands in cells so wide, what explains it below the table, and how many lines a cell has."""
    numbers = heat.numbers(short)
    below = joined(numbers, heat.names)
    if not heat.names or _cell(below) <= cell:
        return below, (), 2 if heat.names else 1
    signs = _signs(heat)
    key = [f"{sign}: {name}".replace(" ", TOGETHER) for name, sign in signs.items() if sign]
    lines = wrap(", ".join(key), int((width - 2 * EDGE) / inches(["n"])), break_on_hyphens=False)
    given = [[signs.get(name, "") for name in row] for row in heat.names]
    return joined(numbers, given, " "), [line.replace(TOGETHER, " ") for line in lines], 1


def _signs(heat: Heat) -> Mapping[str, str]:
    """A letter for each name, the most frequent first; none for what is beyond the alphabet."""
    counts = Counter(name for row in heat.names for name in row if name)
    names = [name for name, _ in counts.most_common()]
    return {**dict.fromkeys(names, ""), **dict(zip(names, ascii_letters, strict=False))}


def _cell(texts: Sequence[Sequence[str]]) -> float:
    """Inches that a cell wants."""
    return inches(line for row in texts for text in row for line in text.splitlines()) + 2 * MARGIN


def short(value: float) -> str:
    """A value on two decimals, without what all have: ".91"; "1.0" for what rounds to one."""
    text = f"{value:.2f}"
    return "1.0" if text == "1.00" else re.sub(r"^(-?)0\.", r"\1.", text)
