"""What a picture in a paper is, said once: PDF and SVG, as wide as a column and as a page, letters of 8 points, a file for each panel.

There is no title, for the caption is the paper's. Fonts are embedded in a PDF as TrueType (Type 42), which journals ask for; in an SVG
letters are outlines, since a file cannot rely on the fonts of whoever opens it. Colours are told apart by the colour-blind (Okabe and Ito),
and curves and bars without any colour: by signs, dashes and hatches. Attackers are dashed and red, as everywhere, and have hollow signs.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from dfl_actors.errors import ConfigError
from dfl_actors.files import check_free, explained
from dfl_actors.learning.score import MEASURES
from dfl_actors.report.canvas import plain
from dfl_actors.report.charts import charts
from dfl_actors.report.charts.chart import SYMBOLS, Bars, Dot, Figure, Graph, Line, Matrix, OverTime, Panel
from dfl_actors.report.charts.learning import THICK
from dfl_actors.report.charts.palette import PICTURE
from dfl_actors.report.graph_picture import frame, spread
from dfl_actors.report.load import Run
from dfl_actors.report.picture_files import write_picture
from dfl_actors.report.pictures import draw_figure, spaced
from dfl_actors.report.roles import ALARM
from dfl_actors.report.summary import summarise
from dfl_actors.report.table import name_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

WIDTHS = {"column": 3.4, "page": 7.0}  # Inches.
KINDS = ("pdf", "svg")
POINTS = 8
STYLE: Any = {
    "font.family": "DejaVu Sans",  # Matplotlib brings it: a picture is the same on every machine.
    "font.size": POINTS,
    "axes.labelsize": POINTS,
    "xtick.labelsize": POINTS,
    "ytick.labelsize": POINTS,
    "axes.linewidth": 0.6,
    "axes.grid": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}
DASHES = ("solid", "dot", "dashdot")  # Of curves; "dash" is an attacker's.
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\", "++++")  # Of the parts of bars.
LINE, MARKER, MARKERS = 1.2, 3.5, 8  # Points that a curve is wide at most and a sign large; signs on a curve.
LETTER = 0.63  # Of its height a letter is wide in the mean.
HANDLE = 34  # Points that an entry of a legend takes besides its text.
KINDS_OF_NODE = 3  # Of more signs than there are kinds of nodes each is a node's.
BESIDE, BELOW = 0.95, 0.5  # Inches beside a matrix, its names apart, and below it.
LEAST_SIDE = 0.8  # Inches of a matrix whose names leave no more.
MOST_BESIDE, LEAST_LETTERS = 0.33, 5  # Of the width that names beside a matrix take, cut to so many letters at least.
FLAT, SLOPE = 3, 0.71  # Letters of a name that lies flat below it; how high of its length another one is.
UPRIGHT, MOST_UPRIGHT = 90, 0.35  # Degrees of a text that says what happened, and how much of a panel's height it takes.
SQUARE = 4.2  # Inches that a matrix or a graph is wide and high at most.
LEGEND_LINE = 0.17  # Inches that a line of a legend is high.
MOST_LEGEND = 0.5  # Of a panel's height that its legend takes, if its texts can be cut so far.
CUTS = (48, 36, 28, 22, 18, 14, 11)  # Letters to which they are cut.
OURS = 24  # Letters of the longest text that names nothing of a user's.
NAMED, UNNAMED = 0.25, 0.08  # Of the space of nodes, beside the outermost that have names, and that have none.
MOST_NAMES = 30  # Nodes whose names fit into a graph as wide as a column.

Draw = Callable[[float], "Drawing"]
"""Draws a panel so many inches wide."""


# --- files


def paper_kinds(path: Path) -> tuple[Path, tuple[str, ...]]:
    """What the files begin with, and their kinds: those of the name's ending, both where it has none. Raises `ConfigError` for another."""
    ending = path.suffix.removeprefix(".").lower()
    if ending in KINDS:
        return path.with_suffix(""), (ending,)
    if path.suffix:
        raise ConfigError(f"--plot {path}: pictures for a paper are PDF and SVG; end the name in .pdf or .svg, or give none for both")
    return path, KINDS


def write_paper(
    panels: Mapping[str, Draw], folder: Path, begin: str = "", kinds: Sequence[str] = KINDS, *, force: bool = False
) -> list[Path]:
    """Write each panel, by its name, as `BEGIN-PANEL-WIDTH.KIND`, in every width. Raises `StoreError`, before anything is written where a
    file is there already and `force` is not given."""
    import matplotlib

    files = {
        (name, width): [folder / f"{'-'.join(filter(None, [begin, name, width]))}.{kind}" for kind in kinds]
        for name in panels
        for width in WIDTHS
    }
    written = [path for each in files.values() for path in each]
    for path in written:
        check_free(path, force)
    with matplotlib.rc_context(STYLE):
        for (name, width), paths in files.items():
            figure = panels[name](WIDTHS[width])
            for path in paths:
                write_picture(figure, path)
    return written


