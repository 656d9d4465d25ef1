"""What goes from the gossiper to the validator: few at a time, each neighbour's in its turn, and each is answered.

A validator measures models and checks signatures, so it is slower than whoever announces. What it has no time for yet waits here, bounded
for each neighbour by itself, and no memory grows because one of them says more than it can deal with.
"""

from collections.abc import Callable, Iterator

import msgspec

from dfl_actors.core.clock import Now
from dfl_actors.core.effects import Effect, Tell
from dfl_actors.core.fair import FairQueue
from dfl_actors.core.messages import DraftArrived, Fetched
from dfl_actors.core.objects import Address, Digest
from dfl_actors.errors import Refused

MOST_WAITING, MOST_BYTES = 64, 8 << 20  # What waits for the validator of one neighbour, in number and in bytes.
PLACES, ROOM = 16, 256 << 10  # Transactions that are with the validator at once, and drafts: of so many bytes, or one that is larger.
PATIENCE = 30_000  # Milliseconds after which a place is free again though no answer came: the validator has no samples yet.
TRANSACTION, RECEIPT = 800, 600  # Bytes that a transaction and a receipt are reckoned at.

Brought = Fetched | DraftArrived


class Thing(msgspec.Struct):
    """What a neighbour brought, its size, and from when on no answer to it is waited for."""

    identity: Digest
    letter: Brought
    size: int
    until: int = 0


class Handing:
    """Things of one kind, transactions or drafts: neither waits for the other."""

    def __init__(self, unanswered: Callable[[Brought], None]) -> None:
        """`unanswered` is told of what no answer came to."""
        self._unanswered = unanswered
        self._queue: FairQueue[Thing] = FairQueue(MOST_WAITING, MOST_BYTES)
        self._known: dict[Digest, Thing] = {}
        self._away: dict[Digest, Thing] = {}
        self.taken = 0
        """How many things have come so far."""

    def __contains__(self, identity: object) -> bool:
        """Whether it waits, or is with the validator."""
        return identity in self._known

    def check_room(self, sender: Address, size: int = TRANSACTION) -> None:
        """Raises `Refused` with code `busy`."""
        if not self._queue.room(sender, size):
            raise Refused("busy", f"{MOST_WAITING} things of it wait, or {MOST_BYTES >> 20} MiB")

    def hand(self, identity: Digest, letter: Brought, now: Now) -> Iterator[Effect]:
        """Give it to the validator, when its turn has come; what is on its way to it already is left."""
        if identity not in self._known:
            self.taken += 1
            thing = self._known[identity] = Thing(identity, letter, size_of(letter))
            self._queue.put(letter.sender, thing, thing.size)
            yield from self.go_on(now)

    def answered(self, identity: Digest) -> Brought | None:
        """The validator has dealt with it; what it was, None when nobody remembers."""
        thing = self._away.pop(identity, None)
        if thing is None:
            return None
        del self._known[identity]
        return thing.letter

    def again(self, now: Now) -> Iterator[Effect]:
        """The validator was started anew: no answer is to be waited for, and what is announced again is handed over again."""
        yield from self._without(list(self._away), now)

    def go_on(self, now: Now) -> Iterator[Effect]:
        """Fill the places that are free."""
        yield from self._without([identity for identity, away in self._away.items() if now.mono >= away.until], now)

    def leave(self, sender: Address) -> None:
        """What it brought and still waits comes to nothing: it is shut out."""
        for thing in self._queue.leave(sender):
            self._unanswered(thing.letter)
            del self._known[thing.identity]

    def _without(self, lost: list[Digest], now: Now) -> Iterator[Effect]:
        for identity in lost:
            self._unanswered(self._away.pop(identity).letter)
            del self._known[identity]
        while self._places() and (thing := self._queue.pop()) is not None:
            thing.until = now.mono + PATIENCE
            self._away[thing.identity] = thing
            yield Tell(thing.letter)

    def _places(self) -> bool:
        """Whether there is a place: who waits behind what is large waits for one such thing, not for sixteen."""
        return len(self._away) < PLACES and sum(thing.size for thing in self._away.values()) < ROOM


def size_of(letter: Brought) -> int:
    """Bytes of it, more or less: what it takes in memory and at the validator."""
    if isinstance(letter, Fetched):
        return TRANSACTION + RECEIPT * len(letter.receipts)
    return sum(TRANSACTION + RECEIPT * len(entry.receipts) for entry in letter.draft.entries)
