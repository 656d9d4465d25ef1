"""`dfl-actors run --watch`: the server beside a run, as a process of its own that can neither slow the run nor end it.

It is in a session of its own, so that Ctrl-C is the run's alone, gives way to whoever wants the processor, and ends when the command has:
then nobody holds the other end of its standard input any more. Pages that are open have fetched the last state by then, and say so.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dfl_actors.errors import TransportError
from dfl_actors.watch.command import PORT, address_of, listening

HOST = "127.0.0.1"


@contextmanager
def watched(path: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Serve the run whose directory is, or will be, `path`; `tell` is given the address. At the usual port or, where that is taken, at one
    that is free. Raises `TransportError`."""
    try:
        made = listening(HOST, PORT)
    except TransportError:
        made = listening(HOST, 0)
    command = [sys.executable, "-m", "dfl_actors", "watch", "--beside", str(made.fileno()), "--", str(path)]
    child = subprocess.Popen(  # noqa: S603  nothing in it is another program's, or a shell's
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[made.fileno()],
        start_new_session=True,
    )
    address = address_of(HOST, made)
    made.close()
    tell(address)
    try:
        yield
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.poll()
