"""`dfl-actors report`: a run as one page, and its charts as files."""

from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.files import REMEDY, check_free, whole


def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a run or a simulation, over or not.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page [default: DIR/report.html].")] = None,
    plots: Annotated[bool, typer.Option("--plots", help="Write each chart as PNG and SVG into DIR/plots too.")] = False,
    paper: Annotated[
        bool, typer.Option("--paper", help="Write each chart for a paper into DIR/plots/paper: PDF and SVG, a column and a page wide.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there. DIR/report.html always is.")] = False,
) -> None:
    """Make one HTML page of a run, or of a simulation, which any browser opens."""
    from dfl_actors.config.toml_text import counted
    from dfl_actors.report.page.chains import VERIFYING, most_blocks, wrong_chains
    from dfl_actors.report.page.page import page
    from dfl_actors.report.runs.listing import held_since, load_measured
    from dfl_actors.report.table import size_text
    from dfl_actors.runtime.examined import examine_all, has_chains
    from dfl_actors.runtime.rundir import RunDirectory
    from dfl_actors.sim.about import is_simulation

    place = RunDirectory(directory) if is_simulation(directory) else RunDirectory.open(directory)
    path = directory / "report.html" if out is None else out
    if out is not None:
        check_free(out, force)
    run = load_measured(directory)
    chains = examine_all(place, tuple(run.nodes), most_blocks(len(run.nodes)), VERIFYING) if has_chains(place, run.nodes) else ()
    with whole(path, "name another place with --out" if out is None else REMEDY) as draft:
        draft.write_text(page(run, held_since(place), chains), encoding="utf-8")
    for text in wrong_chains(chains):
        typer.echo(text, err=True)
    typer.echo(f"{path}: {size_text(path.stat().st_size)}")
    if plots:
        from dfl_actors.report.pictures import write_plots

        written = write_plots(run, directory / "plots")
        typer.echo(f"{directory / 'plots'}: {len(written)} pictures of {counted(len(written) // 2, 'chart')}")
    if paper:
        from dfl_actors.report.paper import write_run

        written = write_run(run, directory / "plots" / "paper")
        typer.echo(f"{directory / 'plots' / 'paper'}: {len(written)} pictures for a paper")
