"""What is counted of a run, event by event, so that neither a report nor a page that follows the run has to keep every event.

Counts are of distinct objects: a transaction, a receipt, a block is counted once, however often a restarted actor reported it. Who has
seen an object is remembered of the last `REMEMBERED` only: an actor that is restarted repeats what it said last.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable

import msgspec

from dfl_actors.core.events import Event, Expired, Final, ModelSent, ReceiptArrived, Restarted, Scored, Trained, Updated
from dfl_actors.core.recent import Recent
from dfl_actors.sdk.reasons import REJECTED, TAKEN, reasons_in

REMEMBERED = 1 << 18  # Objects of which it is known that they were counted.


class Carried(msgspec.Struct):
    """Models that crossed a link in one direction; `repeated` crossed it before."""

    models: int = 0
    bytes: int = 0
    repeated: int = 0


class Witnessed(msgspec.Struct):
    """Receipts of one witness for one generator, and what it measured in them."""

    receipts: int = 0
    correct: int = 0
    tested: int = 0


class Sealed(msgspec.Struct):
    """Final blocks of a chain: what is in them, how many hold every confirmation they could have, and how many none; the last one's
    time. `heights` are the first and the last: a block between them whose line was lost, as to a `kill -9`, is not in the sums."""

    blocks: int = 0
    heights: tuple[int, int] | None = None
    transactions: int = 0
    confirmations: int = 0
    expected: int = 0
    complete: int = 0
    abandoned: int = 0
    last: int = 0

    @property
    def all(self) -> int:
        """The blocks of the chain, those between whose lines were lost."""
        return 0 if self.heights is None else self.heights[1] - self.heights[0] + 1


class Said(msgspec.Struct):
    """What a node said of a sender's models: in how many updates there was one, how many it rejected or took in part, why it rejected
    one last, or took one in part where it never did, and how many it has not rejected since."""

    updates: int = 0
    rejected: int = 0
    in_part: int = 0
    last: str = ""
    since: int = 0


class _Seen:
    """Whether something is new, among the last `REMEMBERED`."""

    def __init__(self) -> None:
        self._known: Recent[int, None] = Recent(REMEMBERED)

    def new(self, *key: Hashable) -> bool:
        number = hash(key)
        if number in self._known:
            return False
        self._known.put(number, None)
        return True


class Tally:
    """The counts so far. By node; `restarts` by node and actor, `carried` by node and the address of whom it sent to, `witnessed` by the
    address of the witness and the generator, `said` by node and the sender's address."""

    def __init__(self) -> None:
        self.sent, self.received, self.receipts, self.expired, self.updates = (Counter[str]() for _ in range(5))
        self.restarts: Counter[tuple[str, str]] = Counter()
        self.carried: dict[tuple[str, str], Carried] = defaultdict(Carried)
        self.witnessed: dict[tuple[str, str], Witnessed] = defaultdict(Witnessed)
        self.sealed: dict[str, Sealed] = defaultdict(Sealed)
        self.said: dict[str, dict[str, Said]] = defaultdict(lambda: defaultdict(Said))
        self._seen = _Seen()
        self._counting: dict[type[Event], Callable[..., None]] = {
            Trained: self._trained,
            Scored: self._scored,
            Expired: self._expired,
            ReceiptArrived: self._receipt,
            ModelSent: self._sent,
            Final: self._final,
            Updated: self._updated,
            Restarted: self._restarted,
        }

    def add(self, event: Event) -> None:
        """Count an event, if it is one that counts."""
        count = self._counting.get(type(event))
        if count is not None:
            count(event)

    def chain_of(self, name: str) -> Sealed:
        """What is in the final blocks of a node; asking leaves nothing behind."""
        return self.sealed.get(name, Sealed())

    def _trained(self, event: Trained) -> None:
        if event.tx and self._seen.new("sent", event.node, event.tx):
            self.sent[event.node] += 1

    def _scored(self, event: Scored) -> None:
        self.received[event.node] += self._seen.new("received", event.node, event.tx)

    def _expired(self, event: Expired) -> None:
        self.expired[event.node] += self._seen.new("expired", event.node, event.tx)

    def _receipt(self, event: ReceiptArrived) -> None:
        if self._seen.new("receipt", event.node, event.tx, event.creator):
            self.receipts[event.node] += 1
            pair = self.witnessed[event.creator, event.node]
            pair.receipts += 1
            pair.correct += event.correct
            pair.tested += event.tested

    def _sent(self, event: ModelSent) -> None:
        way = self.carried[event.node, event.to]
        way.models += 1
        way.bytes += event.bytes
        way.repeated += not self._seen.new("carried", event.node, event.to, event.tx)

    def _final(self, event: Final) -> None:
        if not self._seen.new("final", event.block):
            return
        sealed = self.sealed[event.node]
        sealed.blocks += 1
        first, last = sealed.heights or (event.height, event.height)
        sealed.heights = min(first, event.height), max(last, event.height)
        sealed.transactions += event.transactions
        sealed.confirmations += event.confirmations
        sealed.expected += event.expected
        sealed.complete += event.confirmations >= event.expected
        sealed.abandoned += not event.confirmations
        sealed.last = max(sealed.last, event.t)

    def _restarted(self, event: Restarted) -> None:
        self.restarts[event.node, event.actor] += 1

    def _updated(self, event: Updated) -> None:
        self.updates[event.node] += 1
        for sender, words in reasons_in(event.notes).items():
            said = self.said[event.node][sender]
            said.updates += 1
            said.since += 1
            if words.startswith(REJECTED):
                said.rejected += 1
                said.since = 0
                said.last = words
            elif words != TAKEN:
                said.in_part += 1
                said.last = said.last if said.rejected else words


def tally(events: Iterable[Event]) -> Tally:
    """The counts of these."""
    made = Tally()
    for event in events:
        made.add(event)
    return made
