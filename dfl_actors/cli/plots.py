"""`--plot FILE` and `--paper`, as several commands have them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfl_actors.errors import ConfigError
from dfl_actors.files import check_free

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dfl_actors.report.paper import Draw

Paper = Annotated[bool, typer.Option("--paper", help="Draw for a paper: PDF and SVG, a column and a page wide, a file for each panel.")]


def check_plot(plot: Path | None, paper: bool, force: bool) -> None:
    """Raises `DflError` for a picture that cannot be."""
    from dfl_actors.report.paper import paper_kinds
    from dfl_actors.report.picture_files import picture_format

    if plot is None:
        if paper:
            raise ConfigError("--paper says how a picture is drawn: give --plot FILE as well")
    elif paper:
        paper_kinds(plot)
    else:
        picture_format(plot)
        check_free(plot, force)


def write_plot(
    plot: Path, draw: "Callable[[], Figure]", panels: "Callable[[], Mapping[str, Draw]]", paper: bool, force: bool
) -> list[Path]:
    """The picture, or with `paper` its panels; which files that are. Raises `DflError`."""
    from dfl_actors.report.paper import paper_kinds, write_paper
    from dfl_actors.report.picture_files import write_picture

    if paper:
        stem, kinds = paper_kinds(plot)
        return write_paper(panels(), stem.parent, stem.name, kinds, force=force)
    write_picture(draw(), plot)
    return [plot]
