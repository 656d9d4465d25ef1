"""`dfl-actors keys`: make a node's key pair, and show its public part."""

from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.cli.groups import Sentences
from dfl_actors.runtime.keyfiles import load_key, new_key, public_text

app = typer.Typer(cls=Sentences, help="Make and show a node's keys.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The directory of the key files.")]


@app.command()
def new(directory: Directory) -> None:
    """Make a key pair: DIR/key (secret, mode 0600) and DIR/key.pub."""
    typer.echo(public_text(new_key(directory)), nl=False)


@app.command()
def show(directory: Directory) -> None:
    """Print the address and the public keys of DIR/key."""
    typer.echo(public_text(load_key(directory)), nl=False)
