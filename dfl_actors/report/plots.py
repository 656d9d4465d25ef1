"""accuracy.png: the paper's figures 7 and 8, accuracy over time.

Two measures of one model: on the samples the node itself received (thin; rises first and drops when models are merged)
and on the test images (thick, with markers). Lines mark restarts and injected faults; below, a strip shows where each node
finalised a block. Up to ten nodes have a colour each; more are shown as a crowd: faint lines, their mean and their span.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from dfl_actors.report.load import Evaluated, Final, Run, Trained, by_node
from dfl_actors.report.series import Series, marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#999933", "#332288")
"""Okabe and Ito's colours without yellow, and three of Paul Tol's "muted": all can be told apart by the colour-blind."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
CROWD = "#0072B2"
OWN = "#D55E00"
KEY = "#555555"
ALARM = "#AA0000"
MOST_MARKERS = 25
MOST_LABELS = 6

Measured = TypeVar("Measured", Trained, Evaluated)


def plot_accuracy(run: Run, path: Path) -> None:
    """Write the picture of `run` as a PNG to `path`. Raises OSError if it cannot be written."""
    draw_accuracy(run).savefig(path, dpi=150, format="png")


def draw_accuracy(run: Run) -> "Figure":
    """The picture of `run`: first axes the accuracies, second axes the blocks.

    Matplotlib is imported here, for it takes long. The figure is made without pyplot, so no window system is asked for
    and no state is left behind.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    crowd = len(run.nodes) > len(COLOURS)
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    lanes = 0.35 if crowd else 0.09 * len(run.nodes) + 0.16
    axes, strip = figure.subplots(2, 1, sharex=True, height_ratios=[5, lanes])
    own, test = series_of(run, run.of(Trained)), series_of(run, run.of(Evaluated))
    if crowd:
        _draw_crowd(axes, own, test)
    else:
        _draw_nodes(axes, list(run.nodes), own, test)
    _draw_blocks(strip, run, crowd)
    _draw_marks(axes, run)
    _frame(axes, strip, run)
    _legend(axes)
    return figure


def series_of(run: Run, measured: Iterable[Measured]) -> dict[str, Series]:
    """What each node measured, in order of time; nodes that measured nothing are left out."""
    groups = by_node(event for event in measured if event.tested)
    return {name: _series(run, groups[name]) for name in run.nodes if name in groups}


def _series(run: Run, measured: Iterable[Trained | Evaluated]) -> Series:
    points = sorted((run.seconds(event.t), event.correct / event.tested) for event in measured)
    return np.array([x for x, _ in points]), np.array([y for _, y in points])


def span_of(series: Sequence[Series], points: int = 400) -> tuple[npt.NDArray[np.float64], ...]:
    """Seconds, mean, least and greatest of many series on one grid; each counts from its first point and keeps its last.

    The four arrays have shape (points,).
    """
    grid = np.linspace(min(x[0] for x, _ in series), max(x[-1] for x, _ in series), points)
    values = np.array([np.interp(grid, x, y, left=np.nan) for x, y in series])
    return grid, np.nanmean(values, axis=0), np.nanmin(values, axis=0), np.nanmax(values, axis=0)


def _draw_nodes(axes: "Axes", names: Sequence[str], own: dict[str, Series], test: dict[str, Series]) -> None:
    thick = 2.0 if len(names) <= 4 else 1.4
    for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
        if name in own:
            axes.plot(*own[name], color=colour, linewidth=0.7, alpha=0.55, gid=f"own {name}")
        if name in test:
            x, y = test[name]
            (line,) = axes.plot(x, y, color=colour, linewidth=thick, marker=marker, markersize=4.5, gid=f"test {name}")
            line.set_markevery(max(len(x) // MOST_MARKERS, 1))
            line.set_label(f"node {plain(name, 16)}  {y[-1]:.3f}")
    if test:
        axes.plot([], [], color=KEY, linewidth=thick, marker="o", markersize=4.5, label="thick: test images")
    if own:
        axes.plot([], [], color=KEY, linewidth=0.7, label="thin: own samples")


def _draw_crowd(axes: "Axes", own: dict[str, Series], test: dict[str, Series]) -> None:
    for name, (x, y) in test.items():
        axes.plot(x, y, color=CROWD, linewidth=0.5, alpha=0.3, gid=f"test {name}")
    if own:
        x, mean, _, _ = span_of(list(own.values()))
        axes.plot(x, mean, color=OWN, linewidth=0.9, label=f"own samples, mean of {len(own)}", gid="own mean")
    if test:
        x, mean, low, high = span_of(list(test.values()))
        axes.fill_between(x, low, high, color=CROWD, alpha=0.15, linewidth=0, label="test images, least to greatest")
        axes.plot(x, mean, color=CROWD, linewidth=2.2, label=f"test images, mean of {len(test)}  {mean[-1]:.3f}", gid="test mean")


def _draw_blocks(strip: "Axes", run: Run, crowd: bool) -> None:
    """A lane a node with a tick a block; a crowd shares one lane."""
    final = by_node(run.of(Final))
    ticks = [[run.seconds(event.t) for event in final.get(name, [])] for name in run.nodes]
    if crowd:
        ticks = [[second for lane in ticks for second in lane]]
    lanes = len(ticks)
    colours = [KEY] if crowd else list(COLOURS[:lanes])
    if lanes:
        alpha = 0.35 if crowd else 1.0
        strip.eventplot(ticks, colors=colours, lineoffsets=list(range(lanes)), linelengths=0.8, linewidths=1.4, alpha=alpha)
    strip.set_ylim(max(lanes, 1) - 0.5, -0.5)
    strip.set_yticks([])
    strip.set_ylabel("blocks", rotation=0, ha="right", va="center")


MARKS = {"restart": (ALARM, ":", "restarts"), "fault": (ALARM, "-", "injected faults"), "resume": (KEY, "-.", "resumed")}
"""Colour, line and name of what disturbs a network."""


def _draw_marks(axes: "Axes", run: Run) -> None:
    """A line where an actor was restarted, a fault injected or the run resumed; what it was stands beside it while they are few."""
    found = marks(run)
    few = len(found) <= MOST_LABELS
    counts = Counter(mark.kind for mark in found)
    for number, mark in enumerate(found):
        colour, style, name = MARKS[mark.kind]
        line = axes.axvline(mark.second, color=colour, linestyle=style, linewidth=1, alpha=1 if few else 0.4)
        first = mark.kind not in (other.kind for other in found[:number])
        line.set_label(f"{name}: {counts[mark.kind]}" if first else "_")
        if few and mark.who:
            # Three heights in turn keep the names of actors that crashed together apart.
            place = (mark.second, 0.03 + 0.17 * (number % 3))
            coordinates = ("data", "axes fraction")
            text = plain(mark.who)
            axes.annotate(text, place, (2, 0), coordinates, "offset points", rotation=90, fontsize=7, color=colour, annotation_clip=False)


def _frame(axes: "Axes", strip: "Axes", run: Run) -> None:
    axes.set_title(plain(run.name))
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, run.elapsed or 1)
    axes.set_yticks(np.linspace(0, 1, 11))
    axes.grid(True, linewidth=0.5, alpha=0.5)
    axes.tick_params(bottom=False, labelbottom=False)
    if run.target is not None:
        axes.axhline(run.target, color=KEY, linestyle="--", linewidth=1, label=f"target {run.target:g}")
    strip.set_xlabel("seconds since the network was ready")
    if not run.of(Trained) and not run.of(Evaluated):
        axes.text(0.5, 0.5, "nothing was measured", transform=axes.transAxes, ha="center", va="center", color=KEY)


def _legend(axes: "Axes") -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, frameon=False, fontsize=8.5)


def plain(text: str, most: int = 160) -> str:
    """Text that matplotlib does not take for a formula, cut to `most` characters."""
    return (text if len(text) <= most else text[: most - 1] + "…").replace("$", r"\$")
