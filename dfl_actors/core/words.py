"""The driver's words to its actor, never encoded: what came over sockets, and when.

They are messages like those of `core.messages`, so that an actor has one way to be spoken to.
"""

from dfl_actors.core.control import Adoption, Facts
from dfl_actors.core.family import FromDriver, News, Reply, Request
from dfl_actors.core.objects import Address, Count


class Started(FromDriver, frozen=True, kw_only=True):
    """Every subscription of the node stands and work may begin; with an `adoption`, behind what the node's directory has lost."""

    adoption: Adoption | None = None


class Tick(FromDriver, frozen=True, kw_only=True):
    """The time that an actor asked for (`wake`) has come."""


class Stopping(FromDriver, frozen=True, kw_only=True):
    """The run ends: begin nothing new; what is under way may finish."""


class Opened(FromDriver, frozen=True, kw_only=True):
    """The gossiper's sockets stand and links may be made, but for those to `parted`, which are down on purpose."""

    hears = ("gossiper",)
    parted: tuple[Address, ...] = ()


class Subscribed(FromDriver, frozen=True, kw_only=True):
    """A neighbour now hears the gossiper's news."""

    hears = ("gossiper",)


class Heard(FromDriver, frozen=True, kw_only=True):
    """News of a neighbour, with its number in the epoch of that neighbour's gossiper."""

    hears = ("gossiper",)
    foreign = True
    neighbour: Address
    epoch: Count
    number: Count
    news: News


class Asked(FromDriver, frozen=True, kw_only=True):
    """A request from whoever the driver calls `peer`. `by` is the neighbour whose transport key the connection has proved, if it has."""

    hears = ("gossiper",)
    foreign = True
    peer: bytes
    request: Request
    by: Address = ""


class Replied(FromDriver, frozen=True, kw_only=True):
    """A neighbour's reply, with the frame of bytes that followed it."""

    hears = ("gossiper",)
    foreign = True
    neighbour: Address
    reply: Reply
    body: memoryview | bytes = b""


class Garbled(FromDriver, frozen=True, kw_only=True):
    """Bytes of a neighbour that are no message, and the code of the rule they break."""

    hears = ("gossiper",)
    neighbour: Address
    code: str


class Known(FromDriver, frozen=True, kw_only=True):
    """What the node's other actors have reported, for the neighbours to be told."""

    hears = ("gossiper",)
    facts: Facts


class Stocked(FromDriver, frozen=True, kw_only=True):
    """So many samples have been fed to the node by now, and are on its disk."""

    hears = ("injector",)
    count: Count
