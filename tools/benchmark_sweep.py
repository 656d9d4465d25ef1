"""Measure what a sweep makes of the cores: its time on the clock beside that of its bare machine-learning work, a bare process a core.

    python tools/benchmark_sweep.py [--ticks N] [--seeds N] [--partitions N]

The sweep is 24 cells (two algorithms by three attacks by four partitions) of the paper's network of figure 9, ten nodes, with three seeds
and 400 ticks each, from the command to its tables; half of the bare work is timed before it and half after, for a machine's speed drifts.
Wanted: 0.85. The same of CPU seconds, of all processes with TensorFlow's start in the sweep's, says what a busy machine hides.
"""

import argparse
import csv
import os
import subprocess
import tempfile
import time
from pathlib import Path

import benchmark_runs
from benchmark_sim import PAPER, Work, bare_loop, parts_of, work_of
from benchmark_table import cores, machine

from dfl_actors.api.sweeps.plan import axes_of_texts, cells_of, plan_of
from dfl_actors.config import parse_topology

VARY = (
    "update.algorithm=half_fedavg,reputation",
    "node.0.attack=none,random_data,random_model",
    "data.partition=iid,dirichlet,labels,samples",
)  # fmt: skip


def timed_loop(work: Work) -> tuple[float, float, float]:
    """When bare work began and ended, and its CPU seconds."""
    before = time.process_time()
    return *bare_loop(work), time.process_time() - before


def bare(work: Work) -> tuple[float, float]:
    """Seconds on the clock, and of CPU, that a process a core takes for the work, all at once, each a part."""
    with benchmark_runs.workers(cores()) as bench:
        spans = list(bench.map(timed_loop, parts_of(work, cores())))
    return max(end for _, end, _ in spans) - min(begun for begun, *_ in spans), sum(cpu for *_, cpu in spans)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ticks", type=int, default=400, metavar="N", help="[%(default)s]")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="[%(default)s]")
    parser.add_argument("--partitions", type=int, default=4, metavar="N", help="fewer cells, to try the tool [%(default)s]")
    given = parser.parse_args()
    vary = [*VARY[:2], ",".join(VARY[2].split(",")[: given.partitions])]
    sets, seeds = [f"sim.ticks={given.ticks}"], f"1-{given.seeds}"
    cells = cells_of(plan_of(PAPER, axes_of_texts(vary), seeds, sets))
    configs = [parse_topology(cell.config, where=cell.name, name="network") for cell in cells]
    works = [work_of(config, 0, given.ticks - 1) for config in configs]
    work = Work(sum(one.steps for one in works), sum(one.measurements for one in works))
    first, last = parts_of(work, 2)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    before = bare(first)
    with tempfile.TemporaryDirectory() as folder:
        words = [word for text in vary for word in ("--vary", text)]
        begun, used = time.monotonic(), os.times()
        command = benchmark_runs.dfl(
            "sweep", str(PAPER), *words, "--seeds", seeds, "--set", sets[0], "--out", str(Path(folder, "out")), "--quiet"
        )
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds, now = time.monotonic() - begun, os.times()
        with Path(folder, "out", "results.csv").open(encoding="utf-8") as file:
            of_cells = sum(float(row["cpu_seconds"]) for row in csv.DictReader(file))
    after = bare(last)
    alone, cpu = before[0] + after[0], before[1] + after[1]
    spent = now.children_user + now.children_system - used.children_user - used.children_system
    print(f"{len(cells)} cells, {work.steps} training steps, {work.measurements} measurements")
    print(f"clock: bare {alone:.1f} s, sweep {seconds:.1f} s, bare / sweep {alone / seconds:.3f} (wanted: at least 0.85)")
    print(f"CPU: bare {cpu:.1f} s, sweep {spent:.1f} s, bare / sweep {cpu / spent:.3f}; its cells {of_cells:.1f} s, {cpu / of_cells:.3f}")


if __name__ == "__main__":
    main()
