"""The runs that `benchmark.py` measures, and the work that they are compared with: a bare loop, and the judging of models."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import psutil
from benchmark_table import Unmeasured

from dfl_actors.config.sections import Data
from dfl_actors.errors import TargetMissed
from dfl_actors.learning.data import Dataset, load_dataset
from dfl_actors.learning.weights import Recipe, decode_model
from dfl_actors.report.load import Run, load_run
from dfl_actors.runtime.stores import ModelStore

if TYPE_CHECKING:  # its import brings TensorFlow, which only the workers load
    from dfl_actors.learning.models import Learner

DEMO = "fully_connected_4"
BATCH = 64
TESTS = 100
"""Samples that a node measures a model on."""

FULL_SPEED_SECONDS = 30
PAPER = 16
"""Steps a transaction in the comparison with p2pfl."""

GOAL = 0.90
STOP_AT = 72_000
"""Samples trained that end the comparison with p2pfl: well above what is wanted, so that the goal lies inside the run."""

KEPT = 1000
"""Models that a node keeps in the comparison with p2pfl: all of them, to be judged when the run is over."""

SAMPLE_EVERY = 1.0
"""Seconds between two looks at the memory."""

GIVE_UP = 300
"""Seconds after which a run is broken off."""

MISSED, INTERRUPTED = TargetMissed.exit_code, 130
"""Exit codes of runs that did not reach their target, and of those ended by Ctrl-C."""


@dataclass
class Finished:
    """A run that is over. `popened` is when its process was started (s since the epoch), `loopback` what `loopback_bytes` grew by."""

    path: Path
    popened: float
    loopback: int = 0
    memory: list[Counter[str]] = field(default_factory=list)

    @cached_property
    def run(self) -> Run:
        return load_run(self.path)

    @cached_property
    def summary(self) -> dict[str, Any]:
        return dict(orjson.loads((self.path / "summary.json").read_bytes()))

    def count(self, what: str) -> int:
        """The sum of a count over the nodes."""
        return sum(node[what] for node in self.summary["nodes"].values())

    @property
    def handled(self) -> int:
        """Transactions sent or received, over all nodes."""
        return self.count("sent") + self.count("received")

    @property
    def whole(self) -> float:
        """CPU s of all actors and the supervisor after ready; the evaluator, which only measures, is left out."""
        return float(self.supervisor + sum(node["total"] for node in self.summary["cpu"]["nodes"].values()))

    @property
    def supervisor(self) -> float:
        """CPU s of the supervisor after ready."""
        return float(self.summary["cpu"]["watchers"]["supervisor"]["total"])

    def spent(self, work: str, *tasks: str) -> float:
        """CPU s of the nodes for a kind of work, in some tasks or in all."""
        every = [node["tasks"] for node in self.summary["cpu"]["nodes"].values()]
        return float(sum(node[task][work] for node in every for task in tasks or node))


Watch = Callable[[subprocess.Popen[bytes], Finished], None]


def run_demo(path: Path, *sets: str, watch: Watch = lambda process, finished: None, codes: Sequence[int] = (0, MISSED)) -> Finished:
    """Run the demo topology in the new directory `path`, `sets` over its keys, calling `watch` all the while. Raises `Unmeasured`."""
    options = [part for one in sets for part in ("--set", one)]
    before, finished = loopback_bytes(), Finished(path, time.time())
    with path.with_suffix(".err").open("w+b") as errors:
        process = subprocess.Popen(dfl("run", DEMO, "--out", str(path), "--quiet", *options), stderr=errors, stdin=subprocess.DEVNULL)
        try:
            follow(process, finished, watch)
        finally:
            stop(process)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if process.returncode not in codes:
        raise Unmeasured(f"the run ended with exit code {process.returncode}: {said.rpartition(chr(10))[2]}")
    finished.loopback = loopback_bytes() - before
    return finished


def dfl(*arguments: str) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "dfl_actors", *arguments]


def follow(process: subprocess.Popen[bytes], finished: Finished, watch: Watch) -> None:
    """Until the process ends. Raises `Unmeasured` when it does not."""
    while process.poll() is None:
        if time.time() - finished.popened > GIVE_UP:
            raise Unmeasured(f"the run did not end within {GIVE_UP} s")
        watch(process, finished)
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Gone when this returns; the supervisor takes its children with it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def loopback_bytes() -> int:
    """What this machine has sent to itself over IP so far."""
    return sum(counters.bytes_sent for name, counters in psutil.net_io_counters(pernic=True).items() if name.startswith("lo"))


class Runs:
    """The runs of one repeat, each made when a row first asks for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def demo(self) -> Finished:
        """As shipped."""
        return run_demo(self._folder / "demo")

    @cached_property
    def watched(self) -> Finished:
        """As shipped, its memory watched."""
        return run_demo(self._folder / "watched", watch=watch_memory)

    @cached_property
    def work(self) -> Finished:
        """The work of p2pfl's ten rounds, until more samples are trained than should be needed; no model is evaluated meanwhile."""
        sets = (f"training.steps_per_transaction={PAPER}", f"training.batch={BATCH}", "data.rate=0", *ENDLESS, f"store.models={KEPT}")
        return run_demo(self._folder / "work", *sets, watch=stop_after_work, codes=(0, INTERRUPTED))

    @cached_property
    def full_speed(self) -> Finished:
        """As shipped, which is as fast as the machine can; no model is evaluated meanwhile."""
        return self._timed("full_speed")

    @cached_property
    def one_step(self) -> Finished:
        """The same with one step a transaction instead of four: the most transactions that there can be."""
        return self._timed("one_step", "training.steps_per_transaction=1")

    def _timed(self, name: str, *sets: str) -> Finished:
        same = (f"training.batch={BATCH}", f"data.test_samples={TESTS}", "data.rate=0", *ENDLESS)
        return run_demo(self._folder / name, *same, *sets, f"run.duration_s={FULL_SPEED_SECONDS}")


