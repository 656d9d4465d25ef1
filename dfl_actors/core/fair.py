"""What waits for a server that is slow, shared fairly among those who bring it: nobody's things wait longer because another brings many.

Each has a line of its own, whose room in number and in bytes is nobody else's. Who has been served least comes next (start-time fair
queueing): work, not the number of things, is what is shared, and who was away gets no more for it.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
THING = 32 << 10  # What serving one thing costs besides its bytes, in bytes: a model is measured, signatures are checked.


class _Line(Generic[T]):
    """One's things with their sizes, how many bytes they have, and how much work was done for it, in bytes."""

    def __init__(self) -> None:
        self.things: deque[tuple[T, int]] = deque()
        self.size = self.served = 0


class FairQueue(Generic[T]):
    """`most` things and `most_bytes` of each are its room; who puts more in although there is none has a reason."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._lines: dict[str, _Line[T]] = {}
        self._least = 0

    def __len__(self) -> int:
        return sum(len(line.things) for line in self._lines.values())

    def __iter__(self) -> Iterator[T]:
        return (thing for line in self._lines.values() for thing, _ in line.things)

    def room(self, who: str, size: int) -> bool:
        """Whether one more of so many bytes may wait; one alone always may."""
        line = self._lines.get(who)
        return line is None or not line.things or (len(line.things) < self._most and line.size + size <= self._most_bytes)

    def put(self, who: str, thing: T, size: int) -> None:
        """Let it wait behind what `who` brought before."""
        line = self._lines.setdefault(who, _Line())
        if not line.things:
            line.served = max(line.served, self._least)
        line.things.append((thing, size))
        line.size += size

    def leave(self, who: str) -> list[T]:
        """Nothing of this one's waits any more; what it was."""
        line = self._lines.get(who)
        left = [] if line is None else [thing for thing, _ in line.things]
        if line is not None:
            line.things.clear()
            line.size = 0
        return left

    def pop(self) -> T | None:
        """The next of whoever has been served least."""
        line = min((line for line in self._lines.values() if line.things), key=lambda one: one.served, default=None)
        if line is None:
            return None
        thing, size = line.things.popleft()
        self._least = line.served
        line.size -= size
        line.served += THING + size
        return thing
