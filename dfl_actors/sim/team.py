"""The worker processes of a simulation, the slab of memory that they share, and the environment that they start in."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from dfl_actors import errors
from dfl_actors.config import Config
from dfl_actors.errors import DflError, StoreError
from dfl_actors.learning.computing import ENVIRONMENT
from dfl_actors.learning.weights import recipe_of
from dfl_actors.sim import plan
from dfl_actors.sim.worker import Fault, Slab, WorkerPlan, opened, work


class Team:
    """Workers that are starting. They take seconds to be `ready`, in which others can do something else."""

    def __init__(self, connections: list[Connection], slab: Path, slots: int) -> None:
        self.connections = connections
        self._slab, self._slots = slab, slots

    def ready(self) -> Slab:
        """Wait for everybody; the slab that they share. Raises the error that kept one from starting."""
        sizes = [_size_of_model(connection) for connection in self.connections]
        slab = opened(self._slab, self._slots, sizes[0])
        self._slab.unlink()
        return slab


@contextmanager
def starting(config: Config, cache: Path, folder: Path, jobs: int) -> Iterator[Team]:
    """So many workers, which are gone afterwards, whatever happens. `cache` is where they find the data set, or put it."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["dfl_actors.sim.preload"])
    processes: list[ForkServerProcess] = []
    connections: list[Connection] = []
    with _environment(), _slab_file() as slab:
        shared = worker_plan(config, cache, folder, slab)
        try:
            for number in range(jobs):
                ours, theirs = context.Pipe()
                mine = [node for node in range(len(config.nodes)) if node % jobs == number]
                process = context.Process(target=work, args=(theirs, shared, mine), name=f"worker {number}", daemon=True)
                process.start()
                theirs.close()
                processes.append(process)
                connections.append(ours)
            yield Team(connections, slab, shared.slots)
        finally:
            for process in processes:
                process.kill()
                process.join()


def worker_plan(config: Config, cache: Path, folder: Path, slab: Path) -> WorkerPlan:
    """What every worker must know."""
    return WorkerPlan(
        nodes=plan.node_plans(config),
        source=config.data.source,
        cache=cache,
        folder=folder,
        model=config.training.model,
        recipe=recipe_of(config),
        slab=slab,
        slots=plan.slots(config),
        votes=cache,
        keep_biases=config.sim.exchange == "weights",
        zero_biases=not config.sim.measure_biases,
    )


def _size_of_model(connection: Connection) -> int:
    """A worker's first word. Raises the error that kept it from starting."""
    try:
        _, word = connection.recv()
    except (EOFError, ConnectionError):
        raise DflError("a worker of the simulation did not start: give it more memory, or fewer --jobs") from None
    if isinstance(word, Fault):
        raise getattr(errors, word.kind, DflError)(word.text)
    return int(word)


@contextmanager
def _slab_file() -> Iterator[Path]:
    """A new file in memory where the system has such a place; the caller may unlink it once all have opened it."""
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())  # noqa: S108
    try:
        descriptor, name = tempfile.mkstemp(prefix="dfl-sim-", dir=folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot hold the models ({error.strerror}): free some space there") from error
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _environment() -> Iterator[None]:
    """Workers get their environment from ours."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
