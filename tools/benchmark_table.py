"""The table of a benchmark: rows with the figures that are wanted, measured as often as asked, and how they are shown."""

import os
import platform
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from dfl_actors.errors import DflError

IDLE = 0.5
"""Load average above which other work on the machine spoils the figures."""

Values = dict[str, float]


class Unmeasured(Exception):
    """What stood in the way of a figure, in one line."""


@dataclass(frozen=True)
class Figure:
    """One number that is wanted: at most `limit`, or at least."""

    name: str
    limit: float
    least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit

    @property
    def wanted(self) -> str:
        return f"{'at least' if self.least else 'at most'} {number(self.limit)}"


@dataclass(frozen=True)
class Row:
    """One promise. `measure` gives the figures by name, and others that explain them."""

    name: str
    what: str
    figures: tuple[Figure, ...]
    measure: Callable[[Any], Values]


@dataclass
class Results:
    """What the repeats gave for the rows, by name; and why a row has nothing."""

    values: dict[str, list[Values]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, row: str) -> Values:
        names = {name: None for values in self.values[row] for name in values}
        return {name: median(values[name] for values in self.values[row] if name in values) for name in names}


def measure(rows: Sequence[Row], repeats: int, console: Console, make: Callable[[Path], Any]) -> Results:
    """Every row, `repeats` times; `make` gives the runs that they measure, in a folder that is then removed."""
    results = Results()
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(prefix="dfl-benchmark-", ignore_cleanup_errors=True) as folder:
            runs = make(Path(folder))
            for row in rows:
                console.print(f"measuring {row.name}" + (f", {repeat + 1} of {repeats}" if repeats > 1 else ""), style="dim")
                try:
                    results.values[row.name].append(row.measure(runs))
                except (Unmeasured, DflError) as error:
                    results.failures[row.name] = str(error)
    return results


def table(rows: Sequence[Row], results: Results) -> Table:
    grid = Table(show_lines=True)
    for header in ("name", "what", "measured", "wanted", "met"):
        grid.add_column(header, overflow="fold")
    for row in rows:
        grid.add_row(row.name, row.what, *cells(row, results))
    return grid


def cells(row: Row, results: Results) -> tuple[str, str, str]:
    wanted = "\n".join(figure.wanted for figure in row.figures)
    if row.name in results.failures:
        return f"could not be measured: {results.failures[row.name]}", wanted, "?"
    values = results.median(row.name)
    measured = "\n".join(f"{number(values[figure.name])} {figure.name}" for figure in row.figures)
    return measured, wanted, "\n".join("yes" if figure.met(values[figure.name]) else "NO" for figure in row.figures)


def number(value: float) -> str:
    """For a person: three digits that matter, no exponent."""
    return "not reached" if value == inf else f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def explanations(rows: Sequence[Row], results: Results) -> list[str]:
    """What stands behind the figures, a line for each row."""
    lines = []
    for row in rows:
        others = {name: value for name, value in results.median(row.name).items() if name not in {figure.name for figure in row.figures}}
        lines.append(f"{row.name}: " + "; ".join(f"{name} {number(value)}" for name, value in others.items()))
    return lines


def as_json(rows: Sequence[Row], results: Results, machine: Mapping[str, Any]) -> bytes:
    """Everything measured. What was not reached is null, as JSON has no infinity."""
    return orjson.dumps(
        {
            "machine": machine,
            "rows": {
                row.name: {
                    "what": row.what,
                    "failure": results.failures.get(row.name),
                    "wanted": {figure.name: figure.wanted for figure in row.figures},
                    "met": row.name not in results.failures
                    and all(figure.met(results.median(row.name)[figure.name]) for figure in row.figures),
                    "median": results.median(row.name),
                    "repeats": results.values[row.name],
                }
                for row in rows
            },
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY,
    )


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    names = [line.partition(":")[2].strip() for line in cpu_lines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": cores(),
        "model": names[0] if names else platform.processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
