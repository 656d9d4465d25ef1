"""The fork server's side: a process that has imported what is slow to import, and becomes a new process for every socket it is sent.

It has run no TensorFlow operation, opened no store and no ZeroMQ socket: children of one that had would hang. When its parent dies, its
children see the end of their channels and go; it sees to it that all do, and takes away the folder that they shared.
"""

import os
import select
import shutil
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from dfl_actors.processes import preload
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import live
from dfl_actors.processes.scratch import hold

WORD = struct.Struct(">iii")  # What the server tells: the number of a process, its process id, and its exit code or one of the two below.

BEGUN, REFUSED = 1 << 20, 1 << 21
"""In place of an exit code: it has begun; the system did not let it, with the error's number for a process id."""

GRACE = 1.5  # Seconds that children have to end by themselves once the parent is gone.


def serve(parent: Channel, requests: int, modules: Sequence[str], folder: Path) -> None:
    """Until the parent is gone. Each message on the socket `requests` is a number and the end of a new process's channel."""
    hold(folder)
    with _ending_with_parent(folder):
        preload.load(modules)
    with socket.socket(fileno=requests) as incoming:
        incoming.set_inheritable(False)
        Server(parent, incoming).run()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ending_with_parent(folder: Path) -> Iterator[None]:
    """Importing takes seconds, in which the end of a channel is not seen; a signal is."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(128 + number)

    signal.signal(signal.SIGUSR1, end)
    preload.when_parent_ends(signal.SIGUSR1)
    yield
    preload.when_parent_ends(0)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)


class Server:
    """Forks, and tells how its children end."""

    def __init__(self, parent: Channel, incoming: socket.socket) -> None:
        self._parent, self._incoming = parent, incoming
        self._children: dict[int, int] = {}
        self._wake, woken = os.pipe()
        for end in (self._wake, woken):
            os.set_blocking(end, False)
        self._woken = woken
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._incoming, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = {place for place, _ in poll.poll(100 if self._parent.waiting else None)}
            self._reap()
            if self._incoming.fileno() in ready and not self._take():
                break
            self._parent.flush()
        self._end()

    def _take(self) -> bool:
        """Fork for one request; False when no more come."""
        number, ends, _, _ = socket.recv_fds(self._incoming, 4, 1)
        if not number or not ends:
            return False
        try:
            pid = os.fork()
        except OSError as error:
            pid, code = error.errno or 0, REFUSED
        else:
            code = BEGUN
            if not pid:
                self._become(ends[0])
            self._children[pid] = int.from_bytes(number, "big")
        os.close(ends[0])
        self._parent.send(WORD.pack(int.from_bytes(number, "big"), pid, code))
        return True

    def _become(self, end: int) -> NoReturn:
        """The child's first moments: nothing of the server's is left but its memory."""
        server = os.getppid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for place in (self._wake, self._woken):
            os.close(place)
        self._incoming.close()
        self._parent.close()
        preload.when_parent_ends(signal.SIGKILL)
        if os.getppid() != server:
            os._exit(1)
        live(socket.socket(fileno=end))

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 1 << 16)
        for pid, code in ended():
            self._parent.send(WORD.pack(self._children.pop(pid), pid, code))

    def _end(self) -> None:
        """Without a parent: wait a moment for the children, then kill."""
        deadline = time.monotonic() + GRACE
        while self._children and time.monotonic() < deadline:
            select.select([self._wake], [], [], 0.1)
            self._reap()
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        while self._children:
            os.waitpid(self._children.popitem()[0], 0)


def ended() -> Iterator[tuple[int, int]]:
    """The children that have ended since the last call, with their exit codes."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)
