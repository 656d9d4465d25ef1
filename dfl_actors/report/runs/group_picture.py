"""Groups of runs in one picture: the mean of the honest nodes above and the worst of them below, over time, a colour a group.

A line is the mean over a group's runs, and a band around it one standard deviation to each side. Both begin when every run has measured
every node and end with the first run that does, for a mean of fewer would jump.
"""

from collections.abc import Iterable, Sequence
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from dfl_actors.config.toml_text import counted
from dfl_actors.errors import StoreError
from dfl_actors.report.canvas import plain
from dfl_actors.report.charts.chart import FEW, SYMBOLS, Band, Line, OverTime, Panel
from dfl_actors.report.pictures import NOTHING, draw_over_time
from dfl_actors.report.runs.compare_picture import Axis
from dfl_actors.report.runs.groups import Comparison, Group
from dfl_actors.report.series import Numbers, Series, common_grid, span_since_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 400
DASHES = ("solid", "dash", "dashdot", "dot")
AXES = {"ticks": "tick", "seconds": "seconds since the network was ready"}

Curve = tuple[Numbers, Numbers, Numbers | None]  # Where, the mean there, and the standard deviation if there are several runs.


def draw_groups(found: Comparison, axis: Axis = "auto") -> "Figure":
    """The picture; groups beyond the first ten are left out."""
    names = " and ".join(found.keys) if len(found.groups) > 1 else found.groups[0].label
    return draw_over_time(groups_chart(found, axis), names, (9, 7.5), legend_below=True)


def groups_chart(found: Comparison, axis: Axis = "auto") -> OverTime:
    """What is drawn: over time, or over the training steps of a node, which is what simulations and runs have in common. Raises
    `StoreError` where no run has an honest node."""
    groups = [group for group in found.groups if any(member.curves for member in group.members)][:FEW]
    if not groups:
        raise StoreError("nothing to draw: only attackers ran there; name the directories of honest nodes")
    by_steps = axis == "steps" or (axis == "auto" and len({group.unit for group in groups}) > 1)
    curves = [_curves(group, by_steps) for group in groups]
    names, of = _names(groups)
    reach = _reach(curve for pair in curves for curve in pair)
    panels = [
        Panel(
            title=f"{found.score}, {what}",
            lines=[_line(*each, curves[place][part], place) for place, each in enumerate(zip(groups, names, strict=True))],
            bands=bands_of(((f"@node{place}", pair[part]) for place, pair in enumerate(curves)), of),
            reach=reach,
        )
        for part, what in enumerate(("mean", "worst node"))
    ]
    end = max(float(where[-1]) for pair in curves for where, _, _ in pair)
    return OverTime(panels=panels, end=end, unit="training steps of a node" if by_steps else AXES[groups[0].unit])


def _reach(curves: Iterable[Curve]) -> tuple[float, float]:
    """The ends of both axes, at a tenth, around all curves with their bands; of shares no further than a share goes."""
    spreads = [(mean, np.zeros_like(mean) if std is None else std) for _, mean, std in curves]
    low = floor(10 * min(float((mean - std).min()) for mean, std in spreads)) / 10
    high = ceil(10 * max(float((mean + std).max()) for mean, std in spreads)) / 10
    shares = all(mean.min() >= 0 and mean.max() <= 1 for mean, _ in spreads)
    return (max(low, 0.0), min(high, 1.0)) if shares else (low, high)


def _names(groups: Sequence[Group]) -> tuple[list[str], str]:
    """What stands in the legend for each, and over how many runs a deviation is: said once where all have as many."""
    counts = [len(group.members) for group in groups]
    if set(counts) == {1} and not any(group.members[0].simulated for group in groups):
        return [plain(f"{group.members[0].path.name} ({group.label})", 60) for group in groups], ""
    if len(set(counts)) == 1:
        return [plain(group.label, 60) for group in groups], f" over {counts[0]} runs"
    return [f"{plain(group.label, 60)} ({counted(count, 'run')})" for group, count in zip(groups, counts, strict=True)], ""


def _line(group: Group, label: str, curve: Curve, place: int) -> Line:
    where, mean, _ = curve
    return Line(
        name=group.label,
        series=(where, mean),
        colour=f"@node{place}",
        symbol=SYMBOLS[place],
        dash=DASHES[place % len(DASHES)],
        width=1.8,
        label=label,
    )


def bands_of(curves: Iterable[tuple[str, Curve]], of: str = "") -> list[Band]:
    """A band around each curve of several runs, in its colour, and what they are for the legend, where there are any."""
    bands = [Band(colour, where, mean - std, mean + std) for colour, (where, mean, std) in curves if std is not None]
    return [*bands, Band("@muted", NOTHING[0], *NOTHING, f"± std. deviation{of}")] if bands else []


def _curves(group: Group, by_steps: bool) -> tuple[Curve, Curve]:
    """Of the mean of the honest nodes, and of the worst."""
    spans = [span_since_all(member.stepped if by_steps else member.curves) for member in group.members if member.curves]
    return _curve([(x, mean) for x, mean, _, _ in spans]), _curve([(x, low) for x, _, low, _ in spans])


def _curve(runs: Sequence[Series]) -> Curve:
    where = common_grid([x for x, _ in runs])
    if where is None:
        start = max(float(x[0]) for x, _ in runs)
        where = np.linspace(start, max(start, min(float(x[-1]) for x, _ in runs)), POINTS)
    return curve_of(where, np.array([np.interp(where, x, y) for x, y in runs]))


def curve_of(where: Numbers, values: Numbers) -> Curve:
    """The curve of values [runs, places]."""
    return where, values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else None
