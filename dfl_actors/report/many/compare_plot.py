"""Two runs in one picture: accuracy on the test images over time, a colour a run.

The mean of a run's nodes is a thick line, and a band goes from its least to its most accurate node. Both begin when every node has been
measured, for a mean of whoever happened to be first would jump. Up to ten nodes have a thin line each; more would hide the rest.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfl_actors.errors import ConfigError
from dfl_actors.files import check_free, whole
from dfl_actors.report.load import Evaluated, Run
from dfl_actors.report.plots import COLOURS, KEY, MARKERS, plain, series_of, span_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
POINTS = 12
"""Markers on a run's mean, which tell the two apart without colour."""


def check_picture(path: Path, force: bool) -> None:
    """Raises `DflError` if no picture can become `path`."""
    if path.suffix.removeprefix(".").lower() not in FORMATS:
        raise ConfigError(f"--plot {path}: the name must end in {' or '.join(f'.{ending}' for ending in FORMATS)}")
    check_free(path, force)


def plot_comparison(a: Run, b: Run, path: Path) -> None:
    """Write the picture to `path`, as PNG or SVG by its ending. Raises StoreError."""
    figure = draw_comparison(a, b)
    with whole(path) as draft:
        figure.savefig(draft, dpi=150, format=path.suffix.removeprefix(".").lower())


def draw_comparison(a: Run, b: Run) -> "Figure":
    """The picture of two runs. Matplotlib is imported here, for it takes long."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, (label, run) in enumerate(labels(a, b).items()):
        _draw(axes, run, label, COLOURS[place], MARKERS[place])
    _frame(axes, a, b)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def labels(a: Run, b: Run) -> Mapping[str, Run]:
    """The runs by the names of their directories; by their paths where those are the same."""
    names = [run.path.resolve().name for run in (a, b)]
    if names[0] == names[1]:
        names = [str(run.path.resolve()) for run in (a, b)]
    return dict(zip(names, (a, b), strict=True))


def _draw(axes: "Axes", run: Run, label: str, colour: str, marker: str) -> None:
    nodes = series_of(run, run.of(Evaluated))
    if not nodes:
        axes.plot([], [], color=colour, label=f"{plain(label)}\nnothing was measured")
        return
    last = [y[-1] for _, y in nodes.values()]
    for name, (x, y) in nodes.items() if len(nodes) <= len(COLOURS) else ():
        axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.5, gid=f"{label} node {name}")
    span = span_of(list(nodes.values()))
    x, mean, low, high = (values[span[0] >= max(x[0] for x, _ in nodes.values())] for values in span)
    if len(nodes) > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    (line,) = axes.plot(x, mean, color=colour, linewidth=2.2, marker=marker, markersize=6, gid=label, zorder=3)
    line.set_markevery(max(len(x) // POINTS, 1))
    line.set_label(f"{plain(label)}\nmean {np.mean(last):.3f}, lowest {min(last):.3f} of {len(last)}")


def _frame(axes: "Axes", a: Run, b: Run) -> None:
    axes.set_title(plain(a.name if a.name == b.name else f"{a.name} and {b.name}"))
    axes.set_xlabel("seconds since the network was ready")
    axes.set_ylabel("accuracy on the test images")
    axes.set_xlim(0, max(a.elapsed, b.elapsed) or 1)
    axes.set_ylim(0, 1.02)
    axes.set_yticks(np.linspace(0, 1, 11))
    axes.grid(True, linewidth=0.5, alpha=0.5)
    for target in sorted({run.target for run in (a, b) if run.target}):
        axes.axhline(target, color=KEY, linestyle="--", linewidth=1, label=f"target {target:g}")
    axes.plot([], [], color=KEY, linewidth=2.2, label="mean of the nodes")
    axes.fill_between([], [], [], color=KEY, alpha=0.2, linewidth=0, label="from the least to the most accurate")
