"""The life of a process of ours: what it is called, its signals, its work, and how its parent learns what went wrong.

A process never imports from the folder where the user stands, whose files may be called like Python's own (`random.py`): it is started
with the import path of its parent, that folder left out.
"""

import faulthandler
import os
import pickle
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from dfl_actors.core import codec
from dfl_actors.errors import DflError
from dfl_actors.processes import faults, names, signals
from dfl_actors.processes.channel import Channel

Work = Callable[..., None]
"""What a process does: a function of a module, given the channel to its parent and arguments that can be pickled."""

CRASHED = 70  # Exit code of a process that ended by an error of the program.
EXHAUSTED = 72  # Exit code of a process that was given no more memory.
FAILED = 71  # Exit code of a process that told its parent why it cannot go on.
STDERR = 2  # The descriptor, whatever `sys.stderr` is; the command line sees to it that it is open.
LAST_WORDS = 1.0  # Seconds that a process waits for its parent to take the last of them.

BEGIN = "import sys; sys.path[:] = {path}; from dfl_actors.processes.child import first; first({end})"
"""A new interpreter's program. Before its first line nothing is imported but what Python itself needs, and with -P not from here."""


def interpreter(
    name: str, work: Work, *arguments: object, errors: int, environment: Mapping[str, str] | None = None, inherit: Sequence[int] = ()
) -> tuple[subprocess.Popen[bytes], Channel]:
    """A new Python that does `work`. Its stderr is the file `errors`; the descriptors `inherit` are open in it too."""
    ours, theirs = socket.socketpair()
    with theirs, signals.blocked():
        program = BEGIN.format(path=import_path(), end=theirs.fileno())
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
            pass_fds=(theirs.fileno(), *inherit),
        )
    channel = Channel(ours)
    channel.send(job(name, work, *arguments))
    channel.finish()
    return process, channel


def import_path() -> list[str]:
    """Where children look for modules: where we do, but for the current folder, unless this very package lies there."""
    package = Path(__file__).parents[2]
    return [place for place in sys.path if place and (Path(place) != Path.cwd() or Path(place) == package)]


def job(name: str, work: Work, *arguments: object) -> bytes:
    """What a new process reads first."""
    return pickle.dumps((name, work, arguments))


def first(end: int) -> NoReturn:
    """A new interpreter begins here."""
    signals.ignore()
    live(socket.socket(fileno=end))


def live(end: socket.socket) -> NoReturn:
    """Do the job that the parent sends, and end. An error that the user can mend is told the parent; others go to stderr."""
    end.set_inheritable(False)
    channel = Channel(end)
    code = CRASHED
    try:
        code = _work(channel)
    except MemoryError:
        code = EXHAUSTED
    except BaseException:  # noqa: BLE001 - the last to hear of it: written down, and the process ends with its code
        traceback.print_exc()
    finally:
        channel.finish(LAST_WORDS)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _work(channel: Channel) -> int:
    raw = channel.next()
    if raw is None:
        return 0
    try:
        name, work, arguments = pickle.loads(raw)
        names.rename(f"dfl {name}")
        work(channel, *arguments)
    except (DflError, SystemExit) as error:
        channel.send(codec.encode(faults.failure(error)))
        return FAILED
    return 0


def log_to(path: Path) -> None:
    """What this process prints goes to the end of a file, and where it was when a signal ended it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    faulthandler.enable(file=sys.stderr)
