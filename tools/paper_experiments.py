"""Run the simulations of the paper's figures 9 to 11 and set the accuracies beside the published ones.

    python tools/paper_experiments.py                                  # all 30, with 3 draws where label weights are drawn: hours
    python tools/paper_experiments.py 'reputation/*/iid' --draws 3     # some of them
    python tools/paper_experiments.py figure_10 --table                # only show what is there
    python tools/paper_experiments.py --reference DIR ...              # simulate the authors' own configurations, and compare

A cell is one simulation: `ALGORITHM/ATTACK/PARTITION` of table IX and figure 9, or `ratio/UPDATES-TRAININGS/PARTITION` of figures 10
and 11; `--list` shows all. Each run is a `dfl-actors sim` of a file in topologies/paper with `--set` options and a seed, in
OUT/CELL/seed-N. What is over is not run again: the same command goes on after Ctrl-C, with the runs that were under way too. At the
end OUT holds results.json, results.md and the figures, of all runs that are there.

The ratio of figures 10 and 11 is updates to trainings. A node trains once in 8 to 12 ticks; in these ten ticks each of the eight others
that train sends it a model (the tenth is an observer), so that it updates once if its buffer holds 8: 1:1. The paper gives buffers of 2,
8 and 32 for 4:1, 1:1 and 1:4, its configuration files 256 for 1:32: 32 trainings of 8 models.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import orjson
from paper_cells import CELLS, Cell, chosen
from paper_results import (
    HEADERS,
    MARKS,
    Curves,
    attackers_in,
    first_at,
    markdown,
    read_curves,
    results_in,
    row,
    runs_in,
    share,
    table,
    tick,
)
from paper_runs import Job, Refused, Running, State, held, run_all, state, terminated_like_interrupted
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from dfl_actors.errors import DflError

SEEDS = (1, 2, 3)
"""Of the runs of a reference configuration."""

INTERRUPTED = 130


# --- what is to be run


def jobs_of(cells: Sequence[Cell], out: Path, seeds: Sequence[int], draws: int | None, options: Sequence[str]) -> list[Job]:
    """The runs of the cells: by the seeds that are given, or so many draws, or as many as a cell has by itself. A draw is another seed."""
    return [
        Job(
            name=f"{cell.name} seed {seed}",
            folder=out / cell.name / f"seed-{seed}",
            topology=cell.topology,
            options=(*cell.options, *options, f"network.seed={seed}"),
            cost=cell.cost,
        )
        for cell in cells
        for seed in seeds or range(1, (draws or cell.runs) + 1)
    ]


def reference_jobs(folders: Sequence[Path], out: Path, seeds: Sequence[int], ticks: int | None) -> list[Job]:
    """The runs of the reference program's configurations, as long as the curves that lie beside them. Raises `Refused`."""
    jobs = []
    for folder in folders:
        last = int(published_curves(folder, frozenset()).ticks[-1])
        for seed in seeds or SEEDS:
            options = (f"sim.ticks={ticks or last + 1}", f"network.seed={seed}")
            place = reference_place(out, folder) / f"seed-{seed}"
            jobs.append(Job(f"{folder.name} seed {seed}", place, folder / "simulator_config.json", options))
    return jobs


def reference_place(out: Path, folder: Path) -> Path:
    return out / "reference" / folder.resolve().name


def published_curves(folder: Path, attackers: frozenset[str]) -> Curves:
    """The accuracies that lie beside a reference configuration. Raises `Refused`."""
    for name in ("simulator_config.json", "accuracy.csv"):
        if not (folder / name).is_file():
            raise Refused(f"{folder} has no {name}: give a folder of the paper's published results, with both")
    try:
        return read_curves(folder / "accuracy.csv", attackers)
    except (ValueError, KeyError, IndexError, TypeError):
        raise Refused(f"{folder / 'accuracy.csv'} is no table of accuracies: its columns are tick and the nodes") from None


