"""Runs many simulations of `dfl-actors sim` at once, and goes on where an earlier call was ended.

A run has a directory of its own. One that is over, by the same configuration, is not run again; one that was interrupted goes on from its
checkpoint, or is begun anew without one; one of another configuration is left alone and refused.
"""

import fcntl
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Protocol

from dfl_actors.api.topology import Topology
from dfl_actors.config import Config, load_topology
from dfl_actors.errors import StoreError
from dfl_actors.sim import checkpoint

LOOK = 0.3
"""Seconds between two looks at what is under way."""

PATIENCE = 60
"""Seconds that a simulation has to write its checkpoint once it is told to end."""


class Refused(Exception):
    """What cannot be done and what would help, in one line."""


class State(Enum):
    NEW = "new"
    BROKEN_OFF = "broken off"
    INTERRUPTED = "interrupted"
    DONE = "done"


@dataclass(frozen=True)
class Job:
    """One simulation: `dfl-actors sim TOPOLOGY --set OPTION ... --out FOLDER`. `cost` is its computing time, in any unit."""

    name: str
    folder: Path
    topology: Path
    options: tuple[str, ...]
    cost: float = 1.0

    def command(self, workers: int, resume: bool) -> list[str]:
        """What runs it, or goes on with it."""
        sets = [part for option in self.options for part in ("--set", option)]
        what = ["--resume", str(self.folder)] if resume else [str(self.topology), *sets, "--out", str(self.folder)]
        return [sys.executable, "-m", "dfl_actors", "sim", *what, "--jobs", str(workers), "--quiet"]

    def config(self) -> Config:
        """What it would run as. What is lost of a reference configuration is said when it is run. Raises `ConfigError`."""
        return Topology(self.topology, self.options).config


def state(job: Job) -> State:
    """How far it is. Raises `Refused` when its directory holds something else, `ConfigError` for options that do not fit."""
    wanted, kept = job.config(), job.folder / "config.toml"
    if not job.folder.exists() or not any(job.folder.iterdir()):
        return State.NEW
    if not kept.exists() or load_topology(kept) != wanted:
        raise Refused(f"{job.folder} holds another simulation (other ticks or options?): remove it, or give another --out")
    if is_over(job.folder):
        return State.DONE
    try:
        checkpoint.find(job.folder)
    except StoreError:
        return State.BROKEN_OFF
    return State.INTERRUPTED


def is_over(folder: Path) -> bool:
    """Whether the simulation in a directory came to its end: its picture is the last thing that it makes."""
    return (folder / "accuracy.png").exists()


def tick_of(folder: Path) -> int:
    """The tick of the last row of accuracies; 0 before the first."""
    return max(ticks_in(folder), default=0)


def ticks_in(folder: Path) -> list[int]:
    """The ticks whose rows of accuracies have been written."""
    try:
        table = (folder / "accuracy.csv").read_bytes()
    except OSError:
        return []
    # The first line is the header, and the last is written in part until it ends.
    return [int(line.partition(b",")[0]) for line in table.splitlines(keepends=True)[1:] if line.endswith(b"\n")]


# --- running


@dataclass
class Running:
    """A simulation under way. `found` is how much of it had been done before."""

    job: Job
    ticks: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    found: float
    begun: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> float:
        """How much of it is done."""
        return min(1.0, tick_of(self.job.folder) / self.ticks)

    def failure(self) -> str | None:
        """Why it failed, None if it did not; the process is over."""
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        self.errors.close()
        return None if self.process.returncode == 0 else said or f"ended with exit code {self.process.returncode}"


class Watcher(Protocol):
    """Is told how things go: now and then, and when one is over while the others run on."""

    def look(self, running: Sequence[Running]) -> None: ...

    def over(self, one: Running, failure: str | None, others: Sequence[Running]) -> None: ...


def run_all(jobs: Sequence[Job], at_once: int, watcher: Watcher) -> None:
    """Run the simulations, `at_once` of them side by side. Whatever ends this, Ctrl-C included, ends those under way.

    One core each is the best use of them; only when there are more cores than simulations does one get several.
    """
    waiting, running = deque(jobs), list[Running]()
    workers = max(1, at_once // max(1, len(jobs)))
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(begin(waiting.popleft(), workers))
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                watcher.over(one, one.failure(), running)
            watcher.look(running)
            time.sleep(LOOK)
    finally:
        end(running)


def begin(job: Job, workers: int) -> Running:
    """Start a simulation, or go on with it. It does not hear Ctrl-C: we end it. Raises `Refused` without a place for it."""
    ticks, resume = job.config().sim.ticks, state(job) is State.INTERRUPTED
    if not resume:
        clear(job.folder)
    errors = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        job.command(workers, resume), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
    )
    return Running(job, ticks, process, errors, tick_of(job.folder) / ticks)


def clear(folder: Path) -> None:
    """An empty directory. Raises `Refused`."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be written ({error.strerror}): choose another --out") from error


def end(running: Sequence[Running]) -> None:
    """Gone when this returns, each after it has cleaned up."""
    for one in running:
        one.process.terminate()
    for one in running:
        try:
            one.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()
        one.errors.close()


@contextmanager
def held(out: Path) -> Iterator[None]:
    """The directory `out`, ours alone: two calls at once would begin each other's runs anew. Raises `Refused`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / "lock").open("w")
    except OSError as error:
        raise Refused(f"{out} cannot be written ({error.strerror}): choose another --out") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{out} is in use by another call: wait for it, or choose another --out") from None
        yield


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends us as Ctrl-C does, also where the shell has told us to ignore Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
