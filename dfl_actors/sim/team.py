"""The worker processes of a simulation, and the slab of memory that they share."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from dfl_actors.config import Config
from dfl_actors.errors import DflError
from dfl_actors.files import explained
from dfl_actors.processes import faults
from dfl_actors.processes.forkserver import ForkServer, Process
from dfl_actors.processes.limits import allow_files
from dfl_actors.sim import plan
from dfl_actors.sim.worker import Slab, WorkerPlan, opened, work

FILES, FILES_A_WORKER = 100, 4  # Open files: of any process, and of ours for each worker.


class Team:
    """Workers that are starting. They take seconds to be `ready`, in which others can do something else."""

    def __init__(self, processes: list[Process], server: ForkServer, slab: Path, slots: int) -> None:
        self.connections = [process.channel.connection() for process in processes]
        self._processes, self._server, self._slab, self._slots = processes, server, slab, slots

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
        sizes = [_size_of_model(process, check) for process in self._processes]
        slab = opened(self._slab, self._slots, sizes[0])
        self._slab.unlink()
        return slab


@contextmanager
def starting(config: Config, cache: Path, folder: Path, jobs: int, server: ForkServer) -> Iterator[Team]:
    """So many workers, which are gone afterwards, whatever happens. `cache` is where they find the data set, or put it."""
    allow_files(FILES + FILES_A_WORKER * jobs, f"a simulation with {jobs} workers")
    processes: list[Process] = []
    with _slab_file() as slab:
        shared = WorkerPlan(config, cache, folder, slab, plan.slots(config))
        try:
            for number in range(jobs):
                mine = [node for node in range(len(config.nodes)) if node % jobs == number]
                processes.append(server.start(f"worker {number}", work, shared, mine))
            team = Team(processes, server, slab, shared.slots)
            yield team
        finally:
            server.end(processes)


def _size_of_model(process: Process, check: Callable[[], None]) -> int:
    """A worker's first word. Raises the error that kept it from starting."""
    while not process.channel.wait(0.1):
        check()
    word = process.channel.next()
    if word is None:
        raise DflError("a worker of the simulation did not start: give it more memory, or fewer --jobs")
    if not word.isdigit():
        raise faults.read(word)
    return int(word)


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
