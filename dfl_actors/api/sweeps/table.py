"""What came of a sweep: a row a cell, pivot tables by two of the axes as text, Markdown and LaTeX, and a picture."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson

from dfl_actors.api.sweeps.folder import Folder
from dfl_actors.api.sweeps.plan import Axis, Cell, Plan
from dfl_actors.config.toml_text import counted
from dfl_actors.core.events import Evaluated
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.files import explained, whole
from dfl_actors.report.canvas import plain
from dfl_actors.report.charts.chart import FEW, Line, OverTime, Panel
from dfl_actors.report.formats import Format, Sheet, csv_text, mean_text
from dfl_actors.report.frames import Frame, frame
from dfl_actors.report.load import load_run
from dfl_actors.report.pictures import NOTHING, draw_over_time
from dfl_actors.report.runs.group_picture import Curve, bands_of, curve_of
from dfl_actors.report.series import Series, accuracies
from dfl_actors.report.simulation import GOAL
from dfl_actors.report.table import Column
from dfl_actors.sim.about import load_about

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = ("mean", "worst", "std", "last_mean", "last_worst", "ticks_to_goal", "cpu_seconds", "seconds")
"""What a pivot table can show. All but the last three are of accuracies, over the honest nodes."""
ACCURACIES = ("mean", "worst", "last_mean", "last_worst")
"""The figures of which the least is the worst."""
CLOSING = ("mean", "worst", "std")
"""The figures of which a cell says over which ticks they are: `since` and `until`."""

TICKS = ("since", "until")

AGAIN = "remove that cell's directory, and call the sweep again"
DIVERGED = "diverged"  # The state of a cell.
DONE = ("over", DIVERGED)  # What a cell is when nothing is left to be done of it.
QUIET = ("none", "silent")  # Points of an axis of attacks that are none.
MOST_PANELS = 24  # Of the picture; columns beyond are left out of it.
WIDEST = 28  # Letters of a line of a panel's name, which stands upright beside it.

Row = dict[str, str | int | float | None]


def row_of(folder: Folder, cell: Cell, failures: Mapping[str, str]) -> Row:
    """A cell of the results: its values, its seed, its state (over, diverged, failed, missing), and what it came to. Accuracies of what has
    diverged are 0. Raises `StoreError`."""
    row: Row = {"cell": cell.name, **cell.values, "seed": cell.seed}
    if not folder.is_done(cell):
        failure = failures.get(cell.name, "")
        return row | {"state": "failed" if failure else "missing"} | dict.fromkeys((*FIGURES, *TICKS)) | {"error": failure}
    about = load_about(folder.over(cell))
    if about.diverged:
        nothing: Row = {**dict.fromkeys((*FIGURES, *TICKS)), **dict.fromkeys(ACCURACIES, 0.0)}
        return row | {"state": DIVERGED} | nothing | {"cpu_seconds": about.cpu, "seconds": about.seconds, "error": about.diverged}
    place = folder.over(cell) / "summary.json"
    with explained(f"{place} cannot be read", AGAIN):
        raw = place.read_bytes()
    try:
        summary = orjson.loads(raw)
        accuracy = summary["accuracy"] or {}
        known = {name: accuracy.get(name) for name in (*FIGURES[:5], *TICKS)}
        costs = {"cpu_seconds": summary["cpu_seconds"], "seconds": summary["seconds"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{place} is damaged: {AGAIN}") from error
    return row | {"state": "over"} | known | {"ticks_to_goal": accuracy.get("goal_at")} | costs | {"error": ""}


def write_results(rows: Sequence[Row], path: Path) -> None:
    """`results.csv`, and `results.parquet` where pyarrow is installed. Raises `StoreError`."""
    if not rows:
        return
    with whole(path / "results.csv") as draft:
        draft.write_text(csv_text(rows) + "\n", encoding="utf-8", newline="\n")
    if find_spec("pyarrow") is not None:
        import pyarrow
        from pyarrow import parquet

        with whole(path / "results.parquet") as draft:
            parquet.write_table(pyarrow.Table.from_pylist(numbered(rows)), draft)


def frame_of(rows: Sequence[Row]) -> Frame:
    """The results as a data frame. Raises `ConfigError` without pandas or pyarrow."""
    rows = numbered(rows)
    return frame({name: [row[name] for row in rows] for name in (rows[0] if rows else {})})


def numbered(rows: Sequence[Row]) -> list[Row]:
    """The results with numbers in the place of texts wherever an axis has nothing but numbers."""
    axes = [name for name in (rows[0] if rows else {}) if name not in ("cell", "state", "error")]
    read = {name: kind for name in axes if (kind := _number_in([row[name] for row in rows])) is not None}
    return [row | {name: kind(str(row[name])) for name, kind in read.items()} for row in rows]


def _number_in(values: Sequence[str | float | None]) -> type[int] | type[float] | None:
    """What all these texts are; None where one of them is more than a text of a number."""
    for kind, spelled in ((int, r"-?\d+"), (float, r"-?\d+(\.\d*)?(e[+-]?\d+)?")):
        if all(isinstance(value, str) and re.fullmatch(spelled, value) for value in values):
            return kind
    return None


# --- pivot tables


class Pivot(msgspec.Struct, frozen=True):
    """A table by two axes: in each cell the mean over the seeds, and over all other axes, and the standard deviation of these runs where
    there are several. `corner` names the axes, `title` what is shown, `lost` how many of a cell's runs have diverged, and of how many that
    are done, and `worst` is each row's worst attack, if a column is one."""

    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[tuple[float, float | None] | None, ...], ...]
    lost: tuple[tuple[tuple[int, int], ...], ...]
    worst: tuple[str, ...] = ()
    decimals: int = 3

    @property
    def sheet(self) -> Sheet:
        """The table as text."""
        names = Column(self.corner, self.rows, left=True)
        given = zip(self.columns, zip(*self.cells, strict=True), zip(*self.lost, strict=True), strict=True)
        told = [Column("worst attack", self.worst, left=True)] if self.worst else []
        return Sheet(self.title, (names, *(Column(name, [*map(self._text, cells, lost)]) for name, cells, lost in given), *told))

    def shares(self, place: int) -> dict[str, float]:
        """What share of the runs of each column has diverged, in a row."""
        return {name: lost / runs if runs else 0.0 for name, (lost, runs) in zip(self.columns, self.lost[place], strict=True)}

    def _text(self, cell: tuple[float, float | None] | None, lost: tuple[int, int]) -> str:
        count, runs = lost
        mean = mean_text(cell, self.decimals)
        return f"{mean} ({count} of {runs} {DIVERGED})" if 0 < count < runs else DIVERGED if count else mean

    def as_text(self, format: Format = "text") -> str:
        """For a terminal (text), a document (markdown), a paper (latex), or another program (csv)."""
        return self.sheet.as_text(format)


