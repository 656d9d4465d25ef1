"""What a run's charts show over time: seconds since the network was ready against a value, as arrays.

Reputations are a cube: at chosen moments, what every node thought of every other. What a node did not say is NaN.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from dfl_actors.core.events import Evaluated, Fault, Final, Happened, Restarted, Trained, Updated, WeightDifference
from dfl_actors.report.load import Run, by_node

Numbers = NDArray[np.float64]

Series = tuple[Numbers, Numbers]  # Seconds and values, of equal length.


class Mark(msgspec.Struct, frozen=True):
    """Something that disturbed the network, to be marked in a chart: `kind` is one of `MARK_STYLES`, `who` was struck."""

    second: float
    kind: str
    who: str = ""
    why: str = ""

    @property
    def text(self) -> str:
        """What happened, in words."""
        start = {"restart": "restarted: ", "fault": "fault: ", "event": "", "resume": "the run was resumed"}[self.kind]
        return start + self.who + (f" ({self.why})" if self.why else "")


def marks(run: Run) -> list[Mark]:
    """Restarted actors, faults that someone injected and noted, events and resumes of the whole run, in the order of time."""
    found = [Mark(run.seconds(event.t), "restart", _who(event), event.reason) for event in run.of(Restarted)]
    found += [Mark(run.seconds(event.t), "fault", _who(event), event.what) for event in run.of(Fault)]
    found += [Mark(run.seconds(event.t), "event", event.what) for event in run.of(Happened)]
    found += [Mark(run.seconds(session.start), "resume") for session in run.sessions[1:]]
    return sorted(found, key=lambda mark: mark.second)


def _who(event: Restarted | Fault) -> str:
    if event.node and event.actor:
        return f"{event.actor} of {event.node}"
    return f"node {event.node}" if event.node else event.actor or "the network"


def accuracies(run: Run, measured: Iterable[Trained | Evaluated]) -> dict[str, Series]:
    """What each node measured, in order of time; nodes that measured nothing are left out."""
    groups = by_node(event for event in measured if event.tested)
    return {name: _accuracies(run, groups[name]) for name in run.nodes if name in groups}


def _accuracies(run: Run, measured: Iterable[Trained | Evaluated]) -> Series:
    # By the clock: all that is measured after the stop is of one second, the last round last.
    points = sorted(measured, key=lambda event: event.t)
    return np.array([run.seconds(event.t) for event in points]), np.array([event.correct / event.tested for event in points])


def span_of(series: Sequence[Series], points: int = 400) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Seconds, mean, least and greatest of many series on one grid: that on which all were measured, where there is one, else `points` at
    equal distances, where the least of values between two measurements may lie above both. Each counts from its first point and keeps its
    last."""
    grid = common_grid([x for x, _ in series])
    if grid is None:
        grid = np.linspace(min(x[0] for x, _ in series), max(x[-1] for x, _ in series), points)
    values = np.array([np.interp(grid, x, y, left=np.nan) for x, y in series])
    return grid, np.nanmean(values, axis=0), np.nanmin(values, axis=0), np.nanmax(values, axis=0)


def common_grid(grids: Sequence[Numbers]) -> Numbers | None:
    """The one on which all were measured; None where there is none."""
    return grids[0] if all(np.array_equal(grids[0], grid) for grid in grids) else None


