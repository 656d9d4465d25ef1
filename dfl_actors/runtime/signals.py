"""Ctrl-C and SIGTERM, told to whoever runs instead of ending the process."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def told_to(handler: Callable[[int], None]) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM call `handler` with their number; the handlers from before come back at the end."""
    before = {number: signal.signal(number, lambda number, _: handler(number)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def raised() -> Iterator[Callable[[], None]]:
    """Inside, SIGINT raises `KeyboardInterrupt` and SIGTERM `SystemExit`, at once and again at every call of what is yielded.

    Again, because an exception that comes in the middle of foreign C code may get lost there.
    """
    came: list[int] = []

    def stop_now(number: int) -> None:
        came.append(number)
        check()

    def check() -> None:
        if came:
            raise KeyboardInterrupt if came[0] == signal.SIGINT else SystemExit(128 + came[0])

    with told_to(stop_now):
        yield check
