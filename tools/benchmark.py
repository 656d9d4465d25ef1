"""Measure what the project promises of its speed, memory and traffic, in real runs of the command on this machine.

    python tools/benchmark.py [--only NAME ...] [--repeat N] [--json FILE]

One row for each promise: the figure measured (the median of the repeats), the figure wanted, and whether it is met. A benchmark is
not a test: the exit code is 1 only when something could not be measured. `docs/benchmarks.md` says what each figure means.

Five runs feed the rows, each in a temporary directory that is removed: the demo as shipped; the demo with its memory watched
(watching costs time, so it is another run); the demo with 16 steps a transaction until enough samples are trained; and the demo
at full speed for a fixed time, as shipped and with one step a transaction. What a network is compared with (the bare loop) and
judged by (the test images) runs afterwards in processes of its own, so that it does not disturb the network.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from math import inf
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

import numpy as np
import orjson
import psutil
from rich.console import Console
from rich.table import Table

from dfl_actors.cli.run import EXIT_CODES
from dfl_actors.core.codec import decode, digest
from dfl_actors.core.events import Final, ModelSent, Ready, Scored, Trained
from dfl_actors.core.objects import FinalBlock
from dfl_actors.errors import DflError, TargetMissed
from dfl_actors.learning.computing import ONE_THREAD
from dfl_actors.learning.data import MNIST, load_dataset
from dfl_actors.learning.weights import Recipe, decode_model
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.summary import seconds_to_target
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import ModelStore
from dfl_actors.runtime.verify import read_all

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

IDLE = 0.5
"""Load average above which other work on the machine spoils the figures."""

MISSED, INTERRUPTED = TargetMissed.exit_code, EXIT_CODES["interrupted"]
"""Exit codes of runs that did not reach their target, and of those ended by Ctrl-C."""

Values = dict[str, float]


class Unmeasured(Exception):
    """What stood in the way of a figure, in one line."""


# --- runs of the command


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
        """CPU s of all actors and the supervisor after ready; the evaluator, a yardstick, is left out."""
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


# --- one measurement for each promise


def measure_start(runs: Runs) -> Values:
    finished = runs.demo
    ready = finished.run.ready
    if ready is None:
        raise Unmeasured("the network never became ready")
    own = finished.run.of(Ready)[0].seconds
    seconds = ready.t / 1000 - finished.popened
    return {"seconds": seconds, "of them before the command's first line": seconds - own}


def measure_memory(runs: Runs) -> Values:
    if platform.system() != "Linux":
        raise Unmeasured("only Linux tells the PSS of a process")
    samples = runs.watched.memory
    whole = max((sample["processes"] for sample in samples), default=0)
    complete = [sample for sample in samples if sample["processes"] == whole]
    if not complete:
        raise Unmeasured("the run was over before its memory was looked at")
    totals = [total_memory(sample) for sample in complete]
    most = complete[totals.index(max(totals))]
    kinds = {f"MB {kind}": size / 1e6 for kind, size in sorted(most.items()) if kind != "processes"}
    return {"GB": max(totals) / 1e9, "GB at the end": totals[-1] / 1e9, "processes": whole, **kinds}


def total_memory(sample: Mapping[str, int]) -> int:
    return sum(size for kind, size in sample.items() if kind != "processes")


def measure_demo(runs: Runs) -> Values:
    finished = runs.demo
    seconds = seconds_to_target(finished.run, 0.95)
    blocks = finished.summary["blocks"].values()
    final = finished.run.of(Final)
    return {
        "seconds": inf if seconds is None else seconds,
        "blocks of the node with fewest": min(node["blocks"] for node in blocks),
        "confirmations missing": sum(block.expected - block.confirmations for block in final),
        "chains that do not verify": len(finished.run.nodes) - verified(finished.path),
        "confirmations expected": sum(block.expected for block in final),
        "samples trained": BATCH * finished.count("steps"),
    }


def verified(path: Path) -> int:
    """How many chains `dfl-actors chain verify` finds right; none of them as soon as one is not."""
    done = subprocess.run(dfl("chain", "verify", str(path), "--json"), check=False, capture_output=True, text=True)
    return len(done.stdout.splitlines())


def measure_work(runs: Runs) -> Values:
    """The figures at the moment when every node's newest model is good enough: of the run's CPU, as much as of its samples."""
    finished = runs.work
    trained = sorted(finished.run.of(Trained), key=lambda event: event.t)
    with workers(1) as bench:
        steps = steps_at_goal(trained, list(finished.run.nodes), judge_by(bench, finished))
    if steps is None:
        return {"samples": inf, "CPU s training": inf, "CPU s all else": inf}
    share = steps / finished.count("steps")
    measuring = finished.spent("learning", "receive_transaction")
    each = measuring / max(1, len(finished.run.of(Scored)))
    training = finished.spent("learning", "generate_transaction") - each * len(trained)
    return {
        "samples": BATCH * steps,
        "CPU s training": share * training,
        "CPU s all else": share * (finished.whole - training),
        "of it measuring models": share * (measuring + each * len(trained)),
        "ms a training step": 1000 * training / finished.count("steps"),
        "ms a measurement": 1000 * each,
    }


def steps_at_goal(trained: Sequence[Trained], nodes: Sequence[str], accuracy: Callable[[str], float]) -> int | None:
    """Steps of all nodes together when the newest model of each is first at `GOAL`; `accuracy` judges a transaction's model."""
    newest: dict[str, Trained] = {}
    for event in trained:
        newest[event.node] = event
        if len(newest) == len(nodes) and all(accuracy(newest[node].tx) >= GOAL for node in nodes):
            return sum(one.steps for one in newest.values())
    return None


