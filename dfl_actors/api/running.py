"""`run` and `run_node`: a network as processes on this machine, or one of its nodes."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import orjson
from rich.console import Console

from dfl_actors.api.beside import Beside, alone
from dfl_actors.api.cluster.elsewhere import Cluster, check_engine
from dfl_actors.api.cluster.gather import check_resumable
from dfl_actors.api.crew import Crew, Interrupted, crew
from dfl_actors.api.result import Result
from dfl_actors.api.topology import Overrides, Tell, Topology, options_of, topology_of, warn
from dfl_actors.api.words import in_parameters
from dfl_actors.config import Config
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.files import whole
from dfl_actors.processes.signals import WHY, Stop
from dfl_actors.report.load import load_run as read_run
from dfl_actors.report.progress import How, NotebookWatch, in_notebook
from dfl_actors.report.watching import Watch
from dfl_actors.runtime.launch import PRELOAD, Launch, new_run, resume_network
from dfl_actors.runtime.launch import run_network as launch_network
from dfl_actors.runtime.launch import run_node as launch_node
from dfl_actors.runtime.rundir import RunDirectory, default_path
from dfl_actors.runtime.supervisor import Outcome, Watcher

C = TypeVar("C")

Closing = Callable[[Result], object]
"""Is given what a run left, also one that failed or was interrupted, before that is raised."""


def nothing(result: Result) -> None:
    """What is done at the end unless somebody wants something."""


class _Shown(NamedTuple):
    """How the run in `path` is shown, what is beside it meanwhile, and who is given what it leaves."""

    path: Path
    how: How
    closing: Closing
    beside: Beside


SET = ("run.duration_s", "run.target", "network.seed", "run.speed")
"""What `run` sets by its own arguments."""


@in_parameters
def run(
    topology: Topology | str | Path | None = None,
    *,
    duration: float | None = None,
    target: float | None = None,
    seed: int | None = None,
    speed: float | None = None,
    overrides: Overrides = (),
    out: str | Path | None = None,
    resume: str | Path | None = None,
    progress: How = "auto",
    tell: Tell = warn,
    closing: Closing = nothing,
    engine: str = "local",
    address: str | None = None,
    insecure: bool = False,
    beside: Beside = alone,
) -> Result:
    """Run every node of a topology on this machine until the target, the duration or Ctrl-C; or go on with the run in `resume`.

        run("fully_connected_4", duration=30).transactions.groupby("node").size()

    With the engine "ray" the nodes are on the machines of the Ray cluster at `address`, or the one that this machine belongs to, or one
    started here. `insecure`: links that leave the machine need not be encrypted. It leaves a run directory, `runs/NAME-TIME` unless
    `out` names one; `beside` is given it and entered meanwhile. Raises `DflError`, and `Interrupted` for Ctrl-C once the run has ended
    in order; `closing` is called with what there is before, and `load_run` reads it after."""
    begun = time.monotonic()
    check_engine(engine, address)
    set_ = {key: value for key, value in zip(SET, (duration, target, seed, speed), strict=True) if value is not None}
    if resume is not None:
        _check_resume(path := Path(resume), engine, alone=topology is None and out is None)
        network = partial(resume_network, path, (*options_of(overrides), *options_of(set_)))
        return _here(_Shown(path, progress, closing, beside), network, begun, insecure)
    config = topology_of(_named(topology), overrides).override(set_).checked(tell, deployed=True)
    path = default_path(config.network.name, time.time_ns() // 1_000_000) if out is None else Path(out)
    shown = _Shown(path, progress, closing, beside)
    if engine == "ray":
        return _on_cluster(shown, config, address, begun)
    return _here(shown, partial(launch_network, config, path), begun, insecure)


def _named(topology: Topology | str | Path | None) -> Topology | str | Path:
    if topology is None:
        raise ConfigError("which network? give a topology file or a ready one's name, for instance fully_connected_4")
    return topology


def _check_resume(path: Path, engine: str, *, alone: bool) -> None:
    """Raises `DflError` where a run cannot go on, or not so; `alone`: nothing else is said that belongs to a new one."""
    if engine == "ray":
        raise ConfigError("--resume with --engine ray: the nodes' keys went with their machines; begin a new run")
    if not alone:
        raise ConfigError("--resume DIR goes on with an earlier run: leave the topology and --out away")
    check_resumable(path)


@in_parameters
def run_node(
    topology: Topology | str | Path,
    name: str,
    keys: str | Path,
    *,
    overrides: Overrides = (),
    out: str | Path | None = None,
    adopt: bool = False,
    progress: How = "auto",
    closing: Closing = nothing,
    insecure: bool = False,
    beside: Beside = alone,
) -> Result:
    """Run one node on this host, with the key files in `keys`; the others run on theirs. `adopt`: it may go on
    behind what neighbours hold of its key and `out` has lost; `insecure`, `beside`: see `run`. Raises as `run` does."""
    begun = time.monotonic()
    config = topology_of(topology, overrides).deployed()
    path = Path("runs") / f"{config.network.name}-{name}" if out is None else Path(out)
    network = partial(launch_node, config, name, Path(keys), path, adopt=adopt)
    return _here(_Shown(path, progress, closing, beside), network, begun, insecure)


def _here(shown: _Shown, network: Callable[[Launch], Outcome], begun: float, insecure: bool) -> Result:
    """The nodes as processes of this machine. Raises as `run` does."""

    def go(team: Crew, watcher: Watcher) -> Outcome:
        return network(Launch(*team, watcher, begun, insecure))

    return _watched(shown, crew(PRELOAD), go)


def _on_cluster(shown: _Shown, config: Config, address: str | None, begun: float) -> Result:
    """The nodes on the machines of a Ray cluster. Raises as `run` does."""
    from dfl_actors.api.cluster.network import Network, on_cluster

    def go(team: tuple[Cluster, Stop], watcher: Watcher) -> Outcome:
        with new_run(shown.path) as run:
            return Network(config, run, *team, watcher, begun).go()

    return _watched(shown, on_cluster(address), go, resumable=False)


def _watched(shown: _Shown, team: AbstractContextManager[C], go: Callable[[C, Watcher], Outcome], *, resumable: bool = True) -> Result:
    """Run and show, with the address of what is beside; write the summary and the plot. Raises what ended the run."""
    with shown.beside([shown.path]) as page:
        with team as members:
            notebook, quiet, json = shown.how == "auto" and in_notebook(), shown.how == "none", shown.how == "json"
            watch = NotebookWatch() if notebook else Watch(Console(), quiet=quiet, json=json, page=page)
            try:
                outcome = go(members, watch)
            finally:
                watch.close()
        return _ended(shown, outcome, resumable)


def _ended(shown: _Shown, outcome: Outcome, resumable: bool) -> Result:
    """What the run left. Raises what ended it."""
    try:
        result = _leave(RunDirectory(shown.path), outcome.elapsed)
        shown.closing(result)
    except StoreError:
        # What ended the run comes first; a full disk may have done both.
        if outcome.error is None:
            raise
    if outcome.error is not None:
        raise outcome.error
    if outcome.reason in WHY:
        text = f"the run was {outcome.reason}" + (f"; go on with: dfl-actors run --resume {shown.path}" if resumable else "")
        raise Interrupted(WHY[outcome.reason], text, told=True)
    return result


def _leave(directory: RunDirectory, ran: float) -> Result:
    """`summary.json` and `accuracy.png`. Raises `StoreError`."""
    from dfl_actors.report.pictures import plot_accuracy

    result = Result(read_run(directory.path), ran)
    with whole(directory.summary) as draft:
        draft.write_bytes(orjson.dumps(result.summary, option=orjson.OPT_INDENT_2))
    with whole(directory.accuracy) as draft:
        plot_accuracy(result.run, draft)
    return result
