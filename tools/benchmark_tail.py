"""Measure what a watcher costs a network: a tail that is attached and then stopped (SIGSTOP), so that nobody takes its records.

    python tools/benchmark_tail.py [--repeat N] [--seconds S] [--reading] [--json FILE]

Runs of the demo at full speed, one step a transaction, alternate: without a tail, with a stopped one, and with `--reading` also with
one that writes every line to /dev/null. Compared are the transactions handled (sent or received, over all nodes) in the same stretch
of each run, and how much each process grew in it. Each run with a tail is set against the run without one of the same repeat;
the figures are medians over the repeats. What runs without a tail differ among themselves is the noise, and is printed: a
difference below it means nothing. The exit code is 1 when something could not be measured, as in `tools/benchmark.py`.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

import orjson
import psutil
from benchmark_runs import BATCH, ENDLESS, TESTS, Finished, dfl, metrics, run_demo
from benchmark_table import IDLE, Unmeasured, machine
from rich.console import Console
from rich.table import Table

from dfl_actors.core.events import Scored, Trained
from dfl_actors.errors import DflError
from dfl_actors.learning.computing import ONE_THREAD

SETTLE = 4.0
"""Seconds after ready that are not measured: the tail attaches, hears something, and is stopped."""

MOST_SLOWER, MOST_GROWN = 5.0, 10.0
"""Per cent of throughput and MB of a process that a watcher may cost."""

MODES = ("without", "stopped", "reading")


@dataclass
class Watched:
    """One run: the stretch that is compared (ms since the epoch), what each process grew by in it (bytes), and what came of it."""

    mode: str
    begin: float = 0.0
    end: float = 0.0
    sizes: dict[str, int] = field(default_factory=dict)
    grown: dict[str, int] = field(default_factory=dict)
    heard: int = 0
    handled: int = 0
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Transactions handled a second."""
        return 1000 * self.handled / (self.end - self.begin)


class Observer:
    """Attaches the tail to a run under way and looks at the processes at both ends of the stretch."""

    def __init__(self, watched: Watched, seconds: float, place: Path) -> None:
        self.watched, self._seconds, self._lines = watched, seconds, place / f"{watched.mode}.lines"
        self._ready: float | None = None
        self._tail: subprocess.Popen[bytes] | None = None

    def __call__(self, process: subprocess.Popen[bytes], finished: Finished) -> None:
        """Called all the while."""
        now = time.time()
        if self._ready is None:
            if b'"event":"ready"' in metrics(finished):
                self._ready = now
                self._attach(finished)
        elif not self.watched.begin and now >= self._ready + SETTLE:
            self._begin(process)
        elif self.watched.begin and not self.watched.end and now >= self.watched.begin / 1000 + self._seconds:
            self._finish(process)

    def _attach(self, finished: Finished) -> None:
        if self.watched.mode != "without":
            with self._lines.open("wb") as lines:
                out = lines if self.watched.mode == "stopped" else subprocess.DEVNULL
                self._tail = subprocess.Popen(dfl("tail", str(finished.path)), stdout=out, stderr=subprocess.DEVNULL)

    def _begin(self, process: subprocess.Popen[bytes]) -> None:
        if self._tail is not None and self.watched.mode == "stopped":
            self._tail.send_signal(signal.SIGSTOP)
            self.watched.heard = self._lines.read_bytes().count(b"\n")
            if not self.watched.heard:
                raise Unmeasured(f"the tail had heard nothing {SETTLE:.0f} s after ready")
        self.watched.sizes = self._sizes(process)
        self.watched.begin = 1000 * time.time()

    def _finish(self, process: subprocess.Popen[bytes]) -> None:
        self.watched.end = 1000 * time.time()
        later = self._sizes(process)
        self.watched.grown = {name: later[name] - size for name, size in self.watched.sizes.items() if name in later}

    def _sizes(self, process: subprocess.Popen[bytes]) -> dict[str, int]:
        """The memory that belongs to each process alone, by its name."""
        parent = psutil.Process(process.pid)
        family = {self._name(one): one for one in (parent, *parent.children(recursive=True))}
        if self._tail is not None:
            family["tail"] = psutil.Process(self._tail.pid)
        sizes = {}
        for name, one in family.items():
            try:
                sizes[name] = one.memory_full_info().uss
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return sizes

    def _name(self, process: psutil.Process) -> str:
        """`node/actor`, by the log that its output goes to."""
        try:
            output = Path(f"/proc/{process.pid}/fd/1").readlink()
        except OSError:
            return f"other {process.pid}"
        return f"{output.parents[1].name}/{output.stem}" if output.suffix == ".log" else process.name()

    def close(self) -> None:
        """The tail is gone when this returns."""
        if self._tail is not None:
            self._tail.kill()
            self._tail.wait()


def measured(mode: str, seconds: float, place: Path) -> Watched:
    """One run. Raises `Unmeasured`."""
    watched = Watched(mode)
    observer = Observer(watched, seconds, place)
    speed = ("training.steps_per_transaction=1", f"training.batch={BATCH}", f"data.test_samples={TESTS}", "data.rate=0")
    try:
        finished = run_demo(place / mode, *speed, *ENDLESS, f"run.duration_s={SETTLE + seconds + 3}", watch=observer)
    finally:
        observer.close()
    if not watched.end:
        raise Unmeasured("the run was over before its stretch was")
    events = (*finished.run.of(Trained), *finished.run.of(Scored))
    watched.handled = sum(watched.begin <= event.t < watched.end for event in events)
    watched.cpu = 1000 * finished.whole / max(1, finished.handled)
    return watched


