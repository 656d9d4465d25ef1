"""`dfl-actors runs`: list, compare, export and delete runs."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.files import check_free

app = typer.Typer(help="List the runs; compare, export and delete them.", invoke_without_command=True)

DIRECTORIES = (Path("runs"), Path("sims"))

Where = Annotated[Path | None, typer.Option("--dir", metavar="DIR", help="The directory that holds the runs [default: runs and sims].")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


@app.callback()
def runs(
    context: typer.Context,
    directory: Where = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, newest first.")] = False,
) -> None:
    """List the runs, newest first: state, nodes, accuracy on the test samples (of the least accurate node, and the mean), blocks, size."""
    context.obj = directory
    if context.invoked_subcommand is None:
        show(places(directory, None), json)
    elif json:
        raise ConfigError(f"--json is for the list here: put it behind `runs {context.invoked_subcommand}`, if that has it")


def places(*given: Path | None) -> tuple[Path, ...]:
    """Where to look for runs: in the first directory that is given, else in the usual ones."""
    named = next((directory for directory in given if directory is not None), None)
    return DIRECTORIES if named is None else (named,)


def show(directories: tuple[Path, ...], json: bool) -> None:
    """The list. Raises StoreError if there is none."""
    import msgspec

    from dfl_actors.report.runs.listing import columns, list_runs
    from dfl_actors.report.table import grid, uncut_console

    listed, foreign = list_runs(directories, time.time_ns() // 1_000_000)
    if json:
        for run in listed:
            typer.echo(msgspec.json.encode(run))
    elif listed:
        console = uncut_console()
        console.print(grid(columns(listed), console.width))
    for run in listed:
        if run.state == "damaged":
            typer.echo(f"damaged: {run.reason}", err=True)
    if foreign:
        typer.echo(f"not runs, and left out: {', '.join(foreign)}", err=True)
    if not listed:
        raise StoreError(
            f"no runs in {' or '.join(map(str, directories))}; `dfl-actors run` makes one, or name another directory with --dir"
        )


@app.command()
def rm(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="RUN", help="Run directories, or names of runs in --dir.")],
    directory: Where = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete runs, with their keys and chains. A run that goes on is refused, and a directory that is no run."""
    from dfl_actors.report.runs.listing import check_removable, find, remove, size_of
    from dfl_actors.report.table import size_text

    paths = list({path.resolve(): path for path in (find(name, places(directory, context.obj)) for name in names)}.values())
    for path in paths:
        check_removable(path)
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError("nobody is here to be asked: delete without a question with --yes")
        what = f"{paths[0]}" if len(paths) == 1 else f"{len(paths)} runs ({', '.join(map(str, paths))})"
        if not confirmed(f"delete {what}, {size_text(sum(map(size_of, paths)))}?"):
            typer.echo("nothing was deleted")
            raise typer.Exit(1)
    for path in paths:
        try:
            remove(path)
        except (KeyboardInterrupt, SystemExit):
            typer.echo(f"{path} is only partly deleted: repeat the command", err=True)
            raise
        typer.echo(f"deleted {path}")


def confirmed(question: str) -> bool:
    """Whether the person says yes. Ctrl-C ends the program, as everywhere."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        typer.echo()
        return False


@app.command()
def compare(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="A run directory, or the name of a run in --dir.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one, named likewise.")],
    directory: Where = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw accuracy, or score, of both over time: a .png or .svg file.")
    ] = None,
    axis: Annotated[
        str, typer.Option(metavar="time|steps", help="Draw over time, or over training steps, as a simulation beside a run is.")
    ] = "auto",
    force: Force = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """Show two runs side by side. That is what differs in their configurations, and every figure of their summaries."""
    import orjson

    from dfl_actors.report.pictures import picture_format
    from dfl_actors.report.runs.compare import as_json, load_sides, render
    from dfl_actors.report.runs.compare import compare as compared
    from dfl_actors.report.runs.compare_picture import AXES, plot_comparison
    from dfl_actors.report.runs.listing import find
    from dfl_actors.report.table import uncut_console

    over = next((one for one in AXES if one == axis), None)
    if over is None:
        raise ConfigError(f"unknown axis {axis!r}: choose time or steps")
    if plot is not None:
        picture_format(plot)
        check_free(plot, force)
    one, other = load_sides(find(a, places(directory, context.obj)), find(b, places(directory, context.obj)))
    figures = compared(one, other)
    if json:
        typer.echo(orjson.dumps(as_json(one, other, figures)))
    else:
        render(one, other, figures, uncut_console())
    if plot is not None:
        plot_comparison(one.run, other.run, plot, over)
        typer.echo(f"drawn to {plot}", err=json)


@app.command()
def export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or the name of a run in --dir.")],
    format: Annotated[str, typer.Option("--format", "-f", metavar="csv|jsonl|tensorboard", help="What to write.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="OUT", help="Where to [default: RUN/FORMAT].")] = None,
    directory: Where = None,
    force: Force = False,
) -> None:
    """Write the metrics of a run for other programs. The formats are CSV as the paper's results have it, JSON lines, and TensorBoard's."""
    from dfl_actors.report.runs.exports import export as exported
    from dfl_actors.report.runs.listing import find

    place, lines = exported(find(name, places(directory, context.obj)), format, out, force)
    typer.echo(str(place))
    for line in lines:
        typer.echo(f"  {line}")
