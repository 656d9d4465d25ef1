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
