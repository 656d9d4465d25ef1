"""A run directory, read back: `run.json` and `metrics.jsonl` become one frozen `Run`.

The metrics are one JSON object a line, written by many actors and cut short by whatever killed the run, so reading is
forgiving: events and fields this version does not know are ignored, and a line that cannot be understood (torn by
`kill -9`, or damaged) is skipped and counted. A run that was resumed holds several sessions; `Run.seconds` leaves out the
time between them.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar, cast

import msgspec
import orjson

from dfl_actors.errors import StoreError


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What every line holds: when (ms since the epoch), which node ("" for the whole network), which actor."""

    t: int
    node: str = ""
    actor: str = ""


class Ready(Event, frozen=True, gc=False):
    """Every actor is ready; the network starts. `seconds` since the command."""

    seconds: float = 0.0


class Stopped(Event, frozen=True, gc=False):
    reason: str = ""


class Trained(Event, frozen=True, gc=False):
    """A transaction was made. `steps` and `samples` are totals so far."""

    tx: str
    steps: int = 0
    samples: int = 0
    correct: int = 0
    tested: int = 0


class Scored(Event, frozen=True, gc=False):
    """A transaction of another node was received and measured."""

    tx: str
    generator: str = ""
    correct: int = 0
    tested: int = 0


class Refused(Event, frozen=True, gc=False):
    code: str
    what: str = ""


class ReceiptArrived(Event, frozen=True, gc=False):
    tx: str
    creator: str


class Expired(Event, frozen=True, gc=False):
    tx: str


class Final(Event, frozen=True, gc=False):
    height: int
    block: str
    transactions: int
    confirmations: int
    expected: int


class Updated(Event, frozen=True, gc=False):
    """The model buffer was averaged. `reputations` by address."""

    models: int = 0
    reputations: dict[str, float] = {}


class Evaluated(Event, frozen=True, gc=False):
    """The node's model was measured on the test images."""

    correct: int
    tested: int


class Restarted(Event, frozen=True, gc=False):
    reason: str = ""


class ModelSent(Event, frozen=True, gc=False):
    """A whole model was served to a neighbour (`to` is its address)."""

    tx: str
    to: str
    bytes: int


class Cpu(Event, frozen=True, gc=False):
    """CPU seconds of one process: in all, and by task and kind of work."""

    total: float
    tasks: dict[str, dict[str, float]] = {}


KINDS: Mapping[str, type[Event]] = {
    "ready": Ready,
    "stopped": Stopped,
    "trained": Trained,
    "scored": Scored,
    "refused": Refused,
    "receipt": ReceiptArrived,
    "expired": Expired,
    "final": Final,
    "updated": Updated,
    "evaluated": Evaluated,
    "restarted": Restarted,
    "sent": ModelSent,
    "cpu": Cpu,
}

E = TypeVar("E", bound=Event)


class Session(msgspec.Struct, frozen=True):
    """A stretch of running without a break, from ready to the end, in ms since the epoch."""

    start: int
    end: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a run. `skipped` counts the metric lines that could not be understood."""

    path: Path
    name: str
    nodes: dict[str, str]
    links: tuple[tuple[str, str], ...]
    started: int
    ready: int | None
    target: float | None
    sessions: tuple[Session, ...]
    events: dict[type[Event], list[Event]]
    skipped: int

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in the order of the file."""
        return cast(list[E], self.events.get(kind, []))

    def seconds(self, t: int) -> float:
        """Seconds of running from the first ready to `t`, the pauses between sessions left out; never negative."""
        index = max(bisect_right(self.sessions, t, key=lambda session: session.start) - 1, 0)
        earlier = sum(session.end - session.start for session in self.sessions[:index])
        here = self.sessions[index]
        last = index == len(self.sessions) - 1
        return (earlier + max((t if last else min(t, here.end)) - here.start, 0)) / 1000

    @property
    def elapsed(self) -> float:
        """Seconds the network ran, all sessions together."""
        return self.seconds(self.sessions[-1].end)

    @property
    def ready_seconds(self) -> float:
        """Seconds from the command to all actors ready, of the first session; 0 if it never came to that."""
        return next((event.seconds for event in self.of(Ready)), 0.0)

    def node_named(self, address: str) -> str:
        """The name of the node at `address`; a short form of the address where the run has no such node."""
        return next((name for name, known in self.nodes.items() if known == address), address[:8])

    def neighbours(self, name: str) -> set[str]:
        return {b if a == name else a for a, b in self.links if name in (a, b)} - {name}


class _RunFile(msgspec.Struct, frozen=True):
    """What is read of run.json. `target` may be left out, and 0 is none."""

    name: str
    started: int
    nodes: dict[str, str]
    links: tuple[tuple[str, str], ...] = ()
    target: float | None = None


def by_node(events: Iterable[E]) -> dict[str, list[E]]:
    """The events of each node, in order."""
    grouped: dict[str, list[E]] = defaultdict(list)
    for event in events:
        grouped[event.node].append(event)
    return grouped


def load_run(path: Path) -> Run:
    """Read the run directory `path`.

    A directory without metrics is a run in which nothing happened yet. Raises StoreError if `path` is not a run directory.
    """
    about = _load_about(path / "run.json")
    events, skipped = _load_events(path / "metrics.jsonl")
    sessions = _sessions(events, about.started)
    ready = events.get(Ready)
    return Run(
        path=path,
        name=about.name,
        nodes=about.nodes,
        links=about.links,
        started=about.started,
        ready=ready[0].t if ready else None,
        target=about.target or None,
        sessions=sessions,
        events=events,
        skipped=skipped,
    )


def _load_about(path: Path) -> _RunFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_RunFile)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); name a directory that `dfl-actors run` made") from error
    except msgspec.DecodeError as error:
        raise StoreError(f"{path}: damaged ({error}); restore the file or name another run directory") from error


def _load_events(path: Path) -> tuple[dict[type[Event], list[Event]], int]:
    """The events by kind, and how many lines were skipped."""
    events: dict[type[Event], list[Event]] = defaultdict(list)
    skipped = 0
    if not path.exists():
        return {}, 0
    with path.open("rb") as lines:
        for line in lines:
            try:
                event = _event(line)
            except (orjson.JSONDecodeError, msgspec.ValidationError):
                skipped += 1
                continue
            if event is not None:
                events[type(event)].append(event)
    return dict(events), skipped


def _event(line: bytes) -> Event | None:
    """The event on a line; None if its kind is not known. Raises JSONDecodeError or ValidationError."""
    fields = orjson.loads(line)
    if not isinstance(fields, dict) or not isinstance(fields.get("event"), str):
        raise msgspec.ValidationError("not an object that names an event")
    kind = KINDS.get(fields["event"])
    return None if kind is None else msgspec.convert(fields, kind)


def _sessions(events: Mapping[type[Event], list[Event]], started: int) -> tuple[Session, ...]:
    """One session for each ready. It ends when it was stopped, or with its last event if it was killed."""
    times = sorted(event.t for group in events.values() for event in group)
    stops = sorted(event.t for event in events.get(Stopped, []))
    starts = sorted(event.t for event in events.get(Ready, [])) or [started]
    bounds = [*starts[1:], max([*times, starts[-1]]) + 1]
    return tuple(Session(start, _end(start, bound, stops, times)) for start, bound in zip(starts, bounds, strict=True))


def _end(start: int, bound: int, stops: list[int], times: list[int]) -> int:
    within = [stop for stop in stops if start <= stop < bound]
    if within:
        return within[-1]
    last = bisect_right(times, bound - 1) - 1
    return max(times[last], start) if last >= 0 else start
