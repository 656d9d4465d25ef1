"""What neighbours hold of this node: asked before it signs anything, so that a lost or older run directory is found out in time.

A neighbour proves what it holds with what this node itself has signed: its last transaction and its last draft. So nobody can push its
numbers up, and one that is silent or lies low delays the start by five seconds at most.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from dfl_actors.core.checks import Verifier
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import digest
from dfl_actors.core.control import Holdings
from dfl_actors.core.effects import Effect, Send
from dfl_actors.core.messages import Held, Holding
from dfl_actors.core.objects import Address, Draft, Transaction, signer_of
from dfl_actors.errors import Refused

ASK_EVERY = 500  # Milliseconds between two questions to a neighbour that does not answer.
OTHERS_WITHIN = 2_000  # Milliseconds for all neighbours, from the first link on, once one holds something: whoever never got a model of
# ours holds nothing, and others may.
WITHIN = 5_000  # Milliseconds after which the node begins with what it knows.
ANSWERED_APART = 1_000  # Milliseconds between two answers to one neighbour.


class Asking:
    """The questions of one start. `done` is whether the node may begin, `found` the most that was proved."""

    def __init__(self, me: Address, neighbours: tuple[Address, ...], verifier: Verifier, asks: bool) -> None:
        self._me, self._verifier = me, verifier
        self._asked: dict[Address, int | None] = dict.fromkeys(neighbours)
        self._silent = set(neighbours)
        self._begun: int | None = None
        self.found = Holdings()
        self.done = not asks

    @property
    def urgent(self) -> bool:
        """Whether the start waits for an answer."""
        return self._begun is not None and not self.done

    def ask(self, up: Iterable[Address], now: Now) -> Iterator[Effect]:
        """Ask the neighbours that serve our requests and have not answered."""
        for neighbour in up if not self.done else ():
            self._begun = now.mono if self._begun is None else self._begun
            asked = self._asked[neighbour]
            if neighbour in self._silent and (asked is None or now.mono - asked >= ASK_EVERY):
                self._asked[neighbour] = now.mono
                yield Send(neighbour, Holding())
        self._see(now)

    def answered(self, neighbour: Address, reply: Held, now: Now) -> None:
        """Raises `Refused` for what this node has not signed; who says such a thing has answered nothing."""
        if self.done:
            return
        for proof in (*reply.transactions, *reply.drafts):
            if signer_of(proof) != self._me:
                raise Refused("foreign_transaction", f"of {signer_of(proof)[:8]}")
            self._verifier.check(proof)
        for transaction in reply.transactions:
            self._transaction(transaction)
        for draft in reply.drafts:
            self._draft(draft)
        self._silent.discard(neighbour)
        self._see(now)

    def _transaction(self, held: Transaction) -> None:
        self._at_least(held.sequence)

    def _at_least(self, sequence: int) -> None:
        if sequence > self.found.sequence:
            self.found = replace(self.found, sequence=sequence)

    def _draft(self, held: Draft) -> None:
        if held.height > self.found.height:
            self.found = replace(self.found, height=held.height, draft=digest(held), created=held.created)
        self._at_least(max(entry.transaction.sequence for entry in held.entries))

    def _see(self, now: Now) -> None:
        if self._begun is None:
            return
        waited, something = now.mono - self._begun, self.found != Holdings()
        self.done = self.done or not self._silent or waited >= WITHIN or (something and waited >= OTHERS_WITHIN)
