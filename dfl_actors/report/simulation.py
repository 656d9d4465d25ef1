"""A simulation shown: a progress bar with the time left while it goes, a table of the nodes and a picture afterwards."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from dfl_actors.config import Config, Node
from dfl_actors.config.events import told
from dfl_actors.config.sections import Event
from dfl_actors.files import whole
from dfl_actors.report.charts.chart import FEW, Line, OverTime, Panel, cut
from dfl_actors.report.pictures import draw_over_time, save
from dfl_actors.report.series import Mark, Numbers
from dfl_actors.report.table import Column, grid

Table = dict[str, Numbers]

EVENTS_TOLD = 50  # Events that are told one by one while a simulation goes: churn draws thousands.
LAST = 20  # Measurements that the final accuracy is the mean of.


class Progress:
    """A progress bar on a terminal; otherwise a line for every tenth. It listens to a simulation."""

    def __init__(self, console: Console, config: Config, quiet: bool) -> None:
        self._console, self._ticks, self._quiet = console, config.sim.ticks, quiet
        self._honest = [number for number, node in enumerate(config.nodes) if not config.attacks(node.name)]
        self._accuracy: float | None = None
        self._told = self._events = 0
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

    def happened(self, tick: int, event: Event) -> None:
        """An event; the first of them are told one by one."""
        self._events += 1
        if not self._quiet and self._events <= EVENTS_TOLD:
            more = "; further events are in events.csv" if self._events == EVENTS_TOLD else ""
            self._console.print(f"tick {tick}: {told(event)}{more}", highlight=False, markup=False)

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
    table = read_table(path / "accuracy.csv")
    if not table:
        return
    with whole(path / "accuracy.png") as draft:
        save(draw_over_time(_plot(path, config, table), cut(config.network.name, 60), (10, 7)), draft, "png")
    if quiet:
        return
    last = {node.name: table[node.name][-LAST:] for node in config.nodes}
    columns = [
        Column("node", list(last), left=True, style="cyan"),
        Column("kind", [_kind(config, node) for node in config.nodes], left=True),
        Column("accuracy", [f"{values.mean():.3f}" for values in last.values()], style="bold"),
        Column("last", [f"{values[-1]:.3f}" for values in last.values()]),
    ]
    console.print(grid(columns, console.width))
    honest = [last[node.name].mean() for node in config.nodes if not config.attacks(node.name)]
    if honest:
        figures = f"{len(honest)} honest nodes: mean {np.mean(honest):.3f}, worst {min(honest):.3f}"
        of = f"of the last {min(LAST, len(table['tick']))} measurements, to tick {table['tick'][-1]:.0f}"
        console.print(f"{figures} ({of})", highlight=False)
    for row in _rows(path / "ensemble.csv"):
        console.print(f"all models together on the {row['set']} set: {float(row['accuracy']):.4f} ({row['correct']} of {row['tested']})")
    console.print(f"everything lies in {path}", highlight=False)


def _kind(config: Config, node: Node) -> str:
    """What a node is, for the table."""
    return node.attack or ("attacks at times" if config.attacks(node.name) else node.role)


def _plot(path: Path, config: Config, table: Table) -> OverTime:
    """The paper's figure 9: accuracy above, weight difference below."""
    differences = read_table(path / "model_weight_diff.csv")
    ticks = differences.pop("tick", np.array([]))
    lines = [
        Line(name=layer, series=(ticks, np.where(values > 0, values, np.nan)), colour=f"@node{place % FEW}", width=1)
        for place, (layer, values) in enumerate(differences.items())
    ]
    accuracy = Panel(title="accuracy", lines=_accuracy_lines(config, table), reach=(0, 1), share=0.6)
    difference = Panel(title="weight difference", lines=lines, log=True, share=0.4)
    return OverTime(panels=[accuracy, difference], end=float(table["tick"][-1]), marks=_marks(path), unit="tick")


def _marks(path: Path) -> list[Mark]:
    """The events of a simulation, to be marked in its picture."""
    return [Mark(float(row["tick"]), "event", f"{row['do']} {row['node'] or row['link']}") for row in _rows(path / "events.csv")]


def _accuracy_lines(config: Config, table: Table) -> list[Line]:
    """Every node's accuracy; attackers dashed; with more than ten nodes honest ones are one colour, and their mean is thick."""
    few, lines = len(config.nodes) <= FEW, []
    for place, node in enumerate(config.nodes):
        colour, dash = ("@alarm", "dash") if config.attacks(node.name) else (f"@node{place}" if few else "@crowd", "solid")
        label, series = f"{cut(node.name)}  {node.attack or ''}".rstrip(), (table["tick"], table[node.name])
        lines.append(Line(name=node.name, series=series, colour=colour, dash=dash, label=label, width=0.8, thin=not few))
    honest = [table[node.name] for node in config.nodes if not config.attacks(node.name)]
    mean = [Line(name="mean of the honest", series=(table["tick"], np.mean(honest, axis=0)), colour="@ink")] if honest else []
    return [*lines, *mean]


def read_table(path: Path) -> Table:
    """The columns of a table of numbers, none if it was not made."""
    rows = _rows(path)
    return {name: np.array([float(row[name]) for row in rows]) for name in (rows[0] if rows else {})}


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text, none if it was not made."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
