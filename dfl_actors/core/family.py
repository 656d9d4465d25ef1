"""What every message states in its class: its kind, who says it and who hears it. All routing is derived from that.

The kind is the base class:

* `FromDriver`: the driver's word to its actor, never encoded;
* `Event`: XPUB to the SUBs of its listeners in the node; a listener that is away misses it;
* `Letter`: DEALER to the ROUTER of the one actor it is for; acknowledged, and sent again until it is;
* `News`: a gossiper's XPUB to the SUB of every neighbour, numbered;
* `Request` and `Reply`: DEALER to the neighbour's ROUTER, and back;
* `Control`: between an actor's process and its supervisor.

So the way of a message is its class: `says` and `hears` there, and `on_<message>` in the actors that `hears` names. A message
without a way, or one that nobody could deliver, fails when its class is made; an actor that lacks a handler or has one too many
fails when it is made (`actors.base`).
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import ClassVar, TypeVar

import msgspec

ACTORS: tuple[str, ...] = ("injector", "trainer", "gossiper", "validator", "builder", "keeper")


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True, tag_field="type"):
    """Base of every message; the class name is the message's type on the wire. `hears` may be empty: then it is for watchers."""

    says: ClassVar[str]
    hears: ClassVar[tuple[str, ...]]
    foreign: ClassVar[bool] = False
    """Whether it brings what another node has said: an exception while it is handled costs this message, and not the actor."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if Message not in cls.__bases__:
            _check_way(cls)
            _made.append(cls)


M = TypeVar("M", bound=Message)
_made: list[type[Message]] = []


class FromDriver(Message, frozen=True, kw_only=True):
    """The driver's word."""

    says, hears = "driver", ACTORS


class Event(Message, frozen=True, kw_only=True):
    """To whoever listens in the node."""


class Letter(Message, frozen=True, kw_only=True):
    """To one actor of the node."""


class News(Message, frozen=True, kw_only=True):
    """To all neighbours."""

    says, hears = "gossiper", ("gossiper",)


class Request(Message, frozen=True, kw_only=True):
    """To one neighbour."""

    says, hears = "gossiper", ("gossiper",)


class Reply(Message, frozen=True, kw_only=True):
    """To the neighbour that sent a request `to` which it may be said; without one, to any."""

    says, hears = "gossiper", ("gossiper",)
    to: ClassVar[tuple[type[Request], ...]] = ()


class Control(Message, frozen=True, kw_only=True):
    """Between a process and the supervisor."""


PARTIES = ("actor", "gossiper", "supervisor", "evaluator")
"""Who says and hears control words; `actor` is any of the six."""

WAYS: Mapping[type[Message], tuple[tuple[str, ...], bool]] = {
    FromDriver: (("driver", *ACTORS), True),
    Event: (ACTORS, True),
    Letter: (ACTORS, True),
    News: (("gossiper",), False),
    Request: (("gossiper",), False),
    Reply: (("gossiper",), False),
    Control: (PARTIES, True),
}
"""Who may say and hear messages of a kind, and whether from one to others; a gossiper's go to the gossipers of neighbours."""

WORDS = {True: "it must go from one to others of", False: "both must be"}


def _check_way(kind: type[Message]) -> None:
    """Raises `TypeError` for a message that does not state its way, or states one that does not exist."""
    if not hasattr(kind, "says") or not hasattr(kind, "hears"):
        raise TypeError(f"{kind.__name__} does not state who says and who hears it")
    parties, apart = next(rule for base, rule in WAYS.items() if issubclass(kind, base))
    if not {kind.says, *kind.hears} <= set(parties) or (kind.says in kind.hears) is apart:
        raise TypeError(f"{kind.__name__} goes from {kind.says} to {', '.join(kind.hears)}: {WORDS[apart]} {', '.join(parties)}")
    if issubclass(kind, Letter) and len(kind.hears) != 1:
        raise TypeError(f"{kind.__name__} is a letter and must have one reader, not {len(kind.hears)}")


def kind_of(message: Message) -> str:
    """`event`, `letter`, `news`, `request`, `reply` or `control`."""
    return type(message).__mro__[1].__name__.lower()


def members(kind: type[M]) -> tuple[type[M], ...]:
    """The messages of a kind, in the order of their definition."""
    return tuple(made for made in _made if issubclass(made, kind))


def heard_by(listener: str, kind: type[M]) -> tuple[type[M], ...]:
    """The messages of a kind that come to `listener`."""
    return tuple(message for message in members(kind) if listener in message.hears)


def said_by(speaker: str, kind: type[M]) -> tuple[type[M], ...]:
    """The messages of a kind that `speaker` says."""
    return tuple(message for message in members(kind) if message.says == speaker)


def union(messages: Iterable[type[M]]) -> type[M]:
    """One type to decode any of these messages."""
    return reduce(or_, messages)
