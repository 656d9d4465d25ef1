"""Files that grow, read on from where one stood: whole lines only, each once.

A file is known by its inode, so that one which is renamed (`metrics.jsonl` becomes `metrics-0001.jsonl` when it is long) is read on, and
the new one of its name from the start.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from dfl_actors.errors import StoreError
from dfl_actors.files import regular

AT_ONCE = 4 << 20  # Bytes that are read at once.
LONGEST = 1 << 24  # Bytes of a line: what is longer is none of ours, and is passed over.


class Shrunk(Exception):
    """A file has less in it than was read: it is another one, and all is to be read anew."""


class Lines:
    """How far files have been read."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], int] = {}

    def new_in(self, paths: Iterable[Path]) -> Iterator[bytes]:
        """The lines that these files have now and had not when last asked, in order. Raises `StoreError`, and `Shrunk`."""
        for path in paths:
            yield from self.new(path)

    def new(self, path: Path) -> Iterator[bytes]:
        """The same of one file, which need not be there yet."""
        try:
            with os.fdopen(regular(path), "rb") as file:
                about = os.fstat(file.fileno())
                key = about.st_dev, about.st_ino
                place = self._places.get(key, 0)
                if about.st_size < place:
                    raise Shrunk
                file.seek(place)
                for lines, read in _whole_lines(file):
                    place += read
                    self._places[key] = place
                    yield from lines
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror}); make it a readable file again or name another run") from error


def _whole_lines(file: BinaryIO) -> Iterator[tuple[list[bytes], int]]:
    """The lines of a file from where it stands, some at a time, and how many bytes they were."""
    rest = b""
    while more := file.read(AT_ONCE):
        end = more.rfind(b"\n") + 1
        if not end:
            rest += more
            if len(rest) > LONGEST:
                yield [], len(rest)
                rest = b""
            continue
        whole, rest = rest + more[:end], more[end:]
        yield whole[:-1].split(b"\n"), len(whole)
