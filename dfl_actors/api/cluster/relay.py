"""An actor of Ray: starts a process of ours on the machine where Ray has put it, and passes on what it and its parent say.

The process is an interpreter of its own, so that Ray's threads, signals and libraries do not meet ours. When Ray's process goes, however
that comes, the channel ends, and our process with it.
"""

import os
import subprocess
import tempfile
import threading
import time
from contextlib import suppress

from dfl_actors import __version__
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import Work, interpreter

ALONE = 120.0  # Seconds without a call after which the driver is taken for gone.
MOMENT = 0.5  # Seconds that a call waits for something to pass on.
ENDS_WITHIN, CLOSES_WITHIN = 5.0, 15.0  # Seconds in which a process is gone that has closed its channel, or whose parent has.


def apart(parent: Channel, work: Work, *arguments: object) -> None:
    """Do `work` in a process group of its own: Ray kills that of its process, and with it the fork server that clears up after us."""
    os.setsid()
    work(parent, *arguments)


class Relay:
    """One process."""

    def __init__(self, name: str, work: Work, arguments: tuple[object, ...]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process lives
        self._called = time.monotonic()
        self._process, self._channel = interpreter(name, apart, work, *arguments, errors=self._errors.fileno())
        threading.Thread(target=self._mind, daemon=True).start()

    def _mind(self) -> None:
        """End the process when nobody calls any more: Ray does not end what runs on a machine that was cut off."""
        while time.monotonic() < self._called + ALONE:
            time.sleep(ALONE / 20)
        self.close()

    def place(self) -> tuple[str, str]:
        """What Ray calls this machine, and the version of dfl-actors on it."""
        import ray

        return ray.get_runtime_context().get_node_id(), __version__

    def exchange(self, bodies: list[bytes]) -> tuple[list[bytes], str | None]:
        """Say these, and wait a moment for what the process says; beside it how it ended, None if it has not."""
        self._called = time.monotonic()
        for body in bodies:
            self._channel.send(body)
        if self._channel.waiting:
            self._channel.finish(MOMENT)
        elif not bodies:
            self._channel.wait(MOMENT)
        heard = list(self._channel.receive())
        return heard, self._how_it_ended() if self._channel.ended else None

    def close(self) -> None:
        """Let the process end in order, for it has to clear up: it sees that its parent has gone."""
        self._channel.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSES_WITHIN)
        self._process.kill()

    def _how_it_ended(self) -> str:
        """Its exit code, and the last line that it left on stderr."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDS_WITHIN)
        self._process.kill()
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        return f"exit code {self._process.wait()}" + (f", {last}" if last else "")