def span_since_all(series: Sequence[Series]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """The same from when every series has begun: a mean of whoever was first would jump."""
    seconds, mean, low, high = span_of(series)
    there = seconds >= max(x[0] for x, _ in series)
    return seconds[there], mean[there], low[there], high[there]


def heights(run: Run) -> dict[str, Series]:
    """Blocks of each node's chain over time. A node without blocks has none; every curve ends where the run does."""
    final = by_node({event.block: event for event in run.of(Final)}.values())
    return {name: _height(run, final[name]) for name in run.nodes if name in final}


def _height(run: Run, blocks: Sequence[Final]) -> Series:
    points = sorted((run.seconds(block.t), block.height) for block in blocks)
    seconds, before = [second for second, _ in points], points[0][1] - 1
    counts = [height - before for _, height in points]
    return np.array([0.0, *seconds, max(run.elapsed, seconds[-1])]), np.array([0, *counts, counts[-1]], float)


def weight_differences(run: Run) -> tuple[Series, dict[str, Series]]:
    """Equation 5 over all layers, and by layer; empty where none was measured."""
    events = sorted(run.of(WeightDifference), key=lambda event: event.t)
    seconds = np.array([run.seconds(event.t) for event in events])
    names = dict.fromkeys(name for event in events for name in event.layers)
    layers = {name: (seconds, np.array([event.layers.get(name, np.nan) for event in events])) for name in names}
    return (seconds, np.array([event.overall for event in events])), layers


class Reputations(msgspec.Struct, frozen=True):
    """`values[k, i, j]` is what node i thought of node j at `seconds[k]` [K, N, N]; NaN where it had no opinion."""

    names: tuple[str, ...]
    seconds: Numbers
    values: Numbers


def standings(run: Run, most: int = 300) -> dict[str, Series]:
    """The mean of what the others think of each node over time, to the end of the run; without nodes of whom nobody thinks anything."""
    found = reputations(run, most)
    known = ~np.isnan(found.values)
    counts = known.sum(axis=1)
    totals = np.where(known, found.values, 0.0).sum(axis=1)
    means = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    said = [(name, counts[:, place] > 0, means[:, place]) for place, name in enumerate(found.names)]
    return {name: _to_the_end(run, found.seconds[when], values[when]) for name, when, values in said if when.any()}


def _to_the_end(run: Run, seconds: Numbers, values: Numbers) -> Series:
    """The last value stands until the run ends."""
    return np.append(seconds, max(run.elapsed, seconds[-1])), np.append(values, values[-1])


def reputations(run: Run, most: int) -> Reputations:
    """At most `most` moments: where something was said if those are fewer, else at equal distances; the last is always there."""
    names = tuple(run.nodes)
    places = {run.nodes[name]: place for place, name in enumerate(names)}
    said = sorted((event for event in run.of(Updated) if event.reputations and event.node in run.nodes), key=lambda event: event.t)
    seconds = [run.seconds(event.t) for event in said]
    moments = _moments(seconds, most)
    values = np.full((len(moments), len(names), len(names)), np.nan)
    now, done = np.full((len(names), len(names)), np.nan), 0
    for number, moment in enumerate(moments):
        while done < len(said) and seconds[done] <= moment:
            row = names.index(said[done].node)
            for address, value in said[done].reputations.items():
                if address in places:
                    now[row, places[address]] = value
            done += 1
        values[number] = now
    return Reputations(names, np.array(moments, float), values)


def _moments(seconds: Sequence[float], most: int) -> list[float]:
    distinct = sorted(set(seconds))
    if len(distinct) <= most:
        return distinct
    grid = np.linspace(distinct[0], distinct[-1], most)
    return sorted({distinct[max(bisect_left(distinct, moment + 1e-9) - 1, 0)] for moment in grid})


def thinned(series: Series, most: int) -> Series:
    """At most `most` points: of each stretch its least and its greatest value, so that no peak is lost."""
    seconds, values = series
    if len(seconds) <= most:
        return series
    bounds = np.linspace(0, len(seconds), max(most // 2, 1) + 1).astype(int)
    kept = {0, len(seconds) - 1}
    for start, end in pairwise(bounds):
        stretch = values[start:end]
        if not np.isnan(stretch).all():
            kept |= {start + int(np.nanargmin(stretch)), start + int(np.nanargmax(stretch))}
    places = sorted(kept)
    return seconds[places], values[places]


def over_steps(run: Run, series: Mapping[str, Series]) -> dict[str, Series]:
    """The same values against the training steps that each node had done by then: what lays a simulation over a run."""
    trained = by_node(sorted(run.of(Trained), key=lambda event: event.t))
    return {name: (_steps_at(run, trained.get(name, ()), when), values) for name, (when, values) in series.items()}


def of_trainers(run: Run, series: Mapping[str, Series]) -> dict[str, Series]:
    """The same of the nodes that train, for the steps of an observer go nowhere; of all where none has trained."""
    stepped = over_steps(run, series)
    return {name: (steps, values) for name, (steps, values) in stepped.items() if steps[-1] > 0} or stepped


def _steps_at(run: Run, trained: Sequence[Trained], moments: Numbers) -> Numbers:
    """The steps that were done at each moment, 0 before the first is known."""
    known = np.array([run.seconds(event.t) for event in trained])
    steps = np.array([0, *(event.steps for event in trained)], float)
    return np.asarray(steps[np.searchsorted(known, moments, side="right")])
