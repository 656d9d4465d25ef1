"""A sweep's heat maps: how every row does in every column, a map for each combination of the other axes, and one of the worst attacks.

The rows stand in one order in all of them: first the one that does best under its worst attack, in the mean over the combinations.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dfl_actors.api.sweeps.plan import Axis, Plan, axis_named
from dfl_actors.api.sweeps.table import ACCURACIES, DIVERGED, Pivot, Row, is_attack, pivot, seeds_text, states_text, ticks_text, worst_of
from dfl_actors.errors import ConfigError
from dfl_actors.report.heat import Heat, draw_heats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MAPS = 24  # Combinations beyond have no map of their own.
WORST = "worst"


def draw(plan: Plan, rows: Sequence[Row], down: Axis, across: Axis, value: str) -> "Figure":
    """The maps of an accuracy of the results, such as `mean`. Raises `ConfigError` for another figure."""
    found = heats(plan, rows, down, across, value)
    shown = f"{value.replace('_', ' ')} accuracy{ticks_text(rows, value)}, over {seeds_text(plan, rows)}{states_text(rows, value)}"
    partly = any(0 < share < 1 for one in found for row in one.lost for share in row)
    return draw_heats(found, shown + (f"; *: some {DIVERGED}" if partly else ""))


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
    return [_summary(pivots, worst, order), *maps] if is_attack(across) and len(maps) > 1 else maps


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
    columns = (*one.columns, WORST) if one.worst else one.columns
    values: list[tuple[float | None, ...]] = []
    lost: list[tuple[float, ...]] = []
    for place in order:
        found = worst[place]
        row, shares = [None if cell is None else cell[0] for cell in one.cells[place]], one.shares(place)
        values.append((*row, found[0] if found else None) if one.worst else tuple(row))
        lost.append((*shares.values(), shares[found[1]] if found else 0.0) if one.worst else tuple(shares.values()))
    title, rows = f"{one.corner}: {name}" if name else one.corner, tuple(one.rows[place] for place in order)
    return Heat(title, columns, rows, tuple(values), lost=tuple(lost), apart=int(bool(one.worst)))


def _summary(pivots: Mapping[str, Pivot], worst: Mapping[str, list[tuple[float, str] | None]], order: Sequence[int]) -> Heat:
    """Each row's worst attack in each combination."""
    rows, values, names, lost = next(iter(pivots.values())).rows, [], [], []
    for place in order:
        found = {name: those[place] for name, those in worst.items()}
        values.append(tuple(None if one is None else one[0] for one in found.values()))
        names.append(tuple("" if one is None else one[1] for one in found.values()))
        lost.append(tuple(0.0 if one is None else pivots[name].shares(place)[one[1]] for name, one in found.items()))
    return Heat("the worst attack", tuple(worst), tuple(rows[place] for place in order), tuple(values), tuple(names), tuple(lost))
