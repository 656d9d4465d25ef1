"""A sweep's heat maps: how every row does in every column, a map for each combination of the other axes, and one of the worst attacks.

The rows stand in one order in all of them: first the one that does best under its worst attack, in the mean over the combinations.
"""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dfl_actors.api.sweeps.plan import Axis, Plan, axis_named
from dfl_actors.api.sweeps.table import ACCURACIES, Pivot, Row, is_attack, pivot, seeds_text, states_text, ticks_text, worst_of
from dfl_actors.errors import ConfigError
from dfl_actors.report.heat import Heat, draw_heats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MAPS = 24  # Combinations beyond have no map of their own.
WORST = "worst"


def draw(plan: Plan, rows: Sequence[Row], down: Axis, across: Axis, value: str) -> "Figure":
    """The maps of an accuracy of the results, such as `mean`. Raises `ConfigError` for another figure."""
    return draw_heats(
        heats(plan, rows, down, across, value),
        f"{value.replace('_', ' ')} accuracy{ticks_text(rows, value)}, over {seeds_text(plan, rows)}{states_text(rows, value)}",
    )


def heats(plan: Plan, rows: Sequence[Row], down: Axis, across: Axis, value: str) -> list[Heat]:
    """That of the worst attacks, where there are several combinations, and then one for each. What nothing is known of is left out, be it a
    row, a column or a combination, while something is known. Raises as `draw` does."""
    if value not in ACCURACIES:
        raise ConfigError(f"a heat map shows accuracies, and {value} is none: give one of {', '.join(ACCURACIES)}")
    if found := [row for row in rows if row[value] is not None]:
        plan, rows = msgspec.structs.replace(plan, axes=tuple(_known(axis, found) for axis in plan.axes)), found
        down, across = axis_named(plan, down.name), axis_named(plan, across.name)
    others = [axis for axis in plan.axes if axis not in (down, across)]
    names = [axis.name for axis in others]
    pivots: dict[str, Pivot] = {}
    for points in product(*(axis.points for axis in others)):
        wanted = dict(zip(names, points, strict=True))
        fits = [row for row in rows if wanted.items() <= row.items()]
        if (fits or not found) and len(pivots) < MOST_MAPS:
            pivots[", ".join(points)] = pivot(plan, fits, down, across, value)
    worst = {name: [worst_of(one.columns, cells) if is_attack(across) else None for cells in one.cells] for name, one in pivots.items()}
    order = ranked([[_least(one, place) for one in pivots.values()] for place in range(len(down.points))])
    maps = [_map(name, one, worst[name], order) for name, one in pivots.items()]
    return [_summary(list(down.points), worst, order), *maps] if is_attack(across) and len(maps) > 1 else maps


def _known(axis: Axis, rows: Sequence[Row]) -> Axis:
    """Those of its points that are in these rows."""
    held = {row[axis.name] for row in rows}
    return Axis(axis.name, {name: sets for name, sets in axis.points.items() if name in held})


def ranked(leasts: Sequence[Sequence[float | None]]) -> list[int]:
    """The rows by the mean of what they reach at least in each combination, the best first; of equal ones the first; unknown ones last."""
    known = [[value for value in row if value is not None] for row in leasts]
    return sorted(range(len(leasts)), key=lambda place: -float(np.mean(known[place])) if known[place] else 1.0)


def _least(one: Pivot, place: int) -> float | None:
    """How a row does under its worst attack, or in its worst column where they are no attacks."""
    cells = one.cells[place]
    found = worst_of(one.columns, cells) if one.worst else None
    return found[0] if found else min((cell[0] for cell in cells if cell is not None), default=None)


def _map(name: str, one: Pivot, worst: Sequence[tuple[float, str] | None], order: Sequence[int]) -> Heat:
    values = [[None if cell is None else cell[0] for cell in one.cells[place]] for place in order]
    columns = one.columns
    if one.worst:
        columns = (*columns, WORST)
        values = [[*row, found[0] if (found := worst[place]) else None] for row, place in zip(values, order, strict=True)]
    title = f"{one.corner}: {name}" if name else one.corner
    return Heat(title, columns, tuple(one.rows[place] for place in order), tuple(map(tuple, values)), apart=int(bool(one.worst)))


def _summary(rows: Sequence[str], worst: dict[str, list[tuple[float, str] | None]], order: Sequence[int]) -> Heat:
    """Each row's worst attack in each combination."""
    found = [[those[place] for those in worst.values()] for place in order]
    values = tuple(tuple(None if one is None else one[0] for one in row) for row in found)
    names = tuple(tuple("" if one is None else one[1] for one in row) for row in found)
    return Heat("the worst attack", tuple(worst), tuple(rows[place] for place in order), values, names)
