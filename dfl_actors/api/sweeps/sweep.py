"""`sweep`: plan, simulate what is not over, and the tables of what there is."""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from rich.console import Console

from dfl_actors.api.cluster.elsewhere import check_engine, cluster
from dfl_actors.api.crew import Interrupted, crew, put_off
from dfl_actors.api.result import Picture, Result, load_run
from dfl_actors.api.sweeps import heat, table
from dfl_actors.api.sweeps.engine import MODULES, Engine, Local
from dfl_actors.api.sweeps.folder import Folder, is_sweep, load_plan
from dfl_actors.api.sweeps.plan import Axis, Cell, Plan, Vary, axis_named, cells_of, narrowed, plan_of
from dfl_actors.api.sweeps.pool import Pool
from dfl_actors.api.sweeps.table import Pivot, Row
from dfl_actors.api.topology import Overrides, Tell, Topology, warn
from dfl_actors.api.words import in_parameters
from dfl_actors.config import Config
from dfl_actors.config.toml_text import NONE, listed
from dfl_actors.errors import ConfigError
from dfl_actors.processes.signals import Stop
from dfl_actors.report.charts.chart import OverTime
from dfl_actors.report.frames import Frame
from dfl_actors.report.picture_files import write_picture
from dfl_actors.report.progress import How, Shown, shown
from dfl_actors.runtime.rundir import RunDirectory, default_path
from dfl_actors.sim.about import load_about


class SweepResult:
    """A sweep by its directory: its results, pivot tables, picture, and the simulations themselves."""

    def __init__(self, path: Path, plan: Plan, cells: Sequence[Cell], failures: dict[str, str]) -> None:
        self.path, self.plan, self.cells, self.failures = path, plan, tuple(cells), failures

    @cached_property
    def rows(self) -> list[Row]:
        """A row a cell: its values, seed, state, and what it came to."""
        folder = Folder(self.path)
        return [table.row_of(folder, cell, self.failures) for cell in self.cells]

    @cached_property
    def results(self) -> Frame:
        """The rows as a data frame."""
        return table.frame_of(self.rows)

    def pivot(self, rows: str | None = None, columns: str | None = None, value: str = "mean") -> Pivot:
        """A table of a figure by two axes, the first two unless named. Raises `ConfigError`."""
        return table.pivot(self.plan, self.rows, *self._axes(rows, columns), value)

    def plot(self, rows: str | None = None, columns: str | None = None) -> Picture:
        """Accuracy over ticks, a panel a column and a line a row of the pivot table. Raises `DflError`."""
        return Picture(table.draw(self.plan, self.rows, Folder(self.path), self.cells, *self._axes(rows, columns)))

    @in_parameters
    def paper(
        self, folder: str | Path | None = None, rows: str | None = None, columns: str | None = None, value: str = "mean"
    ) -> list[Path]:
        """Write the panels of `plot`, and where two things are varied the heat maps, for a paper, as `Result.paper` does, into a folder,
        `paper` of its directory unless another is named. Raises `DflError`.
        """
        from dfl_actors.report.heat_paper import heat_panels
        from dfl_actors.report.paper import panels_of, slugs, write_into

        down, across = self._axes(rows, columns)
        found, end = table.panels(self.plan, Folder(self.path), self.cells, down, across)
        alone = {
            name: OverTime(panels=[panel], end=end, unit="tick")
            for name, panel in found.items()
            if any(len(line.series[0]) for line in panel.lines)
        }
        names = slugs([f"results {name}" for name in alone])
        panels = {name: panels_of(one)[""] for name, one in zip(names, alone.values(), strict=True)}
        if across is not None:
            panels |= heat_panels(heat.heats(self.plan, self.rows, down, across, value))
        return write_into(self.path / "paper" if folder is None else Path(folder), panels)

    def heat_map(self, rows: str | None = None, columns: str | None = None, value: str = "mean") -> Picture:
        """The pivot table in colours, one a combination of the other axes, those rows first whose worst attack does least harm.

        Raises `DflError`.
        """
        down, across = self._axes(rows, columns)
        if across is None:
            raise ConfigError(f"{self.path} varies {down.name} alone: a heat map needs columns as well")
        return Picture(heat.draw(self.plan, self.rows, down, across, value))

    def simulation(self, **values: object) -> Result:
        """The simulation with these values and this `seed`, as the results have them. Raises `ConfigError` unless that is one, and over."""
        wanted = {name: "none" if value is None else str(value) for name, value in values.items()}
        fits = [cell for cell in self.cells if wanted.items() <= {**cell.values, "seed": str(cell.seed)}.items()]
        folder = Folder(self.path)
        if len(fits) != 1 or not folder.is_done(fits[0]):
            raise ConfigError(f"{len(fits)} cells of {self.path} fit {wanted}: name one that is over")
        if why := folder.diverged(fits[0]):
            raise ConfigError(f"the cell of {self.path} that fits {wanted} has no results ({why}): name one that is over")
        return load_run(folder.over(fits[0]))

    def _axes(self, rows: str | None, columns: str | None) -> tuple[Axis, Axis | None]:
        """The axes down and across. Raises `ConfigError`."""
        axes = list(self.plan.axes)
        down = axis_named(self.plan, rows) if rows else next((axis for axis in axes if axis.name != columns), None)
        if down is None:
            raise ConfigError(f"{self.path} varies nothing but the seed: results.csv has all there is")
        across = axis_named(self.plan, columns) if columns else next((axis for axis in axes if axis != down), None)
        if across == down:
            raise ConfigError(f"{down.name} cannot be rows and columns: name two axes")
        return down, across

    def write(self) -> None:
        """`results.csv` and `.parquet`, `results.png` where something is varied, `heat.png` where two things are. Raises `DflError`."""
        table.write_results(self.rows, self.path)
        if not self.plan.axes or not self.done:
            return
        write_picture(self.plot().figure, self.path / "results.png")
        if len(self.plan.axes) > 1:
            write_picture(self.heat_map().figure, self.path / "heat.png")

    @property
    def done(self) -> int:
        """How many of its cells are over or have diverged."""
        return sum(row["state"] in table.DONE for row in self.rows)

    def __repr__(self) -> str:
        return f"<SweepResult {self.path}: {self.done} of {len(self.cells)} cells>"


