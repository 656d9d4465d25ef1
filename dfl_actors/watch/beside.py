"""`--watch` of `run`, `node` and `sim`: the server beside runs, as a process of its own that can neither slow them nor end them.

It is in a session of its own, so that Ctrl-C is the command's alone, gives way to whoever wants the processor, and ends when the command
has: then nobody holds the other end of its standard input any more. Pages that are open have fetched the last state by then, and say so.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dfl_actors.errors import TransportError
from dfl_actors.watch.command import PORT, address_of, listening

HOST = "127.0.0.1"


@contextmanager
def watched(paths: Sequence[Path], tell: Callable[[str], None]) -> Iterator[str]:
    """Serve the runs whose directories are, or will be, `paths`. Gives the address, as `tell` is given it; it has the usual port or, where
    that is taken, one that is free. Raises `TransportError`."""
    try:
        made = listening(HOST, PORT)
    except TransportError:
        made = listening(HOST, 0)
    command = [sys.executable, "-m", "dfl_actors", "watch", "--beside", str(made.fileno()), "--", *map(str, paths)]
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
        yield address
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.poll()
