"""The life of a command, and of its fork server, from where their imports end."""

import atexit
import ctypes
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from unittest import mock

from dfl_actors.processes import forkserver, signals
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import job, live

CLONE_NEWNET = 0x40000000
CLOCK = Path(__file__).parents[1] / "network" / "clock" / "sitecustomize.py"


def command(
    parent: Channel, arguments: Sequence[str], place: Path, environment: Mapping[str, str], stdout: Path, stderr: Path, namespace: str
) -> NoReturn:
    """`dfl-actors ARGUMENTS`, as the leader of a session of its own, in a network namespace if one is named."""
    from tests.warm.imports import MAIN, NEEDED, main

    os.setsid()
    if namespace:
        enter(namespace)
    os.chdir(place)
    surround(environment)
    for number, file, flags in ((0, Path(os.devnull), os.O_RDONLY), (1, stdout, os.O_WRONLY), (2, stderr, os.O_WRONLY)):
        opened = os.open(file, flags)
        os.dup2(opened, number)
        os.close(opened)
    for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(one, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules.update(NEEDED)
    sys.argv = [MAIN, *arguments]
    runpy.run_path(str(CLOCK))
    mock.patch.object(forkserver, "interpreter", forked).start()
    parent.send(b"")
    os._exit(code_of(main))


def enter(namespace: str) -> None:
    """What `ip netns exec` does of which a command sees anything."""
    if ctypes.CDLL(None, use_errno=True).setns(os.open(f"/run/netns/{namespace}", os.O_RDONLY), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"namespace {namespace} cannot be entered")


def surround(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None


def code_of(program: Callable[[], None]) -> int:
    """The exit code that Python would end with, once it has done what it does then."""
    code: object = None
    try:
        program()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code if isinstance(code, int) else int(code is not None)


class Child:
    """A process that was forked, as `subprocess.Popen` has it."""

    def __init__(self, pid: int) -> None:
        self.pid, self._code = pid, None if pid else 0

    def poll(self) -> int | None:
        return self._take(os.WNOHANG)

    def wait(self) -> int | None:
        return self._take(0)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _take(self, how: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, how)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


def forked(
    name: str,
    work: Callable[..., None],
    *arguments: object,
    errors: int,
    environment: Mapping[str, str] | None = None,
    inherit: Sequence[int] = (),
) -> tuple[Child, Channel]:
    """In the place of `interpreter`: a fork of this very process, whose imports are done."""
    ours, theirs = socket.socketpair()
    with theirs, signals.blocked():
        pid = os.fork()
        if not pid:
            become(theirs, errors, dict(os.environ if environment is None else environment), inherit)
    channel = Channel(ours)
    channel.send(job(name, work, *arguments))
    channel.finish()
    return Child(pid), channel


def become(end: socket.socket, errors: int, environment: Mapping[str, str], inherit: Sequence[int]) -> NoReturn:
    """A new interpreter's first moments: nothing is open but what it is given."""
    surround(environment)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number, file in ((0, nowhere), (1, nowhere), (2, errors)):
        os.dup2(file, number)
    begin = 3
    for kept in sorted({end.fileno(), *inherit}):
        os.closerange(begin, kept)
        begin = kept + 1
    os.closerange(begin, 1 << 16)
    signals.ignore()
    live(end)