@in_parameters
def load_sweep(path: str | Path) -> SweepResult:
    """The sweep in a directory, also one under way. Raises `StoreError` if it is none."""
    plan = load_plan(Path(path))
    return SweepResult(Path(path), plan, cells_of(plan), {})


@in_parameters
def sweep(
    base: Topology | str | Path,
    vary: Vary | None = None,
    seeds: Sequence[int] | str = (),
    *,
    overrides: Overrides = (),
    out: str | Path | None = None,
    jobs: int = 0,
    engine: str = "local",
    address: str | None = None,
    only: Mapping[str, Sequence[object]] | None = None,
    show: bool = False,
    progress: How = "auto",
    tell: Tell = warn,
) -> SweepResult:
    """Simulate every combination of what is varied with every seed, once; what is over in `out` is not simulated again.

        sweep("net.toml", {"update.algorithm": ["krum", "median"], "node.5.attack": [None, "sign_flip"]}, seeds="1-5", out="robust")

    `base` is a topology, a sweep's file, or the directory of a sweep to go on with. `jobs` simulations at once, 0 for one a processor. With
    the engine "ray" they are carried over the Ray cluster at `address`, or the one that this machine belongs to, or one started here.
    `only` these points of these axes (`seed` is one), the whole of which stays what `out` is for; with `show` nothing is simulated. A cell
    that fails does not stop the others; `failures` says why. Raises `DflError`, and `Interrupted` for Ctrl-C once all is put away.
    """
    if jobs < 0:
        raise ConfigError(f"jobs is {jobs}: give the number of simulations at once, or 0 for one a processor")
    check_engine(engine, address)
    if show:
        return _shown(*_planned(base, vary or {}, seeds, overrides, out), only or {})
    with _engine(engine, address) as (hands, stop):
        plan, path = _planned(base, vary or {}, seeds, overrides, out)
        result = _simulated(plan, narrowed(plan, only or {}), path, jobs, hands, stop, progress, tell)
        if stop:
            again = f"dfl-actors sweep {path}{_again(only or {})}"
            raise Interrupted(stop.number, f"stopped with {result.done} of {len(result.cells)} cells over; go on with: {again}")
    return result


def _again(only: Mapping[str, Sequence[object]]) -> str:
    """The options that ask for the same part once more."""
    parts = [f"{name}={','.join(map(str, points))}" for name, points in only.items()]
    return "".join(f" --only {shlex.quote(part)}" for part in parts)


def _simulated(plan: Plan, part: Plan, path: Path, jobs: int, hands: Engine, stop: Stop, progress: How, tell: Tell) -> SweepResult:
    """Simulate those cells of `part` that are not over; `path` is for all of `plan`. Raises `DflError`."""
    cells, folder = cells_of(part), Folder(path)
    check(cells, part, tell)
    folder.prepare(plan)
    with RunDirectory(path).lock():
        todo = [cell for cell in cells if not folder.is_done(cell)]
        watch = _Watch(shown(progress, Console()), len(cells), len(cells) - len(todo), tell)
        digests = {cell.source: load_about(folder.over(cell)).data for cell in cells if folder.is_done(cell)}
        at_once = hands.ready(stop)
        pool = Pool(folder, todo, digests, jobs or at_once, hands, stop, watch)
        watch.begin(pool)
        try:
            pool.run()
        finally:
            watch.end()
        result = SweepResult(path, part, cells, watch.failures)
        result.write()
    return result


