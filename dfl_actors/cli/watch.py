"""`dfl-actors watch`: runs as pages that follow them."""

from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130  # The exit code after Ctrl-C.


Runs = Annotated[list[str], typer.Argument(metavar="[RUN]...", help="Runs or simulations, side by side [default: the newest that runs].")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Listen beyond this machine, for whoever reaches --host, unencrypted.")]


def watch(
    runs: Runs = [],  # noqa: B006
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Port = 8765,
    insecure: Insecure = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    beside: Annotated[
        int | None,
        typer.Option("--beside", metavar="FD", hidden=True, help="For --watch of others: this socket, until standard input ends."),
    ] = None,
) -> None:
    """Follow runs in a browser: the report as a page that keeps up, and /metrics for Prometheus."""
    from dfl_actors.watch import command
    from dfl_actors.watch.guard import is_loopback

    if beside is not None:
        command.serve_beside([Path(run) for run in runs], beside)
        return
    paths = command.chosen(runs)
    command.check_host(host, insecure)
    socket = command.listening(host, port)
    address = command.address_of(host, socket)

    def ready() -> None:
        typer.echo(f"{', '.join(str(path) for path in paths)}: {address}  (Ctrl-C ends)")
        if not is_loopback(host):
            typer.echo("warning: whoever reaches this address reads the run, without a password and unencrypted", err=True)
        if open_:
            command.open_browser(address)

    try:
        command.serve(paths, host, socket, ready)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
