"""Charts as files, for papers and slides: PNG and SVG, drawn by matplotlib.

They show what the page shows without being moved: of the reputations the last moment, of a crowd of nodes faint lines. Accuracy has a
picture of its own, `accuracy.png`: the paper's figures 7 and 8. Matplotlib is imported inside functions, for it takes long; figures are
made without pyplot, so no window system is asked for and no state is left behind. The same chart gives the same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from dfl_actors.core.events import Final
from dfl_actors.errors import StoreError
from dfl_actors.report.canvas import MARKERS, colour_of, ink_on, new_figure, plain
from dfl_actors.report.charts import charts
from dfl_actors.report.charts.chart import FEW, MARK_STYLES, MOST_TEXTS, Bars, Chart, Line, Look, Matrix, OverTime, Panel
from dfl_actors.report.charts.chart import Figure as Shown
from dfl_actors.report.charts.learning import accuracy_figure, fitted
from dfl_actors.report.charts.palette import PICTURE, SCALES
from dfl_actors.report.graph_picture import draw_graph, spread
from dfl_actors.report.load import Run, by_node
from dfl_actors.report.picture_files import save, write_picture
from dfl_actors.report.roles import ALARM, attackers_text, look_of
from dfl_actors.report.series import marks
from dfl_actors.report.summary import summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

MOST_NAMES = 25  # Of more nodes than this a matrix names only some, attackers and observers first.
MOST_MARKERS = 25
ROOM = 1.05  # Of the longest bar, that its axis is long.
MOST_LABELS = 6  # Restarts and faults of which each is named.
NOTHING = np.array([]), np.array([])  # The series of an entry in the legend alone.
DASHES = {"solid": "-", "dot": ":", "dash": "--", "dashdot": "-."}


# --- files


def write_plots(run: Run, directory: Path) -> list[Path]:
    """Write the charts of `run` into `directory`, which is made; a chart without data is left out. Raises StoreError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{directory} cannot be made ({error.strerror}): correct its permissions, or remove what is there") from error
    written = []
    for name, figure in draw_all(run).items():
        for ending in ("png", "svg"):
            written.append(directory / f"{name}.{ending}")
            write_picture(figure, written[-1])
    return written


def plot_accuracy(run: Run, path: Path) -> None:
    """Write the picture of `run` as a PNG to `path`. Raises OSError if it cannot be written."""
    save(draw_accuracy(run), path, "png")


def draw_all(run: Run) -> dict[str, "Figure"]:
    """Every chart that has data, by the name that it has on the page; a run's accuracy always, with its blocks below."""
    drawn = [chart for chart in charts(run, summarise(run)) if chart.figure is not None]
    own = {} if run.simulated else {"accuracy": draw_accuracy(run)}
    return own | {chart.id: draw_chart(run, chart) for chart in drawn if chart.id not in own}


def draw_chart(run: Run, chart: Chart) -> "Figure":
    """The picture of a chart that has a figure."""
    assert chart.figure is not None
    return draw_figure(chart.figure, f"{run.name}: {chart.title}")


def draw_figure(shown: Shown, title: str, scale: float = 1.0) -> "Figure":
    """A chart's figure under a title. `scale` is that of a graph's nodes, which are drawn for seven inches."""
    if isinstance(shown, OverTime):
        return draw_over_time(shown, title)
    if isinstance(shown, Bars):
        return _draw_bars(shown, title)
    if isinstance(shown, Matrix):
        return _draw_matrix(shown, title)
    figure = new_figure(6.6, 6.6)
    axes = figure.subplots()
    draw_graph(axes, shown, scale)
    if axes.get_legend_handles_labels()[1]:  # what attackers do, and who observes
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=3, frameon=False, markerscale=0.5)
    axes.set_title(plain(title))
    axes.set_aspect("equal")
    spread(axes, shown, scale)
    return figure


# --- over time


