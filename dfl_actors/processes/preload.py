"""What all children of a fork server share: modules imported once, and as much of their memory as can be.

What is there by then is frozen out of the garbage collector's sight, so that a child's collections do not touch, and so copy, the pages
it shares with the others.
"""

import ctypes
import gc
import importlib
import mmap
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

NEEDLESS = ("matplotlib", "matplotlib.pyplot", "pandas", "sklearn")
"""Keras imports them where they are installed and goes without where they are not: an eighth of the start, and memory of every process."""

PARENT_ENDED = 1  # PR_SET_PDEATHSIG


def load(modules: Sequence[str]) -> None:
    """Import these, and keep what they need of memory."""
    with _without(NEEDLESS):
        for module in modules:
            importlib.import_module(module)
    gc.collect()
    gc.freeze()
    give_back_library_pages()


@contextmanager
def _without(needless: Sequence[str]) -> Iterator[None]:
    """What is imported inside finds none of these modules. They are there again afterwards."""
    hidden = [module for module in needless if module not in sys.modules]
    cast("dict[str, None]", sys.modules).update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for module in hidden:
            del sys.modules[module]


def settle() -> None:
    """What was made by now stays: keep it out of the garbage collector's sight, and give back what making it has left over."""
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def clean_library_pages(smaps: str) -> Iterator[tuple[int, int]]:
    """Start and length of every mapping of a library that is read-only and has no page of its own."""
    for block in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", smaps):
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-[-x]p .*\.so", block)
        if head and re.search(r"^Anonymous: +0 kB$", block, re.MULTILINE):
            begin, end = (int(part, 16) for part in head.groups())
            yield begin, end - begin


def give_back_library_pages() -> None:
    """Unmap the pages of libraries that only importing has touched, some 200 MB. They are clean and come back when needed."""
    smaps = Path("/proc/self/smaps")
    if not smaps.exists() or not hasattr(mmap, "MADV_DONTNEED"):
        return
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    for begin, length in clean_library_pages(smaps.read_text()):
        madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


def when_parent_ends(number: int) -> None:
    """The signal that this process gets when its parent ends, where the system can do that; 0: none."""
    control = getattr(ctypes.CDLL(None), "prctl", None)
    if control is not None:
        control(PARENT_ENDED, number, 0, 0, 0)
