"""Letters between mailboxes: each has a number, and is sent again until the receiver says that it has dealt with it.

The sender numbers within its own epoch (how often it was started), and writes on each letter which is the oldest it still keeps. The
receiver takes letters of a sender in order alone: a repeat is acknowledged and not handled twice, and one after a gap is left
until the gap is filled. A receiver that was restarted may handle a letter again, which every actor's journal makes harmless.
"""

from collections.abc import Iterator

WINDOW = 256
"""Letters under way to one mailbox; more wait here."""

PATIENCE = 2_000
"""Milliseconds without any acknowledgement before letters under way are sent again."""

RETRY = 100
"""Milliseconds after which a letter that the socket did not take is offered to it again."""

ACKNOWLEDGEMENT = 16
"""Bytes of an acknowledgement: epoch and number, big-endian. A letter's header has the oldest number kept besides."""


class Outbox:
    """The letters to one mailbox, in order."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._number = 0
        self._letters: dict[int, bytes] = {}
        self._sent = 0
        self._heard = 0
        self._offered = 0

    def __len__(self) -> int:
        return len(self._letters)

    def add(self, letter: bytes) -> None:
        self._number += 1
        self._letters[self._number] = letter

    def due(self, now: int) -> Iterator[tuple[int, bytes]]:
        """Letters to put on the way now: new ones within the window, or all again when nothing was heard for long."""
        if self._under_way() and now - self._heard > PATIENCE:
            self._sent = 0
            self._heard = now
        if not self._letters:
            return
        self._offered = now
        first = next(iter(self._letters))
        for number in range(max(first, self._sent + 1), min(self._number, first + WINDOW - 1) + 1):
            yield number, self._letters[number]

    def sent(self, number: int, now: int) -> None:
        """The letter is on its way."""
        if self._sent < next(iter(self._letters), number):
            self._heard = now
        self._sent = number

    def acknowledged(self, epoch: int, number: int, now: int) -> None:
        """The receiver has dealt with everything up to this number."""
        if epoch != self._epoch:
            return
        self._heard = now
        for done in [waiting for waiting in self._letters if waiting <= number]:
            del self._letters[done]

    def wake(self) -> int | None:
        """When letters are due: a repeat, or, while none is under way, another attempt to send the first."""
        if not self._letters:
            return None
        return self._heard + PATIENCE + 1 if self._under_way() else self._offered + RETRY

    def _under_way(self) -> bool:
        return bool(self._letters) and self._sent >= next(iter(self._letters))

    def header(self, number: int) -> bytes:
        return b"".join(value.to_bytes(8, "big") for value in (self._epoch, number, next(iter(self._letters))))


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


def read_header(header: bytes) -> tuple[int, int]:
    """Epoch and number."""
    return int.from_bytes(header[:8], "big"), int.from_bytes(header[8:16], "big")


def read_oldest(header: bytes) -> int:
    """The oldest number that the sender still keeps."""
    return int.from_bytes(header[16:24], "big")