def to_run(jobs: Sequence[Job], console: Console) -> list[Job]:
    """Those that are not over yet."""
    states = [state(job) for job in jobs]
    if over := states.count(State.DONE):
        console.print(f"{over} of {len(jobs)} runs are there already", highlight=False)
    return [job for job, found in zip(jobs, states, strict=True) if found is not State.DONE]


# --- progress


class Told:
    """A bar on a terminal; a line for each run that is over; the time left, by the costs of what is done and what is not."""

    def __init__(self, console: Console, jobs: Sequence[Job]) -> None:
        self._console, self._number = console, len(jobs)
        self._all = sum(job.cost for job in jobs)
        self._done, self._found, self._over = 0.0, 0.0, 0
        self._begun = time.monotonic()
        self.failed: list[str] = []
        columns = (BarColumn(), TextColumn("{task.description}"))
        self.bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task: TaskID = self.bar.add_task("starting", total=self._all)

    def look(self, running: Sequence[Running]) -> None:
        said = ", ".join(f"{one.job.name} {one.share:.0%}" for one in running)
        text = f"{self._over} of {self._number} runs, {self._left(running)}; {said}"
        self.bar.update(self._task, completed=self._done + sum(one.job.cost * one.share for one in running), description=text)

    def over(self, one: Running, failure: str | None, others: Sequence[Running]) -> None:
        self._over += 1
        if failure is None:
            self._done += one.job.cost
            self._found += one.job.cost * one.found
            curves = read_curves(one.job.folder / "accuracy.csv", attackers_in(one.job.folder))
            said = f": {share(curves.final)} after {time.monotonic() - one.begun:.0f} s"
        else:
            self._all -= one.job.cost
            self.failed.append(one.job.name)
            said = f" failed: {failure}"
        text = f"[{self._over}/{self._number}] {one.job.name}{said}; {self._left(others)}"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _left(self, running: Sequence[Running]) -> str:
        """The time left at the pace so far; what was found done when we began took none of it."""
        done = self._done + sum(one.job.cost * one.share for one in running)
        found = self._found + sum(one.job.cost * one.found for one in running)
        passed = time.monotonic() - self._begun
        if done <= found:
            return "time left unknown"
        return f"about {timedelta(seconds=round(passed * (self._all - done) / (done - found)))} left"


def run(jobs: Sequence[Job], at_once: int, console: Console) -> list[str]:
    """Run them; returns the names of those that failed."""
    if not jobs:
        return []
    console.print(f"{len(jobs)} to run, {min(at_once, len(jobs))} at once", highlight=False)
    told = Told(console, jobs)
    with terminated_like_interrupted(), told.bar:
        run_all(jobs, at_once, told)
    return told.failed


# --- what came of it


def show(out: Path, cells: Sequence[Cell], console: Console) -> None:
    """The table of the cells; and of all that is there the files and figures."""
    every = results_in(out, CELLS)
    shown = [result for result in every if result.cell in cells]
    if not shown:
        console.print(f"no run of these cells is over in {out}", highlight=False)
        return
    console.print(table(HEADERS, [row(result) for result in shown]))
    (out / "results.json").write_bytes(orjson.dumps({result.cell.name: result.as_json() for result in every}, option=orjson.OPT_INDENT_2))
    (out / "results.md").write_text(markdown(HEADERS, [row(result) for result in every]), encoding="utf-8")
    from paper_figures import draw_figures  # it imports matplotlib, which takes long

    names = ["results.json", "results.md", *draw_figures(every, out)]
    console.print(f"{', '.join(names)} lie in {out}", highlight=False)


def show_reference(out: Path, folders: Sequence[Path], console: Console) -> None:
    """Ours beside the published, a run a row."""
    rows = [cells for folder in folders for cells in reference_rows(out, folder)]
    console.print(table(("simulation", "run", "final", *(f"{mark} at" for mark in MARKS)), rows))


