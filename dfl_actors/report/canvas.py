"""What every picture needs: an empty figure, colours and signs, and texts as matplotlib takes them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dfl_actors.report.charts.chart import SYMBOLS, cut
from dfl_actors.report.charts.palette import PICTURE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = dict(zip(SYMBOLS, ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*"), strict=True))

DARK = 0.179  # The luminance that has the same contrast with white as with black.


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


def ink_on(ground: Sequence[float]) -> str:
    """What is read better on a colour (red, green and blue, 0..1): white or black."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in ground[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]  # relative, as WCAG 2.1 defines it
    return "white" if luminance < DARK else "black"
