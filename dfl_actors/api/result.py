"""What a run or a simulation left, read back: data frames, summary, pictures, report."""

from functools import cached_property
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from dfl_actors.api.words import in_parameters
from dfl_actors.config import Config, load_topology
from dfl_actors.errors import ConfigError, TargetMissed
from dfl_actors.files import check_free
from dfl_actors.report import frames
from dfl_actors.report.frames import Frame
from dfl_actors.report.load import Run
from dfl_actors.report.load import load_run as read_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

    from dfl_actors.report.summary import Figures


class Picture:
    """A picture that notebooks show and `save` writes; `figure` is matplotlib's, to change."""

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure

    @in_parameters
    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write it as PNG, SVG or PDF, by the ending. Raises `StoreError`."""
        from dfl_actors.report.picture_files import picture_format, write_picture

        place = Path(path)
        picture_format(place)
        check_free(place, force)
        write_picture(self.figure, place)
        return place

    def _repr_png_(self) -> bytes:
        drawn = BytesIO()
        self.figure.savefig(drawn, format="png")
        return drawn.getvalue()


class Result:
    """A run or a simulation by its directory, as far as it was when this was made.

    Frames are pandas' where that is installed and Arrow tables otherwise (`pip install 'dfl-actors[frames]'`); `docs/python.md` has their
    columns. Accuracies are fractions; time is `seconds` in a run and `tick` in a simulation.
    """

    def __init__(self, run: Run, ran: float | None = None) -> None:
        """`ran`: seconds until it was asked to end, in its last session, where that is known."""
        self.run, self.path, self._ran = run, run.path, run.elapsed if ran is None else ran

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def simulated(self) -> bool:
        """Whether it is a simulation."""
        return self.run.simulated

    @cached_property
    def config(self) -> Config:
        """The configuration as it ran."""
        return load_topology(self.path / "config.toml")

    @cached_property
    def summary(self) -> "Figures":
        """The closing figures, as `summary.json` has them."""
        if self.simulated:
            from dfl_actors.report.simulation import summarise_simulation

            return summarise_simulation(self.run)
        from dfl_actors.report.summary import summarise

        return summarise(self.run, self.run.target)

    @property
    def reason(self) -> str:
        """Why it ended: ticks, target, duration, interrupted, terminated or failed; empty while it goes on, or when it was killed."""
        from dfl_actors.core.events import Stopped

        return next((stop.reason for stop in reversed(self.run.of(Stopped))), "")

    @in_parameters
    def check_target(self) -> None:
        """Raises `TargetMissed` where a run had a target and ended by its duration."""
        if self.run.target and self.reason == "duration":
            raise TargetMissed(
                f"not every node reached {self.run.target:g} within {self._ran:.0f} s: "
                f"give more time (--duration), or go on with --resume {self.path}"
            )

    # --- frames

    @cached_property
    def accuracy(self) -> Frame:
        """Every measurement on the test samples: time, `node`, `steps`, `accuracy`, `attack`."""
        return frames.frame(frames.accuracy(self.run))

    @cached_property
    def updates(self) -> Frame:
        """Every average that a node made: time, `node`, `models`, `reputation`."""
        return frames.frame(frames.updates(self.run))

    @cached_property
    def reputations(self) -> Frame:
        """What nodes thought of each other: time, `node`, `other`, `reputation`."""
        return frames.frame(frames.reputations(self.run))

    @cached_property
    def reasons(self) -> Frame:
        """What was taken of each other one's models, and why not more: time, `node`, `other`, `reason`."""
        return frames.frame(frames.reasons(self.run))

    @cached_property
    def weight_difference(self) -> Frame:
        """How far apart the models were: time, `layer`, `difference`."""
        return frames.frame(frames.weight_difference(self.run))

    @cached_property
    def transactions(self) -> Frame:
        """Every transaction of a run: time, `node`, `sequence`, `transaction`, `steps`, `samples`, `accuracy`, `loss`."""
        return frames.frame(frames.transactions(self._chained()))

    @cached_property
    def receipts(self) -> Frame:
        """Every receipt of a run: time, `node`, `transaction`, `witness`, `accuracy`, `ms`."""
        return frames.frame(frames.receipts(self._chained()))

    @cached_property
    def blocks(self) -> Frame:
        """Every final block of a run: time, `node`, `height`, `block`, `transactions`, `confirmations`, `expected`, `ms`."""
        return frames.frame(frames.blocks(self._chained()))

    def _chained(self) -> Run:
        if self.simulated:
            raise ConfigError(f"{self.path} is a simulation, which has no chain: transactions, receipts and blocks are a run's")
        return self.run

    # --- pictures and pages

    def plot(self) -> Picture:
        """Accuracy over time, with what else the closing picture of its kind shows."""
        if self.simulated:
            from dfl_actors.report.simulation import draw_simulation

            return Picture(draw_simulation(self.run))
        from dfl_actors.report.pictures import draw_accuracy

        return Picture(draw_accuracy(self.run))

    @in_parameters
    def paper(self, folder: str | Path | None = None) -> list[Path]:
        """Write every chart for a paper into a folder, `plots/paper` of its directory unless another is named: PDF and SVG, a column and a
        page wide, letters of 8 points, a file a panel. Raises `StoreError`."""
        from dfl_actors.report.paper import write_run

        return write_run(self.run, self.path / "plots" / "paper" if folder is None else Path(folder))

    def show(self, console: "Console | None" = None) -> None:
        """Print the closing tables."""
        from rich.console import Console

        from dfl_actors.report.simulation import render_simulation
        from dfl_actors.report.summary import render

        (render_simulation if self.simulated else render)(self.summary, console or Console())

    def __repr__(self) -> str:
        return f"<Result of {'a simulation' if self.simulated else 'a run'} of {self.name}, {len(self.run.nodes)} nodes, in {self.path}>"

    def _repr_html_(self) -> str:
        from rich.console import Console

        console = Console(file=StringIO(), record=True, width=110, force_jupyter=False)
        self.show(console)
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


@in_parameters
def load_run(path: str | Path) -> Result:
    """The run or the simulation in a directory, also one under way. Raises `StoreError` if it is none."""
    return Result(read_run(Path(path)))
