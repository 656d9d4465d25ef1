"""A run directory, read back: `run.json` and `metrics.jsonl` become one frozen `Run`.

The metrics are one JSON object a line, written by many actors and cut short by whatever killed the run, so reading is
forgiving: events and fields this version does not know are ignored, and a line that cannot be understood (torn by
`kill -9`, or damaged) is skipped and counted. A run that was resumed holds several sessions; `Run.seconds` leaves out the
time between them.
"""

import re
import tomllib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

import msgspec
import orjson

from dfl_actors.core.keys import address_of
from dfl_actors.errors import StoreError
from dfl_actors.files import read_bytes, read_text


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
    loss: float | None = None


class Announced(Event, frozen=True, gc=False):
    """A node's own transaction went out to its neighbours."""

    tx: str


class Fetched(Event, frozen=True, gc=False):
    """The model of a transaction came whole from a neighbour, whose address is `source`, `ms` after it was asked for."""

    tx: str
    source: str = msgspec.field(default="", name="from")
    ms: int = 0


class Scored(Event, frozen=True, gc=False):
    """A transaction of another node was received and measured."""

    tx: str
    generator: str = ""
    correct: int = 0
    tested: int = 0
    ttl: int = 0


class Refused(Event, frozen=True, gc=False):
    code: str
    what: str = ""
    id: str = ""


class Dropped(Event, frozen=True, gc=False):
    """Requests or replies that a socket of the gossiper did not take."""

    what: str
    messages: int


class ReceiptArrived(Event, frozen=True, gc=False):
    tx: str
    creator: str
    correct: int = 0
    tested: int = 0


class Expired(Event, frozen=True, gc=False):
    tx: str


class Drafted(Event, frozen=True, gc=False):
    """A block was drafted; `txs` names its transactions, unless an older version wrote the run."""

    height: int
    draft: str
    txs: tuple[str, ...] = ()


class Confirmed(Event, frozen=True, gc=False):
    """A witness confirmed its receipts in a draft, all together."""

    draft: str
    confirmations: int = 0


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


class WeightDifference(Event, frozen=True, gc=False):
    """How different the models of all nodes are: the paper's equation 5, by layer and over all layers."""

    layers: dict[str, float] = {}
    overall: float = 0.0


class Restarted(Event, frozen=True, gc=False):
    reason: str = ""


class Fault(Event, frozen=True, gc=False):
    """Someone disturbed the network on purpose; written by whoever did it, a script for instance. `what` is for people."""

    what: str = ""


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
    "announced": Announced,
    "fetched": Fetched,
    "scored": Scored,
    "refused": Refused,
    "dropped": Dropped,
    "receipt": ReceiptArrived,
    "expired": Expired,
    "drafted": Drafted,
    "confirmed": Confirmed,
    "final": Final,
    "updated": Updated,
    "evaluated": Evaluated,
    "weight_difference": WeightDifference,
    "restarted": Restarted,
    "fault": Fault,
    "sent": ModelSent,
    "cpu": Cpu,
}

E = TypeVar("E", bound=Event)


class Session(msgspec.Struct, frozen=True):
    """A stretch of running without a break, from ready to the end, in ms since the epoch."""

    start: int
    end: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a run. `skipped` counts the metric lines that could not be understood.

    `nodes` are the addresses of the nodes that ran here, by name; `elsewhere` those of nodes on other hosts, where known. `roles`
    are those of nodes that are not normal.
    """

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
    elsewhere: dict[str, str] = {}
    roles: dict[str, str] = {}

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
        known = (name for nodes in (self.nodes, self.elsewhere) for name, its in nodes.items() if its == address)
        return next(known, address[:8])

    def neighbours(self, name: str) -> set[str]:
        return {b if a == name else a for a, b in self.links if name in (a, b)} - {name}


class _RunFile(msgspec.Struct, frozen=True):
    """What is read of run.json. `target` may be left out, and 0 is none."""

    name: str
    started: int
    nodes: dict[str, str]
    links: tuple[tuple[str, str], ...] = ()
    target: float | None = None


class _NodeTable(msgspec.Struct, frozen=True):
    """What is read of a `[node.NAME]` table of config.toml."""

    role: str = ""
    public_key: str = ""


def by_node(events: Iterable[E]) -> dict[str, list[E]]:
    """The events of each node, in order."""
    grouped: dict[str, list[E]] = defaultdict(list)
    for event in events:
        grouped[event.node].append(event)
    return grouped


def load_run(path: Path, only: Collection[type[Event]] = ()) -> Run:
    """Read the run directory `path`; with `only`, no other events than those of these kinds, which takes a fraction of the time.

    A directory without metrics is a run in which nothing happened yet. Raises StoreError if `path` is not a run directory.
    """
    about = _load_about(path / "run.json")
    events, skipped = _load_events(path / "metrics.jsonl", only)
    sessions = _sessions(events, about.started)
    ready = events.get(Ready)
    elsewhere, roles = _load_configured(path / "config.toml")
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
        elsewhere=elsewhere,
        roles=roles,
    )


def _load_about(path: Path) -> _RunFile:
    try:
        return msgspec.json.decode(read_bytes(path), type=_RunFile)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); name a directory that `dfl-actors run` made") from error
    except msgspec.DecodeError as error:
        raise StoreError(f"{path}: damaged ({error}); restore the file or name another run directory") from error


def _load_configured(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Addresses and roles that the configuration gives to nodes. It only adds to what is known: a run without one can be read."""
    try:
        nodes = tomllib.loads(read_text(path)).get("node", {})
        given = msgspec.convert(nodes, dict[str, _NodeTable])
        elsewhere = {name: address_of(node.public_key) for name, node in given.items() if node.public_key}
    except (OSError, ValueError):  # what msgspec, tomllib and a malformed key raise are ValueErrors
        return {}, {}
    return elsewhere, {name: node.role for name, node in given.items() if node.role not in ("", "normal")}


def _load_events(path: Path, only: Collection[type[Event]]) -> tuple[dict[type[Event], list[Event]], int]:
    """The events by kind, and how many lines were skipped. Raises StoreError if the file is there and cannot be read."""
    events: dict[type[Event], list[Event]] = defaultdict(list)
    skipped = 0
    wanted = re.compile("|".join(f'"event": ?"{name}"' for name, kind in KINDS.items() if not only or kind in only).encode())
    for line in _lines(path):
        if only and not wanted.search(line):
            continue
        try:
            event = _event(line)
        except (orjson.JSONDecodeError, msgspec.ValidationError):
            skipped += 1
            continue
        if event is not None:
            events[type(event)].append(event)
    return dict(events), skipped


def _lines(path: Path) -> Iterator[bytes]:
    if not path.exists():
        return
    try:
        with path.open("rb") as lines:
            yield from lines
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); make it a readable file again or name another run") from error


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
