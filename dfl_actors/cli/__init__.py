"""The command line: parse, call one function, set the exit code."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import typer

from dfl_actors import __version__
from dfl_actors.api.words import in_options
from dfl_actors.cli import chain, deploy, inject, keys, model, report, run, runs, sdk, sim, status, streams, sweep, tail, topo, watch
from dfl_actors.cli.groups import Sentences
from dfl_actors.errors import DflError, StoreError
from dfl_actors.processes.signals import Interrupted

app = typer.Typer(
    name="dfl-actors",
    cls=Sentences,
    help="A decentralised federated-learning network as a ZeroMQ actor system.",
    epilog="Begin with `dfl-actors run fully_connected_4`, and look at what it left with `dfl-actors report runs/...`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("node")(run.node)
app.command("inject")(inject.inject)
app.command("deploy")(deploy.deploy)
app.command("sim")(sim.sim)
app.command("sweep")(sweep.sweep)
app.command("report")(report.report)
app.command("tail")(tail.tail)
app.command("watch")(watch.watch)
app.command("status")(status.status)
app.add_typer(chain.app, name="chain")
app.add_typer(keys.app, name="keys")
app.add_typer(model.app, name="model")
app.add_typer(topo.app, name="topo")
app.add_typer(runs.app, name="runs")
app.add_typer(sdk.app, name="sdk")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dfl-actors {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and exit."),
) -> None:
    """Options of every command. What goes wrong in it is told in its options."""
    context.with_resource(in_options())


def main() -> None:
    """Run the command line; a mistake of the user is one line on stderr and an exit code, never a traceback."""
    output = streams.prepare()
    try:
        _end(_called(), output)
    except (BrokenPipeError, SystemExit) as end:
        # The reader has gone (`| head`), which typer may have made an exit of: nothing more to say, and nothing to flush.
        if not isinstance(end, BrokenPipeError) and not isinstance(end.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)


def _stands_somewhere() -> bool:
    try:
        return bool(Path.cwd())
    except FileNotFoundError:
        return False


def _called() -> str | int | None:
    """Call the command. Returns its exit code."""
    try:
        app()
    except DflError as error:
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    except FileNotFoundError:
        if _stands_somewhere():
            raise
        typer.echo("error: the current folder was removed: change to one that is there", err=True)
        return StoreError.exit_code
    except Interrupted as end:
        typer.echo("stopped before it had begun", err=True)
        return end.code
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise
        return end.code
    return 0


def _end(code: str | int | None, output: streams.Output) -> NoReturn:
    sys.stdout.flush()
    if output.problem and not code:
        typer.echo(f"error: standard output cannot be written ({output.problem}): free some space, or send it elsewhere", err=True)
        code = StoreError.exit_code
    sys.exit(code)
