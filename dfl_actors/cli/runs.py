"""`dfl-actors runs`: list, compare, export and delete runs."""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from dfl_actors.cli.groups import Sentences
from dfl_actors.cli.plots import Paper, check_plot, write_plot
from dfl_actors.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from dfl_actors.report.charts.chart import OverTime
    from dfl_actors.report.formats import Format

app = typer.Typer(cls=Sentences, help="List the runs; compare, export and delete them.", invoke_without_command=True)

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


class Pictured(NamedTuple):
    """What is drawn of a comparison, and the picture of it, each over an `axis`."""

    chart: "Callable[..., OverTime]"
    draw: "Callable[..., Drawing]"


@app.command()
def compare(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Run directories, names of runs in --dir, or directories that hold runs.")
    ],
    directory: Where = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw accuracy, or score, of all over time: a .png, .svg or .pdf file.")
    ] = None,
    axis: Annotated[
        str, typer.Option(metavar="time|steps", help="Draw over time, or over training steps, as a simulation beside a run is.")
    ] = "auto",
    goal: Annotated[
        float | None,
        typer.Option(max=1.0, help="The accuracy that is asked for: when was it reached? [default: the runs' targets, or 0.9]"),
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", metavar="text|markdown|latex|csv", help="How the table is written.")] = "text",
    paper: Paper = False,
    force: Force = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """Show two runs side by side, or any number in groups.

    Of two runs: what differs in their configurations, and every figure of their summaries. Of more, or of directories of runs: groups of
    those that differ in the seed alone, with mean and standard deviation.
    """
    from dfl_actors.report.paper import panels_of
    from dfl_actors.report.runs.compare_picture import axis_named
    from dfl_actors.report.runs.listing import find_some

    written, over = _format_of(format, json), axis_named(axis)
    check_plot(plot, paper, force)
    paths, runs = zip(*(find_some(name, places(directory, context.obj)) for name in names), strict=True)
    if len(paths) == 2 and all(runs):
        pictured = _side_by_side(paths[0], paths[1], goal, written, json)
    else:
        pictured = _in_groups(paths, goal, written, json)
    if plot is not None:
        files = write_plot(plot, partial(pictured.draw, axis=over), lambda: panels_of(pictured.chart(axis=over)), paper, force)
        typer.echo("\n".join(f"drawn to {file}" for file in files), err=json or written != "text")


def _format_of(format: str, json: bool) -> "Format":
    from dfl_actors.report.formats import format_named

    written = format_named(format)
    if json and written != "text":
        raise ConfigError(f"--json and --format {format} are two formats: give one of them")
    return written


def _side_by_side(a: Path, b: Path, goal: float | None, format: "Format", json: bool) -> Pictured:
    """Two runs, and how they are drawn."""
    import orjson

    from dfl_actors.report.formats import csv_text
    from dfl_actors.report.runs import compare
    from dfl_actors.report.runs.compare_picture import comparison_chart, draw_comparison
    from dfl_actors.report.table import uncut_console

    one, other = compare.load_sides(a, b)
    figures = compare.compare(one, other, goal)
    if json:
        typer.echo(orjson.dumps(compare.as_json(one, other, figures)))
    elif format == "text":
        compare.render(one, other, figures, uncut_console())
    else:
        typer.echo(csv_text(compare.rows(figures)) if format == "csv" else compare.sheet(one, other, figures).as_text(format))
    return Pictured(partial(comparison_chart, one.run, other.run), partial(draw_comparison, one.run, other.run))


def _in_groups(paths: Sequence[Path], goal: float | None, format: "Format", json: bool) -> Pictured:
    """Any number of runs, and how they are drawn."""
    import orjson
    from rich.console import Console

    from dfl_actors.report.runs import groups
    from dfl_actors.report.runs.group_picture import draw_groups, groups_chart
    from dfl_actors.report.table import tell, uncut_console

    found = groups.load_groups(paths, goal)
    typer.echo(orjson.dumps(groups.as_json(found)) if json else groups.as_text(found, format, uncut_console().width))
    for note in found.notes:
        tell(Console(stderr=True, highlight=False), note)
    return Pictured(partial(groups_chart, found), partial(draw_groups, found))


@app.command()
def export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or the name of a run in --dir.")],
    format: Annotated[str, typer.Option("--format", "-f", metavar="FORMAT", help="csv, jsonl, parquet, tensorboard, mlflow or wandb.")],
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="OUT", help="Where to; of mlflow also the address of one [default: RUN/FORMAT].")
    ] = None,
    directory: Where = None,
    force: Force = False,
) -> None:
    """Write the metrics of a run for other programs.

    The formats are CSV as the paper's results have it, JSON lines, Parquet tables, and what TensorBoard, MLflow and Weights & Biases read.
    """
    from dfl_actors.report.runs.exports import export as exported
    from dfl_actors.report.runs.exports import send
    from dfl_actors.report.runs.listing import find

    run = find(name, places(directory, context.obj))
    if out is not None and "://" in out:
        place, lines = Path(out), send(run, format, out)
    else:
        place, lines = exported(run, format, None if out is None else Path(out), force)
    typer.echo(out or place)
    for line in lines:
        typer.echo(f"  {line}")