def judge_by(bench: ProcessPoolExecutor, finished: Finished) -> Callable[[str], float]:
    """The accuracy of a transaction's model on the test images; 0 for one that no block holds. Each is measured once."""
    directory = RunDirectory(finished.path)
    places = {
        digest(entry.transaction): (str(directory.node(node).models), entry.transaction.model, entry.transaction.codec)
        for node, blocks in read_all(directory, tuple(finished.run.nodes)).items()
        for block in blocks
        for entry in decode(FinalBlock, block.encode(), 1 << 30).draft.entries
    }

    @cache
    def accuracy(transaction: str) -> float:
        return bench.submit(judge, *places[transaction]).result() if transaction in places else 0.0

    return accuracy


def measure_efficiency(runs: Runs) -> Values:
    return efficiency(runs.full_speed)


def efficiency(finished: Finished) -> Values:
    """What of the CPU is machine learning, by the same work done without a network."""
    steps, measured = finished.count("steps"), finished.count("sent") + len(finished.run.of(Scored))
    alone = bare([steps], [measured])
    halves = bare([steps // 2, steps - steps // 2], [measured // 2, measured - measured // 2])
    learning = finished.spent("learning")
    return {
        "bare / whole": alone / finished.whole,
        "two bare loops at once / whole": halves / finished.whole,
        "CPU s whole": finished.whole,
        "CPU s learning": learning,
        "CPU s bare": alone,
        "CPU s bare, two at once": halves,
        "training steps": steps,
        "measurements": measured,
        "CPU share of the cores used": finished.whole / (cores() * finished.summary["elapsed"]),
    }


def measure_blockchain(runs: Runs) -> Values:
    return blockchain(runs.full_speed)


def blockchain(finished: Finished) -> Values:
    """CPU of hashing, signing, checking, journalling and chaining."""
    spent = finished.spent("blockchain")
    tasks = {f"ms {task}": 1000 * spent_on / finished.handled for task, spent_on in by_task(finished, "blockchain").items()}
    return {"ms": 1000 * spent / finished.handled, "% of the CPU": 100 * spent / finished.whole, **tasks}


def measure_overhead(runs: Runs) -> Values:
    return overhead(runs.full_speed)


def overhead(finished: Finished) -> Values:
    """CPU of everything but learning."""
    tasks = {f"ms network, {task}": 1000 * spent / finished.handled for task, spent in by_task(finished, "network").items()}
    return {
        "ms": 1000 * (finished.whole - finished.spent("learning")) / finished.handled,
        "ms blockchain": 1000 * finished.spent("blockchain") / finished.handled,
        **tasks,
        "ms supervisor": 1000 * finished.supervisor / finished.handled,
        "transactions handled": finished.handled,
    }


def measure_one_step(runs: Runs) -> Values:
    """The three above with one step a transaction."""
    finished = runs.one_step
    learnt, chained, all_else = efficiency(finished), blockchain(finished), overhead(finished)
    return {
        "bare / whole": learnt["bare / whole"],
        "ms blockchain": chained["ms"],
        "% of the CPU": chained["% of the CPU"],
        "ms all outside learning": all_else["ms"],
        "two bare loops at once / whole": learnt["two bare loops at once / whole"],
        "ms whole": 1000 * finished.whole / finished.handled,
        "ms bare": 1000 * learnt["CPU s bare"] / finished.handled,
        "transactions handled": finished.handled,
    }


def by_task(finished: Finished, work: str) -> Values:
    """CPU s of the nodes for a kind of work in each task that has any."""
    tasks = sorted({task for node in finished.summary["cpu"]["nodes"].values() for task in node["tasks"]})
    return {task: spent for task in tasks if (spent := finished.spent(work, task)) > 0}


def measure_wire(runs: Runs) -> Values:
    finished = runs.full_speed
    crossings = Counter((event.node, event.to, event.tx) for event in finished.run.of(ModelSent))
    bodies = sum(event.bytes for event in finished.run.of(ModelSent))
    if not crossings:
        raise Unmeasured("no model was sent")
    return {
        "crossings": max(crossings.values()),
        "models sent": sum(crossings.values()),
        "MB of models a transaction": bodies / finished.count("sent") / 1e6,
        "MB on the loopback a transaction": finished.loopback / finished.count("sent") / 1e6,
        "loopback / models": finished.loopback / bodies,
    }


# --- work beside the network, in processes of its own


def workers(count: int) -> ProcessPoolExecutor:
    """Processes that have the learner built and traced; tasks begin when all of them have."""
    context = get_context("spawn")
    return ProcessPoolExecutor(count, context, initializer=prepare_worker, initargs=(context.Barrier(count),))


WORKER: dict[str, Any] = {}


def prepare_worker(barrier: Any) -> None:
    """Build what the tasks use, and wait for the others."""
    from dfl_actors.learning import models

    models.limit_threads()
    data = load_dataset(MNIST)
    learner = models.load_learner(models.LENET, Recipe(), data.input_shape, data.labels)
    learner.warm(BATCH, 1, TESTS)
    WORKER.update(data=data, learner=learner)
    barrier.wait()


def bare(steps: Sequence[int], measurements: Sequence[int]) -> float:
    """CPU s of bare loops, one for each number, all at once."""
    with workers(len(steps)) as bench:
        return sum(bench.map(bare_loop, steps, measurements))


def bare_loop(steps: int, measurements: int) -> float:
    """CPU s that so many training steps, with the measurements evenly between them, take without a network."""
    learner, data, rng = WORKER["learner"], WORKER["data"], np.random.default_rng(0)
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
    learner, data = WORKER["learner"], WORKER["data"]
    with ModelStore(Path(store), KEPT) as models:
        body = models.get(model)
    if body is None:
        raise Unmeasured(f"model {model[:16]} is no longer in the store of its node")
    weights = decode_model(body, codec, learner.parameters.size)
    return float(learner.measure(weights, data.x_test, data.y_test) / len(data.y_test))


# --- the table


@dataclass(frozen=True)
class Figure:
    """One number that is wanted: at most `limit`, or at least."""

    name: str
    limit: float
    least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit

    @property
    def wanted(self) -> str:
        return f"{'at least' if self.least else 'at most'} {number(self.limit)}"


@dataclass(frozen=True)
class Row:
    """One promise. `measure` gives the figures by name, and others that explain them."""

    name: str
    what: str
    figures: tuple[Figure, ...]
    measure: Callable[[Any], Values]


DEMO_FIGURES = (
    Figure("seconds", 90),
    Figure("blocks of the node with fewest", 3, least=True),
    Figure("confirmations missing", 0),
    Figure("chains that do not verify", 0),
)
WORK_FIGURES = (Figure("samples", 45_000), Figure("CPU s training", 10), Figure("CPU s all else", 2.5))
ONE_STEP_FIGURES = (
    Figure("bare / whole", 0.6, least=True),
    Figure("ms blockchain", 2),
    Figure("% of the CPU", 8),
    Figure("ms all outside learning", 5),
)

ROWS = (
    Row("start", "command to all 24 actors ready", (Figure("seconds", 15),), measure_start),
    Row("memory", "memory of the four-node network (sum of PSS)", (Figure("GB", 1.6),), measure_memory),
    Row("demo", f"{DEMO}: every node at 0.95 after ready", DEMO_FIGURES, measure_demo),
    Row("work", f"every node at {GOAL:.2f}, {PAPER} steps a transaction", WORK_FIGURES, measure_work),
    Row("efficiency", "bare machine-learning CPU / CPU of the network", (Figure("bare / whole", 0.6, least=True),), measure_efficiency),
    Row("blockchain", "blockchain CPU a transaction handled", (Figure("ms", 2), Figure("% of the CPU", 8)), measure_blockchain),
    Row("overhead", "all CPU outside learning a transaction handled", (Figure("ms", 5),), measure_overhead),
    Row("one_step", "the same with one step a transaction", ONE_STEP_FIGURES, measure_one_step),
    Row("wire", "times a model crosses a link in one direction", (Figure("crossings", 1),), measure_wire),
)


@dataclass
class Results:
    """What the repeats gave for the rows, by name; and why a row has nothing."""

    values: dict[str, list[Values]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, row: str) -> Values:
        names = {name: None for values in self.values[row] for name in values}
        return {name: median(values[name] for values in self.values[row] if name in values) for name in names}


def measure(rows: Sequence[Row], repeats: int, console: Console, make: Callable[[Path], Any] = Runs) -> Results:
    """Every row, `repeats` times; `make` gives the runs that they measure, in a folder that is then removed."""
    results = Results()
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(prefix="dfl-benchmark-", ignore_cleanup_errors=True) as folder:
            runs = make(Path(folder))
            for row in rows:
                console.print(f"measuring {row.name}" + (f", {repeat + 1} of {repeats}" if repeats > 1 else ""), style="dim")
                try:
                    results.values[row.name].append(row.measure(runs))
                except (Unmeasured, DflError) as error:
                    results.failures[row.name] = str(error)
    return results


def table(rows: Sequence[Row], results: Results) -> Table:
    grid = Table(show_lines=True)
    for header in ("name", "what", "measured", "wanted", "met"):
        grid.add_column(header, overflow="fold")
    for row in rows:
        grid.add_row(row.name, row.what, *cells(row, results))
    return grid


def cells(row: Row, results: Results) -> tuple[str, str, str]:
    wanted = "\n".join(figure.wanted for figure in row.figures)
    if row.name in results.failures:
        return f"could not be measured: {results.failures[row.name]}", wanted, "?"
    values = results.median(row.name)
    measured = "\n".join(f"{number(values[figure.name])} {figure.name}" for figure in row.figures)
    return measured, wanted, "\n".join("yes" if figure.met(values[figure.name]) else "NO" for figure in row.figures)


def number(value: float) -> str:
    """For a person: three digits that matter, no exponent."""
    return "not reached" if value == inf else f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def explanations(rows: Sequence[Row], results: Results) -> list[str]:
    """What stands behind the figures, a line for each row."""
    lines = []
    for row in rows:
        others = {name: value for name, value in results.median(row.name).items() if name not in {figure.name for figure in row.figures}}
        lines.append(f"{row.name}: " + "; ".join(f"{name} {number(value)}" for name, value in others.items()))
    return lines


def as_json(rows: Sequence[Row], results: Results, machine: Mapping[str, Any]) -> bytes:
    """Everything measured. What was not reached is null, as JSON has no infinity."""
    return orjson.dumps(
        {
            "machine": machine,
            "rows": {
                row.name: {
                    "what": row.what,
                    "failure": results.failures.get(row.name),
                    "wanted": {figure.name: figure.wanted for figure in row.figures},
                    "met": row.name not in results.failures
                    and all(figure.met(results.median(row.name)[figure.name]) for figure in row.figures),
                    "median": results.median(row.name),
                    "repeats": results.values[row.name],
                }
                for row in rows
            },
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY,
    )


# --- the machine and the command


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    names = [line.partition(":")[2].strip() for line in cpu_lines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": cores(),
        "model": names[0] if names else platform.processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what the project promises; docs/benchmarks.md explains each figure.")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], metavar="NAME", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="measure N times, print medians")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    return arguments


def main() -> NoReturn:
    arguments = parse_arguments()
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    console = Console()
    where = machine()
    console.print(", ".join(f"{name} {value}" for name, value in where.items()))
    if where["load"] > IDLE:
        console.print(f"the load average is {where['load']}: other work on this machine spoils these figures", style="bold yellow")
    rows = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    results = measure(rows, arguments.repeat, console)
    console.print(table(rows, results))
    for line in explanations(rows, results):
        console.print(line)
    if arguments.json:
        arguments.json.write_bytes(as_json(rows, results, where))
    sys.exit(1 if results.failures else 0)


if __name__ == "__main__":
    main()
