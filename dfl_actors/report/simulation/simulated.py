"""How a simulation goes, and what came of it: a progress bar with the time left, a table of the nodes, a plot."""

from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from dfl_actors.config import Config
from dfl_actors.files import whole
from dfl_actors.report.simulation.simulated_plot import plot_simulation, read_rows, read_table
from dfl_actors.report.table import Column, grid

LAST = 20
"""Measurements that the final accuracy is the mean of."""


class Progress:
    """A progress bar on a terminal; otherwise a line for every tenth. It listens to a simulation."""

    def __init__(self, console: Console, config: Config, quiet: bool) -> None:
        self._console, self._ticks, self._quiet = console, config.sim.ticks, quiet
        self._honest = [number for number, node in enumerate(config.nodes) if node.attack is None]
        self._accuracy: float | None = None
        self._told = 0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=console, disable=quiet or not console.is_terminal, transient=True)
        self._task = self._bar.add_task("starting", total=config.sim.ticks)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def measured(self, tick: int, row: list[float]) -> None:
        """A row of accuracies."""
        honest = [row[number] for number in self._honest] or row
        self._accuracy = sum(honest) / len(honest)

    def done(self, ticks: int) -> None:
        """So many ticks are done."""
        said = "ticks" if self._accuracy is None else f"ticks, accuracy {self._accuracy:.3f}"
        self._bar.update(self._task, completed=ticks, description=said)
        if not self._console.is_terminal and not self._quiet and ticks * 10 // self._ticks > self._told:
            self._told = ticks * 10 // self._ticks
            self._console.print(f"{ticks} of {self._ticks} {said}", highlight=False)

    def voting(self, done: float) -> None:
        """This part of the measurement of all models together is done."""
        self._bar.update(self._task, total=100, completed=round(100 * done), description="per cent of all models together")

    def warn(self, text: str) -> None:
        """Something that a person should know, also with --quiet."""
        Console(stderr=True).print(f"warning: {text}", highlight=False, markup=False, soft_wrap=True)


def show_result(path: Path, config: Config, console: Console, quiet: bool) -> None:
    """The plot, and the accuracy of each node: the mean of its last measurements, and the last."""
    rows = read_table(path / "accuracy.csv")
    if not rows:
        return
    with whole(path / "accuracy.png") as draft:
        plot_simulation(path, config, draft)
    if quiet:
        return
    last = rows[-LAST:]
    finals = {node.name: sum(row[node.name] for row in last) / len(last) for node in config.nodes}
    columns = [
        Column(header="node", cells=[node.name for node in config.nodes], left=True, style="cyan"),
        Column(header="kind", cells=[node.attack or node.role for node in config.nodes], left=True),
        Column(header="accuracy", cells=[f"{finals[node.name]:.3f}" for node in config.nodes], style="bold"),
        Column(header="last", cells=[f"{rows[-1][node.name]:.3f}" for node in config.nodes]),
    ]
    console.print(grid(columns, console.width))
    honest = [finals[node.name] for node in config.nodes if node.attack is None]
    if honest:
        console.print(
            f"{len(honest)} honest nodes: mean {sum(honest) / len(honest):.3f}, worst {min(honest):.3f} "
            f"(of the last {len(last)} measurements, to tick {rows[-1]['tick']:.0f})",
            highlight=False,
        )
    for row in read_rows(path / "ensemble.csv"):
        console.print(f"all models together on the {row['set']} set: {float(row['accuracy']):.4f} ({row['correct']} of {row['tested']})")
    console.print(f"everything lies in {path}", highlight=False)
