"""Letters between mailboxes: each has a number, and is sent again until the receiver says that it has dealt with it.

The sender numbers within its own epoch (how often it was started), and writes on each letter which is the oldest it still keeps. The
receiver takes letters of a sender in order alone: a repeat is acknowledged and not handled twice, and one after a gap is left
until the gap is filled. A receiver that was restarted may handle a letter again, which every actor's journal makes harmless.

What waits is bounded: a recipient that is away for long must not take its writers' memory. A letter beyond the bound is not taken,
and its writer hears of it; what it said is asked for again by others (a receipt that lacks, a draft that is not confirmed).
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from struct import Struct

WINDOW = 256  # Letters under way to one mailbox; more wait here.
PATIENCE = 2_000  # Milliseconds without any acknowledgement before letters under way are sent again.
RETRY = 100  # Milliseconds after which a letter that the socket did not take is offered to it again.

MOST_LETTERS, MOST_BYTES = 65_536, 64 << 20
"""What one outbox holds: no more letters, and none beyond so many bytes but a single larger one."""

HEADER, NUMBERS = Struct(">QQQ"), Struct(">QQ")
"""Epoch, number and the oldest number kept; and the first two alone, which an acknowledgement repeats and news begin with."""


class Outbox:
    """The letters to one mailbox, in order."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._first = 1
        self._letters: deque[bytes] = deque()
        self._bytes = 0
        self._sent = 0
        self._heard = 0
        self._offered = 0

    def __len__(self) -> int:
        return len(self._letters)

    def add(self, letter: bytes) -> bool:
        """Take a letter; False when there is no room."""
        if len(self._letters) >= MOST_LETTERS or (self._letters and self._bytes + len(letter) > MOST_BYTES):
            return False
        self._letters.append(letter)
        self._bytes += len(letter)
        return True

    def due(self, now: int) -> Iterator[tuple[int, bytes]]:
        """Letters to put on the way now: new ones within the window, or all again when nothing was heard for long."""
        if not self._letters:
            return
        if self._under_way() and now - self._heard > PATIENCE:
            self._sent = 0
            self._heard = now
        self._offered = now
        begin = max(0, self._sent - self._first + 1)
        yield from enumerate(islice(self._letters, begin, WINDOW), self._first + begin)

    def sent(self, number: int, now: int) -> None:
        """The letter is on its way."""
        if self._sent < self._first:
            self._heard = now
        self._sent = number

    def acknowledged(self, numbers: bytes, now: int) -> None:
        """The receiver has dealt with everything up to the number it names. Each letter goes once, whatever waits behind it."""
        epoch, number = NUMBERS.unpack(numbers)
        if epoch != self._epoch:
            return
        self._heard = now
        while self._letters and self._first <= number:
            self._bytes -= len(self._letters.popleft())
            self._first += 1

    def wake(self) -> int | None:
        """When letters are due: a repeat, or, while none is under way, another attempt to send the first."""
        if not self._letters:
            return None
        return self._heard + PATIENCE + 1 if self._under_way() else self._offered + RETRY

    def _under_way(self) -> bool:
        return bool(self._letters) and self._sent >= self._first

    def header(self, number: int) -> bytes:
        return HEADER.pack(self._epoch, number, self._first)


class Inbox:
    """What one mailbox has handled, by sender."""

    def __init__(self) -> None:
        self._last: dict[bytes, tuple[int, int]] = {}

    def take(self, sender: bytes, epoch: int, number: int, oldest: int) -> bool | None:
        """Whether this letter is to be handled; None for one after a gap, which is not to be acknowledged either."""
        last_epoch, last = self._last.get(sender, (-1, 0))
        if epoch > last_epoch:
            last = oldest - 1
        if epoch < last_epoch or number <= last:
            return False
        if number > max(last, oldest - 1) + 1:
            return None
        self._last[sender] = (epoch, number)
        return True
