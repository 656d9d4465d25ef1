"""A run that is followed: what it has written since one looked last becomes a `Run` as the report knows it, of as few events as it needs.

`advance` reads on from where it stood and adds up; what it costs depends on what is new, not on how long the run is.
"""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from dfl_actors.config import load_topology
from dfl_actors.core.events import (
    Announced,
    Confirmed,
    Cpu,
    Event,
    Fetched,
    Frames,
    ModelSent,
    Ready,
    ReceiptArrived,
    Scored,
    Stopped,
    Trained,
    read,
)
from dfl_actors.report import load
from dfl_actors.report.load import Run
from dfl_actors.report.runs.listing import held_since, state_of
from dfl_actors.report.sessions import Session, Timeline, seconds_in
from dfl_actors.report.simulated import TICK, ended, fields_of, told
from dfl_actors.report.tally import Tally
from dfl_actors.report.waits import LATE, Waits
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.sim.about import is_simulation, load_about
from dfl_actors.watch.kept import Kept
from dfl_actors.watch.lines import Lines, Shrunk

AT_ONCE = 5000  # Events after which what they have ended is worked out, so that they need not all be kept.

NEWEST = 40  # Events of a node of either kind that its page tells.
LATELY = frozenset(Event.__subclasses__()) - {Announced, Confirmed, Cpu, Fetched, Frames, ModelSent, ReceiptArrived, Scored}

Fields = dict[str, Any]


class Source(Protocol):
    """Where the events of a run come from."""

    nodes: int
    started: int

    def new(self) -> Iterator[Event]:
        """The events that were not there when last asked. Raises `DflError`, and `Shrunk`."""

    def fields(self, timeline: Timeline) -> Fields:
        """What a `Run` says besides its events."""

    def ends(self, timeline: Timeline) -> list[Stopped]:
        """That it has ended, where no event says so."""


class FromMetrics:
    """A run's `run.json`, `config.toml` and `metrics.jsonl`."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory, self._lines = directory, Lines()
        self._skipped = self._unknown = 0
        about = read_about(directory)
        self.nodes, self.started = len(about.nodes), about.started
        self._fields = load.fields_of(about, directory.config)

    def new(self) -> Iterator[Event]:
        for line in self._lines.new_in(self._directory.metrics_files()):
            try:
                event = read(line)
            except ValueError:
                self._skipped += bool(line)
                continue
            if event is None:
                self._unknown += 1
            else:
                yield event

    def fields(self, timeline: Timeline) -> Fields:
        return {**self._fields, "sessions": timeline.sessions, "skipped": self._skipped, "unknown": self._unknown}

    def ends(self, timeline: Timeline) -> list[Stopped]:
        return []


class FromTables:
    """A simulation's `sim.json`, `config.toml` and tables."""

    def __init__(self, path: Path) -> None:
        self._path, self._lines = path, Lines()
        self._config = load_topology(path / "config.toml")
        self._columns: dict[Path, list[str]] = {}
        self._told = 0
        self.nodes, self.started = len(self._config.nodes), load_about(path).started

    def new(self) -> Iterator[Event]:
        if not self._told:
            yield Ready(t=self.started)
        about = load_about(self._path)
        yield from about.noised[self._told :]
        self._told = max(len(about.noised), 1)
        yield from told(self._rows, self._config, self.started)

    def _rows(self, table: Path) -> Iterator[dict[str, str]]:
        rows = csv.reader(line.decode(errors="replace") for line in self._lines.new(self._path / table))
        for row in rows:
            columns = self._columns.setdefault(table, row)
            if columns is not row:
                yield dict(zip(columns, row, strict=False))

    def fields(self, timeline: Timeline) -> Fields:
        return {**fields_of(self._config, load_about(self._path)), "sessions": (Session(self.started, self._end(timeline)),)}

    def _end(self, timeline: Timeline) -> int:
        over = load_about(self._path).over
        return self.started + TICK * self._config.sim.ticks if over else max(timeline.last, self.started)

    def ends(self, timeline: Timeline) -> list[Stopped]:
        return ended(self._path, load_about(self._path), self._end(timeline))


class Followed:
    """A run or a simulation and how it stands. `run` is as of the last `advance`."""

    def __init__(self, path: Path) -> None:
        """Reads nothing yet but what the run is. Raises `DflError`."""
        self.path, self.directory = path, RunDirectory(path)
        self._begin()

    def _begin(self) -> None:
        self._source: Source = FromTables(self.path) if is_simulation(self.path) else FromMetrics(RunDirectory.open(self.path))
        self.tally, self._kept, self._timeline = Tally(), Kept(self._source.nodes), Timeline(self._source.started)
        self._lately: dict[tuple[str, bool], deque[Event]] = {}
        self._made = self._as_mtime()
        self.held = held_since(self.directory)
        self.run = self._run({}, None)
        self.waits = Waits(self.run.node_named, self._seconds)
        self.run = self._run({}, self.waits)

    def _seconds(self, t: int) -> float:
        """By the sessions that are known by now."""
        return seconds_in(self._timeline.sessions, t)

    def _as_mtime(self) -> int:
        """When what the run is was written: a resume writes it anew."""
        return max((path.stat().st_mtime_ns for path in (self.directory.run, self.directory.config) if path.exists()), default=0)

    def advance(self) -> bool:
        """Read on. Returns whether anything changed. Raises `DflError`."""
        try:
            if self._as_mtime() != self._made:
                raise Shrunk
            new = self._take()
        except Shrunk:
            self._begin()
            self._take()
            new = 1
        held = held_since(self.directory)
        changed = bool(new) or (held is None) != (self.held is None)
        if changed:
            self.held, self.run = held, self._run(self._kept.events(), self.waits)
            self.waits.settle(float("inf") if held is None else self._timeline.last - LATE)
        return changed

    def _take(self) -> int:
        count = 0
        for event in self._source.new():
            count += 1
            self._timeline.add(event)
            self.tally.add(event)
            self.waits.add(event)
            self._kept.add(event)
            if type(event) in LATELY and event.node:
                self._lately.setdefault((event.node, type(event) is Trained), deque(maxlen=NEWEST)).append(event)
            if count % AT_ONCE == 0:
                self.waits.settle(self._timeline.last - LATE)
        return count

    def _run(self, events: dict[type[Event], list[Event]], waits: Waits | None) -> Run:
        if ends := self._source.ends(self._timeline):
            events[Stopped] = [*ends]
        fields = self._source.fields(self._timeline)
        return Run(**{**fields, "path": self.path, "events": events, "tally": self.tally, "waits": waits})

    def lately(self, node: str) -> list[Event]:
        """The newest events of a node that its page tells: of what it trained, and of all else."""
        return [event for trained in (True, False) for event in self._lately.get((node, trained), ())]

    @property
    def state(self) -> str:
        """Its state in a word."""
        return state_of(self.run, self.held)[0]

    @property
    def goes_on(self) -> bool:
        """Whether a process runs it."""
        return self.held is not None
