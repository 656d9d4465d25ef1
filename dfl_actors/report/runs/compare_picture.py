"""Two runs in one picture: accuracy, of regressions the score, on the test samples over time, a colour a run.

The mean of a run's nodes is a thick line, and a band goes from its least to its most accurate node. Both begin when every node has been
measured, for a mean of whoever happened to be first would jump; one that begins late says so in the legend. Up to ten nodes have a thin
line each; more would hide the rest.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from dfl_actors.core.events import Evaluated
from dfl_actors.errors import ConfigError
from dfl_actors.report.canvas import plain
from dfl_actors.report.charts.chart import FEW, SYMBOLS, Band, Line, OverTime, Panel
from dfl_actors.report.load import Run
from dfl_actors.report.pictures import NOTHING, draw_over_time
from dfl_actors.report.roles import attackers_text, honest_of, look_of
from dfl_actors.report.series import Numbers, Series, accuracies, of_trainers, span_since_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Axis = Literal["auto", "time", "steps"]  # What is drawn over what; auto is steps where one of the two is a simulation.
AXES: tuple[Axis, ...] = ("auto", "time", "steps")

LATE = 0.05  # Of the axis, from which on it is seen beside another that a mean begins.

KEY = Line(name="mean of the honest nodes", series=NOTHING, colour="@muted")
KEY_BAND = Band("@muted", NOTHING[0], *NOTHING, "worst to best of them")


def axis_named(said: str) -> Axis:
    """The axis of that name. Raises `ConfigError`."""
    for one in AXES:
        if one == said:
            return one
    raise ConfigError(f"unknown axis {said!r}: choose time or steps")


def draw_comparison(a: Run, b: Run, axis: Axis = "auto") -> "Figure":
    """The picture of two runs."""
    title = a.name if a.name == b.name else f"{a.name} and {b.name}"
    figure = draw_over_time(comparison_chart(a, b, axis), title, (10, 5.5), legend_below=True)
    figure.axes[0].set_yticks(np.linspace(0, 1, 11))
    return figure


def comparison_chart(a: Run, b: Run, axis: Axis = "auto") -> OverTime:
    """What is drawn of two runs: over time, or over the training steps of a node, which lay a simulation over a run."""
    by_steps = axis == "steps" or (axis == "auto" and a.simulated != b.simulated)
    measured = {label: accuracies(run, run.of(Evaluated)) for label, run in labels(a, b).items()}
    if by_steps:
        measured = {label: of_trainers(run, measured[label]) for label, run in labels(a, b).items()}
    end = max((float(x[-1]) for nodes in measured.values() for x, _ in nodes.values()), default=1.0)
    runs = [(run, label, measured[label]) for label, run in labels(a, b).items()]
    unit, end = ("training steps of a node", end) if by_steps else (a.axis, max(a.elapsed, b.elapsed))
    moment = "step {:.0f}".format if by_steps else a.moment
    lines = [_begun(line, end, moment) for place, (run, label, nodes) in enumerate(runs) for line in _lines(run, label, nodes, place)]
    spans = [honest_of(run, nodes) for run, _, nodes in runs]
    bands = [Band(f"@node{place}", *_span(series)) for place, series in enumerate(spans) if len(series) > 1]
    word = a.score if a.score == b.score else "score"
    panel = Panel(title=f"{word} on the test samples", lines=[*lines, KEY], bands=[*bands, KEY_BAND], reach=(0, 1.02))
    targets = sorted({run.target for run in (a, b) if run.target})
    return OverTime(panels=[panel], end=end, targets=targets, unit=unit)


def labels(a: Run, b: Run) -> Mapping[str, Run]:
    """The runs by the names of their directories; by their paths where those are the same."""
    names = [run.path.resolve().name for run in (a, b)]
    if names[0] == names[1]:
        names = [str(run.path.resolve()) for run in (a, b)]
    return dict(zip(names, (a, b), strict=True))


def _lines(run: Run, label: str, nodes: Mapping[str, Series], place: int) -> Iterator[Line]:
    """The mean of the honest nodes, and a line a node while those are few; attackers dashed."""
    colour = f"@node{place}"
    if not nodes:
        yield Line(name=label, series=NOTHING, colour=colour, label=f"{plain(label)}\nnothing was measured")
        return
    for name, series in nodes.items() if len(nodes) <= FEW else ():
        its = look_of(run, name)
        yield Line(name=f"{label} node {name}", series=series, colour=its.colour if its.attacks else colour, dash=its.dash, thin=True)
    seconds, mean, _, _ = span_since_all(honest_of(run, nodes))
    last = [values[-1] for _, values in honest_of(run, accuracies(run, run.of(Evaluated)))]
    apart = f"; {said}" if (said := attackers_text(run)) else ""
    text = f"{plain(label)}\nmean {np.mean(last):.3f}, worst {min(last):.3f} of {len(last)}{plain(apart)}"
    yield Line(name=label, series=(seconds, mean), colour=colour, symbol=SYMBOLS[place], symbol_size=9, width=2.2, label=text)


def _begun(line: Line, end: float, moment: Callable[[float], str]) -> Line:
    """A mean that begins late says from when it is, and why."""
    if line.thin or not len(line.series[0]) or (begins := float(line.series[0][0])) <= LATE * end:
        return line
    return msgspec.structs.replace(line, label=f"{line.label}\nfrom {moment(begins)} on, when each node had been measured")


def _span(nodes: list[Series]) -> tuple[Numbers, Numbers, Numbers]:
    """Seconds, least and greatest."""
    seconds, _, low, high = span_since_all(nodes)
    return seconds, low, high
