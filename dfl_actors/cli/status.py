"""`dfl-actors status`: whether all is well with a run on this host, and with its neighbours."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dfl_actors.report.status import Answer
    from dfl_actors.runtime.rundir import RunDirectory

NOT_WELL, INTERRUPTED = 1, 130  # Exit codes: something is to be done; after Ctrl-C.


def status(
    name: Annotated[
        str, typer.Argument(metavar="RUN|TOPOLOGY", help="A run directory, a run's name, or a topology [default: the newest that runs].")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again every second, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object; with --watch one a line.")] = False,
) -> None:
    """How this host's nodes and their neighbours are: links, clocks, heights, refusals, settings. Exit code 1 unless all is well."""
    from dfl_actors.report.status import ask, find

    run = find(name)
    if watch:
        try:
            _watch(run, json)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
    answer = ask(run, time.time_ns() // 1_000_000)
    _show(answer, json)
    if not answer.well:
        raise typer.Exit(NOT_WELL)


def _watch(run: "RunDirectory", json: bool) -> None:
    from dfl_actors.report.status import render, watch
    from dfl_actors.report.table import uncut_console
    from dfl_actors.report.watching import Redrawn, draws

    console = uncut_console()
    if json or not draws(console):
        for answer in watch(run):
            _show(answer, json)
        return
    with Redrawn(console, auto_refresh=False, transient=True) as live:
        for answer in watch(run):
            live.update(render(answer, console.width, time.time_ns() // 1_000_000), refresh=True)


def _show(answer: "Answer", json: bool) -> None:
    import msgspec

    from dfl_actors.report.status import render
    from dfl_actors.report.table import uncut_console

    if json:
        typer.echo(msgspec.json.encode(answer))
    else:
        console = uncut_console()
        console.print(render(answer, console.width, time.time_ns() // 1_000_000), soft_wrap=True)