def write_run(run: Run, folder: Path) -> list[Path]:
    """Every chart of a run or a simulation into a folder, which is made. Raises `StoreError`."""
    return write_into(folder, run_panels(run))


def write_into(folder: Path, panels: Mapping[str, Draw]) -> list[Path]:
    """Panels into a folder, which is made; what is there is replaced. Raises `StoreError`."""
    with explained(f"{folder} cannot be made", "correct its permissions, or remove what is there"):
        folder.mkdir(parents=True, exist_ok=True)
    return write_paper(panels, folder, force=True)


# --- panels


def run_panels(run: Run) -> dict[str, Draw]:
    """The panels of every chart that has a figure, by the name that the chart has on the page, and their own."""
    shown = [chart for chart in charts(run, summarise(run)) if chart.figure is not None]
    found = {chart.id: panels_of(chart.figure, chart.title.partition(":")[0], run.score) for chart in shown if chart.figure is not None}
    return {"-".join(filter(None, [name, panel])): draw for name, panels in found.items() for panel, draw in panels.items()}


def panels_of(shown: Figure, values: str = "", score: str = "accuracy") -> dict[str, Draw]:
    """The panels of a chart: those of an OverTime by what they show, anything else is one without a name. `values` is what colours mean."""
    if isinstance(shown, Matrix) and shown.below is not None:
        return {"": partial(_drawn, msgspec.structs.replace(shown, below=None), values), "sums": partial(_drawn, shown.below, values)}
    if not isinstance(shown, OverTime):
        return {"": partial(_drawn, shown, values)}
    several, kept = len(shown.panels) > 1, [panel for panel in shown.panels if any(len(line.series[0]) for line in panel.lines)]
    panels = [_told_apart(panel, score) for panel in kept]
    marked = [msgspec.structs.replace(shown, panels=[panel], targets=() if place else shown.targets) for place, panel in enumerate(panels)]
    names = slugs([panel.title for panel in kept]) if several else [""] * len(kept)
    return {name: partial(_drawn, one, values) for name, one in zip(names, marked, strict=True)}


def slug(text: str) -> str:
    """A file's name of a panel's title, without what nearly all panels are of."""
    text = re.sub(rf"^({'|'.join(MEASURES)})[, ]+", "", text)
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def slugs(titles: Sequence[str]) -> list[str]:
    """The same of several, all different."""
    found: list[str] = []
    for name in map(slug, titles):
        again = (f"{name}-{number}" for number in count(2))
        found.append(name if name not in found else next(other for other in again if other not in found))
    return found


def _told_apart(panel: Panel, score: str) -> Panel:
    """Curves that differ without colour, and an axis that says what is on it."""
    title = f"{score} {panel.title}" if panel.title.startswith("on ") else panel.title
    return msgspec.structs.replace(panel, lines=list(_signed(panel.lines)), title=title)


def _signed(lines: Sequence[Line]) -> Iterator[Line]:
    place, looks = 0, set[tuple[str, str]]()
    for line in lines:
        label = f"node {plain(line.label or line.name, 40)}" if line.node else line.label
        if line.thin or not len(line.series[0]):
            yield line
            continue
        attacks = line.colour == ALARM
        kept = attacks or line.dash != "solid" or line.width >= THICK  # A mean that stands out is drawn through.
        dash = line.dash if kept else DASHES[place % len(DASHES)]
        signs = (line.symbol, *SYMBOLS[place % len(SYMBOLS) :], *SYMBOLS)
        symbol = next((sign for sign in signs if sign and (sign, dash) not in looks), SYMBOLS[0])
        looks.add((symbol, dash))
        yield msgspec.structs.replace(line, label=label, symbol=symbol, dash=dash, hollow=line.hollow or attacks)
        place += 1


# --- a panel


