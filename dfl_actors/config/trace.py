"""A trace of which nodes were there when, as users of FedScale have them: a CSV file of rows `time,node,up|down,speed`.

Times are seconds since the start. A node that is in no row is there all the time; one is there until its first `down`, unless that is at
time 0. `speed` may be left out: it is what the node's own is multiplied by, and stays until another is given.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dfl_actors.config.sections import Event
from dfl_actors.config.toml_text import nearest
from dfl_actors.errors import ConfigError
from dfl_actors.files import read_text

COLUMNS = ("time", "node", "state", "speed")
STATES = ("up", "down")
SLOWEST, FASTEST = 0.001, 1000.0


class Row(NamedTuple):
    """One row: from `time` on the node is `up`, or not; its speed, None to leave it."""

    time: float
    node: str
    up: bool
    speed: float | None


def read_trace(path: str, names: Sequence[str]) -> list[Event]:
    """The events of a trace in the order of time. Raises `ConfigError` with file and line of the first row that is wrong."""
    try:
        text = read_text(Path(path))
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} cannot be read ({problem}); give a readable CSV file of time,node,up|down,speed") from problem
    rows = list(_rows(text, path, set(names)))
    return list(_events(sorted(rows, key=lambda row: row.time)))


def _rows(text: str, path: str, names: set[str]) -> Iterator[Row]:
    lines = csv.reader(text.splitlines())
    try:
        for given in lines:
            cells = [cell.strip() for cell in given]
            if any(cells) and not cells[0].startswith("#") and not (cells[0] == COLUMNS[0] and len(cells) > 1):
                yield _row(cells, names)
    except (ValueError, csv.Error) as problem:
        raise ConfigError(f"{path}:{lines.line_num}: {problem}") from problem


def _row(cells: list[str], names: set[str]) -> Row:
    """Raises `ValueError`."""
    if not 3 <= len(cells) <= len(COLUMNS):
        raise ValueError(f"{len(cells)} columns; a row has time,node,up|down and perhaps speed")
    time, node, state, speed = (*cells, "")[:4]
    if node not in names:
        raise ValueError(f'no node "{node}"; {nearest(node, sorted(names))}')
    if state not in STATES:
        raise ValueError(f'"{state}" is no state; write up or down')
    factor = _number(speed, "speed", SLOWEST, FASTEST) if speed else None
    return Row(_number(time, "time", 0.0, 1e9), node, state == "up", factor)


def _number(text: str, what: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ValueError(f'"{text}" is no {what}; give a number from {least:g} to {most:g}')
    return value


def _events(rows: Sequence[Row]) -> Iterator[Event]:
    """What changes from row to row. A row that repeats what holds already says nothing."""
    away: set[str] = set()
    speeds: dict[str, float] = {}
    for row in rows:
        if row.speed is not None and row.speed != speeds.get(row.node, 1.0):
            speeds[row.node] = row.speed
            yield Event(at_s=row.time, do="slow", node=row.node, factor=row.speed)
        if row.up == (row.node in away):
            away ^= {row.node}
            yield Event(at_s=row.time, do="join" if row.up else "leave", node=row.node)