@contextmanager
def _engine(engine: str, address: str | None) -> Iterator[tuple[Engine, Stop]]:
    """Who simulates the cells, beginning to be there. Raises `DflError`."""
    if engine == "local":
        with crew(MODULES, impatient=True) as (server, stop):
            yield Local(server), stop
        return
    from dfl_actors.api.cluster.cells import Ray

    with put_off(impatient=True) as stop, cluster(address) as found:
        yield Ray(found), stop


def _shown(plan: Plan, path: Path, only: Mapping[str, Sequence[object]]) -> SweepResult:
    """A part of what is there, with tables and pictures of it. Raises `StoreError` if there is no sweep."""
    load_plan(path)
    part = narrowed(plan, only)
    result = SweepResult(path, part, cells_of(part), {})
    result.write()
    return result


def _planned(
    base: Topology | str | Path, vary: Vary, seeds: Sequence[int] | str, overrides: Overrides, out: str | Path | None
) -> tuple[Plan, Path]:
    """What is to be simulated, and where it goes. Raises `DflError`."""
    if not isinstance(base, Topology) and is_sweep(Path(base)):
        if vary or seeds or overrides:
            raise ConfigError(
                f"{base} is a sweep, which goes on as it was begun: leave out --vary, --seeds and --set, or name its topology"
            )
        if out is not None and Path(out).resolve() != Path(base).resolve():
            raise ConfigError(f"{base} is a sweep, which goes on where it is: leave out --out, or name its topology")
        return load_plan(Path(base)), Path(base)
    plan = plan_of(base, vary, seeds, overrides)
    return plan, default_path(Path(plan.source).stem, time.time_ns() // 1_000_000, "sweeps") if out is None else Path(out)


def check(cells: Sequence[Cell], plan: Plan, tell: Tell) -> None:
    """What would fail in every cell alike fails now: plug-ins and data, of one cell a combination. Raises `DflError`."""
    from dfl_actors.config import parse_topology
    from dfl_actors.sdk.loader import check_plugins

    odd: dict[str, None] = {}
    for cell in cells[: len(cells) // len(plan.seeds)]:
        config = parse_topology(cell.config, where=cell.name, name="network")
        check_plugins(config, Path.cwd())
        odd[_not_free(config, cell, plan)] = None
    Topology(plan.source, plan.options).checked(tell)
    for line in filter(None, odd):
        tell(line)


def _not_free(config: Config, cell: Cell, plan: Plan) -> str:
    """What a cell has of attackers where all that is varied of attacks is none; "" for nothing."""
    axes = [axis.name for axis in plan.axes if table.is_attack(axis)]
    found = [f"{node.name} ({said})" for node in config.nodes if (said := config.attack_of(node.name))]
    if not axes or not found or any(cell.values[name] != NONE for name in axes):
        return ""
    return f"where {' and '.join(axes)} is none, attackers of the topology remain: {listed(found)}"


AWAITED = "importing TensorFlow"  # Before the first tick of a cell.


class _Watch:
    """Shows how far a sweep is, tells each warning once, and remembers what failed."""

    def __init__(self, shown: Shown, total: int, over: int, tell: Tell) -> None:
        self._shown, self._total, self._over, self._tell = shown, total, over, tell
        self._warned, self._goes = set[str](), False  # whether a tick of any cell was done by now
        self.failures: dict[str, str] = {}

    def begin(self, pool: Pool) -> None:
        self._pool = pool
        self._shown.begin(self._total)
        self._shown.wait(AWAITED)

    def __call__(self, cell: Cell | None, text: str) -> None:
        if cell is not None:
            self._over += not text
            if text:
                self.failures[cell.name] = text
                self._shown.tell(f"{cell.name} failed: {text}")
        elif text and text not in self._warned:
            self._warned.add(text)
            self._tell(text)
        failed = f", {len(self.failures)} failed" if self.failures else ""
        self._goes |= cell is not None or self._pool.under_way > 0
        done = self._over + len(self.failures) + self._pool.under_way
        awaited = "" if self._goes else f", {AWAITED}"
        self._shown.show(done, f"cells{failed}{awaited}" if done else AWAITED)

    def end(self) -> None:
        self._shown.end()
