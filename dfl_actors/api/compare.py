"""`compare`: any number of runs in groups that differ in the seed alone, as data frames, tables and pictures."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from dfl_actors.api.result import Picture, Result
from dfl_actors.api.words import in_parameters
from dfl_actors.report.formats import Format
from dfl_actors.report.frames import Frame, frame
from dfl_actors.report.runs.compare_picture import Axis
from dfl_actors.report.runs.groups import Comparison, as_text, load_groups, rows, run_rows
from dfl_actors.report.summary import Figures


class Compared:
    """Groups of runs: `groups` and `runs` are data frames, `table()` is text, `plot()` a picture, `paper()` writes those for a paper."""

    def __init__(self, found: Comparison) -> None:
        self.found = found

    @cached_property
    def groups(self) -> Frame:
        """A row a group: the keys that tell the groups apart, how many runs, mean and standard deviation (`_std`) of each figure."""
        return _framed(rows(self.found))

    @cached_property
    def runs(self) -> Frame:
        """A row a run."""
        return _framed(run_rows(self.found))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know besides: what was left out, in what the groups differ as well."""
        return self.found.notes

    def table(self, format: Format = "text") -> str:
        """As text, markdown, latex or csv."""
        return as_text(self.found, format, 10_000)

    def plot(self, axis: Axis = "auto") -> Picture:
        """Mean and worst node over time or `steps`, mean and standard deviation over the runs of a group."""
        from dfl_actors.report.runs.group_picture import draw_groups

        return Picture(draw_groups(self.found, axis))

    @in_parameters
    def paper(self, folder: str | Path, axis: Axis = "auto") -> list[Path]:
        """Write the panels of `plot` for a paper into a folder, as `Result.paper` does. Raises `StoreError`."""
        from dfl_actors.report.paper import panels_of, write_into
        from dfl_actors.report.runs.group_picture import groups_chart

        return write_into(Path(folder), panels_of(groups_chart(self.found, axis)))

    def __repr__(self) -> str:
        return self.table()


def _framed(found: list[Figures]) -> Frame:
    return frame({name: [row[name] for row in found] for name in found[0]})


@in_parameters
def compare(runs: Iterable[str | Path | Result], goal: float | None = None) -> Compared:
    """Runs and simulations, by their directories or those that hold them (`sims`, several seeds, a sweep), in groups that differ in the
    seed alone.

        compare(["sims"]).groups

    `goal` is the accuracy whose time is asked for (0.9). Raises `StoreError`.
    """
    return Compared(load_groups([run.path if isinstance(run, Result) else Path(run) for run in runs], goal))
