"""`dfl-actors run` and `dfl-actors node`."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.api import running
from dfl_actors.api.beside import Beside, alone
from dfl_actors.api.crew import Interrupted
from dfl_actors.api.result import Result
from dfl_actors.report.progress import How

Out = Annotated[Path | None, typer.Option("--out", "-o", help="The run directory [default: runs/NAME-TIME].")]
Sets = Annotated[
    list[str], typer.Option("--set", "-s", metavar="SECTION.KEY=VALUE", help="Override a key of the topology; may be repeated.")
]
Engine = Annotated[str, typer.Option(metavar="local|ray", help="Where: on this machine, or on a Ray cluster (extra [ray]).")]
Address = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="The Ray cluster [default: that of this machine, or one started for this].")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Let links leave this machine unencrypted (transport.curve off).")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line, and the summary as the last.")]
Watched = Annotated[bool, typer.Option("--watch", help="Serve a page beside it that follows it (docs/watch.md).")]
Opened = Annotated[bool, typer.Option("--open", help="The same, and open it in a browser.")]


def run(
    topology: Annotated[str, typer.Argument(help="A topology file, or the bare name of a ready one.")] = "",
    out: Out = None,
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    target: Annotated[float | None, typer.Option(help="Stop when every node has this accuracy, or R2, on the test samples (0..1).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the weights, the partition and the samples.")] = None,
    speed: Annotated[float | None, typer.Option(help="Scale the injection rate and all protocol times.")] = None,
    sets: Sets = [],  # noqa: B006
    engine: Engine = "local",
    address: Address = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this directory.")] = None,
    insecure: Insecure = False,
    watch: Watched = False,
    open_: Opened = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Run every node of a topology on this machine."""
    with interruptible():
        result = running.run(
            topology or None,
            duration=duration,
            target=target,
            seed=seed,
            speed=speed,
            overrides=sets,
            out=out,
            resume=resume,
            engine=engine,
            address=address,
            insecure=insecure,
            progress=how(quiet, json),
            tell=warn,
            closing=lambda result: close(result, quiet, json),
            beside=page(watch, open_, quiet, json),
        )
    # Who gives a duration and no target wants to see how far it comes, whatever target the topology has.
    if duration is None or target is not None or any(option.startswith("run.target=") for option in sets):
        result.check_target()


def page(watch: bool, open_: bool, quiet: bool, json: bool) -> Beside:
    """What `--watch` and `--open` ask for."""
    return partial(_page, open_=open_, shown=not quiet and not (_draws() and not json)) if watch or open_ else alone


def _draws() -> bool:
    """Whether the address stands in a picture on the terminal while it is good for anything."""
    from rich.console import Console

    from dfl_actors.report.watching import draws

    return draws(Console())


def _page(paths: Sequence[Path], *, open_: bool, shown: bool) -> AbstractContextManager[str]:
    """The page that follows the runs. An address that is `shown` goes to stderr, for stdout may be a program's."""
    from dfl_actors.watch.beside import watched
    from dfl_actors.watch.command import open_browser

    def tell(address: str) -> None:
        if shown:
            typer.echo(f"page: {address}", err=True)
        if open_:
            open_browser(address)

    return watched(paths, tell)


def node(
    topology: Annotated[str, typer.Argument(help="The topology file that every host has.")],
    name: Annotated[str, typer.Option(help="Which node this host runs.")],
    keys: Annotated[Path, typer.Option(help="The directory of its key (`dfl-actors keys new`).")],
    out: Out = None,
    adopt: Annotated[bool, typer.Option("--adopt", help="Go on behind what neighbours hold of this key and --out has lost.")] = False,
    insecure: Insecure = False,
    sets: Sets = [],  # noqa: B006
    watch: Watched = False,
    open_: Opened = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Run one node on this host; the others run on theirs."""
    with interruptible():
        result = running.run_node(
            topology,
            name,
            keys,
            overrides=sets,
            out=out,
            adopt=adopt,
            progress=how(quiet, json),
            closing=lambda result: close(result, quiet, json),
            insecure=insecure,
            beside=page(watch, open_, quiet, json),
        )
    result.check_target()


def how(quiet: bool, json: bool) -> How:
    """How it is shown."""
    return "json" if json else "none" if quiet else "auto"


def close(result: Result, quiet: bool, json: bool) -> None:
    """The closing tables for a person, or the summary for a program."""
    import orjson

    if json:
        typer.echo(orjson.dumps(result.summary))
    elif not quiet:
        result.show()


def warn(*lines: str) -> None:
    """Say on stderr what is lost or odd, and no mistake."""
    for line in lines:
        typer.echo(f"warning: {line}", err=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command with the exit code that says so, once everything is put away."""
    try:
        yield
    except Interrupted as end:
        if not end.told:
            typer.echo(str(end), err=True)
        raise typer.Exit(128 + end.number) from None
