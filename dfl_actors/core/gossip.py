"""The bookkeeping of gossip, apart from sockets: numbered news, repeats, fetches in chunks, and what has been seen.

Each gossiper numbers its news within an epoch (the time it started). A listener that sees a gap asks for the missing numbers
again; a listener that sees a new epoch knows that the neighbour was restarted.
"""

from collections.abc import Iterator

from dfl_actors.core.messages import AnyNews, Beat
from dfl_actors.core.objects import Address, Digest, Draft, Transaction
from dfl_actors.core.recent import Recent

CHUNK = 2 << 20  # Bytes in one chunk of a model. Most models are one chunk: it is hashed and stored where it arrived, without being joined.
WINDOW = 4  # Chunks asked for at once.
KEPT = 512  # Pieces of news a gossiper can repeat.
MOST_MISSING = 512  # Lost numbers of one neighbour that are remembered; of more only the newest.


class Outgoing:
    """Numbers what we publish, and keeps the last pieces for those who lost one."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.number = 0
        self._kept: Recent[int, AnyNews] = Recent(KEPT)

    def add(self, news: AnyNews) -> int:
        """Number of a new piece. A `Beat` is not numbered: it repeats the last number."""
        if not isinstance(news, Beat):
            self.number += 1
            self._kept.put(self.number, news)
        return self.number

    def repeat(self, epoch: int, first: int, last: int) -> Iterator[tuple[int, AnyNews]]:
        """The pieces with these numbers that are still kept; none for another epoch."""
        if epoch == self.epoch:
            yield from ((number, news) for number, news in self._kept.items() if first <= number <= last)


class Incoming:
    """Follows the numbers of one neighbour. `missing` holds the lost numbers, oldest first, and how often each was asked for."""

    def __init__(self) -> None:
        self.epoch = -1
        self._next = 0
        self.missing: Recent[int, int] = Recent(MOST_MISSING)

    @property
    def met(self) -> bool:
        """Whether anything was heard of the neighbour."""
        return self.epoch >= 0

    def accept(self, epoch: int, number: int, beat: bool) -> bool:
        """Whether this piece is new. Lost numbers before it are added to `missing`, with no attempt yet to get them.

        Of a neighbour just met we want what comes from now on; of one that was restarted everything, from number 1.
        """
        if epoch != self.epoch:
            first = 1 if self.met else number + int(beat)
            self.epoch, self._next = epoch, first
            self.missing.clear()
        if number >= self._next:
            last = number if beat else number - 1
            for lost in range(max(self._next, last - MOST_MISSING + 1), last + 1):
                self.missing.put(lost, 0)
            self._next = number + 1
            return not beat
        return not beat and self.missing.pop(number, None) is not None

    def wanted(self, attempts: int) -> tuple[int, int] | None:
        """The range of lost numbers to ask for now.

        Those asked for `attempts` times already are not asked for again, but still taken if they come: news that follow each
        other closely use up the attempts before the first answer can be here.
        """
        asked = [number for number, tried in self.missing.items() if tried < attempts]
        for number in asked:
            self.missing[number] += 1
        return (min(asked), max(asked)) if asked else None


class Sighting:
    """A transaction that this gossiper knows: where it came from, who else has it, and whether we passed it on."""

    def __init__(self, transaction: Transaction, via: Address | None) -> None:
        self.transaction = transaction
        self.via = via
        self.sources: list[Address] = [] if via is None else [via]
        self.forwarded = via is None


class Assembly:
    """A model on its way here, in chunks from one neighbour at a time."""

    def __init__(self, model: Digest, size: int, source: Address, now: int) -> None:
        self.model = model
        self.source = self.opener = source
        self.begun = self.progress = now
        self.size = size
        self.chunks = chunk_count(size)
        self._have: dict[int, memoryview | bytes] = {}
        self._asked = 0
        self._asked_again = False
        self.told = (0, 0)
        """Probes of the source, and its answers, when it was first asked."""

    def anew(self) -> None:
        """The link was made anew: what was asked for before counts as not asked for."""
        self._asked_again = False

    def ask(self) -> tuple[int, int] | None:
        """First chunk and number of chunks to ask for next, when the window asked for before has come whole."""
        if len(self._have) < self._asked or self._asked >= self.chunks:
            return None
        first = self._asked
        self._asked = min(self.chunks, first + WINDOW)
        return first, self._asked - first

    def ask_again(self, now: int) -> tuple[int, int] | None:
        """After a silence: the stretch of chunks asked for that holds all the lost ones; None when that was in vain before."""
        if self._asked_again:
            return None
        self._asked_again, self.progress = True, now
        lost = [index for index in range(self._asked) if index not in self._have]
        return lost[0], lost[-1] - lost[0] + 1

    def put(self, index: int, body: memoryview | bytes, now: int) -> bool:
        """Keep a chunk as it came; false when the model has no such chunk. One that was not asked for of this source is late, and left."""
        if index >= self.chunks or len(body) != min(CHUNK, self.size - index * CHUNK):
            return False
        if index >= self._asked:
            return True
        self._have[index] = body
        self.progress, self._asked_again = now, False
        return True

    def complete(self) -> bool:
        return len(self._have) == self.chunks

    def whole(self) -> memoryview | bytes:
        """The model, once it is complete; that of a single chunk is not copied."""
        if self.chunks == 1:
            return self._have[0]
        return b"".join(self._have[index] for index in range(self.chunks))

    def restart(self, source: Address, now: int) -> None:
        """Begin anew from another neighbour."""
        self.source, self.progress, self._asked, self._asked_again = source, now, 0, False
        self._have.clear()


def chunk_of(model: memoryview, index: int) -> memoryview:
    """Chunk `index` of a model's bytes."""
    return model[index * CHUNK : (index + 1) * CHUNK]


def chunk_count(size: int) -> int:
    """Chunks of a model of `size` bytes."""
    return -(-size // CHUNK)


def reaches_further(draft: Draft, me: Address) -> bool:
    """Whether a witness of the draft lies behind us: its receipt has a lower ttl than ours for the same transaction."""
    for entry in draft.entries:
        own = [receipt.received_at_ttl for receipt in entry.receipts if receipt.creator == me]
        if own and any(receipt.received_at_ttl < own[0] for receipt in entry.receipts):
            return True
    return False
