"""What an actor may ask of its driver. A driver performs the stores first, then the speech: journal before you speak."""

import msgspec

from dfl_actors.core import events
from dfl_actors.core.family import Event, Letter, News, Reply, Request


class Effect(msgspec.Struct, frozen=True):
    """Base of all effects."""


class Publish(Effect, frozen=True):
    """An event, to the listeners in this node."""

    message: Event


class Tell(Effect, frozen=True):
    """A letter, to the one actor of this node that hears it; sent again until acknowledged."""

    message: Letter


class Announce(Effect, frozen=True):
    """News with its number, to every neighbour."""

    epoch: int
    number: int
    news: News


class Send(Effect, frozen=True):
    """A request, to one neighbour. It may be lost; who sends it asks again."""

    neighbour: str
    message: Request


class Answer(Effect, frozen=True):
    """A reply, to whoever sent a request (`peer` is the driver's name for it)."""

    peer: bytes
    message: Reply


class Serve(Effect, frozen=True):
    """The chunks `first` up to, but not including, `last` of a stored model, each behind its `Chunk`, to whoever asked for them.

    The driver takes the bytes from the store at the moment of sending; a model that has gone by then is not served.
    """

    peer: bytes
    model: str
    first: int
    last: int


class Journal(Effect, frozen=True):
    """Write into the actor's own journal (None deletes), durable before anything else of the batch leaves the process."""

    key: bytes
    value: bytes | None


class Commit(Effect, frozen=True):
    """Append a final block's canonical bytes to the chain, durable before anything else of the batch leaves the process."""

    height: int
    block: bytes


class Keep(Effect, frozen=True):
    """Put bytes into the node's model store under a digest; `held`: it is the node's own, and stays until two newer ones of these came."""

    key: str
    data: bytes | memoryview
    held: bool = False


class Touch(Effect, frozen=True):
    """A stored model is still needed: it counts as used just now."""

    key: str


class Note(Effect, frozen=True):
    """A line for the run's metrics."""

    event: events.Event
