"""The run directories of the nodes of a network made one, as `dfl-actors run` leaves it on one machine; only keys are not in it.

Each lies in `part/NAME`. Their metrics are laid one into the other by time; that all are ready, and that the run has ended, is told once.
"""

import heapq
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from dfl_actors import __version__
from dfl_actors.config import Config
from dfl_actors.core import events
from dfl_actors.core.family import ACTORS
from dfl_actors.errors import ConfigError
from dfl_actors.files import explained, whole
from dfl_actors.runtime.plan import SUPERVISOR
from dfl_actors.runtime.rundir import About, RunDirectory, metrics_files, read_about

NO_ROOM = "free some space"
OURS = ("ready", "stopped")  # Events that are of the network here, and of a node there.


class Gathered(NamedTuple):
    """What the run directory of the whole says of it. `ready` is how many seconds after the command it began, None if it has not."""

    config: Config
    addresses: dict[str, str]
    reason: str
    ready: float | None
    command: tuple[str, ...]


class _Stamp(msgspec.Struct):
    """What is read of a line of metrics."""

    t: int = 0
    event: str = ""


def gather(run: RunDirectory, about: Gathered) -> list[str]:
    """Move what has come into its place; called before anything came, it begins the directory. The nodes of which nothing has come.

    Raises `StoreError`.
    """
    came = [name for name in about.addresses if (run.path / "part" / name / "run.json").is_file()]
    with explained(f"{run.path} cannot be written", NO_ROOM):
        if came:
            _merge_metrics(run, [file for name in came for file in metrics_files(run.path / "part" / name)], about)
        for name in came:
            _move(run, name, run.path / "part" / name)
    _write_about(run, about, came)
    return [name for name in about.addresses if name not in came]


def check_resumable(path: Path) -> None:
    """Raises `ConfigError` for a directory that was gathered: the keys of its nodes went with their machines."""
    run = RunDirectory(path)
    if run.run.is_file() and "ray" in (about := read_about(run)).command and not list(run.nodes.glob("*/key")) and about.nodes:
        raise ConfigError(f"{path} is of a run over Ray, whose nodes' keys went with their processes: begin a new run")


def _move(run: RunDirectory, name: str, part: Path) -> None:
    """What one node has left."""
    run.nodes.mkdir(exist_ok=True)
    (part / "nodes" / name).rename(run.node(name).path)
    logs = run.nodes / SUPERVISOR / "log"
    logs.mkdir(parents=True, exist_ok=True)
    for log in (part / "nodes" / SUPERVISOR / "log").glob("*"):
        log.rename(logs / f"{name}-{log.name}")
    if not (run.path / "genesis.json").exists():
        (part / "genesis.json").rename(run.path / "genesis.json")


def _write_about(run: RunDirectory, about: Gathered, came: list[str]) -> None:
    """`run.json`: of the first that came, with all nodes."""
    parts = [read_about(RunDirectory(run.path / "part" / name)) for name in came]
    first = parts[0] if parts else About(name=about.config.network.name, started=time.time_ns() // 1_000_000, nodes={})
    whole_run = msgspec.structs.replace(
        first,
        started=min((part.started for part in parts), default=first.started),
        nodes={name: address for name, address in about.addresses.items() if not came or name in came},
        links=tuple(about.config.links),
        seed=about.config.network.seed,
        version=__version__,
        command=list(about.command),
        target=about.config.run.target or None,
        sockets="",
    )
    with whole(run.run) as draft:
        draft.write_bytes(orjson.dumps(msgspec.to_builtins(whole_run), option=orjson.OPT_INDENT_2))


def _merge_metrics(run: RunDirectory, paths: list[Path], about: Gathered) -> None:
    present = [path for path in paths if path.is_file()]
    began = [stamp.t for path in present for stamp, _ in _lines(path) if stamp.event == "ready"]
    last = 0
    with whole(run.metrics) as draft, draft.open("wb") as file:
        if began and about.ready is not None:
            ready = events.Ready(seconds=round(about.ready, 3), actors=len(ACTORS) * len(about.addresses))
            file.write(events.line(ready, "", SUPERVISOR, min(began)))
        for stamp, line in heapq.merge(*map(_lines, present), key=lambda pair: pair[0].t):
            last = max(last, stamp.t)
            if stamp.event not in OURS:
                file.write(line)
        file.write(events.line(events.Stopped(reason=about.reason), "", SUPERVISOR, last))


def _lines(path: Path) -> Iterator[tuple[_Stamp, bytes]]:
    """The whole lines of a file of metrics; those that were torn are left out."""
    with path.open("rb") as file:
        for line in file:
            try:
                yield msgspec.json.decode(line, type=_Stamp), line
            except msgspec.MsgspecError:
                continue
