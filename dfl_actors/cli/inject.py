"""`dfl-actors inject`: feed samples to a running node."""

from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.cli.run import Quiet
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.processes.signals import Interrupted, deferred
from dfl_actors.runtime.rundir import RunDirectory, read_about


def inject(
    run: Annotated[Path, typer.Argument(help="The directory of a run that is under way on this machine.")],
    data: Annotated[str, typer.Argument(help="What `data.source` takes; its training samples are fed.")],
    node: Annotated[str, typer.Option(help="Which node gets them.")],
    rate: Annotated[float, typer.Option(min=0, help="Samples a second; 0: as fast as the node takes them.")] = 0.0,
    quiet: Quiet = False,
) -> None:
    """Feed new samples to a running node: each is trained on once. A node that is full makes this wait; what it took it keeps."""
    import zmq

    from dfl_actors.config import load_topology
    from dfl_actors.runtime.feed import Client, Fed, feed
    from dfl_actors.runtime.inlet import endpoint
    from dfl_actors.runtime.tail import running

    directory = RunDirectory.open(run)
    about, config = read_about(directory), load_topology(directory.config)
    if node not in about.nodes:
        raise ConfigError(f'{run}: no node "{node}" runs there; its nodes are {", ".join(about.nodes)}')
    if not running(directory, about):
        raise StoreError(f"{run} does not run: start it again with --resume, then inject")
    done, context = Fed(0, 0, waits=False), zmq.Context()
    try:
        with deferred() as stop:
            client = Client(context, endpoint(Path(about.sockets), node), node, stop.check)
            for done in feed(client, config, data, rate, stop.check):  # noqa: B007 - how far it came is told however it ends
                stop.check()
    except Interrupted:
        typer.echo(f"stopped: node {node} has taken {done.sent} samples of {data}, the rest was not sent", err=True)
        raise typer.Exit(128 + stop.number) from None
    finally:
        context.destroy(linger=0)
    if not quiet:
        typer.echo(f"node {node} has taken {done.sent} samples; it was fed {done.stocked} in all")
