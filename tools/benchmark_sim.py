"""Measure what the project promises of the simulator's speed and memory, in real runs of `dfl-actors sim` on this machine.

    python tools/benchmark_sim.py [--only NAME ...] [--repeat N] [--ticks N] [--json FILE]

One row for each promise, in the manner of tools/benchmark.py: the figure measured (the median of the repeats), the figure wanted, and
whether it is met. `docs/benchmarks-sim.md` says what each figure means. The exit code is 1 only when something could not be measured.

The runs: the network of the paper's figure 9 with each of its two algorithms; the slower one's work once more by bare processes, one a
core; and rings of 10 to 300 nodes that have four neighbours each. A run is timed from outside: by when the rows of its accuracy.csv appear.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import benchmark_runs
import numpy as np
from benchmark_averaging import cost_a_model
from benchmark_table import IDLE, Figure, Row, Unmeasured, Values, as_json, cores, explanations, machine, measure, table
from rich.console import Console

from dfl_actors.config import Config, load_topology
from dfl_actors.learning.computing import ENVIRONMENT
from dfl_actors.learning.data import load_datasets
from dfl_actors.sim import plan
from dfl_actors.sim.timeline import Check, Measure, Train

PAPER = Path(__file__).parents[1] / "topologies" / "paper" / "figure_9.toml"
TICKS = 4000
EVERY = 20
"""Ticks between two rows of accuracy.csv in that topology."""

REPUTATION = ("update.algorithm=reputation", "update.parameters={ penalty = 0.05 }")
HALF_FEDAVG = ("update.algorithm=half_fedavg",)
STEADY = ("update.algorithm=steady",)

SIZES = (10, 30, 100, 300)
WATCHED = (10, 100, 300)
"""Nodes of the rings, and of those whose memory is promised."""

NODE_TICKS = 30_000
"""Ticks times nodes that are timed in a ring of any size."""

RUN_IN = 40
"""Ticks before the timed ones, and after: both ends are timed while the next ticks are already under way."""

LOOK = 0.02
"""Seconds between two looks at a run's table."""

SAMPLE_EVERY = 2.0
"""Seconds between two looks at the memory."""

BATCHES = 64
"""Batches that a bare process has ready."""


# --- runs of the command


@dataclass
class Finished:
    """A run that is over: seconds from its start to its end and to each row, by tick, and the PSS of its processes in bytes."""

    config: Config
    seconds: float
    rows: dict[int, float]
    memory: list[int] = field(default_factory=list)

    def between(self, first: int, last: int) -> float:
        """Seconds from one row to another. Raises `Unmeasured` without them."""
        if first not in self.rows or last not in self.rows:
            raise Unmeasured(f"the rows of ticks {first} and {last} were not seen to appear")
        return self.rows[last] - self.rows[first]


def simulate(folder: Path, ticks: int, options: Sequence[str], watched: bool = False) -> Finished:
    """Simulate ticks 0 to `ticks` of the paper's network, `options` over its keys; `watched`: its memory too. Raises `Unmeasured`."""
    options = over(ticks, options)
    config = load_topology(PAPER, options)
    sets = [part for option in options for part in ("--set", option)]
    folder.mkdir(parents=True)
    begun, run = time.monotonic(), folder / "run"
    with (folder / "errors").open("w+b") as errors:
        process = subprocess.Popen(benchmark_runs.dfl("sim", str(PAPER), *sets, "--out", str(run), "--quiet"), stderr=errors)
        try:
            rows, memory = follow(process, run, begun, watched)
        finally:
            benchmark_runs.stop(process)
        seconds = time.monotonic() - begun
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if process.returncode:
        raise Unmeasured(f"the simulation ended with exit code {process.returncode}: {said.rpartition(chr(10))[2]}")
    return Finished(config, seconds, rows, memory)


def over(ticks: int, options: Sequence[str]) -> tuple[str, ...]:
    """What stands over the keys of the paper's network for its ticks 0 to `ticks`."""
    return (*options, f"sim.ticks={ticks + 1}")


def follow(process: subprocess.Popen[bytes], run: Path, begun: float, watched: bool) -> tuple[dict[int, float], list[int]]:
    """When each row appeared, and if `watched` the memory now and then, until the process ends."""
    rows: dict[int, float] = {}
    memory: list[int] = []
    sampled, size = begun, 0
    while process.poll() is None:
        now = time.monotonic()
        if (grown := size_of(run / "accuracy.csv")) != size:
            size = grown
            rows |= {tick: now - begun for tick in ticks_in(run / "accuracy.csv") if tick not in rows}
        if watched and now - sampled > SAMPLE_EVERY:
            memory.append(benchmark_runs.total_memory(benchmark_runs.memory_by_kind(process.pid)))
            sampled = now
        time.sleep(LOOK)
    return rows, memory


