"""`dfl-actors sim`: the same learning in virtual time, without processes for actors and without a chain."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.cli.run import Out, Sets, given
from dfl_actors.config import Config, load_topology, override, parse_topology
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.runtime.rundir import default_path

Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Worker processes; 0: one a processor. The result does not depend on it.")]


def sim(
    topology: Annotated[str, typer.Argument(metavar="FILE", help="A topology, or the reference program's simulator_config.json.")],
    ticks: Annotated[int | None, typer.Option(help="How long.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is drawn.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="So many runs with consecutive seeds, each in a directory of its own.")] = 1,
    jobs: Jobs = 0,
    out: Out = None,
    sets: Sets = [],  # noqa: B006
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Simulate a network in ticks."""
    options = [*sets, *given("sim.ticks", ticks), *given("network.seed", seed)]
    config = loaded(topology, options)
    path = out or default_path(config.network.name, time.time_ns() // 1_000_000, "sims")
    workers = jobs or os.cpu_count() or 1
    if jobs < 0:
        raise ConfigError(f"--jobs is {jobs}: give the number of worker processes, or 0 for one a processor")
    if repeat == 1:
        run_one(config, path, workers, quiet)
        return
    for number in range(repeat):
        one = override(config, [f"network.seed={config.network.seed + number}"])
        run_one(one, path / f"seed-{one.network.seed}", workers, quiet)


def loaded(topology: str, options: list[str]) -> Config:
    """A topology of ours, or the reference program's. Raises `ConfigError`."""
    if not topology.endswith(".json"):
        return load_topology(topology, options)
    from dfl_actors.topo.convert import convert_reference
    from dfl_actors.topo.write import topology_text

    path = Path(topology)
    table, lost = convert_reference(path)
    for line in lost:
        typer.echo(f"warning: {line}", err=True)
    return parse_topology(topology_text(table, []), where=topology, name=path.parent.name or path.stem, options=options)


def run_one(config: Config, path: Path, jobs: int, quiet: bool) -> None:
    """One simulation, with its picture of how far it is."""
    from rich.console import Console

    from dfl_actors.report.simulation.simulated import Progress, show_result
    from dfl_actors.sim.plan import check_plugins
    from dfl_actors.sim.run import simulate

    check_plugins(config, Path.cwd())
    prepare(path, config)
    console = Console()
    with Progress(console, config, quiet) as progress:
        simulate(config, path, jobs, Path.cwd(), progress.measured, progress.done)
    show_result(path, config, console, quiet)


def prepare(path: Path, config: Config) -> None:
    """Make the directory, with the resolved configuration in it. Raises `StoreError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise StoreError(f"{path} is not empty: choose another --out")
        (path / "config.toml").write_text(config.resolved(), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): choose another --out") from error
