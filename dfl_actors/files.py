"""Files: read whatever editor wrote them, written whole or not at all; and descriptors that go nowhere for a while."""

import os
import stat
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dfl_actors.errors import DflError, StoreError

REMEDY = "free some space, or correct its permissions"


def read_bytes(path: Path) -> bytes:
    """The bytes of a text, without the byte-order mark that some editors put before them. Raises OSError."""
    return path.read_bytes().removeprefix(BOM_UTF8)


def read_text(path: Path) -> str:
    """A text in UTF-8, its lines ended by a newline alone. Raises OSError and UnicodeDecodeError."""
    return read_bytes(path).decode().replace("\r\n", "\n")


def regular(path: Path, flags: int = 0) -> int:
    """A descriptor to read a regular file by. Nothing is waited for: in its place may stand a pipe that nobody writes. Raises `OSError`,
    and `StoreError` for whatever is no regular file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"{path} is no regular file: remove it or name another run")
    return descriptor


def check_free(path: Path, force: bool) -> None:
    """Raises StoreError when no file can become `path`: it is a directory, has none, or is there and `force` is not given."""
    if path.is_dir():
        raise StoreError(f"{path} is a directory: name a file in it")
    if not path.parent.is_dir():
        raise StoreError(f"{path.parent} is no directory: make it, or name a file elsewhere")
    if path.exists() and not force:
        raise StoreError(f"{path} is there already: replace it with --force, or choose another name")


def sync(path: Path) -> None:
    """What was written to a file, or which names a directory holds, is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """A directory with all that is in it is on the disk. Raises OSError."""
    for place, _, files in os.walk(path):
        for name in files:
            sync(Path(place, name))
        sync(Path(place))


@contextmanager
def unheard(descriptor: int) -> Iterator[None]:
    """What is written to an open descriptor meanwhile, by whomever in this process, goes nowhere."""
    kept, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def explained(what: str, remedy: str, kind: type[DflError] = StoreError) -> Iterator[None]:
    """What the system refuses inside is the user's error: `what` ("PATH cannot be read"), why, and the remedy. Raises `kind`."""
    try:
        yield
    except OSError as error:
        raise kind(f"{what} ({error.strerror}): {remedy}") from error


@contextmanager
def whole(path: Path, remedy: str = REMEDY) -> Iterator[Path]:
    """A place to write what becomes `path` at the end; after an error `path` is as it was. Raises StoreError if it cannot be written."""
    draft = path.with_name(f"part-{path.name}")
    try:
        with explained(f"{path} cannot be written", remedy):
            yield draft
            draft.replace(path)
    except UnicodeEncodeError as error:
        raise StoreError(f"{path} cannot be written (a name in it is no UTF-8): rename that file or folder") from error
    finally:
        with suppress(OSError):  # the first error is the one to report
            draft.unlink(missing_ok=True)
