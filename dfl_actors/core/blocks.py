"""When a transaction is ready for a block, and when a block is final: the rules alone, without time or store."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from dfl_actors.core.clock import Now, since
from dfl_actors.core.codec import encode
from dfl_actors.core.objects import Confirmation, Digest, Draft, Entry, Receipt, Transaction

LEAST_WAIT = 1_000  # Milliseconds after which neighbours that have not answered are asked again, however short the wait for receipts.
LIVES_TO_DRAFT = 4  # Lifetimes of a transaction, after its expiry, in which it may come into a draft of its generator.
LIVES_TO_CONFIRM = 8  # Lifetimes, after its expiry, in which a receipt for it can be confirmed: half of them for a draft that waits.
LARGEST_DRAFT = 3 << 20  # Bytes of the entries of a draft, which is one frame on the wire.


class Terms(msgspec.Struct, frozen=True):
    """What a transaction waits for: the receipts of all `neighbours`, or, once `wait` ms have passed, any `least` receipts."""

    neighbours: int
    least: int
    wait: int


class Pending:
    """An own transaction that gathers its receipts, one a witness. Its times are monotonic, also when it was read from a journal."""

    def __init__(self, transaction: Transaction, terms: Terms, now: Now) -> None:
        self.transaction, self._terms = transaction, terms
        lifetime = transaction.expires - transaction.created
        self.since = self.reminded = since(transaction.created, now, lifetime)
        self.expires = self.since + lifetime
        lives = (1 + LIVES_TO_DRAFT) * lifetime
        self.over = since(transaction.created, now, lives) + lives
        self.receipts: dict[Digest, Receipt] = {}

    def entry(self) -> Entry:
        """The transaction in a draft, its receipts in the order of their creators."""
        return Entry(transaction=self.transaction, receipts=tuple(receipt for _, receipt in sorted(self.receipts.items())))

    def answered(self) -> bool:
        """Whether half the neighbours have answered, so that the trainer need not wait for this transaction."""
        return len(self.receipts) >= (self._terms.neighbours + 1) // 2

    def lacking(self) -> bool:
        """Whether neighbours have not answered."""
        return len(self.receipts) < self._terms.neighbours

    def ready(self, now: int) -> bool:
        """Whether a block may hold it: with the least receipts, once every neighbour has answered or the wait is over."""
        return len(self.receipts) >= max(self._terms.least, 1) and (not self.lacking() or now >= self.since + self._terms.wait)

    def lacks(self, now: int) -> bool:
        """Whether neighbours that have not answered are to be asked again."""
        return self.lacking() and self.ask_at() <= now < self.expires

    def ask_at(self) -> int:
        """When neighbours that have not answered are asked again: half the wait after they were asked last."""
        return self.reminded + max(LEAST_WAIT, self._terms.wait // 2)

    def ready_at(self) -> int:
        """When time alone changes something: the end of the wait, or of the transaction's life when receipts lack."""
        return self.since + self._terms.wait if len(self.receipts) >= self._terms.least else self.expires


def confirmable_until(transaction: Transaction) -> int:
    """The wall time until which witnesses confirm a receipt for a transaction, and remember it."""
    return transaction.expires + LIVES_TO_CONFIRM * (transaction.expires - transaction.created)


def fitting(entries: Iterable[Entry], most: int = LARGEST_DRAFT) -> Iterator[Entry]:
    """The first of the entries that a draft may hold, `most` bytes of them: at least one, whose receipts are bounded in number."""
    room = most
    for number, entry in enumerate(entries):
        room -= len(encode(entry)) + 1
        if number and room < 0:
            return
        yield entry


def enough(draft: Draft, confirmed: Collection[Digest], receipts: Mapping[Digest, Receipt], fraction: float, per: str) -> bool:
    """Whether `fraction` of the draft's receipts are confirmed: over the block, or over each transaction (section V-A)."""
    if per == "block":
        return len(confirmed) >= needed(len(receipts), fraction)
    by_transaction: dict[Digest, int] = {}
    for identity, receipt in receipts.items():
        by_transaction[receipt.transaction] = by_transaction.get(receipt.transaction, 0) + (identity in confirmed)
    totals = (len(entry.receipts) for entry in draft.entries)
    tallies = (by_transaction.get(entry.receipts[0].transaction, 0) if entry.receipts else 0 for entry in draft.entries)
    return all(tally >= needed(total, fraction) for tally, total in zip(tallies, totals, strict=True))


def needed(receipts: int, fraction: float) -> int:
    """Confirmations that make `fraction` of `receipts`; 0.28 of 25 is 7, not the 8 that binary rounding would ask for."""
    return math.ceil(round(receipts * fraction, 9))


def in_order(confirmations: Collection[Confirmation]) -> tuple[Confirmation, ...]:
    """The order in which confirmations stand in a final block."""
    return tuple(sorted(confirmations, key=lambda confirmation: confirmation.receipt))
