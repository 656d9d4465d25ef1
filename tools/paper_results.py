"""What came of the paper's simulations: the figures of each cell of a sweep from the tables its runs left, and the table that sets them
beside the paper's, for a terminal, for a program (JSON) and for a document (Markdown).

A cell's curve is, as in the paper, the mean over its runs of the mean over the honest nodes; its final accuracy is that of the last twenty
measurements.
"""

import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from paper_cells import CELLS, Cell
from rich.table import Table

from dfl_actors.api.sweeps.folder import Folder, load_plan
from dfl_actors.api.sweeps.plan import cells_of
from dfl_actors.report.simulated import read_table

LAST = 20
"""Measurements that the final accuracy is the mean of."""

MARKS = (0.5, 0.9)
"""Accuracies whose first tick is told: the end of the plateau, and the paper's goal."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The accuracies of one run: float64 [measurements, nodes] at `ticks` [measurements]. `name` is its seed."""

    name: str
    folder: Path
    ticks: Floats
    nodes: tuple[str, ...]
    accuracies: Floats
    attackers: frozenset[str]

    @property
    def honest(self) -> Floats:
        """The mean over the honest nodes [measurements]."""
        columns = [number for number, node in enumerate(self.nodes) if node not in self.attackers]
        return np.asarray(self.accuracies[:, columns].mean(axis=1))

    @property
    def final(self) -> float:
        return final(self.honest)


def final(curve: Floats) -> float:
    """The mean of the last measurements."""
    return float(curve[-LAST:].mean())


def first_at(ticks: Floats, curve: Floats, mark: float) -> int | None:
    """The first tick at which the curve is at `mark`, None if it never is."""
    reached = np.flatnonzero(curve >= mark)
    return int(ticks[reached[0]]) if len(reached) else None


def read_curves(name: str, table: Path, attackers: frozenset[str]) -> Curves:
    """The curves in an accuracy.csv, ours or the reference program's."""
    columns = read_table(table)
    ticks = columns.pop("tick")
    return Curves(name, table.parent, ticks, tuple(columns), np.stack(list(columns.values()), axis=1), attackers)


def attackers_in(folder: Path) -> frozenset[str]:
    """The nodes of a run that attack, by its own configuration."""
    nodes = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8")).get("node", {})
    return frozenset(name for name, keys in nodes.items() if "attack" in keys)


def runs_in(sweep: Path) -> dict[str, list[Curves]]:
    """The runs of a sweep that are over, by their cells' names, by seed. Raises `StoreError`."""
    folder, runs = Folder(sweep), defaultdict[str, list[Curves]](list)
    for cell in cells_of(load_plan(sweep)):
        if folder.is_over(cell):
            place = folder.over(cell)
            runs["/".join(cell.values.values())].append(read_curves(f"seed {cell.seed}", place / "accuracy.csv", attackers_in(place)))
    return dict(runs)


@dataclass(frozen=True)
class Result:
    """What came of one cell: its runs, of which there is at least one."""

    cell: Cell
    runs: tuple[Curves, ...]

    @property
    def ticks(self) -> Floats:
        """Those that all runs have measured."""
        return self.runs[0].ticks[: min(len(run.ticks) for run in self.runs)]

    @property
    def curve(self) -> Floats:
        return np.asarray(np.mean([run.honest[: len(self.ticks)] for run in self.runs], axis=0))

    @property
    def mean(self) -> float:
        return float(np.mean([run.final for run in self.runs]))

    @property
    def spread(self) -> float | None:
        """The standard deviation over the runs, None of a single one."""
        return float(np.std([run.final for run in self.runs], ddof=1)) if len(self.runs) > 1 else None

    @property
    def difference(self) -> float:
        """Ours less the published."""
        return self.mean - self.cell.published

    def first(self, mark: float) -> int | None:
        return first_at(self.ticks, self.curve, mark)

    def as_json(self) -> dict[str, Any]:
        """Every figure of the cell and of its runs."""
        return {
            "figure": self.cell.figure,
            "mean": self.mean,
            "spread": self.spread,
            "published": self.cell.published,
            "difference": self.difference,
            "last_tick": int(self.ticks[-1]),
            **{f"first_at_{mark}": self.first(mark) for mark in MARKS},
            "runs": {run.name: run_as_json(run) for run in self.runs},
        }


def run_as_json(run: Curves) -> dict[str, Any]:
    nodes = dict(zip(run.nodes, run.accuracies[-LAST:].mean(axis=0).tolist(), strict=True))
    marks = {f"first_at_{mark}": first_at(run.ticks, run.honest, mark) for mark in MARKS}
    return {"mean": run.final, **marks, "attackers": sorted(run.attackers), "nodes": nodes}


def results_in(sweeps: Sequence[Path]) -> list[Result]:
    """Of the paper's cells that have a run that is over, in the paper's order. Raises `StoreError`."""
    found = [runs_in(sweep) for sweep in sweeps]
    runs = {cell: tuple(run for one in found for run in one.get(cell.name, ())) for cell in CELLS}
    return [Result(cell, mine) for cell, mine in runs.items() if mine]


# --- the table

HEADERS = ("cell", "runs", "ours", "spread", "published", "difference", *(f"{mark} at" for mark in MARKS))


def row(result: Result) -> list[str]:
    """The cells of the table, as text."""
    figures = [share(result.mean), share(result.spread), share(result.cell.published), share(result.difference, sign=True)]
    return [result.cell.name, str(len(result.runs)), *figures, *(tick(result.first(mark)) for mark in MARKS)]


def share(value: float | None, *, sign: bool = False) -> str:
    """An accuracy as the paper's tables write it, without the zero."""
    if value is None:
        return "-"
    return f"{value:+.3f}".replace("0.", ".") if sign else f"{value:.3f}".removeprefix("0")


def tick(value: int | None) -> str:
    return "never" if value is None else str(value)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """For a terminal."""
    grid = Table()
    for number, header in enumerate(headers):
        grid.add_column(header, justify="right" if number else "left", no_wrap=True)
    for cells in rows:
        grid.add_row(*cells)
    return grid


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """For a document."""
    rule = ["---", *["---:"] * (len(headers) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (headers, rule, *rows))
