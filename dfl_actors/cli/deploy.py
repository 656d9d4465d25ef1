"""`dfl-actors deploy`: a folder for each host of a network."""

from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.cli.run import Insecure, Sets
from dfl_actors.runtime.deploy import Wishes
from dfl_actors.runtime.deploy import deploy as make_folders


def deploy(
    topology: Annotated[str, typer.Argument(help="A topology file in which every node has `listen`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the folders are made, one a node; keys that are there are kept.")],
    place: Annotated[
        str, typer.Option(help="Where its folder will be on a host; {network} is the network's name.")
    ] = "/var/lib/dfl-actors/{network}",
    program: Annotated[str, typer.Option(help="Where dfl-actors is on the hosts.")] = "/opt/dfl-actors/bin/dfl-actors",
    user: Annotated[str, typer.Option(help="Who runs it there.")] = "dfl",
    sets: Sets = [],  # noqa: B006
    insecure: Insecure = False,
) -> None:
    """Make a folder for each host: topology, its own key, everyone's public keys, a systemd unit, and three commands in README.txt."""
    folders = make_folders(topology, sets, out, Wishes(place, program, user, insecure))
    for name, folder in folders.items():
        typer.echo(f"{name}: {folder / 'README.txt'}")
