"""What is done with a neighbour's bytes before they are decoded: its pace is held, and what it says again is recognised by its digest.

To decode a draft of megabytes costs some 30 ms and to hash it two, so one that comes again, as reminders do, costs no more than that.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from dfl_actors.core.codec import sha256
from dfl_actors.core.rates import Buckets
from dfl_actors.core.recent import Recent
from dfl_actors.errors import Refused

T = TypeVar("T")
BYTES, MOST_BYTES = 8 << 20, 32 << 20  # Bytes that a neighbour may say in a second, and at once.
FRAMES, MOST_FRAMES = 2_000, 4_000  # Messages likewise.
LARGE = 16 << 10  # Bytes from which on a message is recognised when it comes again.
KEPT = 2  # Large messages of a neighbour that are.


class Intake(Generic[T]):
    """Of one node: messages of its neighbours as `T`."""

    def __init__(self) -> None:
        self._bytes, self._frames = Buckets(BYTES, MOST_BYTES), Buckets(FRAMES, MOST_FRAMES)
        self._large: dict[str, Recent[str, T]] = {}

    def take(self, who: str, body: bytes, decode: Callable[[bytes], T], now: int) -> T:
        """The message; `now` is monotonic, in ms. Raises `Refused` with code `busy` for one beyond the pace, and as `decode` does."""
        if not (self._frames.take(who, 1, now) and self._bytes.take(who, len(body), now)):
            raise Refused("busy", f"more than {FRAMES} messages or {BYTES >> 20} MiB a second")
        return decode(body) if len(body) < LARGE else self._known(who, body, decode)

    def _known(self, who: str, body: bytes, decode: Callable[[bytes], T]) -> T:
        kept, identity = self._large.setdefault(who, Recent(KEPT)), sha256(body)
        message = kept.get(identity)
        if message is None:
            message = decode(body)
            kept.put(identity, message)
        return message
