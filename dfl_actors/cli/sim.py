"""`dfl-actors sim`: the same learning in virtual time, without processes for actors and without a chain."""

from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.api.simulation import Repeated, is_repeat, simulate
from dfl_actors.api.simulation import repeat as repeat_
from dfl_actors.api.topology import Topology
from dfl_actors.cli.run import Json, Opened, Quiet, Sets, Watched, close, how, interruptible, page, warn
from dfl_actors.errors import ConfigError


def sim(
    topology: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A topology, or the reference program's simulator_config.json.")
    ] = None,
    ticks: Annotated[int | None, typer.Option(help="How long.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is drawn.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="So many runs with consecutive seeds, each in a directory of its own.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Worker processes; 0: one a processor. The result does not depend on it.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The directory [default: sims/NAME-TIME].")] = None,
    resume: Annotated[Path | None, typer.Option(metavar="DIR", help="Go on with an interrupted simulation, or with a --repeat.")] = None,
    sets: Sets = [],  # noqa: B006
    paper: Annotated[
        bool, typer.Option("--paper", help="Draw for a paper into DIR/plots/paper: PDF and SVG, a column and a page wide.")
    ] = False,
    watch: Watched = False,
    open_: Opened = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Simulate a network in ticks. Ctrl-C stops it so that --resume can go on."""
    _check(jobs, topology, resume, bool(topology or sets or out or repeat > 1 or not (ticks is seed is None)))
    shown, beside = how(quiet, json), page(watch, open_, quiet, json)
    with interruptible():
        if repeat == 1 and not (resume and is_repeat(resume)):
            result = simulate(
                topology,
                seed=seed,
                ticks=ticks,
                overrides=sets,
                out=out,
                jobs=jobs,
                resume=resume,
                progress=shown,
                tell=warn,
                beside=beside,
            )
            close(result, quiet, json)
            if paper:
                _tell(result.paper(), quiet, json)
            return
        seeds = [] if topology is None else _seeds(topology, sets, seed, repeat)
        repeated = repeat_(
            topology, seeds, ticks=ticks, overrides=sets, out=out, jobs=jobs, resume=resume, progress=shown, tell=warn, beside=beside
        )
    _close(repeated, quiet, json)
    if paper:
        _tell(repeated.paper(), quiet, json)


def _tell(written: list[Path], quiet: bool, json: bool) -> None:
    """Where the pictures are."""
    if not quiet:
        typer.echo(f"{written[0].parent}: {len(written)} pictures for a paper", err=json)


def _check(jobs: int, topology: str | None, resume: Path | None, more: bool) -> None:
    """Raises `ConfigError` for options that do not go together."""
    if jobs < 0:
        raise ConfigError(f"--jobs is {jobs}: give the number of worker processes, or 0 for one a processor")
    if resume is not None and more:
        raise ConfigError(
            "--resume goes on with what was begun: give it alone, or with --jobs, --paper, --watch, --open, --quiet and --json"
        )
    if resume is None and topology is None:
        raise ConfigError("what is to be simulated? Give a topology FILE, or --resume DIR")


def _seeds(topology: str, sets: list[str], seed: int | None, repeat: int) -> list[int]:
    """So many, from the topology's own or the one that is given on."""
    first = Topology(topology, sets).config.network.seed if seed is None else seed
    return [first + number for number in range(repeat)]


def _close(repeated: Repeated, quiet: bool, json: bool) -> None:
    """The closing figures of a repeat: each seed, and mean and standard deviation over them."""
    import orjson
    from rich.console import Console

    from dfl_actors.report.simulation import render_repeat

    if json:
        typer.echo(orjson.dumps(repeated.summary))
    elif not quiet:
        render_repeat({seed: result.summary for seed, result in repeated.results.items()}, repeated.summary, Console())
