"""`dfl-actors sweep`: every combination of some settings, with several seeds, and the tables of what came of them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfl_actors.cli.run import Address, Engine, Json, Sets, how, interruptible, warn
from dfl_actors.config.toml_text import counted

if TYPE_CHECKING:
    from dfl_actors.api.sweeps.sweep import SweepResult


Vary = Annotated[
    list[str], typer.Option("--vary", metavar="KEY=A,B", help="Values of a key of the topology; none: without it. May be repeated.")
]


def sweep(
    base: Annotated[str, typer.Argument(metavar="FILE|BASE|DIR", help="A sweep's file, a topology, or a sweep's directory to go on with.")],
    vary: Vary = [],  # noqa: B006
    seeds: Annotated[str, typer.Option(metavar="1-5", help="Seeds of each combination, such as 1-5 or 1,3,7.")] = "",
    only: Annotated[
        list[str], typer.Option("--only", metavar="KEY=A,B", help="Only these values of what is varied; seed is a key. May be repeated.")
    ] = [],  # noqa: B006
    show: Annotated[bool, typer.Option("--show", help="Simulate nothing: tables and pictures of what is there.")] = False,
    sets: Sets = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The directory [default: sweeps/NAME-TIME].")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Simulations at once; 0: one a processor.")] = 0,
    engine: Engine = "local",
    address: Address = None,
    rows: Annotated[str, typer.Option(metavar="KEY", help="What stands down the table [default: the first that is varied].")] = "",
    columns: Annotated[str, typer.Option(metavar="KEY", help="What stands across [default: the next].")] = "",
    value: Annotated[str, typer.Option(metavar="FIGURE", help="Which figure: mean, worst, std, last_mean, ticks_to_goal, ...")] = "mean",
    format: Annotated[str, typer.Option("--format", "-f", metavar="text|markdown|latex", help="How the table is written.")] = "text",
    paper: Annotated[
        bool, typer.Option("--paper", help="Draw the results for a paper into DIR/paper: PDF and SVG, a column and a page wide.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the table and errors.")] = False,
    json: Json = False,
) -> None:
    """Simulate every combination of what is varied, with every seed, on all cores. The same command goes on after any end."""
    from dfl_actors.api.sweeps.plan import axes_of_texts, parse_vary
    from dfl_actors.api.sweeps.sweep import sweep as swept
    from dfl_actors.api.sweeps.table import ACCURACIES
    from dfl_actors.report.formats import format_named

    written = format_named(format, ("text", "markdown", "latex"))  # results.csv is there already
    begin = partial(swept, base, axes_of_texts(vary), seeds, overrides=sets, out=out, jobs=jobs, engine=engine, address=address, show=show)
    with interruptible():
        result = begin(only=parse_vary(only, "--only"), progress=how(quiet, json), tell=warn)
    if json:
        _print_json(result)
    elif result.plan.axes or rows or columns:
        typer.echo(result.pivot(rows or None, columns or None, value).as_text(written))
    mapped = value if value in ACCURACIES else "mean"
    written_to = result.paper(None, rows or None, columns or None, mapped) if paper else []
    if not (quiet or json):
        _tell_places(result, len(written_to), err=format != "text")
    _tell_failures(result.failures)


def _tell_places(result: "SweepResult", pictures: int, err: bool) -> None:
    if pictures:
        typer.echo(f"{result.path / 'paper'}: {pictures} pictures for a paper", err=True)
    typer.echo(f"everything lies in {result.path}", err=err)


def _tell_failures(failures: dict[str, str]) -> None:
    """Raises `typer.Exit` where there are any."""
    for name, failure in failures.items():
        typer.echo(f"failed: {name}: {failure}", err=True)
    if failures:
        typer.echo(f"error: {counted(len(failures), 'cell')} failed; the same command tries again", err=True)
        raise typer.Exit(1)


def _print_json(result: "SweepResult") -> None:
    import orjson

    from dfl_actors.api.sweeps.table import numbered

    for row in numbered(result.rows):
        typer.echo(orjson.dumps(row))
