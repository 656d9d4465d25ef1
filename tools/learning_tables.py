"""The tables of docs/learning.md from sweeps: each cell's mean, its deviation over seeds, the worst node of any seed, and the tick of 0.9.

    python tools/learning_tables.py SWEEP [SWEEP ...] [--beside attack=silent]
    python tools/learning_tables.py SWEEP [SWEEP ...] --reasons

A mean is over the last 400 ticks and the honest nodes; its deviation is that of these seeds alone (not an estimate for others). 0.9 at:
the first of three measurements on end whose honest mean is at least that, in the latest of the seeds.
Rejected: of all that honest nodes offered honest neighbours after tick 400. With --beside: by how much the means
are below those of the cells of the same sweep that have that value of that axis, seed by seed; "same": to the last measurement.
With --reasons: what honest nodes said of the models of attackers, and of each other's, in shares of those that they had averaged or
rejected. What has diverged is named below the table.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import NamedTuple

import numpy as np
import pandas as pd

from dfl_actors import SweepResult, load_sweep
from dfl_actors.errors import DflError

GOAL, ON_END, SETTLED, LAST = 0.9, 3, 400, 400

REASONS = {
    "norm": " norm ",
    "against": "points the other way",
    "bound": "the bound",
    "ahead": " ahead",
    "later": " later than most",
    "late": " late",
    "often": " as often as most",
    "far": "usual distance",
}
"""What the words of steady's rules have in common; the rest is taken whole."""


class Cell(NamedTuple):
    """A simulation that is over: its seed, the values of the axes, and what it came to."""

    seed: int
    point: dict[str, str]
    mean: float
    worst: float
    goal: int | None
    curve: tuple[float, ...]
    said: pd.DataFrame  # By honest nodes: tick, of whom ("attackers" or "honest"), rejected, and by which rule.


def cells(result: SweepResult) -> Iterator[Cell]:
    """Of a sweep; those that are not over are left out."""
    for row in result.rows:
        if row["state"] != "over":
            continue
        values, seed = {axis.name: str(row[axis.name]) for axis in result.plan.axes}, int(str(row["seed"]))
        run = result.simulation(**values, seed=seed)
        seen = run.accuracy
        honest = seen[seen.attack == ""]
        curve = honest.groupby("tick").accuracy.mean()
        bad = set(seen[seen.attack != ""].node)
        said = run.reasons[~run.reasons.node.isin(bad)]
        whom = np.where(said.other.isin(bad), "attackers", "honest")
        rules = [next((rule for rule, words in REASONS.items() if words in text), "taken") for text in said.reason]
        said = pd.DataFrame({"tick": said.tick, "whom": whom, "rejected": said.reason.str.startswith("rejected"), "rule": rules})
        nodes = honest[honest.tick > curve.index[-1] - LAST].groupby("node").accuracy.mean()
        goal = reached(curve.index, curve.to_numpy())
        yield Cell(seed, values, float(nodes.mean()), float(nodes.min()), goal, tuple(curve), said)


def reached(ticks: Sequence[int], means: np.ndarray) -> int | None:
    """The first of so many measurements on end that are at the goal."""
    good = np.convolve(means >= GOAL, np.ones(ON_END), "valid") == ON_END
    return int(ticks[int(np.argmax(good))]) if good.any() else None


class Beside:
    """The cells that others are set beside: those that have this value of an axis."""

    def __init__(self, found: Sequence[Cell], said: str) -> None:
        self.axis, _, self.value = said.partition("=")
        self.cells = {self.place(one): one for one in found if one.point.get(self.axis) == self.value}
        if not self.cells:
            values = sorted({f"{name}={value}" for one in found for name, value in one.point.items()})
            raise ValueError(f"--beside {said}: no cell has that; there are {', '.join(values)}")

    def place(self, cell: Cell) -> tuple[object, ...]:
        return cell.seed, *(value for name, value in cell.point.items() if name != self.axis)

    def below(self, cell: Cell) -> str:
        other = self.cells.get(self.place(cell))
        return "-" if other is None else "same" if other.curve == cell.curve else f"{other.mean - cell.mean:.3f}"


def row(group: Sequence[Cell], beside: Beside | None) -> list[str]:
    """The figures of one cell over its seeds."""
    means, goals = [one.mean for one in group], [one.goal for one in group]
    late = pd.concat([one.said for one in group])
    late = late[(late.tick > SETTLED) & (late.whom == "honest")]
    found = [
        f"{fmean(means):.4f}",
        f"{pstdev(means):.4f}",
        f"{min(one.worst for one in group):.3f}",
        "never" if None in goals else str(max(goal for goal in goals if goal is not None)),
        f"{late.rejected.sum()} of {len(late):,}",
        ", ".join(str(one.seed) for one in group),
    ]
    if beside is not None:
        found.append(" ".join(beside.below(one) for one in group))
    return found


def table(found: Sequence[Cell], beside: Beside | None) -> Iterator[str]:
    """Lines of Markdown."""
    names = list(found[0].point)
    heads = [*names, "mean", "over seeds ±", "worst node", "0.9 at", "rejected", "seeds", *([f"below {beside.value}"] if beside else [])]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for values, group in grouped(found):
        yield f"| {' | '.join([*values, *row(group, beside)])} |"


def grouped(found: Sequence[Cell]) -> Iterator[tuple[tuple[str, ...], list[Cell]]]:
    """The values of the axes, and the cells that have them, by seed."""
    groups = defaultdict(list)
    for one in found:
        groups[tuple(one.point[name] for name in one.point)].append(one)
    for values, group in groups.items():
        yield values, sorted(group, key=lambda one: one.seed)


def reasons(found: Sequence[Cell]) -> Iterator[str]:
    """Lines of Markdown: which rule met which part of the models."""
    rules = [*REASONS, "taken"]
    yield f"| {' | '.join([*found[0].point, *(f'{whom}: {rule}' for whom in ('attackers', 'honest') for rule in rules)])} |"
    yield f"|{'---|' * (len(found[0].point) + 2 * len(rules))}"
    for values, group in grouped(found):
        said = pd.concat([one.said for one in group])
        parts = (said[said.whom == whom].rule.value_counts(normalize=True) for whom in ("attackers", "honest"))
        yield f"| {' | '.join([*values, *(f'{part.get(rule, 0):.3f}' for part in parts for rule in rules)])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="The tables of docs/learning.md from sweeps.")
    parser.add_argument("sweeps", nargs="+", type=Path, metavar="SWEEP")
    parser.add_argument("--beside", metavar="AXIS=VALUE", help="set means beside those of cells that have this")
    parser.add_argument("--reasons", action="store_true", help="what was said of models, and not the accuracies")
    given = parser.parse_args()
    for sweep in given.sweeps:
        try:
            result = load_sweep(sweep)
            found = [*cells(result)] or parser.error(f"{sweep}: nothing is over there")
            beside = Beside(found, given.beside) if given.beside else None
        except (DflError, ValueError) as error:
            parser.error(str(error))
        print("\n".join(reasons(found) if given.reasons else table(found, beside)))
        for row in result.rows:
            if row["state"] == "diverged":
                print(f"diverged, and in no row above: {row['cell']}: {row['error']}")


if __name__ == "__main__":
    main()
