"""The worker processes of a simulation, and the slab of memory that they share."""

import os
import pickle
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil

from dfl_actors.config import Config
from dfl_actors.errors import DflError
from dfl_actors.files import explained
from dfl_actors.processes import faults
from dfl_actors.processes.forkserver import ForkServer, Process
from dfl_actors.processes.limits import allow_files
from dfl_actors.sim import plan
from dfl_actors.sim.engine import Wire
from dfl_actors.sim.worker import Slab, Worker, WorkerPlan, answer, opened, work

FILES, FILES_A_WORKER = 100, 4  # Open files: of any process, and of ours for each worker.


class Team(Protocol):
    """Who does the jobs of a simulation."""

    @property
    def connections(self) -> Sequence[Wire]: ...

    @property
    def remark(self) -> str:
        """What is odd about the model, once it is ready; "" if nothing is."""

    def cpu(self) -> float:
        """CPU seconds that it has used so far, in other processes than this."""

    def ready(self, check: Callable[[], None]) -> Slab:
        """The memory in which models are on their way. `check` is called while there is nothing to do but wait, and may raise.

        Raises the `DflError` that keeps it from starting.
        """


class Workers:
    """Worker processes that are starting. They take seconds to be `ready`, in which others can do something else."""

    def __init__(self, processes: list[Process], server: ForkServer, slab: Path, slots: int) -> None:
        self.connections = [process.channel.connection() for process in processes]
        self._processes, self._server, self._slab, self._slots = processes, server, slab, slots
        self.remark = ""

    def cpu(self) -> float:
        """CPU seconds that the workers have used so far; of one that has ended nothing is known."""
        self._server.hear()  # of who they are
        seconds = 0.0
        for process in self._processes:
            with suppress(psutil.Error):
                times = psutil.Process(process.pid).cpu_times()
                seconds += times.user + times.system
        return seconds

    def ready(self, check: Callable[[], None]) -> Slab:
        """Wait for everybody; the slab that they share. `check` is called meanwhile, and may raise. Raises the error that kept one from
        starting."""
        (size, self.remark), *_ = [_size_of_model(process, check) for process in self._processes]
        slab = opened(self._slab, self._slots, size)
        self._slab.unlink()
        return slab


@contextmanager
def starting(config: Config, cache: Path, folder: Path, jobs: int, server: ForkServer, models: Path | None = None) -> Iterator[Workers]:
    """So many workers, which are gone afterwards, whatever happens. `cache` is where they find the data set, or put it,
    `models` where they keep those that were measured last."""
    allow_files(FILES + FILES_A_WORKER * jobs, f"a simulation with {jobs} workers")
    processes: list[Process] = []
    with _slab_file() as slab:
        shared = WorkerPlan(config, cache, folder, slab, plan.slots(config), models)
        try:
            for number in range(jobs):
                mine = [node for node in range(len(config.nodes)) if node % jobs == number]
                processes.append(server.start(f"worker {number}", work, shared, mine))
            team = Workers(processes, server, slab, shared.slots)
            yield team
        finally:
            server.end(processes)


class Alone:
    """A worker in this very process, behind what the engine takes for a connection: a job is done as it is sent."""

    def __init__(self, worker: Worker, slab: Slab) -> None:
        self.connections, self.remark = (self,), worker.remark
        self._worker, self._slab = worker, slab
        self._answers: deque[bytes] = deque()
        self._bell, self._ring = os.pipe()

    def fileno(self) -> int:
        """Readable while there are answers."""
        return self._bell

    def send_bytes(self, body: bytes, /) -> None:
        """Do a job."""
        ticket, name, arguments = pickle.loads(body)
        self._answers.append(pickle.dumps((ticket, answer(getattr(self._worker, name), arguments))))
        os.write(self._ring, b".")

    def recv_bytes(self) -> bytes:
        """The oldest answer."""
        os.read(self._bell, 1)
        return self._answers.popleft()

    def cpu(self) -> float:
        return 0.0

    def ready(self, check: Callable[[], None]) -> Slab:
        return self._slab

    def close(self) -> None:
        os.close(self._bell)
        os.close(self._ring)


@contextmanager
def alone(config: Config, cache: Path, folder: Path) -> Iterator[Alone]:
    """This process as the only worker: for many simulations side by side the best use of cores. Raises `DflError`."""
    with _slab_file() as slab:
        shared = WorkerPlan(config, cache, folder, slab, plan.slots(config))
        worker = Worker(shared, range(len(config.nodes)))
        team = Alone(worker, opened(slab, shared.slots, worker.parameters.size))
        try:
            yield team
        finally:
            team.close()


def _size_of_model(process: Process, check: Callable[[], None]) -> tuple[int, str]:
    """A worker's first word, and what it finds odd. Raises the error that kept it from starting."""
    while not process.channel.wait(0.1):
        check()
    word = process.channel.next()
    if word is None:
        raise DflError("a worker of the simulation did not start: give it more memory, or fewer --jobs")
    size, _, remark = word.partition(b" ")
    if not size.isdigit():
        raise faults.read(word)
    return int(size), remark.decode()


@contextmanager
def _slab_file() -> Iterator[Path]:
    """A new file in memory where the system has such a place; the caller may unlink it once all have opened it."""
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())  # noqa: S108
    with explained(f"{folder} cannot hold the models", "free some space there"):
        descriptor, name = tempfile.mkstemp(prefix="dfl-sim-", dir=folder)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
