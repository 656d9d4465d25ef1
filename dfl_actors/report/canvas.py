"""What every picture needs: an empty figure, colours and signs, and texts as matplotlib takes them."""

from typing import TYPE_CHECKING

from dfl_actors.report.charts.chart import SYMBOLS, cut
from dfl_actors.report.charts.palette import PICTURE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = dict(zip(SYMBOLS, ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*"), strict=True))


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, its size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(text: str, most: int = 160) -> str:
    """Text that matplotlib does not take for a formula, cut to `most` characters."""
    return cut(text, most).replace("$", r"\$")


def colour_of(token: str) -> str:
    """A chart's colour in pictures, in which what is faint is so by its transparency."""
    return PICTURE[token.removeprefix("@").removesuffix("faint").removesuffix("band")]
