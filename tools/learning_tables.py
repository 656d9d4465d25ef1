"""The tables of docs/learning.md from sweeps: each cell's mean, its deviation over seeds, the worst node of any seed, and the tick of 0.9.

    python tools/learning_tables.py SWEEP [SWEEP ...] [--beside silent]

A mean is over the last 400 ticks and the honest nodes. 0.9 at: the first of three measurements on end whose honest mean is at least that,
in the latest of the seeds. Rejected: of all that honest nodes offered honest neighbours after tick 400. With --beside the means are set
beside those of the cells of the same sweep that have that value of `attack`, seed by seed.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import NamedTuple

import numpy as np

from dfl_actors import load_sweep

GOAL, ON_END, SETTLED, LAST = 0.9, 3, 400, 400


class Cell(NamedTuple):
    """A simulation that is over: its seed, the values of the axes, and what it came to."""

    seed: int
    values: dict[str, str]
    mean: float
    worst: float
    goal: int | None
    rejected: int
    offered: int


def cells(sweep: Path) -> Iterator[Cell]:
    """Of a sweep; those that are not over are left out."""
    result = load_sweep(sweep)
    for row in result.rows:
        if row["state"] != "over":
            continue
        values, seed = {axis.name: str(row[axis.name]) for axis in result.plan.axes}, int(str(row["seed"]))
        run = result.simulation(**values, seed=seed)
        seen = run.accuracy
        honest = seen[seen.attack == ""]
        curve = honest.groupby("tick").accuracy.mean()
        said = run.reasons
        bad = set(seen[seen.attack != ""].node)
        said = said[(said.tick > SETTLED) & ~said.node.isin(bad) & ~said.other.isin(bad)]
        rejected = int(said.reason.str.startswith("rejected").sum())
        nodes = honest[honest.tick > curve.index[-1] - LAST].groupby("node").accuracy.mean()
        goal = reached(curve.index, curve.to_numpy())
        yield Cell(seed, values, float(nodes.mean()), float(nodes.min()), goal, rejected, len(said))


def reached(ticks: Sequence[int], means: np.ndarray) -> int | None:
    """The first of so many measurements on end that are at the goal."""
    good = np.convolve(means >= GOAL, np.ones(ON_END), "valid") == ON_END
    return int(ticks[int(np.argmax(good))]) if good.any() else None


def row(group: Sequence[Cell], beside: dict[tuple[object, ...], float] | None) -> list[str]:
    """The figures of one cell over its seeds."""
    means, goals = [one.mean for one in group], [one.goal for one in group]
    found = [
        f"{fmean(means):.4f}",
        f"{pstdev(means):.4f}",
        f"{min(one.worst for one in group):.3f}",
        "never" if None in goals else str(max(goal for goal in goals if goal is not None)),
        f"{sum(one.rejected for one in group)} of {sum(one.offered for one in group):,}",
        ", ".join(str(one.seed) for one in group),
    ]
    if beside is not None:
        below = [beside[key] - one.mean for one in group if (key := stands_beside(one)) in beside]
        found.append(" ".join(f"{value:.3f}" for value in below))
    return found


def stands_beside(cell: Cell) -> tuple[object, ...]:
    return cell.seed, *(value for name, value in cell.values.items() if name != "attack")


def table(found: Sequence[Cell], beside: str | None) -> Iterator[str]:
    """Lines of Markdown."""
    names = list(found[0].values)
    yardstick = {stands_beside(one): one.mean for one in found if one.values.get("attack") == beside} if beside else None
    heads = [*names, "mean", "over seeds ±", "worst node", "0.9 at", "rejected", "seeds", *(["below " + beside] if beside else [])]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    groups = defaultdict(list)
    for one in found:
        groups[tuple(one.values.values())].append(one)
    for values, group in groups.items():
        yield f"| {' | '.join([*values, *row(sorted(group), yardstick)])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="The tables of docs/learning.md from sweeps.")
    parser.add_argument("sweeps", nargs="+", type=Path, metavar="SWEEP")
    parser.add_argument("--beside", metavar="ATTACK", help="set means beside those of this attack")
    given = parser.parse_args()
    for sweep in given.sweeps:
        print("\n".join(table([*cells(sweep)] or parser.error(f"{sweep}: nothing is over there"), given.beside)))


if __name__ == "__main__":
    main()
