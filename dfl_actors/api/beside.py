"""What may be beside runs while they go on: nothing, or a page that follows them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

Beside = Callable[[Sequence[Path]], AbstractContextManager[str]]
"""Is given the directories of runs that begin, which need not be there yet, and is entered while they go on. Gives the address that whoever
looks at them is to see meanwhile; there may be none."""


def alone(paths: Sequence[Path]) -> AbstractContextManager[str]:
    """Nothing is beside them."""
    return nullcontext("")
