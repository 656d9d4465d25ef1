"""An actor is a state machine: `handle(message, now) -> effects`.

It owns its state alone, handles one message at a time, never touches a socket and never reads a clock: time comes with each
message, and an actor that wants to be called sets `wake`. A subclass writes one `on_<message>` for every message it hears.
Drivers perform the effects: `runtime` over ZeroMQ and LMDB, the tests' simulated network in memory.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar, Literal, Protocol

import msgspec

from dfl_actors.core import events
from dfl_actors.core.clock import Now
from dfl_actors.core.effects import Effect, Note
from dfl_actors.core.messages import Message, Tick
from dfl_actors.core.objects import Address, Digest
from dfl_actors.errors import Refused


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's actors need to know of the configuration. Times are in milliseconds, rates in samples a second."""

    node: str
    address: Address
    public_key: str
    genesis: Digest
    neighbours: tuple[Address, ...]
    role: Literal["normal", "observer"] = "normal"
    parameters: int = 0
    codec: str = "float32"
    ttl: int = 1
    expiry: int = 60_000
    skew: int = 5_000
    heartbeat: int = 1_000
    fetch_timeout: int = 10_000
    transactions: int = 4
    receipts: int = 1
    receipt_wait: int = 10_000
    confirmations: float = 1.0
    per: Literal["block", "transaction"] = "block"
    deadline: int = 30_000
    memo: str = ""
    batch: int = 64
    steps: int = 1
    rate: float = 8.0
    tests: int = 100
    buffer: int = 4
    together: bool = True
    """Whether the run waits for every link before it begins, or for one (a node on a host of its own)."""


class JournalReader(Protocol):
    """What an actor reads of its own journal, when it starts and later."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]: ...


class Models(Protocol):
    """What an actor reads of the node's model store. `view` gives no copy, and None for a model that is not there."""

    def view(self, key: str) -> AbstractContextManager[memoryview | None]: ...

    def size(self, key: str) -> int | None: ...


class Actor:
    """Base of the six actors.

    `ready` is false while the actor waits for something before the run can begin, `idle` while work it began is unfinished.
    `counts` are shown in the live table. `task` says for which of the paper's tasks (tables IV and VI) a message is handled.
    """

    name: ClassVar[str]
    task: ClassVar[str] = "other"
    tasks: ClassVar[dict[type[Message], str]] = {}
    _handlers: ClassVar[dict[str, str]] = {}

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.wake: int | None = None
        self.ready = True
        self.idle = True
        self.counts: dict[str, int | float] = {}
        self.doing: Callable[[str], AbstractContextManager[None]] = lambda work: nullcontext()
        """Marks what follows as "learning", "blockchain" or "network" for whoever counts the cost; the driver sets it."""

    def handle(self, message: Message, now: Now) -> list[Effect]:
        """The effects of `message` at `now`. A refused object becomes a note with the code of the broken rule."""
        handler: Callable[[Message, Now], Iterator[Effect]] | None = getattr(self, handler_name(type(message)), None)
        return [] if handler is None else list(handler(message, now))

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        """Time has come; a subclass that sets `wake` overrides this."""
        yield from ()

    def count(self, what: str, by: int = 1) -> None:
        """Count something for the live table."""
        self.counts[what] = self.counts.get(what, 0) + by


def handler_name(kind: type[Message]) -> str:
    """`on_receipt_arrived` for `ReceiptArrived`."""
    name = _NAMES.get(kind)
    if name is None:
        name = _NAMES[kind] = "on_" + re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    return name


_NAMES: dict[type[Message], str] = {}


def refused(error: Refused, what: str, identity: str, by: str) -> Note:
    """The note that something of another node was refused, and why."""
    return Note(events.Refused(what=what, id=identity, code=error.code, detail=error.detail, by=by))