def reference_rows(out: Path, folder: Path) -> Iterator[list[str]]:
    runs = runs_in(reference_place(out, folder))
    if not runs:
        return
    published = published_curves(folder, runs[0].attackers)
    for name, run in (("published", published), *((run.folder.name, run) for run in runs)):
        marks = (tick(first_at(run.ticks, run.honest, mark)) for mark in MARKS)
        yield [folder.resolve().name, name, share(run.final), *marks]


def show_list(out: Path, cells: Sequence[Cell], console: Console) -> None:
    rows = [[cell.name, cell.figure, share(cell.published), str(cell.runs), str(len(runs_in(out / cell.name)))] for cell in cells]
    console.print(table(("cell", "figure", "published", "runs by default", f"over in {out}"), rows))


# --- the command


class Parser(argparse.ArgumentParser):
    """Says a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        description=(__doc__ or "").partition("\n")[0], epilog="docs/experiments.md tells more.", usage="%(prog)s [CELL ...] [options]"
    )
    parser.add_argument(
        "cells", nargs="*", metavar="CELL", help="a name, a pattern such as 'reputation/*/iid', or figure_9, figure_10, figure_11"
    )
    parser.add_argument("--draws", type=int, metavar="N", help="runs of each cell [3 where label weights are drawn, else 1]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[], metavar="N", help="the seeds of the runs, instead of 1, 2, ...")
    parser.add_argument("--ticks", type=int, metavar="N", help="shorter runs, to try something [4001]")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="sets", help="over every cell; another --out"
    )
    parser.add_argument("--out", type=Path, default=Path("runs", "paper"), metavar="DIR", help="[%(default)s]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="J", help="simulations at once [one a core]")
    parser.add_argument("--list", action="store_true", help="the cells, and what is there of them")
    parser.add_argument("--table", action="store_true", help="only show what is there")
    parser.add_argument(
        "--reference", type=Path, nargs="+", default=[], metavar="DIR", help="folders with simulator_config.json, accuracy.csv"
    )
    given = parser.parse_args(arguments)
    for name in ("draws", "ticks", "jobs"):
        if getattr(given, name) is not None and getattr(given, name) < 1:
            parser.error(f"--{name} is {getattr(given, name)}: give at least 1")
    if any(seed < 0 for seed in given.seeds):
        parser.error("--seeds: give whole numbers from 0 on")
    try:
        given.chosen = chosen(given.cells)
    except ValueError as problem:
        parser.error(str(problem))
    if given.reference and (given.cells or given.sets or given.draws):
        parser.error("--reference goes with --seeds, --ticks, --out, --jobs and --table: it runs no cells")
    return given


def perform(given: argparse.Namespace, console: Console) -> int:
    """Do what was asked; returns the exit code. Raises `Refused` and `DflError`."""
    cells = given.chosen
    if given.list:
        show_list(given.out, cells, console)
        return 0
    options = [*given.sets, *([f"sim.ticks={given.ticks}"] if given.ticks else [])]
    jobs = (
        reference_jobs(given.reference, given.out, given.seeds, given.ticks)
        if given.reference
        else jobs_of(cells, given.out, given.seeds, given.draws, options)
    )
    failed: list[str] = []
    with held(given.out):
        if not given.table:
            failed = run(to_run(jobs, console), given.jobs, console)
        show_reference(given.out, given.reference, console) if given.reference else show(given.out, cells, console)
    if failed:
        console.print(f"failed: {', '.join(failed)}; the same command tries them again", style="bold red")
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    given = parse_arguments(arguments)
    # A log has lines of any length: only a terminal has a width.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    try:
        sys.exit(perform(given, console))
    except KeyboardInterrupt:
        console.print("interrupted: what is over stays, and the same command goes on from there", highlight=False)
        sys.exit(INTERRUPTED)
    except (Refused, DflError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
