"""What the fork server imports once, so that every child starts with it: no TensorFlow operation, no socket, no open store.

A fork server that had run one would hang its children. What is here is frozen out of the garbage collector's sight, so
that a child's collections do not touch, and so copy, the pages it shares with the others.
"""

import ctypes
import gc
import mmap
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dfl_actors.learning.models
import dfl_actors.runtime.evaluator
import dfl_actors.runtime.process  # noqa: F401
from dfl_actors.core import codec
from dfl_actors.core.control import FROM_SUPERVISOR
from dfl_actors.core.keys import KeyPair, verify
from dfl_actors.core.messages import EVENT, LETTER, REPLY, REQUEST, AnyNews
from dfl_actors.errors import Refused, StoreError
from dfl_actors.runtime.stores import Journal, ModelStore


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


def first_use() -> None:
    """Sign, check, decode and store something once: what libraries set up at their first use is shared too, 5 MB a child."""
    key = KeyPair(bytes(32))
    verify(key.public, key.sign(b""), b"")
    for union in (LETTER, EVENT, AnyNews, REQUEST, REPLY, FROM_SUPERVISOR):
        with suppress(Refused):
            codec.decode(union, b"{}")
    # A full disk is told by those who need it.
    with suppress(OSError, StoreError), tempfile.TemporaryDirectory() as folder:
        with Journal(Path(folder, "journal")) as journal:
            journal.commit([(b"key", b"value")])
        with ModelStore(Path(folder, "models"), 1) as models:
            models.put("key", b"value")


first_use()
gc.collect()
gc.freeze()
give_back_library_pages()
