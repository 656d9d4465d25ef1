"""Ctrl-C and SIGTERM.

A signal may come between any two steps of anything, so while processes, files or sockets of ours are there, its handler only sets a flag
and whoever is at work looks at it (`deferred`). Before, it ends the program at once, by an exception; and again in what may take long and
leaves nothing half done, such as reading somebody's samples (`at_once`).
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dfl_actors.errors import Interrupted

__all__ = ["WHY", "Interrupted", "Stop", "at_once", "blocked", "deferred", "ignore"]

WHY = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM}  # Why a run ended, by the signal that ended it.
STOPPING = (signal.SIGINT, signal.SIGTERM)
TERMINAL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """What signals have asked for: `number` is that of the first, 0 before. While it is `urgent`, one ends the program."""

    number = 0
    urgent = False

    def __bool__(self) -> bool:
        return self.number != 0

    @property
    def why(self) -> str:
        """The reason of what it ends."""
        return next(why for why, number in WHY.items() if number == self.number)

    def check(self) -> None:
        """Raises `Interrupted` once a signal came."""
        if self.number:
            raise Interrupted(self.number)


_deferring: list[Stop] = []  # The innermost last.


@contextmanager
def deferred(impatient: bool = False) -> Iterator[Stop]:
    """Inside, the first signal only sets the flag, and so does every other, but when `impatient` the second one ends the program.

    In any thread but the main one signals are somebody else's, and no flag is set.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, _: FrameType | None) -> None:
        ends = stop.urgent or (impatient and bool(stop))
        stop.number = stop.number or number
        if ends:
            raise Interrupted(number)

    _deferring.append(stop)
    before = {number: signal.signal(number, note) for number in STOPPING}
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)
        _deferring.pop()


@contextmanager
def at_once() -> Iterator[None]:
    """Inside, a signal is not deferred. Raises `Interrupted` if one came before."""
    if not _deferring or threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _deferring[-1]
    stop.check()
    stop.urgent = True
    try:
        yield
    finally:
        stop.urgent = False


@contextmanager
def blocked() -> Iterator[None]:
    """What is started inside is born with these signals blocked, until it has said what they mean to it (`ignore`)."""
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def ignore() -> None:
    """A child's signals: those of the terminal are its parent's to answer, who also ends it."""
    for number in TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINAL)
