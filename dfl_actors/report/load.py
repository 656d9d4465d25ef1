"""A run directory, read back: `run.json` and `metrics.jsonl`, with the files before it, become one frozen `Run`.

The metrics are one JSON object a line, written by many actors and cut short by whatever killed the run, so reading is
forgiving: fields this version does not know are ignored, events it does not know and lines that are torn or damaged are left out
and counted. A run that was resumed holds several sessions; `Run.seconds` leaves out the time between them.
"""

import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from dfl_actors.config.config import AT_TIMES
from dfl_actors.config.toml_text import counted
from dfl_actors.core.events import KINDS, E, Event, Ready, name_of, read
from dfl_actors.core.keys import address_of
from dfl_actors.errors import StoreError
from dfl_actors.files import read_text, regular
from dfl_actors.learning.score import IN_JSON, Measure, word_for
from dfl_actors.report.sessions import Session, Timeline, seconds_in
from dfl_actors.report.tally import Tally, tally
from dfl_actors.runtime.rundir import About, RunDirectory, read_about
from dfl_actors.sim.about import is_simulation

if TYPE_CHECKING:
    from dfl_actors.report.waits import Waits


class Run(About, frozen=True, kw_only=True):
    """All that is known of a run, or of a simulation. `skipped` counts the lines of metrics that could not be understood, `unknown` the
    events of kinds that this version does not know.

    `tally` has what is counted of the events; `waits` what transactions waited for, of a run that is followed. `nodes` ran here;
    `elsewhere` are the addresses of nodes on other hosts, where known, `roles` those of nodes that are not normal, `attacks` what the
    malicious ones do. `unit` is what `seconds` counts: a simulation's are ticks, of which there will be `ticks`. `score` is the word for
    what models are measured by.
    """

    path: Path
    sessions: tuple[Session, ...]
    events: dict[type[Event], list[Event]]
    skipped: int
    unknown: int
    elsewhere: dict[str, str]
    roles: dict[str, str]
    attacks: dict[str, str]
    tally: Tally
    waits: "Waits | None" = None
    unit: Literal["seconds", "tick"] = "seconds"
    ticks: int | None = None
    score: Measure = "accuracy"

    @property
    def simulated(self) -> bool:
        return self.unit == "tick"

    @property
    def measured_by(self) -> str:
        return IN_JSON[self.score]

    @property
    def axis(self) -> str:
        """What the axis of a chart over time counts."""
        return "tick" if self.simulated else "seconds since the network was ready"

    def moment(self, seconds: float) -> str:
        """A moment of that axis, for a person."""
        return f"tick {seconds:.0f}" if self.simulated else f"{seconds:.1f} s"

    @property
    def of_ticks(self) -> str:
        """Of how many ticks a simulation is that goes on, or did not come to its end: " of 6,000"."""
        return f" of {self.ticks:,}" if self.ticks is not None and self.elapsed < self.ticks else ""

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in the order of the file."""
        return cast("list[E]", self.events.get(kind, []))

    def seconds(self, t: int) -> float:
        """Seconds of running from the first ready to `t`, the pauses between sessions left out; never negative. What comes after a session
        was stopped, its last measurements for instance, is of its end."""
        return seconds_in(self.sessions, t)

    @property
    def elapsed(self) -> float:
        """Seconds the network ran, all sessions together."""
        return self.seconds(self.sessions[-1].end)

    @property
    def ready(self) -> Ready | None:
        """When all actors were ready for the first time; None if it never came to that."""
        return next(iter(self.of(Ready)), None)

    @property
    def ready_seconds(self) -> float:
        """Seconds from the command to all actors ready, of the first session; 0 if it never came to that."""
        return 0.0 if self.ready is None else self.ready.seconds

    def node_named(self, address: str) -> str:
        """The name of the node at `address`; a short form of the address where the run has no such node."""
        known = (name for nodes in (self.nodes, self.elsewhere) for name, its in nodes.items() if its == address)
        return next(known, address[:8])

    def neighbours(self, name: str) -> set[str]:
        return {b if a == name else a for a, b in self.links if name in (a, b)} - {name}

    @property
    def left_out(self) -> list[str]:
        """What of the metrics is in no figure, a sentence each."""
        torn = f"{counted(self.skipped, 'line')} of metrics.jsonl could not be read: not counted"
        new = f"{counted(self.unknown, 'event')} of kinds that this version does not know: not counted"
        return [text for text, count in ((torn, self.skipped), (new, self.unknown)) if count]


class _NodeTable(msgspec.Struct, frozen=True):
    """What is read of a `[node.NAME]` table of config.toml."""

    role: str = ""
    attack: str = ""
    public_key: str = ""


class _EventTable(msgspec.Struct, frozen=True):
    """What is read of an `[[event]]` table of config.toml."""

    do: str = ""
    node: str = ""


def by_node(events: Iterable[E]) -> dict[str, list[E]]:
    """The events of each node, in order."""
    grouped: dict[str, list[E]] = defaultdict(list)
    for event in events:
        grouped[event.node].append(event)
    return grouped


def load_run(path: Path, only: Collection[type[Event]] = ()) -> Run:
    """Read the run directory `path`, or a simulation's; with `only`, no other events than those of these kinds, which takes a fraction of
    the time.

    A directory without metrics is a run in which nothing happened yet. Raises StoreError if `path` is not a run directory.
    """
    directory = RunDirectory(path)
    if is_simulation(path):
        from dfl_actors.report.simulated import load_simulation

        return load_simulation(path, only)
    about = read_about(directory)
    timeline = Timeline(about.started)
    events, skipped, unknown = _load_events(directory.metrics_files(), only, timeline)
    return Run(
        **fields_of(about, directory.config),
        path=path,
        sessions=timeline.sessions,
        events=events,
        skipped=skipped,
        unknown=unknown,
        tally=tally(event for group in events.values() for event in group),
    )


def fields_of(about: About, config: Path) -> dict[str, Any]:
    """What a `Run` says of itself besides what happened in it."""
    elsewhere, roles, attacks = configured(config)
    known = {**msgspec.structs.asdict(about), "target": about.target or None}
    return {**known, "elsewhere": elsewhere, "roles": roles, "attacks": attacks, "score": score_of(config)}


def score_of(path: Path) -> Measure:
    """What the nodes of a configuration are measured by."""
    try:
        return word_for(tomllib.loads(read_text(path)).get("data", {}).get("task", ""))
    except (OSError, ValueError, AttributeError):
        return "accuracy"


def configured(path: Path) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Addresses, roles and attacks that the configuration gives to nodes. It only adds to what is known: a run without one can be read."""
    try:
        table = tomllib.loads(read_text(path))
        given = msgspec.convert(table.get("node", {}), dict[str, _NodeTable])
        later = [event.node for event in msgspec.convert(table.get("event", []), list[_EventTable]) if event.do == "attack"]
        elsewhere = {name: address_of(node.public_key) for name, node in given.items() if node.public_key}
    except (OSError, ValueError):  # what msgspec, tomllib and a malformed key raise are ValueErrors
        return {}, {}, {}
    attacks = dict.fromkeys(later, AT_TIMES) | {name: node.attack for name, node in given.items() if node.attack}
    return elsewhere, {name: node.role for name, node in given.items() if node.role not in ("", "normal")}, attacks


def _load_events(paths: list[Path], only: Collection[type[Event]], timeline: Timeline) -> tuple[dict[type[Event], list[Event]], int, int]:
    """The events by kind, which `timeline` hears of, how many lines were skipped, and how many events are unknown. Raises StoreError
    if a file cannot be read."""
    events: dict[type[Event], list[Event]] = defaultdict(list)
    skipped = unknown = 0
    wanted = re.compile("|".join(f'"event": ?"{name_of(kind)}"' for kind in only or KINDS.values()).encode())
    for line in (line for path in paths for line in _lines(path)):
        if only and not wanted.search(line):
            continue
        try:
            event = read(line)
        except ValueError:
            skipped += 1
            continue
        if event is None:
            unknown += 1
        else:
            events[type(event)].append(event)
            timeline.add(event)
    return dict(events), skipped, unknown


def _lines(path: Path) -> Iterator[bytes]:
    if not path.exists():
        return
    try:
        with os.fdopen(regular(path), "rb") as lines:
            yield from lines
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); make it a readable file again or name another run") from error