def in_turn(repeats: int, modes: Sequence[str], seconds: float, console: Console) -> list[dict[str, Watched]]:
    """Every mode once in each repeat, each time in another order."""
    results = []
    for repeat in range(repeats):
        order = [*modes[repeat % len(modes) :], *modes[: repeat % len(modes)]]
        found = {}
        for mode in order:
            with tempfile.TemporaryDirectory(prefix="dfl-benchmark-", ignore_cleanup_errors=True) as folder:
                found[mode] = measured(mode, seconds, Path(folder))
            console.print(f"repeat {repeat + 1} of {repeats}, {mode}: {found[mode].rate:.1f} transactions/s", style="dim")
        results.append(found)
    return results


def slower(results: Sequence[dict[str, Watched]], mode: str) -> list[float]:
    """Per cent of throughput lost in each repeat, against the run without a tail of the same repeat."""
    return [100 * (1 - found[mode].rate / found["without"].rate) for found in results]


def noise(results: Sequence[dict[str, Watched]]) -> float:
    """Per cent by which the runs without a tail differ, the fastest from the slowest."""
    rates = [found["without"].rate for found in results]
    return 100 * (max(rates) - min(rates)) / median(rates)


def most_grown(results: Sequence[dict[str, Watched]], mode: str) -> tuple[float, str]:
    """MB by which a process grew more than the same process does without a tail, and which: medians, the largest of all processes."""
    growths: dict[str, dict[str, list[int]]] = {one: defaultdict(list) for one in ("without", mode)}
    for found in results:
        for one, by_name in growths.items():
            for name, size in found[one].grown.items():
                by_name[name].append(size)
    more = {name: median(sizes) - median(growths["without"].get(name, [0])) for name, sizes in growths[mode].items()}
    name = max(more, key=lambda one: more[one])
    return more[name] / 1e6, name


def summary(results: Sequence[dict[str, Watched]], modes: Sequence[str]) -> dict[str, Any]:
    rows = {}
    for mode in modes[1:]:
        lost, (grown, name) = slower(results, mode), most_grown(results, mode)
        rows[mode] = {
            "% slower": median(lost),
            "% slower, each repeat": lost,
            "MB grown": grown,
            "process that grew most": name,
            "CPU ms a transaction": median(found[mode].cpu for found in results),
        }
    without = [found["without"] for found in results]
    rates = {"transactions/s": median(one.rate for one in without), "CPU ms a transaction": median(one.cpu for one in without)}
    return {"without": rates, "% noise": noise(results), **rows}


def table(found: dict[str, Any], modes: Sequence[str]) -> Table:
    grid = Table(show_lines=True)
    for header in ("tail", "throughput lost", "most a process grew", "CPU a transaction"):
        grid.add_column(header)
    grid.add_row("none", "", "", f"{found['without']['CPU ms a transaction']:.1f} ms")
    for mode in modes[1:]:
        row = found[mode]
        lost, grown, each = row["% slower"], row["MB grown"], row["% slower, each repeat"]
        grid.add_row(
            mode,
            f"{lost:.1f} % {verdict(lost, MOST_SLOWER)}\nrepeats: {', '.join(f'{one:.1f}' for one in each)}",
            f"{grown:.1f} MB {verdict(grown, MOST_GROWN)}\n{row['process that grew most']}",
            f"{row['CPU ms a transaction']:.1f} ms",
        )
    return grid


def verdict(value: float, most: float) -> str:
    return f"(at most {most:g}: {'yes' if value < most else 'NO'})"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what a tail costs the network that it watches.")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="runs of each kind [default: 5]")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="length of the stretch that is compared [default: 30]")
    parser.add_argument("--reading", action="store_true", help="also with a tail that reads and writes every line")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    arguments = parser.parse_args()
    if arguments.repeat < 1 or arguments.seconds < 1:
        parser.error("--repeat and --seconds must be at least 1")
    return arguments


def main() -> NoReturn:
    arguments = parse_arguments()
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    console = Console()
    where = machine()
    console.print(", ".join(f"{name} {value}" for name, value in where.items()))
    if where["load"] > IDLE:
        console.print(f"the load average is {where['load']}: other work on this machine spoils these figures", style="bold yellow")
    modes = MODES if arguments.reading else MODES[:2]
    try:
        results = in_turn(arguments.repeat, modes, arguments.seconds, console)
    except (Unmeasured, DflError) as error:
        console.print(f"could not be measured: {error}", style="bold red")
        sys.exit(1)
    found = summary(results, modes)
    console.print(table(found, modes))
    console.print(f"without a tail {found['without']['transactions/s']:.1f} transactions/s; these runs differ by {found['% noise']:.1f} %")
    if arguments.repeat < 3 or found["% noise"] > MOST_SLOWER:
        console.print("that is too few runs, or too much noise, to tell a few per cent: repeat more often, on an idle machine")
    if arguments.json:
        arguments.json.write_bytes(orjson.dumps({"machine": where, **found}, option=orjson.OPT_INDENT_2))
    sys.exit(0)


if __name__ == "__main__":
    main()
