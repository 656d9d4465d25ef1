"""Where a process reads its clocks. A run has one wall clock of its own: the machine's as it stood when the run began, carried on by
the monotonic clock, which all processes of a machine share.

So a machine whose clock is set during a run changes nothing that is signed: a step is seen and reported (`step`), and the next start
of the run goes by the new time. The monotonic clock counts the time the machine sleeps, where the system has such a one.
"""

import time
from collections.abc import Callable

from dfl_actors.core.clock import Now

STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _mono() -> int:
    return time.clock_gettime_ns(STEADY) // 1_000_000


def _wall() -> int:
    return time.time_ns() // 1_000_000


class Clock:
    """`anchor` is the run's wall time minus the monotonic one, in ms: of the run that this process belongs to, else of now. `mono` and
    `wall` read the machine's clocks."""

    def __init__(self, anchor: int | None = None, mono: Callable[[], int] = _mono, wall: Callable[[], int] = _wall) -> None:
        self._mono, self._wall = mono, wall
        self.anchor = wall() - mono() if anchor is None else anchor

    def __call__(self) -> Now:
        mono = self._mono()
        return Now(mono, mono + self.anchor)

    def microseconds(self) -> int:
        """The run's wall time, more finely."""
        return time.clock_gettime_ns(STEADY) // 1000 + 1000 * self.anchor

    def step(self) -> int:
        """How far (ms) the machine's wall clock was set forward, or back, since the run began."""
        return self._wall() - self._mono() - self.anchor