def draw_over_time(shown: OverTime, title: str, size: tuple[float, float] = (8, 4.8), legend_below: bool = False) -> "Figure":
    """Panels above one another. The legend of each stands beside it, or one for all below."""
    figure = new_figure(*size)
    grid = figure.subplots(len(shown.panels), 1, sharex=True, squeeze=False, height_ratios=[panel.share for panel in shown.panels])
    every: list[Axes] = list(grid[:, 0])
    for axes, panel in zip(every, shown.panels, strict=True):
        _draw_panel(axes, panel)
    _draw_targets(every[0], shown)
    if shown.marks:
        _draw_marks(every[0], shown)
    every[0].set_title(plain(title))
    every[-1].set_xlabel(shown.unit)
    every[-1].set_xlim(0, shown.end or 1)
    if legend_below:
        known = {text: handle for axes in every for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(list(known.values()), list(known), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    else:
        for axes in every:
            _legend(axes)
    return figure


def _draw_panel(axes: "Axes", panel: Panel) -> None:
    for line in panel.lines:
        _draw_line(axes, line)
    for band in panel.bands:
        filled = axes.fill_between(band.seconds, band.low, band.high, color=colour_of(band.colour), alpha=0.15, linewidth=0)
        filled.set_label(band.label or "_")
    axes.set_ylabel(panel.title)
    axes.grid(True, linewidth=0.5, alpha=0.5)
    if panel.log and any(np.nanmax(line.series[1], initial=0) > 0 for line in panel.lines):
        axes.set_yscale("log")
    if panel.counts:
        axes.locator_params(axis="y", integer=True)
    if panel.reach is not None:
        axes.set_ylim(panel.reach)


def _draw_line(axes: "Axes", line: Line) -> None:
    colour, style = colour_of(line.colour), "steps-post" if line.stepped else "default"
    (drawn,) = axes.plot(*line.series, color=colour, linewidth=0.8 if line.thin else line.width, drawstyle=style)
    drawn.set(gid=line.name, linestyle=DASHES[line.dash], alpha=0.4 if line.thin else 1, zorder=2 if line.thin else 3)
    alone = len(line.series[0]) == 1  # No line leads to or from it.
    if not line.thin:
        drawn.set_label(line.label or plain(line.name, 28))
        face = "white" if line.hollow else colour
        drawn.set(marker=MARKERS.get(line.symbol, "o" if alone else ""), markersize=0.65 * line.symbol_size, markerfacecolor=face)
        drawn.set_markevery(max(len(line.series[0]) // MOST_MARKERS, 1))
    elif alone:
        drawn.set(marker="o", markersize=0.4 * line.symbol_size)


def _draw_targets(axes: "Axes", shown: OverTime) -> None:
    for target in shown.targets:
        axes.axhline(target, color=colour_of("@muted"), linestyle="--", linewidth=1, label=f"target {target:g}")


def _legend(axes: "Axes") -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, frameon=False, fontsize=8.5)


# --- accuracy


def draw_accuracy(run: Run) -> "Figure":
    """Accuracy over time: first axes the accuracies, second axes the blocks.

    Two measures of one model: on the test samples, each node thin and the mean of the honest thick with a band from the worst to the best;
    and dotted, the mean on the samples that nodes themselves received (rises first and drops when models are merged). Lines mark restarts
    and injected faults; below, a strip shows where each node finalised a block. Up to ten nodes have a colour each; more are a crowd.
    """
    crowd, shown = len(run.nodes) > FEW, accuracy_figure(run, marks(run))
    figure, (test, own) = new_figure(10, 5.5), shown.panels
    lanes = 0.35 if crowd else 0.09 * len(run.nodes) + 0.16
    axes, strip = figure.subplots(2, 1, sharex=True, height_ratios=[5, lanes])
    lines = [*_own_line(own), *_test_lines(run, test)]
    reach = fitted([*(line.series[1] for line in lines if len(line.series[1])), *(np.array([target]) for target in shown.targets)])
    _draw_panel(axes, Panel(title=run.score, lines=lines, bands=test.bands, reach=reach))
    _draw_blocks(strip, run, crowd)
    _draw_marks(axes, shown)
    _draw_targets(axes, shown)
    axes.set_title(plain(run.name))
    axes.set(xlim=(0, shown.end or 1))
    axes.tick_params(bottom=False, labelbottom=False)
    strip.set_xlabel(shown.unit)
    if not lines:
        axes.text(0.5, 0.5, "nothing was measured", transform=axes.transAxes, ha="center", va="center", color=colour_of("@muted"))
    _legend(axes)
    return figure


def _own_line(own: Panel) -> Iterator[Line]:
    """The mean on own samples, or the one line that there is."""
    for line in own.lines[-1:]:
        look = {"colour": "@muted", "dash": "dot", "width": 1.4, "symbol": "", "thin": False}
        yield msgspec.structs.replace(line, name="own mean", label=f"{line.label if line.node is None else 'dotted'}, own samples", **look)


def _test_lines(run: Run, test: Panel) -> Iterator[Line]:
    """Few nodes with the last value of each; attackers of a crowd with one entry in the legend."""
    for line in test.lines:
        last = f"{line.series[1][-1]:.3f}" if len(line.series[1]) else "-"
        if line.node is None:
            yield msgspec.structs.replace(line, name="test mean", label=f"{line.label}  {last}")
        else:
            label = f"node {plain(line.label or line.name, 40 if line.label else 28)}  {last}"
            yield msgspec.structs.replace(line, name=f"test {line.name}", label=label)
    if len(run.nodes) > FEW and run.attacks:
        yield Line(name="attackers", series=NOTHING, colour=ALARM, dash="dash", width=0.9, label=attackers_text(run))


def _draw_blocks(strip: "Axes", run: Run, crowd: bool) -> None:
    """A lane a node with a tick a block; a crowd shares one lane."""
    final = by_node(run.of(Final))
    ticks = [[run.seconds(event.t) for event in final.get(name, [])] for name in run.nodes]
    if crowd:
        ticks = [[second for lane in ticks for second in lane]]
    lanes = len(ticks)
    colours = [colour_of("@muted")] if crowd else [colour_of(look_of(run, name).colour) for name in run.nodes]
    if lanes:
        alpha = 0.35 if crowd else 1.0
        strip.eventplot(ticks, colors=colours, lineoffsets=list(range(lanes)), linelengths=0.8, linewidths=1.4, alpha=alpha)
    strip.set_ylim(max(lanes, 1) - 0.5, -0.5)
    strip.set_yticks([])
    strip.set_ylabel("blocks", rotation=0, ha="right", va="center")


def _draw_marks(axes: "Axes", shown: OverTime) -> None:
    """A line where something disturbed the network; what it was stands beside it while they are few."""
    few = len(shown.marks) <= MOST_LABELS
    left = Counter(mark.kind for mark in shown.marks)
    for number, mark in enumerate(shown.marks):
        name, _, token, dash = MARK_STYLES[mark.kind]
        line = axes.axvline(mark.second, color=colour_of(token), linestyle=DASHES[dash], linewidth=1, alpha=1 if few else 0.4)
        count = left.pop(mark.kind, 0)
        line.set_label(f"{name}{'s' * (mark.kind != 'resume')}: {count}" if count else "_")
        if few and mark.who:
            # Three heights in turn keep the names of actors that crashed together apart.
            place, who = (mark.second, 0.03 + 0.17 * (number % 3)), plain(mark.who)
            text = axes.annotate(who, place, (2, 0), ("data", "axes fraction"), "offset points", annotation_clip=False)
            text.set(rotation=90, fontsize=7, color=colour_of(token))


# --- bars and matrices


def _draw_bars(shown: Bars, title: str) -> "Figure":
    """Stacked bars: a bar for each row, a colour for each part."""
    count, flat = len(shown.names), shown.flat
    figure = new_figure(8 if flat else min(max(0.3 * count + 3, 6), 16), max(0.24 * count + 1.6, 3.2) if flat else 4.6)
    axes = figure.subplots()
    _stack_bars(axes, shown)
    axes.set_title(plain(title))
    _legend(axes)
    return figure


def _stack_bars(axes: "Axes", shown: Bars) -> None:
    count, flat = len(shown.names), shown.flat
    names, begun = [plain(name, 72) for name in shown.names], np.zeros(count)
    draw = axes.barh if flat else axes.bar
    for part in shown.parts:
        draw(range(count), part.values, 0.8, begun, color=colour_of(part.colour), label=part.name, edgecolor="white", linewidth=0.5)
        begun = begun + part.values
    reach = (0, ROOM * begun.max(initial=0) or 1)  # A part of no length at the end of a bar would leave no room beyond it.
    if flat:
        axes.set_yticks(range(count), names, fontsize=8)
        axes.set(xlim=reach, ylim=(count - 0.4, -0.6), xlabel=shown.unit)
    else:
        axes.set_ylim(reach)
        axes.set_xticks(range(count), names, fontsize=8, **_turned(names))
        axes.set_ylabel(shown.unit)
    _redden(axes.yaxis if flat else axes.xaxis, shown.looks)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, axis="x" if flat else "y", linewidth=0.5, alpha=0.5)
    axes.set_axisbelow(True)


def _turned(names: Sequence[str]) -> dict[str, Any]:
    """How names stand side by side below an axis: long ones end at what they name."""
    return {} if max(map(len, names)) <= 3 else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}


def _redden(axis: "Axis", looks: Sequence[Look | None]) -> None:
    """The names of attackers on an axis."""
    for text, look in zip(axis.get_ticklabels(), looks, strict=False):
        if look is not None and look.attacks:
            text.set_color(colour_of(look.colour))


def spaced(odd: Sequence[bool], apart: float, least: float) -> list[int]:
    """Which names of many stand on an axis: of nodes that are not like others those that are `least` rows from each other, and of the
    others those that are `apart` from each."""
    taken: list[int] = []
    for first, gap in ((True, least), (False, apart)):
        for place, its in enumerate(odd):
            if its == first and all(abs(place - other) >= gap for other in taken):
                taken.append(place)
    return sorted(taken)


def _draw_matrix(shown: Matrix, title: str) -> "Figure":
    """The last frame, with what stands below it."""
    if shown.below is None:
        figure = new_figure(6.6, 6)
        axes = figure.subplots()
    else:
        rows = 0.22 * len(shown.below.names) + 0.7
        figure = new_figure(7.6, 6 + rows)
        axes, bars = figure.subplots(2, 1, height_ratios=[6, rows])
        _stack_bars(bars, shown.below)
        bars.legend(loc="lower right", frameon=False, fontsize=8)
    _fill_matrix(axes, shown)
    axes.set_title(plain(title + (f", after {shown.moments[-1]}" if shown.moments else "")))
    return figure


def _fill_matrix(axes: "Axes", shown: Matrix) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    scale = LinearSegmentedColormap.from_list("", SCALES["light"][shown.colours.removeprefix("@")])
    image = axes.imshow(shown.frames[-1], cmap=scale, vmin=0, vmax=shown.most)
    names, apart = [plain(name) for name in shown.labels], len(shown.looks) / MOST_NAMES
    places = spaced([bool(look is not None and look.said) for look in shown.looks], apart, apart / 2)
    some = [names[place] for place in places]
    axes.set_xticks(places, some, fontsize=8, **_turned(names))
    axes.set_yticks(places, some, fontsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        _redden(axis, [shown.looks[place] for place in places])
    axes.set_ylabel(shown.sides[0])
    axes.set_xlabel(shown.sides[1])
    axes.set_facecolor(PICTURE["empty"])
    if len(names) <= MOST_TEXTS:
        for (row, column), value in np.ndenumerate(shown.frames[-1]):
            text = "" if value != value else f"{value:.{shown.decimals}f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=ink_on(scale(value / shown.most)))
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
