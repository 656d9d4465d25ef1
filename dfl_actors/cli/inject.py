"""`dfl-actors inject`: feed samples to a running node."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfl_actors.cli.run import Quiet
from dfl_actors.config import Config, load_topology
from dfl_actors.config.toml_text import counted
from dfl_actors.errors import ConfigError, DflError, StoreError
from dfl_actors.processes.signals import Interrupted, deferred
from dfl_actors.runtime.rundir import RunDirectory, read_about

if TYPE_CHECKING:
    from dfl_actors.runtime.feed import Secure


def inject(
    network: Annotated[str, typer.Argument(help="The directory of a run on this machine, or the topology of a node elsewhere.")],
    data: Annotated[str, typer.Argument(help="What `data.source` takes; its training samples are fed.")],
    node: Annotated[str, typer.Option(help="Which node gets them.")],
    rate: Annotated[float, typer.Option(min=0, help="Samples a second; 0: as fast as the node takes them.")] = 0.0,
    keys: Annotated[Path | None, typer.Option(help="With a topology: the directory of a key that the node admits.")] = None,
    quiet: Quiet = False,
) -> None:
    """Feed new samples to a running node: each is trained on once. A node that is full makes this wait; what it took it keeps."""
    import zmq

    from dfl_actors.runtime.feed import Client, Fed, feed

    config, place, secure = here(Path(network), node) if Path(network).is_dir() else elsewhere(network, node, keys)
    done, context = Fed(0, 0, waits=False), zmq.Context()
    with deferred() as stop:
        client = Client(context, place, node, stop.check, secure)
        try:
            for done in feed(client, config, data, rate, stop.check):  # noqa: B007 - how far it came is told however it ends
                stop.check()
        except Interrupted:
            typer.echo(f"stopped: node {node} has taken {counted(done.sent, 'sample')} of {data}, the rest was not sent", err=True)
            raise typer.Exit(128 + stop.number) from None
        except DflError:
            typer.echo(f"node {node} has taken {counted(done.sent, 'sample')} of {data}", err=True)
            raise
        finally:
            client.close()
            context.destroy(linger=0)
    if not quiet:
        typer.echo(f"node {node} has taken {counted(done.sent, 'sample')}; it was fed {done.stocked} in all")


def here(path: Path, node: str) -> tuple[Config, str, "Secure | None"]:
    """The configuration of a run on this machine, and where a node of it takes samples. Raises `DflError`."""
    from dfl_actors.runtime.inlet import endpoint
    from dfl_actors.runtime.tail import running

    run = RunDirectory.open(path)
    about, config = read_about(run), load_topology(run.config)
    if node not in about.nodes:
        raise ConfigError(f'{path}: no node "{node}" runs there; its nodes are {", ".join(about.nodes)}')
    if not running(run, about):
        raise StoreError(f"{path} does not run: start it again with --resume, then inject")
    return config, endpoint(Path(about.sockets), node), None


def elsewhere(topology: str, node: str, keys: Path | None) -> tuple[Config, str, "Secure | None"]:
    """A topology, where a node of it takes samples from other hosts, and the keys for that. Raises `DflError`."""
    from dfl_actors.runtime.keyfiles import curve_keys, load_key

    config = load_topology(topology)
    its = config.node(node)
    for key, value in {"inlet": its.inlet, "curve_key": its.curve_key}.items():
        if value is None:
            raise ConfigError(f"{topology}: node.{node}.{key} is missing: the node and whoever feeds it from elsewhere must know it")
    if keys is None:
        raise ConfigError("--keys is missing: give the directory of a key that the node admits (`dfl-actors keys new`)")
    return config, its.inlet or "", ((its.curve_key or "").encode(), *curve_keys(load_key(keys)))
