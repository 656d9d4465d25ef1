"""One actor on a bench: a test hands it messages and looks at its effects, and may crash it at any step of performing them."""

from collections.abc import Callable
from typing import Any, TypeVar

from dfl_actors.actors.base import Actor, Settings
from dfl_actors.core.clock import Now
from dfl_actors.core.delivery import Delivery, Step, WriteJournal
from dfl_actors.core.effects import Commit, Effect, Keep, Note, Publish, Tell, Touch
from dfl_actors.core.events import Event
from dfl_actors.core.family import Message
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.objects import Confirmation, Draft, Entry, Receipt, Transaction
from tests import objects
from tests.simnet import parts

GENESIS, NOW = objects.NET, objects.NOW
MONO = 5_000_000
"""What the monotonic clock shows at the wall time `NOW`."""
PARAMETERS = 8
KEYS = {name: KeyPair(name.encode().ljust(32)) for name in ("me", "g", "h", "v", "w", "x")}

A = TypeVar("A", bound=Actor)
E = TypeVar("E", bound=Effect)
M = TypeVar("M", bound=Message)
N = TypeVar("N", bound=Event)
S = TypeVar("S", bound=Settings)


def at(wall: int = NOW) -> Now:
    """That moment on both clocks."""
    return Now(wall - NOW + MONO, wall)


def settings(kind: type[S], me: str = "me", neighbours: tuple[str, ...] = ("g", "h"), **fields: Any) -> S:
    usual: dict[str, Any] = {"parameters": PARAMETERS, "batch": 4, "tests": 10, "transactions": 2}
    who = {"node": me, "address": KEYS[me].address, "genesis": GENESIS, "neighbours": tuple(KEYS[name].address for name in neighbours)}
    usual["members"] = [key.public for key in KEYS.values()]
    return parts.settings(kind, {**usual, **who, **fields})


def transaction(by: str, sequence: int, data: bytes = bytes(32), **fields: Any) -> Transaction:
    return objects.transaction(KEYS[by], sequence=sequence, data=data, **{"ttl": 1, **fields})


def receipt(by: str, of: Transaction, **fields: Any) -> Receipt:
    return objects.receipt(of, KEYS[by], **fields)


def draft(by: str, entries: tuple[Entry, ...], **fields: Any) -> Draft:
    return objects.draft(*entries, key=KEYS[by], **{"created": NOW, **fields})


def confirmation(by: str, of: Draft, receipt: Receipt) -> Confirmation:
    return objects.confirmation(of, receipt, KEYS[by])


class Bench:
    """The actor's stores outlive it; `said` is everything that left the process in all its lives."""

    def __init__(self, build: Callable[["Bench"], Actor]) -> None:
        self._build = build
        self.journal, self.models, self.chain = parts.Journal(), parts.Models(), parts.Chain()
        self.said: list[Effect] = []
        self.actor, self._delivery = build(self), Delivery(patience=0)

    @property
    def wake(self) -> int | None:
        """When the actor wants to be called, as `now` of `give`."""
        return None if self.actor.wake is None else self.actor.wake - MONO + NOW

    def give(self, *messages: Message, now: int = NOW, crash: int | type[Step] | None = None) -> list[Effect]:
        """Handle one batch and perform it, up to step `crash`, or the first of that kind; a crash is followed by a new life.

        Returns what was said.
        """
        for message in messages:
            self._delivery.handled(self.actor.handle(message, at(now)))
        before = len(self.said)
        for number, step in enumerate(self._delivery.steps(at(now).mono)):
            if number == crash or type(step) is crash:
                break
            self._perform(step)
        if crash is not None:
            self.actor, self._delivery = self._build(self), Delivery(patience=0)
        return self.said[before:]

    def _perform(self, step: Step) -> None:
        match step:
            case Keep(key, data, held):
                self.models.put(key, data, held)
            case Commit(height, block):
                self.chain.append(height, block)
            case WriteJournal(writes):
                self.journal.commit(writes)
            case Effect() if not isinstance(step, Touch):
                self.said.append(step)


def told(effects: list[Effect], kind: type[M]) -> list[M]:
    """The letters and events of one type."""
    return [effect.message for effect in effects if isinstance(effect, Tell | Publish) and isinstance(effect.message, kind)]


def notes(effects: list[Effect], kind: type[N]) -> list[N]:
    """The events for the metrics of one kind."""
    return [effect.event for effect in effects if isinstance(effect, Note) and isinstance(effect.event, kind)]


def only(effects: list[Effect], kind: type[E]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]
