"""Time limits that a busy machine does not break.

What must happen within seconds is promised of a machine that has a processor to spare. Where more threads want one than there are, each
gets its share of them, and so a second here counts for that share: six threads on two processors make 20 s of a limit of 7.
"""

import os
import time
from pathlib import Path

LOAD = Path("/proc/loadavg")  # Its fourth field: how many threads want to run, of how many there are.


def share() -> float:
    """Of a processor, for each thread that wants one now; 1 where nobody can say."""
    try:
        running = int(LOAD.read_text().split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return 1.0
    return min(1.0, (os.cpu_count() or 1) / max(1, running))


class Stopwatch:
    """Seconds that were ours since it was made, if it is read often."""

    def __init__(self) -> None:
        self._spent, self._last = 0.0, time.monotonic()

    def read(self) -> float:
        now = time.monotonic()
        self._spent += (now - self._last) * share()
        self._last = now
        return self._spent
