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
import sys
from pathlib import Path
from typing import NoReturn

from benchmark_measures import (
    measure_blockchain,
    measure_demo,
    measure_efficiency,
    measure_memory,
    measure_one_step,
    measure_overhead,
    measure_start,
    measure_wire,
    measure_work,
)
from benchmark_runs import DEMO, GOAL, PAPER, Runs
from benchmark_table import IDLE, Figure, Row, as_json, explanations, machine, measure, table
from rich.console import Console

from dfl_actors.learning.computing import ONE_THREAD

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
    results = measure(rows, arguments.repeat, console, Runs)
    console.print(table(rows, results))
    for line in explanations(rows, results):
        console.print(line)
    if arguments.json:
        arguments.json.write_bytes(as_json(rows, results, where))
    sys.exit(1 if results.failures else 0)


if __name__ == "__main__":
    main()
