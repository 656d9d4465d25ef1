"""Commands that begin where their imports end.

Importing the program, TensorFlow and matplotlib costs seconds of CPU at every start of `run`, and most tests are about what comes after it.
So their commands are forked from one process that has imported everything (`tests/warm/imports.py`), and so are the fork servers that they
start. From there on they are what a person starts: with a session, an environment, a folder, standard streams, signals and children of
their own. Tests of the start itself, and of what is imported, have their commands cold.
"""

import atexit
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from dfl_actors.processes.forkserver import ForkServer, Process
from tests.warm.life import command


@cache
def source() -> ForkServer:
    """The process that all commands of these tests are forked from."""
    server = ForkServer(["tests.warm.imports"])
    atexit.register(server.close)
    return server


class Warm:
    """A command under way or ended, as `subprocess.Popen` has it."""

    def __init__(
        self, arguments: Sequence[str], place: Path, environment: Mapping[str, str], stdout: Path, stderr: Path, namespace: str = ""
    ) -> None:
        self._server = source()
        self._process: Process = self._server.start(
            "command", command, tuple(arguments), place.absolute(), dict(environment), stdout.absolute(), stderr.absolute(), namespace
        )
        assert self._process.channel.next() is not None, "the command could not be forked"
        while not self._process.pid:
            self._hear(None)

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        self._hear(0)
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises `TimeoutExpired` when it has none in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._process.exitcode is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._hear(left) and left == 0:
                raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return self._process.exitcode

    def _hear(self, within: float | None) -> bool:
        """Wait for word from the process that forks; whether there was any."""
        heard, _, _ = select.select([self._server], [], [], within)
        self._server.hear()
        if self._process.exitcode is not None:
            self._process.channel.close()
        return bool(heard)
