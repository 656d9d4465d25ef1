"""`dfl-actors sim`: the same learning in virtual time, without processes for actors and without a chain."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer

from dfl_actors.cli.run import Quiet, Sets, given, warn, with_its_data
from dfl_actors.config import Config, examine_table, examine_topology, load_topology, override
from dfl_actors.config.toml_text import Mistakes, Source, Table, put_options
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.files import explained, whole
from dfl_actors.processes.forkserver import ForkServer, fork_server
from dfl_actors.processes.signals import Interrupted, Stop, deferred
from dfl_actors.runtime.rundir import default_path

PRELOAD = ("dfl_actors.learning.models", "dfl_actors.sim.worker")  # What the fork server of the workers imports.
REPEAT = "repeat.json"  # In the directory of a --repeat: its seeds, and which of them are over.


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
    quiet: Quiet = False,
) -> None:
    """Simulate a network in ticks. Ctrl-C stops it so that --resume can go on."""
    if jobs < 0:
        raise ConfigError(f"--jobs is {jobs}: give the number of worker processes, or 0 for one a processor")
    if resume is not None:
        if topology or sets or out or repeat > 1 or not (ticks is seed is None):
            raise ConfigError("--resume goes on with what was begun: give it alone, or with --jobs and --quiet")
        with crew(jobs, quiet) as workers:
            go_on(resume, workers)
        return
    if topology is None:
        raise ConfigError("what is to be simulated? Give a topology FILE, or --resume DIR")
    with crew(jobs, quiet) as workers:
        begin(topology, [*sets, *given({"sim.ticks": ticks, "network.seed": seed})], out, repeat, workers)


class Crew(NamedTuple):
    """What simulations run with: so many workers of a fork server, until somebody wants them to stop."""

    workers: int
    quiet: bool
    server: ForkServer
    stop: Stop


@contextmanager
def crew(jobs: int, quiet: bool) -> Iterator[Crew]:
    """The fork server imports TensorFlow while we read the topology. A second signal stops at once."""
    with deferred(impatient=True) as stop, fork_server(PRELOAD) as server:
        yield Crew(jobs or os.cpu_count() or 1, quiet, server, stop)


class Repeat(msgspec.Struct):
    """Simulations of one network with several seeds, each in `seed-N` beside this: all of them, those that are over, and the digest of
    the data set."""

    seeds: list[int]
    done: list[int] = []
    data: str = ""

    def save(self, path: Path) -> None:
        """Into the directory of a repeat, whole or not at all. Raises `StoreError`."""
        with whole(path / REPEAT) as draft:
            draft.write_bytes(msgspec.json.encode(self))


def load_repeat(path: Path) -> Repeat:
    """The repeat of a directory. Raises `StoreError`."""
    try:
        return msgspec.json.decode((path / REPEAT).read_bytes(), type=Repeat)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(f"{path / REPEAT} is damaged ({error}): simulate it again") from error


def begin(topology: str, options: list[str], out: Path | None, repeat: int, crew: Crew) -> None:
    """New simulations. Raises `DflError`."""
    from dfl_actors.learning.data import source_digest
    from dfl_actors.sdk.loader import check_plugins

    config = loaded(topology, options)
    path = out or default_path(config.network.name, time.time_ns() // 1_000_000, "sims")
    check_plugins(config, Path.cwd())
    prepare(path, config)
    if repeat == 1:
        try:
            watched(config, path, crew)
        except Interrupted:
            (path / "config.toml").unlink()
            path.rmdir()
            raise
        return
    seeds = [config.network.seed + number for number in range(repeat)]
    for seed in seeds:
        prepare(path / f"seed-{seed}", with_seed(topology, options, config, seed))
    Repeat(seeds, data=source_digest(config.data.source)).save(path)
    run_seeds(path, crew)


def with_seed(topology: str, options: list[str], config: Config, seed: int) -> Config:
    """The same network with another seed; of a file of the reference program the links are drawn anew with it."""
    options = [*options, f"network.seed={seed}"]
    return reference(topology, options)[0] if topology.endswith(".json") else override(config, options[-1:])


def run_seeds(path: Path, crew: Crew) -> None:
    """The simulations of a repeat that are not over: from their checkpoint, or from the beginning where there is none."""
    from dfl_actors.learning.data import check_unchanged

    repeat = load_repeat(path)
    for seed in repeat.seeds:
        if seed in repeat.done:
            continue
        place = path / f"seed-{seed}"
        config = load_topology(place / "config.toml")
        check_unchanged(config.data.source, repeat.data)
        watched(config, place, crew, resume=any(place.glob("checkpoint*")))
        repeat.done.append(seed)
        repeat.save(path)


def go_on(path: Path, crew: Crew) -> None:
    """An interrupted simulation, or a repeat of them, from its directory. Raises `StoreError` if it is none."""
    if not (path / "config.toml").is_file():
        raise StoreError(f"{path} is not the directory of a simulation: it has no config.toml")
    if (path / REPEAT).exists():
        run_seeds(path, crew)
    else:
        watched(load_topology(path / "config.toml"), path, crew, resume=True)


def loaded(topology: str, options: list[str]) -> Config:
    """A topology of ours, or the reference program's, with `options` over it; says what that has and we have not. Raises `DflError`."""
    if not topology.endswith(".json"):
        return with_its_data(*examine_topology(topology, options))
    config, lost = reference(topology, options)
    warn(lost)
    return config


def reference(topology: str, options: list[str]) -> tuple[Config, list[str]]:
    """A configuration of the reference program, and what of it is lost. Raises `DflError`."""
    from dfl_actors.topo.convert import convert_reference

    path = Path(topology)
    table, lost = convert_reference(path, seed_in(options), simulated=True)
    return with_its_data(*examine_table(table, Mistakes(Source(topology)), path.parent.name or path.stem, options)), lost


def seed_in(options: list[str]) -> int:
    """The seed that the options set, 0 if none does: the links of the reference's `average_degree-k` are drawn with it too."""
    table: Table = {}
    put_options(table, options)
    network = table.get("network", {})
    seed = network.get("seed", 0) if isinstance(network, dict) else 0
    return seed if isinstance(seed, int) else 0


def watched(config: Config, path: Path, crew: Crew, resume: bool = False) -> None:
    """One simulation, new or resumed, with a picture of how far it is. Exits with 130 when it was interrupted; raises `Interrupted`
    when nothing can be resumed."""
    from rich.console import Console

    from dfl_actors.report.simulation import Progress, show_result
    from dfl_actors.sim.run import Stopped, simulate

    console = Console()
    try:
        with Progress(console, config, crew.quiet) as progress:
            simulate(config, path, crew.workers, Path.cwd(), progress, lambda: bool(crew.stop), crew.server, resume=resume)
    except Stopped as stopped:
        if not any(path.glob("checkpoint*")):
            crew.stop.check()
        typer.echo(f"stopped after {stopped.tick} of {config.sim.ticks} ticks; go on with: dfl-actors sim --resume {path}", err=True)
        raise typer.Exit(128 + crew.stop.number) from None
    show_result(path, config, console, crew.quiet)


def prepare(path: Path, config: Config) -> None:
    """Make the directory, with the resolved configuration in it. Raises `StoreError`."""
    with explained(f"{path} cannot be written", "choose another --out"):
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise StoreError(f"{path} is not empty: choose another --out")
        with whole(path / "config.toml") as draft:
            draft.write_text(config.resolved(), encoding="utf-8")
