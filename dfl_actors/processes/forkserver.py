"""Starts processes from a fork server, which has imported what takes seconds, and knows how they end.

If the server dies, its children are killed, and they are gone before anything is started in their place: the end of a channel says so.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count

from dfl_actors.errors import ActorError
from dfl_actors.learning.computing import ENVIRONMENT
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import EXHAUSTED, interpreter, job
from dfl_actors.processes.scratch import Scratch
from dfl_actors.processes.server import BEGUN, REFUSED, WORD, serve

KILLED_WITHIN = 5.0  # Seconds in which a killed process is gone.


class Process:
    """One that was started: the channel to it, and its exit code once it has ended (below 0: the signal that ended it)."""

    def __init__(self, name: str, channel: Channel) -> None:
        self.name, self.channel = name, channel
        self.pid = 0
        self.exitcode: int | None = None
        self._how = ""

    def ended(self, code: int, how: str = "") -> None:
        self.exitcode, self._how = code, how

    def how_it_ended(self) -> str:
        """In words, for a person."""
        return self._how or _how_it_ended(self.exitcode or 0)

    def kill(self) -> None:
        """At once; the server tells when it is gone."""
        if self.pid and self.exitcode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class ForkServer:
    """A fork server and its processes. `folder` is for what they share; it is gone once all of them are, however that comes; if
    everybody was killed at once, with the next command."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._scratch = Scratch()
        self.folder = self._scratch.path
        self._numbers = count()
        self._running: dict[int, Process] = {}
        self._begin()

    def _begin(self) -> None:
        """Start the server, which imports while we do other things."""
        self._requests, theirs = socket.socketpair()
        self._log = self.folder / "server.log"
        with theirs, self._log.open("wb") as log:
            self._process, self._told = interpreter(
                "fork server", serve, theirs.fileno(), self._modules, self.folder,
                errors=log.fileno(), environment={**os.environ, **ENVIRONMENT}, inherit=(theirs.fileno(),),
            )  # fmt: skip

    def fileno(self) -> int:
        """Readable when there is something to `hear`. Another one after the server had to be started again."""
        return self._told.fileno()

    def start(self, name: str, work: Callable[..., None], *arguments: object) -> Process:
        """A process that does `work(channel, *arguments)`, called `name` in `ps`. Raises `ActorError`."""
        if self._process.poll() is not None:
            self.hear()
            self._requests.close()
            self._told.close()
            self._begin()
        ours, theirs = socket.socketpair()
        process, number = Process(name, Channel(ours)), next(self._numbers)
        self._running[number] = process
        with theirs, suppress(BrokenPipeError, ConnectionResetError):  # a server that has just died is heard of in a moment
            socket.send_fds(self._requests, [number.to_bytes(4, "big")], [theirs.fileno()])
        process.channel.send(job(name, work, *arguments))
        process.channel.finish()
        return process

    def hear(self) -> None:
        """Take in which processes have begun and ended. Raises `ActorError` when one cannot begin, or the server cannot."""
        for word in self._told.receive():
            number, pid, code = WORD.unpack(word)
            process = self._running[number]
            if code == BEGUN:
                process.pid = pid
                continue
            del self._running[number]
            process.ended(code)
            if code == REFUSED:
                raise ActorError(f"{process.name} cannot be started ({os.strerror(pid)}): free some memory, or allow more processes")
        if self._told.ended and self._running:
            self._lost()

    def _lost(self) -> None:
        """The server has died: end its children, for nobody else would hear of their end."""
        how = _how_it_ended(self._process.wait())
        begun = any(process.pid for process in self._running.values())
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            _await_end(process)
            process.ended(-signal.SIGKILL, f"the fork server ended, {how}")
        self._running.clear()
        if not begun and how.startswith("exit code"):
            reason = self._log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise ActorError(f"no process can be started: {reason or how}")

    def wait(self, process: Process, check: Callable[[], None]) -> None:
        """Until it has ended; `check` is called all the time, and may raise. Raises `ActorError`."""
        while process.exitcode is None:
            self._told.wait(0.1)
            check()
            self.hear()

    def end(self, processes: Sequence[Process]) -> None:
        """Kill these, and wait until they are gone. A server that still imports has not begun them, and ends with them."""
        self.hear()
        if any(not process.pid and process.exitcode is None for process in processes):
            self._process.kill()
            while not self._told.ended:  # it may have begun them meanwhile, and what it said of that is not for its successor to find
                self._told.wait()
                self.hear()
        for process in processes:
            process.kill()
        for process in processes:
            _await_end(process)

    def close(self) -> None:
        """End everything, and be gone when this returns."""
        for process in self._running.values():
            process.kill()
        self._process.kill()
        self._process.wait()
        for process in self._running.values():
            _await_end(process)
        self._requests.close()
        self._told.close()
        self._scratch.remove()


@contextmanager
def fork_server(modules: Sequence[str]) -> Iterator[ForkServer]:
    """A fork server with these modules imported, which is gone afterwards with all its processes and its folder."""
    server = ForkServer(modules)
    try:
        yield server
    finally:
        server.close()


def _await_end(process: Process) -> None:
    """Until the other end of its channel is gone, and with it the process. Raises `ActorError` if it stays."""
    deadline = time.monotonic() + KILLED_WITHIN
    while not process.channel.ended:
        if time.monotonic() > deadline:
            raise ActorError(f"{process.name}, process {process.pid or 'unknown'}, cannot be ended: end it before you start again")
        process.channel.wait(0.1)
        for _ in process.channel.receive():
            pass


def _how_it_ended(code: int) -> str:
    """An exit code in words, for a person."""
    if code == EXHAUSTED:
        return "its memory was used up"
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
