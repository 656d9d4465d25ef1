"""What changes in a node's row: how many transactions it deals with in a second, and how long ago its last block became final.

Totals only ever grow, also while nothing moves any more. `now` is in seconds of a monotonic clock.
"""

from collections import deque
from statistics import median

from dfl_actors.config import Config, Node

SPAN = 10.0  # Seconds over which the rate is taken.
INTERVALS = 8  # Of its last blocks: the usual time between two is their median.
STALLED_AFTER = 4.0  # Intervals without a block after which a node is said to have stalled, ...
LEAST_STALL = 10.0  # ... and seconds at least.


def expected_every(config: Config, node: Node) -> float | None:
    """Seconds that the first block of a node may take: the samples for one at its rate, and all that a block waits for. None for an
    observer, which makes none, and for an attacker, of which nobody knows."""
    if node.role != "normal" or node.attack:
        return None
    samples = config.block.transactions * node.steps_per_transaction * config.training.batch
    return config.block.receipt_wait_s + config.block.deadline_s + (samples / (node.rate * node.speed) if node.rate else 0.0)


class Pace:
    """Of one node. `expected` are the seconds that its first block may take, None for one that makes no blocks."""

    def __init__(self, expected: float | None) -> None:
        self._expected = expected
        self._counts: deque[tuple[float, int]] = deque()
        self._every: deque[float] = deque(maxlen=INTERVALS)
        self._height: int | None = None
        self._since = 0.0
        self._last: float | None = None

    def take(self, now: float, transactions: int, height: int) -> None:
        """Transactions that it made and received by now, and blocks of its chain."""
        self._counts.append((now, transactions))
        while len(self._counts) > 2 and now - self._counts[1][0] >= SPAN:
            self._counts.popleft()
        if self._height is None:
            self._since = now
        elif height > self._height:
            self._every.append((now - self._since) / (height - self._height))
            self._since = self._last = now
        self._height = height

    def rest(self, now: float) -> None:
        """It is away, and misses nothing: its time to the next block begins now."""
        self._counts.clear()
        self._since = now

    @property
    def rate(self) -> float | None:
        """Transactions a second of late; None before that is known."""
        if len(self._counts) < 2:
            return None
        (begun, before), (now, after) = self._counts[0], self._counts[-1]
        return max(after - before, 0) / (now - begun) if now > begun else None

    def block_age(self, now: float) -> float | None:
        """Seconds since its last block became final; None where none did since it began."""
        return None if self._last is None else now - self._last

    @property
    def block_every(self) -> float | None:
        """Seconds that a block usually takes; None where that is not known."""
        return median(self._every) if self._every else self._expected

    def stalled(self, now: float) -> bool:
        """Whether several blocks should have been made, and none was."""
        usual = self.block_every
        if self._expected is None or self._height is None or usual is None:
            return False
        return self.waited(now) > max(STALLED_AFTER * usual, LEAST_STALL)

    def waited(self, now: float) -> float:
        """Seconds since its last block, or since it began."""
        return now - self._since