def _drawn(shown: Figure, values: str, width: float) -> "Drawing":
    """It, so many inches wide."""
    if isinstance(shown, Matrix):
        # One hue, darker where there is more: the other is two, and grey is one.
        shown = msgspec.structs.replace(shown, labels=within(shown.labels, MOST_BESIDE * width), colours="@scale")
    if isinstance(shown, Graph):
        shown = msgspec.structs.replace(shown, dots=list(_plain_dots(shown)))
    if isinstance(shown, Bars) and shown.flat:
        half = int(72 * width / 2 / (LETTER * POINTS))  # Names that are sentences leave half of the width to the bars.
        shown = msgspec.structs.replace(shown, names=["\n".join(wrap(name, half)) for name in shown.names])
    height = _height(shown, width)
    scale = min(width, SQUARE) / WIDTHS["page"]
    figure = draw_figure(shown, "", scale)
    if isinstance(shown, Matrix):
        figure.set_layout_engine("compressed")
    if isinstance(shown, Graph) and len(shown.dots) > MOST_NAMES and width < WIDTHS["page"]:
        for text in list(figure.axes[0].texts):
            text.remove()
        frame(figure.axes[0], shown, UNNAMED)
    finished(figure, width, height, values)
    if isinstance(shown, Graph):
        spread(figure.axes[0], shown, scale)
    return figure


def _plain_dots(graph: Graph) -> Iterator[Dot]:
    """Names need no sign of their own beside them: circles, and squares for attackers."""
    many = graph.names_inside and len({dot.symbol for dot in graph.dots}) > KINDS_OF_NODE
    for dot in graph.dots:
        yield msgspec.structs.replace(dot, symbol="square" if dot.colour == ALARM else "circle") if many else dot


def _height(shown: Figure, width: float) -> float:
    if isinstance(shown, Bars):
        lines = max((name.count("\n") + 1 for name in shown.names), default=1)
        return (0.06 + 0.13 * lines) * len(shown.names) + 0.8 if shown.flat else 2.2
    if isinstance(shown, Matrix):
        flat = max(map(len, shown.labels), default=0) <= FLAT
        return _side(shown.labels, width) + BELOW + (0 if flat else inches(shown.labels) * SLOPE)
    if isinstance(shown, Graph):
        x, y = np.abs(np.array(list(shown.places.values()))).max(axis=0) + NAMED
        return min(width, SQUARE) * min(float(y / x), 1.0)
    return 2.2 if width < WIDTHS["page"] else 2.6


def _side(labels: Iterable[str], width: float) -> float:
    """Inches that a matrix is wide and high, with these names beside it."""
    return max(min(width, SQUARE) - inches(labels) - BESIDE, LEAST_SIDE)


def finished(figure: "Drawing", width: float, height: float, values: str = "", *, hatched: bool = True) -> "Drawing":
    """A picture made one for a paper: so large, without titles, in its letters and its strokes; its legend stands below. `hatched`: so the
    parts of bars are told apart."""
    from matplotlib.text import Text

    every: list[Axes] = list(figure.axes)
    for axes in every:
        for side in ("left", "center", "right"):
            axes.set_title("", loc=side)
        _strokes(axes, width / WIDTHS["page"], hatched)
        _texts(axes, width, height)
        _ticks(axes, width, height)
        if axes.get_label() == "<colorbar>":
            axes.set_ylabel(values.lower())
    rows = _legend(figure, every, width, MOST_LEGEND * height)
    figure.set_size_inches(width, height + LEGEND_LINE * rows)
    for text in figure.findobj(Text):
        text.set_fontsize(POINTS)
    return figure


