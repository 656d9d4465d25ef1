"""An actor is a state machine: `handle(message, now) -> effects`.

It owns its state alone, handles one message at a time, never touches a socket and never reads a clock: time comes with each
message, and an actor that wants to be called sets `wake`. A subclass writes one `on_<message>` for every message it hears.
Drivers perform the effects: `runtime` over ZeroMQ and LMDB, the tests' simulated network in memory.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

import msgspec

from dfl_actors.core import events
from dfl_actors.core.clock import Now
from dfl_actors.core.effects import Effect, Note
from dfl_actors.core.family import Event, FromDriver, Letter, Message, News, Reply, Request, heard_by
from dfl_actors.core.objects import Address, Digest, PublicKey
from dfl_actors.core.verdicts import SIGNERS
from dfl_actors.core.words import Started, Stopping, Tick
from dfl_actors.errors import Refused

Handler = Callable[..., Iterator[Effect] | None]  # `on_<message>`; None when there is nothing to do but to take note.


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What every actor of a node is told; each adds what it alone needs. Times are in milliseconds, rates in samples a second.

    `members` are the keys of all nodes of the network, near or far: what another key has signed is refused.
    """

    address: Address
    genesis: Digest
    neighbours: tuple[Address, ...]
    members: frozenset[PublicKey]


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
    `counts` are shown in the live table.
    """

    name: ClassVar[str]
    _handlers: ClassVar[dict[type[Message], Handler]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._handlers = handlers(cls)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.wake: int | None = None
        self.ready = True
        self.idle = True
        self.counts: dict[str, int | float] = {}

    def handle(self, message: Message, now: Now) -> list[Effect]:
        """The effects of `message` at `now`. A refused object becomes a note with the code of the broken rule."""
        return list(self._call(message, now))

    def _call(self, message: Message, *context: object) -> Iterable[Effect]:
        return self._handlers[type(message)](self, message, *context) or ()

    def on_started(self, _: Started, now: Now) -> Iterator[Effect] | None:
        """Work may begin; without a handler of its own an actor waits for messages."""

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect] | None:
        """Time has come; a subclass that sets `wake` overrides this."""

    def on_stopping(self, _: Stopping, now: Now) -> Iterator[Effect] | None:
        """The run ends; what is under way may finish."""

    def count(self, what: str, by: int = 1) -> None:
        """Count something for the live table."""
        self.counts[what] = self.counts.get(what, 0) + by


KINDS = (FromDriver, Event, Letter, News, Request, Reply)  # The kinds of messages that an actor handles.


def handlers(actor: type[Actor]) -> dict[type[Message], Handler]:
    """`on_<message>` for every message that comes to the actor.

    Raises `TypeError` when one is missing, for its message would be lost, or when there is one for a message that never comes.
    """
    heard = {handler_name(message): message for kind in KINDS for message in heard_by(actor.name, kind)}
    written = {name for name in dir(actor) if name.startswith("on_")}
    if heard.keys() != written:
        lacks, idle = sorted(heard.keys() - written), sorted(written - heard.keys())
        raise TypeError(f"{actor.__name__} must handle what comes to {actor.name!r}: lacks {lacks}, and {idle} never come")
    return {message: getattr(actor, name) for name, message in heard.items()}


def handler_name(kind: type[Message]) -> str:
    """`on_receipt_arrived` for `ReceiptArrived`."""
    return f"on_{events.snake(kind.__name__)}"


def refused(error: Refused, what: str, identity: str, by: str) -> Note:
    """The note that something of another node was refused, and why."""
    return Note(events.Refused(what=what, id=identity, code=error.code, detail=error.detail, by=by))


def brought(error: Refused, what: str, identity: str, sender: Address, signer: Address) -> Note:
    """The same of what a neighbour brought and somebody else may have signed: the neighbour is named, for it alone has proved who it is,
    and `signer`, which is only what is written there, stands in the detail. Where only the signer can be at fault (`SIGNERS`) its signature
    was checked before, and it is named."""
    if error.code in SIGNERS or signer == sender:
        return refused(error, what, identity, signer)
    return refused(Refused(error.code, f"{error.detail}, said to be of {signer[:8]}"), what, identity, sender)
