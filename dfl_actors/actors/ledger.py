"""What a witness remembers of what it signed, in its journal, and until when.

What has an end is kept together with one entry of the index, whose key begins with the time and whose value names the keys: so what is due
stands at the beginning. Of what was forgotten stays the highest sequence number of each generator, of which there are as many as members.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from dfl_actors.actors.base import JournalReader
from dfl_actors.core.effects import Journal
from dfl_actors.core.objects import Address, Transaction
from dfl_actors.core.recent import Recent

DUE, SEQUENCE, FORGOTTEN = b"u/", b"s/", b"f/"  # The index; which transaction has a number; the highest number that was forgotten.
FRESH = 4096  # What was journalled last and may not be written yet.
MOST_FORGOTTEN = 256  # Entries of the index that are forgotten at once.


class Ledger:
    """Reads the journal as it will be once the driver has performed the batch. What is to be written is returned."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal
        self._fresh: Recent[bytes, bytes] = Recent(FRESH)

    def read(self, key: bytes) -> bytes | None:
        """What the journal holds, or will hold."""
        return self._fresh.get(key) or self._journal.get(key)

    def write(self, key: bytes, value: bytes) -> Journal:
        """To be kept for ever."""
        self._fresh.put(key, value)
        return Journal(key, value)

    def keep(self, until: int, name: str, entries: Mapping[bytes, bytes]) -> Iterator[Journal]:
        """To be kept together `until` that wall time; `name` tells them from others of the same moment."""
        for key, value in entries.items():
            yield self.write(key, value)
        yield self.write(DUE + f"{until:016d}/{name}".encode(), b"\n".join(entries))

    def forget(self, now: int) -> Iterator[Journal]:
        """Some of what was to be kept until `now` or earlier, the first to end first."""
        for due, names in islice(self._journal.scan(DUE), MOST_FORGOTTEN):
            if int(due[len(DUE) :].partition(b"/")[0]) > now:
                return
            for key in (*names.split(b"\n"), due):
                self._fresh.pop(key, None)
                yield Journal(key, None)
                if key.startswith(SEQUENCE):
                    yield from self._passed(*key[len(SEQUENCE) :].decode().split("/"))

    def forgotten(self, generator: Address) -> int:
        """The highest sequence number of a generator that was forgotten, -1 for none."""
        return int(self.read(FORGOTTEN + generator.encode()) or -1)

    def _passed(self, generator: str, sequence: str) -> Iterator[Journal]:
        if int(sequence) > self.forgotten(generator):
            yield self.write(FORGOTTEN + generator.encode(), sequence.encode())


def sequence_key(transaction: Transaction) -> bytes:
    """Where the journal says which transaction of a generator has a sequence number."""
    return SEQUENCE + f"{transaction.generator}/{transaction.sequence}".encode()