def _strokes(axes: "Axes", share: float, hatched: bool) -> None:
    """Curves, links and bars, of which links are as much thinner as the picture is smaller."""
    from matplotlib.collections import LineCollection

    for links in axes.findobj(LineCollection):
        links.set_linewidth([share * float(width) for width in np.atleast_1d(links.get_linewidth())])
    for place, line in enumerate(axes.get_lines()):
        line.set_linewidth(min(0.6 * line.get_linewidth(), LINE) if line.get_alpha() == 1 else 0.5)
        line.set_markersize(MARKER)
        points = len(line.get_xdata())  # type: ignore[arg-type]
        every = max(points // MARKERS, 1)
        line.set_markevery((place * every // 4 % every, every))
        line.set_clip_on(not _inside(axes, *line.get_data()))  # A sign on the frame is whole.
    for place, bars in enumerate(axes.containers if hatched else ()):
        for bar in bars.patches if hasattr(bars, "patches") else ():
            bar.set_hatch(HATCHES[place % len(HATCHES)])


def _inside(axes: "Axes", x: Any, y: Any) -> bool:
    """Whether all of a curve lies within the frame."""
    there = [(np.asarray(values, float), sorted(ends)) for values, ends in ((x, axes.get_xlim()), (y, axes.get_ylim()))]
    return all(bool(np.all(np.isnan(values) | ((least <= values) & (values <= most)))) for values, (least, most) in there)


def _texts(axes: "Axes", width: float, height: float) -> None:
    """Without the numbers of cells that are too small for them; what stands upright in a panel takes no room from it."""
    for text in axes.texts:
        if text.get_rotation() == UPRIGHT:
            text.set(text=plain(within([text.get_text().replace(r"\$", "$")], MOST_UPRIGHT * height)[0]), in_layout=False)
    if axes.images and axes.texts:
        columns = np.asarray(axes.images[0].get_array()).shape[1]
        side = _side([text.get_text() for text in axes.get_yticklabels()], width)
        if inches(text.get_text() for text in axes.texts) > 0.95 * side / columns:
            for text in list(axes.texts):
                text.remove()


def _ticks(axes: "Axes", width: float, height: float) -> None:
    """As many names on each axis as there is room for."""
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    side = _side([text.get_text() for text in axes.get_yticklabels()], width) if axes.images else 0.75 * width
    for axis, room in ((axes.xaxis, side), (axes.yaxis, 0.8 * height)):
        texts = [text for text in axis.get_ticklabels() if text.get_text()]
        names = [text.get_text() for text in texts]
        if names and isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter):
            lying = axis is axes.xaxis and texts[0].get_rotation() == 0
            each = 72 * inches(names) + POINTS / 2 if lying else 1.25 * POINTS
            colours = [text.get_color() for text in texts]
            step = ceil(len(names) * each / (72 * room))
            some = spaced([colour == PICTURE["alarm"] for colour in colours], step, step)
            axis.set_ticks([axis.get_ticklocs()[place] for place in some], [names[place] for place in some])
            for text, place in zip(axis.get_ticklabels(), some, strict=False):
                text.set_color(colours[place])
            if axis is axes.xaxis and not lying:
                for text in axis.get_ticklabels():
                    text.set(ha="right", rotation_mode="anchor")


def inches(texts: Iterable[str]) -> float:
    """How wide the widest line of these texts is."""
    return max((_inches(line) for text in texts for line in text.replace(r"\$", "$").splitlines()), default=0.0)


@lru_cache(maxsize=4096)
def _inches(line: str) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=STYLE["font.family"], size=POINTS)
    return float(text_to_path.get_text_width_height_descent(line, font, False)[0]) / 72


def within(names: Sequence[str], width: float) -> list[str]:
    """The names, cut in the middle as far as they must be to be so many inches wide."""
    for letters in range(max(map(len, names), default=0), LEAST_LETTERS, -1):
        if inches(name_text(name, letters) for name in names) <= width:
            return [name_text(name, letters) for name in names]
    return [name_text(name, LEAST_LETTERS) for name in names]


def _wide(texts: Sequence[str], columns: int) -> float:
    """Inches that a legend of so many columns takes, which are filled one after the other."""
    filled = np.array_split(np.array([inches([text]) + HANDLE / 72 for text in texts]), columns)
    return float(sum(column.max() for column in filled))


def _legend(figure: "Drawing", every: Sequence["Axes"], width: float, most: float) -> int:
    """One legend below for all, if it can be no more than `most` inches high; how many rows it has."""
    known = {text: handle for axes in every for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    for axes in every:
        if (old := axes.get_legend()) is not None:
            old.remove()
    for legend in list(figure.legends):
        legend.remove()
    if len(known) < 2 and not any(axes.collections for axes in every):
        return 0  # One curve is what the axis says.
    texts = _brief(list(known), width, most)
    look = {"frameon": False, "handlelength": 2.4, "columnspacing": 1.0}
    figure.legend(list(known.values()), texts, loc="outside lower center", ncols=_columns(texts, width), **look)
    return _rows(texts, width)


def _brief(texts: Sequence[str], width: float, most: float) -> list[str]:
    """The texts of a legend, cut as far as it must be to be no higher than that, and as they still differ: below names first."""
    names = [text.partition("\n")[0] for text in texts]
    if LEGEND_LINE * _rows(texts, width) > most and len(set(names)) == len(texts):
        texts = names
    found = list(texts)
    for letters in CUTS:
        brief = ["\n".join(_cut(line.replace(r"\$", "$"), letters) for line in text.splitlines()) for text in texts]
        if LEGEND_LINE * _rows(found, width) <= most or len(set(brief)) < len(texts):
            break
        found = brief
    return found


def _cut(line: str, letters: int) -> str:
    """What is longer than our own words, which are never cut."""
    return plain(name_text(line, letters) if len(line) > OURS else line)


def _columns(texts: Sequence[str], width: float) -> int:
    return next((some for some in range(len(texts), 1, -1) if _wide(texts, some) <= width), 1)


def _rows(texts: Sequence[str], width: float) -> int:
    return ceil(len(texts) / _columns(texts, width)) * max((text.count("\n") + 1 for text in texts), default=1)
