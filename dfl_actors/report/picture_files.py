"""Pictures as files: PNG, SVG or PDF, by their names. Fonts are embedded in a PDF as TrueType, which journals ask for."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from dfl_actors.errors import ConfigError
from dfl_actors.files import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
UNDATED = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}  # The same chart gives the same bytes.


def picture_format(path: Path) -> str:
    """`png`, `svg` or `pdf`, from the name of the file. Raises ConfigError for another."""
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise ConfigError(f"--plot {path}: a plot is a PNG, an SVG or a PDF; give a name that ends in .png, .svg or .pdf")
    return ending


def save(figure: "Figure", path: Path, kind: str) -> None:
    """Write the picture as `kind`, one of `FORMATS`, to `path`. Raises OSError if it cannot be written."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "dfl-actors", "pdf.fonttype": 42}), warnings.catch_warnings():
        # A sign that the font lacks becomes a box; that is no news for the terminal.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(path, dpi=150, format=kind, metadata=UNDATED[kind])


def write_picture(figure: "Figure", path: Path) -> None:
    """Write the picture in the format of the name's ending. Raises `DflError`."""
    kind = picture_format(path)
    with whole(path) as draft:
        save(figure, draft, kind)
