"""Processes of ours on the machines of a Ray cluster, as we see them; what passes between us and Ray is the bridge's."""

import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from subprocess import TimeoutExpired

from dfl_actors.api.cluster.words import FROM_BRIDGE, Begin, Connected, End, Ended, Placed, Say, Word, encode
from dfl_actors.errors import ActorError, ConfigError
from dfl_actors.processes import faults
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import Work, interpreter, job
from dfl_actors.processes.scratch import Scratch
from dfl_actors.processes.signals import Stop

CONNECTS_WITHIN = 90.0  # Seconds in which Ray has connected us, or started a cluster here.
GONE_WITHIN = 25.0  # Seconds in which the bridge is gone: processes on the cluster, or a cluster of our own, end in them.


def bridge_to(parent: Channel, address: str, folder: Path) -> None:
    """The life of the bridge; here only so that nobody else imports Ray. `folder`, its parent's, goes with it if the parent was killed."""
    from dfl_actors.api.cluster.bridge import bridge

    try:
        bridge(parent, address)
    finally:
        if parent.ended:
            shutil.rmtree(folder, ignore_errors=True)


class Process:
    """One on the cluster. `machine` is where Ray has put it, "" while it has not; `how` it ended."""

    def __init__(self, number: int, cluster: "Cluster") -> None:
        self.number, self._cluster = number, cluster
        self.machine, self.ended, self.how = "", False, ""
        self.heard: deque[bytes] = deque()

    def send(self, body: bytes) -> None:
        self._cluster.say(Say(self.number, body))

    def receive(self) -> Iterator[bytes]:
        """What it has said meanwhile."""
        while self.heard:
            yield self.heard.popleft()

    def kill(self) -> None:
        self._cluster.kill(self)


class Cluster:
    """A Ray cluster to which the bridge is connecting us."""

    def __init__(self, address: str, folder: Path) -> None:
        self._log = folder / "ray.log"
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        with self._log.open("wb") as log:
            self._bridge, self._channel = interpreter("ray", bridge_to, address, folder, errors=log.fileno(), environment=environment)
        self._numbers, self._processes = count(), dict[int, Process]()
        self.cpus = self.free = 0.0

    def fileno(self) -> int:
        """Readable when there is something to `hear`."""
        return self._channel.fileno()

    def connect(self, stop: Stop) -> None:
        """Wait until it is there. Raises the `DflError` that says why it is not, and `Interrupted` once a signal came."""
        deadline = time.monotonic() + CONNECTS_WITHIN
        while not self.cpus:
            stop.check()
            if "InvalidAuthToken" in (said := self._last_words()):
                raise ActorError("the Ray cluster wants its token: set RAY_AUTH_MODE=token here as on its machines (`ray get-auth-token`)")
            if time.monotonic() > deadline:
                raise ActorError(f"Ray did not connect within {CONNECTS_WITHIN:.0f} s{said}: see `ray status`")
            self._channel.wait(0.1)
            self.hear()

    def start(self, name: str, work: Work, *arguments: object, cpus: float = 1.0) -> Process:
        """A process that does `work(channel, *arguments)` on a machine that Ray chooses, once it has so many processors free."""
        process = Process(next(self._numbers), self)
        self._processes[process.number] = process
        self.say(Begin(process.number, job(name, work, *arguments), cpus))
        return process

    def say(self, word: Word) -> None:
        """To the bridge."""
        self._channel.send(encode(word))

    def hear(self) -> None:
        """Take in what the processes say and who has ended. Raises `DflError` when none can begin, or the cluster is lost."""
        self._channel.flush()
        for raw in self._channel.receive():
            try:
                word = FROM_BRIDGE.decode(raw)
            except ValueError:
                raise faults.read(raw) from None
            self._take(word)
        if self._channel.ended:
            raise ActorError(f"the Ray cluster was lost{self._last_words()}: start it again, and call this again")

    def _take(self, word: Connected | Placed | Say | Ended) -> None:
        if isinstance(word, Connected):
            self.cpus, self.free = word.cpus or 1.0, word.free
        elif (process := self._processes.get(word.number)) is None:
            return
        elif isinstance(word, Placed):
            process.machine = word.machine
        elif isinstance(word, Say):
            process.heard.append(word.body)
        else:
            process.ended, process.how = True, word.how
            del self._processes[word.number]
            if word.fatal:
                raise ConfigError(word.how)

    def kill(self, process: Process) -> None:
        """Hear no more of it; it ends, and clears up."""
        if self._processes.pop(process.number, None) is not None:
            process.ended = True
            self.say(End(process.number))

    def end(self) -> None:
        """Kill all processes."""
        for process in list(self._processes.values()):
            self.kill(process)

    def close(self) -> None:
        """End everything; a cluster that was started for us too."""
        self._channel.finish(1.0)
        self._channel.close()
        with suppress(TimeoutExpired):
            self._bridge.wait(GONE_WITHIN)
        self._bridge.kill()
        self._bridge.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f" ({lines[-1].strip()[-200:]})" if lines else ""


def check_engine(engine: str, address: str | None) -> None:
    """Raises `ConfigError` for an engine that is none, or is not installed."""
    if engine not in ("local", "ray"):
        raise ConfigError(f"no engine {engine!r}; choose local or ray")
    if engine == "local" and address is not None:
        raise ConfigError(f"--address {address} is that of a Ray cluster: give --engine ray too")
    if engine == "ray" and find_spec("ray") is None:
        raise ConfigError("--engine ray needs Ray, which is not installed: pip install 'dfl-actors[ray]'")


@contextmanager
def cluster(address: str | None) -> Iterator[Cluster]:
    """The cluster at `address`; without one that which this machine belongs to, else one that is started here and gone afterwards."""
    scratch = Scratch()
    try:
        found = Cluster(address or "", scratch.path)
        try:
            yield found
        finally:
            found.close()
    finally:
        scratch.remove()