def ticks_in(table: Path) -> list[int]:
    """The ticks whose rows of accuracies have been written: the first line is the header, and the last is written in part until it ends."""
    return [int(line.partition(b",")[0]) for line in table.read_bytes().splitlines(keepends=True)[1:] if line.endswith(b"\n")]


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Runs:
    """The runs of one repeat, each made when a row first asks for it."""

    def __init__(self, folder: Path, ticks: int) -> None:
        self._folder, self.ticks = folder, ticks
        self._rings: dict[int, Finished] = {}

    @cached_property
    def reputation(self) -> Finished:
        return simulate(self._folder / "reputation", self.ticks, REPUTATION)

    def again(self) -> Finished:
        """The same once more."""
        return simulate(self._folder / "again", self.ticks, REPUTATION)

    @cached_property
    def half_fedavg(self) -> Finished:
        return simulate(self._folder / "half_fedavg", self.ticks, HALF_FEDAVG)

    @cached_property
    def steady(self) -> Finished:
        return simulate(self._folder / "steady", self.ticks, STEADY)

    @cached_property
    def start(self) -> Finished:
        """Tick 0 alone."""
        return simulate(self._folder / "start", 0, HALF_FEDAVG)

    def ring(self, nodes: int) -> Finished:
        """So many nodes that have four neighbours each; longer by `RUN_IN` at both ends than what is timed."""
        if nodes not in self._rings:
            options = (*REPUTATION, f"network.nodes={nodes}", f"network.links={ring(nodes)}")
            self._rings[nodes] = simulate(self._folder / f"ring-{nodes}", self.timed(nodes) + 2 * RUN_IN, options, watched=True)
        return self._rings[nodes]

    def timed(self, nodes: int) -> int:
        """Ticks of a ring that are timed: the fewer, the more nodes."""
        return min(self.ticks, NODE_TICKS // nodes) // EVERY * EVERY


def ring(nodes: int) -> str:
    """Links of every node to the next two, as TOML: each has four neighbours."""
    return "[" + ", ".join(f'"{node}--{(node + step) % nodes}"' for node in range(nodes) for step in (1, 2)) + "]"


# --- one measurement for each promise


def measure_reputation(runs: Runs) -> Values:
    return whole(runs.reputation, runs.ticks)


def measure_half_fedavg(runs: Runs) -> Values:
    return whole(runs.half_fedavg, runs.ticks)


def measure_steady(runs: Runs) -> Values:
    return whole(runs.steady, runs.ticks)


def measure_averaging(runs: Runs) -> Values:
    return cost_a_model("steady")


def whole(finished: Finished, ticks: int) -> Values:
    """The whole command, and what of it the ticks took."""
    seconds = finished.between(0, ticks)
    return {
        "seconds": finished.seconds,
        "of them before the first row": finished.rows[0],
        "of them ticks": seconds,
        "ticks a second": ticks / seconds,
    }


def measure_efficiency(runs: Runs) -> Values:
    """A run of its own between the two halves of its bare work: a machine's speed drifts within minutes."""
    count, work = cores(), work_of(load_topology(PAPER, over(runs.ticks, REPUTATION)), 1, runs.ticks)
    first, last = parts_of(work, 2)
    before, finished, after = bare(first, count), runs.again(), bare(last, count)
    alone, seconds = before + after, finished.between(0, runs.ticks)
    return {
        "bare / whole": alone / seconds,
        "s bare": alone,
        "s of the ticks": seconds,
        "s before them, not counted": finished.rows[0],
        "training steps": work.steps,
        "measurements": work.measurements,
        "bare processes": count,
    }


def measure_memory(runs: Runs) -> Values:
    values: Values = {}
    for nodes in WATCHED:
        if not (memory := runs.ring(nodes).memory):
            raise Unmeasured(f"the run of {nodes} nodes was over before its memory was looked at")
        values[f"GB with {nodes} nodes"] = max(memory) / 1e9
    return values


def measure_growth(runs: Runs) -> Values:
    each = {nodes: ms_a_step(runs.ring(nodes), runs.timed(nodes)) for nodes in SIZES}
    spread = 100 * (max(each.values()) / min(each.values()) - 1)
    return {"% spread": spread, **{f"ms a node-step with {nodes} nodes": ms for nodes, ms in each.items()}}


def ms_a_step(finished: Finished, ticks: int) -> float:
    """Of wall clock for each training step of a node, with all that belongs to it, in the middle of a run."""
    work = work_of(finished.config, RUN_IN + 1, RUN_IN + ticks)
    return 1000 * finished.between(RUN_IN, RUN_IN + ticks) / work.steps


def measure_start(runs: Runs) -> Values:
    return {"seconds": runs.start.between(0, 0) + runs.start.rows[0], "of the whole command": runs.start.seconds}


# --- the same work without a simulator


@dataclass(frozen=True)
class Work:
    """Training steps, and measurements of a model."""

    steps: int
    measurements: int


def work_of(config: Config, first: int, last: int) -> Work:
    """What the nodes compute in the ticks `first` to `last`: the simulator's own timeline tells."""
    with tempfile.TemporaryDirectory() as cache:
        timeline = plan.timeline(config, Path.cwd(), load_datasets(config, Path(cache)))
        jobs = [job for tick in range(last + 1) for job in timeline.tick(tick) if tick >= first]
    steps = sum(isinstance(job, Train) for job in jobs)
    measured = sum(len(job.models) if isinstance(job, Measure) else isinstance(job, Check) for job in jobs)
    return Work(steps, measured)


def bare(work: Work, count: int) -> float:
    """Seconds on the clock that `count` processes take for the work, all at once, each a part."""
    with benchmark_runs.workers(count) as bench:
        spans = list(bench.map(bare_loop, parts_of(work, count)))
    return max(end for _, end in spans) - min(begun for begun, _ in spans)


def parts_of(work: Work, count: int) -> list[Work]:
    """The work in so many parts."""
    return [Work(share(work.steps, count, number), share(work.measurements, count, number)) for number in range(count)]


def share(number: int, parts: int, part: int) -> int:
    """One of `parts` whole parts of a number."""
    return number * (part + 1) // parts - number * part // parts


def bare_loop(work: Work) -> tuple[float, float]:
    """Train and measure, the measurements evenly between the steps; returns when it began and ended, on a clock that processes share."""
    (learner, data), rng = benchmark_runs.WORKER[0], np.random.default_rng(0)
    batches = [rng.integers(len(data.y_train), size=(1, benchmark_runs.BATCH)) for _ in range(BATCHES)]
    lessons = [(data.x_train[batch], data.y_train[batch]) for batch in batches]
    tests = rng.integers(len(data.y_test), size=benchmark_runs.TESTS)
    x, y = data.x_test[tests], data.y_test[tests]
    state = learner.start(learner.initial(0))
    begun = time.monotonic()
    for number in range(work.steps):
        state, _ = learner.train(state, *lessons[number % BATCHES])
        for _ in range(share(work.measurements, work.steps, number)):
            learner.measure(state.weights, x, y)
    return begun, time.monotonic()


# --- the table


ROWS = (
    Row("reputation", "10 nodes of figure 9, Reputation-0.05", (Figure("seconds", 100),), measure_reputation),
    Row("half_fedavg", "the same with HalfFedAvg", (Figure("seconds", 40),), measure_half_fedavg),
    Row("steady", "the same with steady, the default", (Figure("seconds", 45),), measure_steady),
    Row("averaging", "what steady costs a model on top of a plain mean, LeNet", (Figure("ms a model on top", 3),), measure_averaging),
    Row(
        "efficiency",
        "bare machine-learning / ticks of reputation, by the clock",
        (Figure("bare / whole", 0.85, least=True),),
        measure_efficiency,
    ),
    Row("start", "command to the first tick", (Figure("seconds", 5),), measure_start),
    Row(
        "memory",
        "memory with four neighbours a node (sum of PSS)",
        tuple(Figure(f"GB with {nodes} nodes", limit) for nodes, limit in zip(WATCHED, (1, 1.5, 3), strict=True)),
        measure_memory,
    ),
    Row("growth", f"time a node-step with {SIZES[0]} to {SIZES[-1]} nodes", (Figure("% spread", 15),), measure_growth),
)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the simulator; docs/benchmarks-sim.md explains each figure.")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], metavar="NAME", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="measure N times, print medians")
    parser.add_argument("--ticks", type=int, default=TICKS, metavar="N", help="shorter runs, to try the tool [%(default)s]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    if arguments.ticks < EVERY or arguments.ticks % EVERY:
        parser.error(f"--ticks must be a multiple of {EVERY}, for what a run has done is seen every {EVERY} ticks")
    return arguments


def main() -> NoReturn:
    arguments = parse_arguments()
    os.environ.update(ENVIRONMENT)  # the bare processes' too
    console, where = Console(), machine()
    console.print(", ".join(f"{name} {value}" for name, value in where.items()))
    if where["load"] > IDLE:
        console.print(f"the load average is {where['load']}: other work on this machine spoils these figures", style="bold yellow")
    if arguments.ticks != TICKS:
        console.print(f"{arguments.ticks} ticks instead of {TICKS}: what is wanted of seconds is not what is measured", style="bold yellow")
    rows = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    try:
        results = measure(rows, arguments.repeat, console, lambda folder: Runs(folder, arguments.ticks))
    except KeyboardInterrupt:
        sys.exit(benchmark_runs.INTERRUPTED)
    console.print(table(rows, results))
    for line in explanations(rows, results):
        console.print(line)
    if arguments.json:
        arguments.json.write_bytes(as_json(rows, results, where))
    sys.exit(1 if results.failures else 0)


if __name__ == "__main__":
    main()