ENDLESS = ("run.target=0", "run.blocks=0", "run.evaluate_s=0", "run.duration_s=0")


def watch_memory(process: subprocess.Popen[bytes], finished: Finished) -> None:
    """Once the network is ready, note the PSS of its processes by kind every `SAMPLE_EVERY`; before that it would delay the start."""
    if b'"event":"ready"' not in metrics(finished):
        return
    finished.memory.append(memory_by_kind(process.pid))
    time.sleep(SAMPLE_EVERY)


def memory_by_kind(pid: int) -> Counter[str]:
    """PSS in bytes of the process and all its descendants, by what they are; "processes" counts them."""
    sizes: Counter[str] = Counter()
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return sizes
    for process in family:
        try:
            sizes[kind_of(process.pid, pid)] += process.memory_full_info().pss
            sizes["processes"] += 1
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return sizes


def total_memory(sample: Mapping[str, int]) -> int:
    return sum(size for kind, size in sample.items() if kind != "processes")


def kind_of(pid: int, supervisor: int) -> str:
    """What a process of a run is: actors and the evaluator are known by the log that their output goes to."""
    if pid == supervisor:
        return "supervisor"
    try:
        output = Path(f"/proc/{pid}/fd/1").readlink()
    except OSError:
        return "others"
    return output.stem if output.suffix == ".log" else "fork server and tracker"


def stop_after_work(process: subprocess.Popen[bytes], finished: Finished) -> None:
    """Ctrl-C once enough samples are trained."""
    events = [orjson.loads(line) for line in metrics(finished).splitlines() if b'"event":"trained"' in line and line.endswith(b"}")]
    if BATCH * sum({event["node"]: event["steps"] for event in events}.values()) >= STOP_AT:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def metrics(finished: Finished) -> bytes:
    """What the run has noted so far."""
    path = finished.path / "metrics.jsonl"
    return path.read_bytes() if path.exists() else b""


# --- work beside the network, in processes of its own


def workers(count: int) -> ProcessPoolExecutor:
    """Processes that have the learner built and traced; tasks begin when all of them have."""
    context = get_context("spawn")
    return ProcessPoolExecutor(count, context, initializer=prepare_worker, initargs=(context.Barrier(count),))


class Bench(NamedTuple):
    """What the tasks of a worker use."""

    learner: "Learner"
    data: Dataset


WORKER: list[Bench] = []  # of this process: one, once it is prepared


def prepare_worker(barrier: Barrier) -> None:
    """Build what the tasks use, and wait for the others."""
    from dfl_actors.learning import models

    models.limit_threads()
    data = load_dataset(Data())
    learner = models.load_learner(models.LENET, Recipe(), data.form)
    learner.warm(BATCH, 1, TESTS)
    WORKER.append(Bench(learner, data))
    barrier.wait()


def bare(steps: Sequence[int], measurements: Sequence[int]) -> float:
    """CPU s of bare loops, one for each number, all at once."""
    with workers(len(steps)) as bench:
        return sum(bench.map(bare_loop, steps, measurements))


def bare_loop(steps: int, measurements: int) -> float:
    """CPU s that so many training steps, with the measurements evenly between them, take without a network."""
    (learner, data), rng = WORKER[0], np.random.default_rng(0)
    state = learner.start(learner.initial(0))
    begun = time.process_time()
    for number in range(steps):
        samples = rng.integers(len(data.y_train), size=(1, BATCH))
        state, _ = learner.train(state, data.x_train[samples], data.y_train[samples])
        for _ in range(measurements * (number + 1) // steps - measurements * number // steps):
            tests = rng.integers(len(data.y_train), size=TESTS)
            learner.measure(state.weights, data.x_train[tests], data.y_train[tests])
    return time.process_time() - begun


def judge(store: str, model: str, codec: str) -> float:
    """The accuracy on all test images of a model in a node's store."""
    learner, data = WORKER[0]
    with ModelStore(Path(store), KEPT) as models, models.view(model) as body:
        if body is None:
            raise Unmeasured(f"model {model[:16]} is no longer in the store of its node")
        weights = decode_model(body, codec, learner.parameters.size).copy()
    correct, tested = learner.measure(weights, data.x_test, data.y_test)
    return correct / tested
