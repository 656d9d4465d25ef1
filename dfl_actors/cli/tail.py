"""`dfl-actors tail`: watch the messages of a running network, or of a recording, and follow a transaction."""

from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.errors import ConfigError

INTERRUPTED = 130  # The exit code after Ctrl-C.

Globs = list[str]


def tail(
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", help="A run directory [default: the newest that runs].")] = None,
    nodes: Annotated[Globs, typer.Option("--node", metavar="GLOB", help="Only what this node sends or is sent; may be repeated.")] = [],  # noqa: B006
    actors: Annotated[Globs, typer.Option("--actor", metavar="GLOB", help="Only what this actor sends or is sent; may be repeated.")] = [],  # noqa: B006
    types: Annotated[Globs, typer.Option("--type", metavar="GLOB", help="Only this type or kind of message; may be repeated.")] = [],  # noqa: B006
    expression: Annotated[
        str | None, typer.Option("--expression", "-e", metavar="EXPR", help="Only what this says: 'type=Transaction* and size>1000'.")
    ] = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Injected, Beat and acknowledgements too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON instead of text, one object a line.")] = False,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after so many messages.")] = None,
    seconds: Annotated[float | None, typer.Option("--for", min=0.0, metavar="S", help="Stop after so many seconds.")] = None,
    stats: Annotated[bool, typer.Option("--stats", help="A table of rates, bytes and drops by type, like top.")] = False,
    by: Annotated[str, typer.Option("--by", metavar="type|node", help="What a row of --stats is; of nodes it shows who is slow.")] = "type",
    bodies: Annotated[bool, typer.Option("--bodies", help="All that is known of each message, below its line.")] = False,
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE", help="Record everything to this file besides.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --save.")] = False,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Replay a recording instead.")] = None,
    follow: Annotated[
        str | None,
        typer.Option("--follow", metavar="ID", help="The life of the transaction that begins with ID, as a tree; works afterwards too."),
    ] = None,
) -> None:
    """Watch every message between the actors of a running network."""
    from dfl_actors.report.tail.command import Order, tail_run

    if file is not None and (directory is not None or save is not None):
        raise ConfigError("--file replays a recording: leave the run directory and --save away")
    if follow is not None and (stats or bodies or nodes or actors or types or expression or all or count):
        raise ConfigError("--follow shows one transaction: leave --stats, --bodies, --count and the filters away")
    if by not in ("type", "node") or (by != "type" and not stats):
        raise ConfigError("--by says what a row of --stats is: give --stats --by type, or --stats --by node")
    if stats and bodies:
        raise ConfigError("--stats is a table, --bodies is for lines: leave one of them away")
    asked = locals()
    try:
        tail_run(Order(**{name: asked[name] for name in Order.__struct_fields__}))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