def pivot(plan: Plan, rows: Sequence[Row], down: Axis, across: Axis | None, value: str) -> Pivot:
    """The pivot table of a figure. Raises `ConfigError`."""
    if value not in FIGURES:
        raise ConfigError(f"no figure {value!r} in the results; give one of {', '.join(FIGURES)}")
    columns = tuple(across.points) if across is not None else (value,)

    def runs(one: str, other: str) -> list[Row]:
        return [row for row in rows if row[down.name] == one and (across is None or row[across.name] == other)]

    found = [[runs(one, other) for other in columns] for one in down.points]
    cells = tuple(tuple(_mean([float(row[value] or 0) for row in fits if row[value] is not None]) for fits in line) for line in found)
    lost = tuple(tuple(map(_lost, line)) for line in found)
    shown = f"first tick at {GOAL:g}" if value == "ticks_to_goal" else value.replace("_", " ") + ticks_text(rows, value)
    title = f"{shown}, {_over(plan, rows, down, across)}" + states_text(rows, value)
    told = across is not None and is_attack(across) and value in ACCURACIES
    lines = zip(cells, lost, strict=True) if told else ()
    worst = tuple(_told(worst_of(columns, line), dict(zip(columns, counts, strict=True))) for line, counts in lines)
    corner = down.name if across is None else f"{down.name} / {across.name}"
    return Pivot(title, corner, columns, tuple(down.points), cells, lost, worst, 0 if value == "ticks_to_goal" else 3)


def _over(plan: Plan, rows: Iterable[Row], down: Axis, across: Axis | None) -> str:
    """What figures are means over, and what is the same in all of them."""
    others = [axis for axis in plan.axes if axis not in (down, across)]
    over = [seeds_text(plan, rows), *(axis.name for axis in others if len(axis.points) > 1)]
    same = [f", {axis.name} {point}" for axis in others if len(axis.points) == 1 for point in axis.points]
    return f"over {' and '.join(over)}{''.join(same)}"


def seeds_text(plan: Plan, rows: Iterable[Row]) -> str:
    """The seeds that figures are means over: of a sweep of which a part is done, those that are."""
    seeds = sorted({int(row["seed"] or 0) for row in rows if row["state"] in DONE}) or plan.seeds
    return f"{len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}"


def ticks_text(rows: Iterable[Row], value: str) -> str:
    """The ticks that a figure is a mean over, where it is one, and where they are the same in all cells."""
    spans = {(row["since"], row["until"]) for row in rows if row["state"] == "over"} if value in CLOSING else set()
    (since, until), *others = spans or {(None, None)}
    return "" if since is None or others else f" of ticks {since:.0f} to {until:.0f}"


def states_text(rows: Iterable[Row], value: str) -> str:
    """How many cells have diverged, and how that counts in this figure, and how many are not in it, if any."""
    states = [row["state"] for row in rows]
    diverged, missing = states.count(DIVERGED), sum(state not in DONE for state in states)
    told = [f"{diverged} diverged" + (", as 0" if value in ACCURACIES else "")] if diverged else []
    told += [f"{counted(missing, 'cell')} missing"] if missing else []
    return f" ({'; '.join(told)})" if told else ""


