"""`dfl-actors run` and `dfl-actors node`."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.config import Config, examine_topology, load_topology
from dfl_actors.config.toml_text import Mistakes
from dfl_actors.errors import ConfigError, StoreError, TargetMissed
from dfl_actors.files import whole
from dfl_actors.processes.forkserver import fork_server
from dfl_actors.processes.signals import deferred
from dfl_actors.runtime.launch import PRELOAD, Launch, resume_network, run_network, run_node
from dfl_actors.runtime.rundir import RunDirectory, default_path
from dfl_actors.runtime.supervisor import Outcome

EXIT_CODES = {"interrupted": 130, "terminated": 143}

Out = Annotated[Path | None, typer.Option("--out", "-o", help="The run directory [default: runs/NAME-TIME].")]
Sets = Annotated[
    list[str], typer.Option("--set", "-s", metavar="SECTION.KEY=VALUE", help="Override a key of the topology; may be repeated.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line, and the summary as the last.")]


def run(
    topology: Annotated[str, typer.Argument(help="A topology file, or the bare name of a ready one.")] = "",
    out: Out = None,
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    target: Annotated[float | None, typer.Option(help="Stop when every node has this accuracy on the test images (0..1).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the weights, the partition and the samples.")] = None,
    speed: Annotated[float | None, typer.Option(help="Scale the injection rate and all protocol times.")] = None,
    sets: Sets = [],  # noqa: B006
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this directory.")] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Run every node of a topology on this machine."""
    begun = time.monotonic()
    options = [*sets, *given({"run.duration_s": duration, "run.target": target, "network.seed": seed, "run.speed": speed})]
    if resume is not None:
        if topology or out is not None:
            raise ConfigError("--resume DIR goes on with an earlier run: leave the topology and --out away")
        path = resume
        go: Callable[[Launch], Outcome] = lambda launch: resume_network(path, tuple(options), launch)  # noqa: E731
    else:
        if not topology:
            raise ConfigError("which network? give a topology file or a ready one's name, for instance fully_connected_4")
        config = with_its_data(*examine_topology(topology, options, deployed=True))
        path = out or default_path(config.network.name, time.time_ns() // 1_000_000)
        go = lambda launch: run_network(config, path, launch)  # noqa: E731
    watched(path, go, begun, quiet, json)


def node(
    topology: Annotated[str, typer.Argument(help="The topology file that every host has.")],
    name: Annotated[str, typer.Option(help="Which node this host runs.")],
    keys: Annotated[Path, typer.Option(help="The directory of its key (`dfl-actors keys new`).")],
    out: Out = None,
    sets: Sets = [],  # noqa: B006
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Run one node on this host; the others run on theirs."""
    begun = time.monotonic()
    config = load_topology(topology, sets, deployed=True)
    path = out or Path("runs") / f"{config.network.name}-{name}"
    watched(path, lambda launch: run_node(config, name, keys, path, launch), begun, quiet, json)


def given(values: Mapping[str, float | None]) -> list[str]:
    """Options of the command, by the topology's keys that they override; None where one was not given."""
    return [f"{key}={value}" for key, value in values.items() if value is not None]


def with_its_data(config: Config, mistakes: Mistakes) -> Config:
    """The configuration that was examined, once its data is too: a label that nobody learns is a warning. Raises `DflError`."""
    mistakes.raise_first()
    from dfl_actors.learning.coverage import SELECTIVE, check_labels, coverage_warning
    from dfl_actors.learning.data import load_dataset

    if config.data.partition in SELECTIVE:
        data = load_dataset(config.data.source)
        check_labels(config, data, mistakes)
        mistakes.raise_first()
        warn(filter(None, [coverage_warning(config, data, mistakes.source)]))
    return config


def warn(lines: Iterable[str]) -> None:
    """Say on stderr what is lost or odd, and no mistake."""
    for line in lines:
        typer.echo(f"warning: {line}", err=True)


def watched(path: Path, go: Callable[[Launch], Outcome], begun: float, quiet: bool, json: bool) -> None:
    """Run and show; write the summary and the plot; set the exit code."""
    with deferred() as stop, fork_server(PRELOAD) as server:
        from rich.console import Console

        from dfl_actors.report.table import Watch

        console = Console()
        watch = Watch(console, quiet=quiet, json=json)
        try:
            outcome = go(Launch(server, stop, watch, begun))
        finally:
            watch.close()
    try:
        leave_summary(RunDirectory(path), console, quiet, json)
    except StoreError:
        # What ended the run comes first; a full disk may have done both.
        if outcome.error is None:
            raise
    if outcome.error is not None:
        raise outcome.error
    if outcome.reason in EXIT_CODES:
        raise typer.Exit(EXIT_CODES[outcome.reason])
    check_target(RunDirectory(path), outcome)


def leave_summary(run_directory: RunDirectory, console: object, quiet: bool, json: bool) -> None:
    """`summary.json` and `accuracy.png`, and the closing tables for a person."""
    import orjson
    from rich.console import Console

    from dfl_actors.report.load import load_run
    from dfl_actors.report.pictures import plot_accuracy
    from dfl_actors.report.summary import render, summarise

    assert isinstance(console, Console)
    loaded = load_run(run_directory.path)
    summary = summarise(loaded, loaded.target)
    with whole(run_directory.summary) as draft:
        draft.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    with whole(run_directory.accuracy) as draft:
        plot_accuracy(loaded, draft)
    if json:
        typer.echo(orjson.dumps(summary))
    elif not quiet:
        render(summary, console)


def check_target(run_directory: RunDirectory, outcome: Outcome) -> None:
    """A run that was to reach a target and ended by its duration has missed it. Raises `TargetMissed`."""
    config = load_topology(run_directory.config)
    if config.run.target and outcome.reason == "duration":
        raise TargetMissed(
            f"not every node reached {config.run.target:g} within {outcome.elapsed:.0f} s: "
            f"give more time (--duration), or go on with --resume {run_directory.path}"
        )
