"""Whether a store is sound, as far as that can be seen: LMDB has no checksums, and looks at no page that it does not need.

Two things are looked at. The file's first two pages say, by turns, where everything is: commits of an even number are written to the first,
those of an odd one to the second, so the two always differ by one. Where they do not, one was lost or an older one put in its place, and
LMDB would go on from an earlier commit without a word. And all other pages are walked through, used and free ones counted.

So damage is found before anything is signed on top of it. It may end whoever looks: see `processes.isolated`.
"""

import os
import struct
from pathlib import Path

import lmdb

from dfl_actors.errors import StoreError
from dfl_actors.runtime.store_errors import store_error

LOCK_SIZE = 8192  # Bytes of LMDB's lock file for its usual 126 readers.
NUMBER = struct.Struct("=144xQ")  # Where a first page has the number of its commit.


def check_sound(path: Path, environment: lmdb.Environment) -> None:
    """Look at an open store, which may be in use. Raises `StoreError`."""
    try:
        _check_turns(path, environment.stat()["psize"])
        with Path(os.devnull).open("wb") as nowhere:
            environment.copyfd(nowhere.fileno(), compact=True)
    except (OSError, lmdb.Error) as error:
        raise store_error(path, error) from error


def _check_turns(path: Path, size: int) -> None:
    with (path / "data.mdb").open("rb") as file:
        pages, new = os.pread(file.fileno(), 2 * size, 0), os.fstat(file.fileno()).st_size == 2 * size
    first, second = (NUMBER.unpack_from(pages, place)[0] for place in (0, size))
    if (abs(first - second) != 1 or first % 2) and not (new and first == second == 0):
        raise StoreError(f"{path} is damaged (its first pages are of commits {first} and {second}): put a copy in its place")


def allocate(lock: Path) -> None:
    """Give a new lock file its blocks. LMDB would leave a hole, and writing to that on a full disk is a SIGBUS."""
    if not lock.exists():  # closing one that this process uses would give up its locks
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, LOCK_SIZE)
        except OSError:
            lock.unlink()
            raise
        finally:
            os.close(descriptor)