def _lost(rows: Iterable[Row]) -> tuple[int, int]:
    """How many of these have diverged, and how many are done."""
    states = [row["state"] for row in rows]
    return states.count(DIVERGED), sum(state in DONE for state in states)


def _mean(values: Sequence[float]) -> tuple[float, float | None] | None:
    if not values:
        return None
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def is_attack(axis: Axis) -> bool:
    """Whether its points are attacks."""
    return axis.name.rpartition(".")[2] == "attack"


def worst_of(columns: Sequence[str], cells: Sequence[tuple[float, float | None] | None]) -> tuple[float, str] | None:
    """How a row does under the attack under which it does worst, and which that is; nobody attacking, and attackers that are silent, is
    none."""
    return min([(cell[0], name) for name, cell in zip(columns, cells, strict=True) if cell is not None and name not in QUIET], default=None)


def _told(worst: tuple[float, str] | None, lost: Mapping[str, tuple[int, int]]) -> str:
    if worst is None:
        return "-"
    value, name = worst
    count, runs = lost[name]
    return f"{DIVERGED if 0 < count == runs else f'{value:.3f}'} ({name})"


# --- the picture


def draw(plan: Plan, rows: Sequence[Row], folder: Folder, cells: Sequence[Cell], down: Axis, across: Axis | None) -> "Figure":
    """Accuracy over ticks, as `panels` has it. Raises `DflError`."""
    found, end = panels(plan, folder, cells, down, across)
    titled = [msgspec.structs.replace(panel, title="\n".join([*_named(name), panel.title])) for name, panel in found.items()]
    shown = OverTime(panels=titled, end=end, unit="tick")
    shares = [_part(axis, most) for axis, most in ((across, MOST_PANELS), (down, FEW)) if axis is not None and len(axis.points) > most]
    title = f"{Path(plan.source).stem}, {_over(plan, rows, down, across)}" + (f" ({'; '.join(shares)})" if shares else "")
    return draw_over_time(shown, title, (9, 1.5 + 2.2 * len(titled)))


def _named(panel: str) -> list[str]:
    """A panel's name in lines as long as it is high."""
    return [plain(line) for line in wrap(panel, WIDEST, max_lines=2, placeholder="…")]


def _part(axis: Axis, most: int) -> str:
    return f"the first {most} of {len(axis.points)} of {axis.name}"


def panels(plan: Plan, folder: Folder, cells: Sequence[Cell], down: Axis, across: Axis | None) -> tuple[dict[str, Panel], float]:
    """A panel a column of the pivot table, a line a row, the mean over the honest nodes, the seeds and all other axes, with a band of a
    standard deviation of these runs to either side; and the last tick.

    Columns and rows beyond the first few are left out, and columns of which nothing is known while something is. Raises `DflError`.
    """
    diverged = {cell.name for cell in cells if folder.diverged(cell)}
    over = [cell for cell in cells if folder.is_done(cell) and cell.name not in diverged]
    score = load_run(folder.over(over[0]), (Evaluated,)).score if over else "accuracy"
    names = list(across.points)[:MOST_PANELS] if across is not None else [""]
    curves = {cell.name: curve for cell in over if (curve := _curve(folder.over(cell))) is not None}
    found = {}
    for name in names:
        lines, drawn = [], list[tuple[str, Curve]]()
        for place, point in enumerate(list(down.points)[:FEW]):
            fits = [cell for cell in cells if cell.values[down.name] == point and (across is None or cell.values[across.name] == name)]
            its, lost = [curves[cell.name] for cell in fits if cell.name in curves], sum(cell.name in diverged for cell in fits)
            if its or lost:
                told, colour = f"{point} ({lost} of {len(fits)} diverged)" if lost else point, f"@node{place}"
                drawn.append((colour, _mean_curve(its)))
                lines.append(Line(name=told, series=drawn[-1][1][:2], colour=colour, width=1.6))
        found[name] = Panel(title=score, lines=lines, bands=bands_of(drawn), reach=(0, 1))
    found = {name: panel for name, panel in found.items() if panel.lines} or found
    return found, max((float(when[-1]) for when, _ in curves.values()), default=1.0)


def _curve(place: Path) -> Series | None:
    """The mean of the honest nodes over ticks."""
    run = load_run(place, (Evaluated,))
    measured = accuracies(run, run.of(Evaluated))
    honest = [series for name, series in measured.items() if name not in run.attacks] or list(measured.values())
    return (honest[0][0], np.asarray(np.mean([values for _, values in honest], axis=0))) if honest else None


def _mean_curve(curves: Sequence[Series]) -> Curve:
    """The mean of curves over the ticks that all have; of none a curve without points."""
    if not curves:
        return *NOTHING, None
    length = min(len(when) for when, _ in curves)
    return curve_of(curves[0][0][:length], np.array([values[:length] for _, values in curves]))
