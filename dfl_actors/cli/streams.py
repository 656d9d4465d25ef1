"""Where a command prints, and where it may put what is gone at its end: closed streams, full disks, ASCII terminals, long paths.

What cannot be printed never ends the work: it is lost, the command goes on to its end, and one line says so then.
"""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from dfl_actors.files import unheard

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LONGEST_TEMPORARY = 60
"""Bytes of the directory for temporary files below which Unix sockets, whose paths end at 107, have room for their names."""

SHORT_PLACES = ("/tmp", "/var/tmp")  # noqa: S108


class Output(io.BufferedWriter):
    """A standard stream that may fail; `problem` says why it did. That a reader of a pipe has gone is still an error.

    The file below stays Python's own: one that is interrupted forgets what it has written, which then comes twice.
    """

    problem = ""

    def __init__(self, descriptor: int) -> None:
        super().__init__(io.FileIO(descriptor, "w", closefd=False))

    def write(self, data: "ReadableBuffer") -> int:
        with self._losing():
            return super().write(data)
        return memoryview(data).nbytes

    def flush(self) -> None:
        with self._losing():
            super().flush()

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """What fails here is lost, with all that waits to be written."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self.problem = error.strerror or str(error)
            with unheard(self.fileno()):
                super().flush()


def prepare() -> Output:
    """Make the standard streams, which are open, ones that can be written to whatever they are; the standard output is returned."""
    output = Output(1)
    if sys.stdout is sys.__stdout__:  # nobody has put another in its place
        sys.stdout = _text(output, sys.stdout, "replace", output.isatty())
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(Output(2), sys.stderr, "backslashreplace", True)
    _shorten_temporary()
    return output


def _text(output: Output, before: TextIO | None, errors: str, line_buffering: bool) -> io.TextIOWrapper:
    encoding = "utf-8" if before is None else before.encoding
    return io.TextIOWrapper(output, encoding, errors, line_buffering=line_buffering)


def _shorten_temporary() -> None:
    """A directory for temporary files whose path leaves no room for the names of sockets gives way to a shorter one."""
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TEMPORARY:
        for place in SHORT_PLACES:
            if os.access(place, os.W_OK | os.X_OK):
                tempfile.tempdir = os.environ["TMPDIR"] = place
                return
