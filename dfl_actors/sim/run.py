"""Runs a simulation: the workers, the slab they share, the engine, and the files it leaves."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np

from dfl_actors import errors
from dfl_actors.config import Config
from dfl_actors.errors import DflError, StoreError
from dfl_actors.learning.data import load_dataset
from dfl_actors.learning.weights import recipe_of
from dfl_actors.sim import plan
from dfl_actors.sim.engine import Engine
from dfl_actors.sim.files import Tables
from dfl_actors.sim.timeline import Timeline
from dfl_actors.sim.worker import Fault, WorkerPlan, work

ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Lets glibc use freed models again, which otherwise cost a page fault for every 4 KiB.
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
"""One compute thread a worker: there are as many workers as processors."""

Watch = Callable[[int, list[float]], None]
"""Told each row of accuracies: the tick, and one a node."""


def simulate(config: Config, out: Path, jobs: int, folder: Path, watch: Watch, progress: Callable[[int], None]) -> None:
    """Simulate `config` into the directory `out`, which exists, on `jobs` workers. `progress` is told how many ticks are done.

    Raises `DflError`; what has been written by then stays.
    """
    jobs = min(jobs, len(config.nodes))
    members = plan.members(config, folder)
    with tempfile.TemporaryDirectory(prefix="dfl-sim-") as cache:
        data = load_dataset(config.data.source, Path(cache))
        draws = plan.draws(config, data)
        slots = plan.slots(members)
        with _workers(config, Path(cache), folder, jobs, slots) as connections:
            names = [node.name for node in config.nodes]
            tables = Tables(out, names, [[names[other] for other in member.neighbours] for member in members], watch)
            timeline = Timeline(
                members,
                draws,
                np.random.default_rng([config.network.seed, 5]),
                check_every=config.sim.check_every,
                compare_every=config.sim.compare_every,
            )
            engine = Engine(timeline, names, [len(member.neighbours) for member in members], connections, slots, tables)
            try:
                for done in engine.run(config.sim.ticks):
                    progress(done)
            finally:
                tables.end()


@contextmanager
def _workers(config: Config, cache: Path, folder: Path, jobs: int, slots: int) -> Iterator[list[Connection]]:
    """So many workers, ready; they are gone afterwards, whatever happens."""
    context = get_context("spawn")
    processes: list[SpawnProcess] = []
    connections: list[Connection] = []
    with _environment(), _slab_file() as slab:
        shared = WorkerPlan(
            nodes=plan.node_plans(config),
            source=config.data.source,
            cache=cache,
            folder=folder,
            model=config.training.model,
            recipe=recipe_of(config),
            slab=slab,
            slots=slots,
            keep_biases=config.sim.exchange == "weights",
            zero_biases=not config.sim.measure_biases,
        )
        try:
            for number in range(jobs):
                ours, theirs = context.Pipe()
                mine = [node for node in range(len(config.nodes)) if node % jobs == number]
                process = context.Process(target=work, args=(theirs, shared, mine), name=f"worker {number}", daemon=True)
                with _ctrl_c_is_ours():
                    process.start()
                theirs.close()
                processes.append(process)
                connections.append(ours)
            for connection in connections:
                _ready(connection)
            slab.unlink()
            yield connections
        finally:
            for process in processes:
                process.kill()
                process.join()


def _ready(connection: Connection) -> None:
    """Wait for a worker's first word. Raises the error that kept it from starting."""
    try:
        _, word = connection.recv()
    except (EOFError, ConnectionError):
        raise DflError("a worker of the simulation did not start: give it more memory, or fewer --jobs") from None
    if isinstance(word, Fault):
        raise getattr(errors, word.kind, DflError)(word.text)


@contextmanager
def _slab_file() -> Iterator[Path]:
    """A new file in memory where the system has such a place; the caller may unlink it once all have opened it."""
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    descriptor, name = tempfile.mkstemp(prefix="dfl-sim-", dir=folder)
    os.close(descriptor)
    try:
        yield Path(name)
    except OSError as error:
        raise StoreError(f"{folder} cannot hold the models ({error.strerror}): free some space there") from error
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


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """A child started inside does not hear Ctrl-C: we end it."""
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)
