"""The runs under a directory: a few figures of each, which one a name means, and how one is deleted.

The state of a run comes from its lock and from its metrics: who holds the lock runs; else the supervisor wrote why the run
stopped; and where it did not, after the last time the network was ready, the run died. So no state is stored that a
`kill -9` could leave wrong. Only the few events that this needs are read, for a long run has very many others.
"""

import os
import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import msgspec

from dfl_actors.core.events import Evaluated, Final, Ready, Stopped
from dfl_actors.errors import StoreError
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.summary import stands
from dfl_actors.report.table import Column, accuracy_text, size_text
from dfl_actors.report.times import time_text
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.sim.about import is_simulation, load_about

OURS = (
    "config.toml", "run.json", "genesis.json", "metrics.jsonl", "metrics-*.jsonl",
    "status.json", "events.json", "accuracy.png", "summary.json", "nodes",
    "lock", "report.html", "plots", "csv", "jsonl", "parquet", "tensorboard", "mlflow", "wandb", "part-*",
    "sim.json", "accuracy.csv", "steps.csv", "model_weight_diff.csv", "peers.csv", "events.csv", "ensemble.csv", "reputation",
    "reasons", "checkpoint*",
)  # fmt: skip
"""What the program leaves in a run directory. Nothing else is ever deleted."""

SHORT = (Ready, Stopped, Evaluated, Final)
FINISHED = ("duration", "target", "ticks")
GOING_ON = ("starting", "running")  # States in which a process holds the run.
DEPTH = 3  # Directories below one another in which runs are looked for: sims/SWEEP/cells/NAME.
TAIL = 1 << 16  # Bytes at the end of the metrics among which a whole line is surely found.


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One run, or by its `kind` a simulation. `started` is ms since the epoch, `seconds` how long it ran, `bytes` its size on disk.

    `state` is starting, running, finished, interrupted, terminated, failed, died or damaged; `reason` says why a run
    finished, or what is damaged. `lowest` and `mean` are of the honest nodes' last measurements on the test samples, `measured_by` says of
    what; `attackers` are apart, and so many nodes were `measured`. None is not known.
    """

    directory: str
    state: str
    kind: str = "run"
    bytes: int
    reason: str = ""
    network: str | None = None
    nodes: int | None = None
    started: int | None = None
    seconds: float | None = None
    lowest: float | None = None
    mean: float | None = None
    measured_by: str | None = None
    attackers: int = 0
    measured: int | None = None
    blocks: int | None = None


def list_runs(directories: Sequence[Path], now: int) -> tuple[list[Listed], list[str]]:
    """The runs and simulations in these directories, newest first, and the names of the directories there that are neither. `now` in ms.

    Raises StoreError if none is there, or one cannot be read.
    """
    there = [directory for directory in directories if directory.exists()] or directories[:1]
    looks = [(path, look(path, now)) for directory in there for path in _inside(directory)]
    runs = sorted((run for _, run in looks if run is not None), key=lambda run: run.started or 0, reverse=True)
    return runs, [path.name for path, run in looks if run is None]


def _inside(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError as error:
        raise StoreError(f"no folder {directory}: `dfl-actors run` makes one, or name another directory with --dir") from error
    except OSError as error:
        raise StoreError(f"{directory} cannot be read ({error.strerror}): name the directory of the runs with --dir") from error


def look(path: Path, now: int) -> Listed | None:
    """What `path` holds; None if that is no run."""
    try:
        return _look(RunDirectory(path), now)
    except (StoreError, OSError) as error:
        return Listed(directory=str(path), state="damaged", reason=str(error), bytes=size_of(path))


def _look(directory: RunDirectory, now: int) -> Listed | None:
    path, held = directory.path, held_since(directory)
    if not directory.run.is_file() and not is_simulation(path):
        return None if held is None else Listed(directory=str(path), state="starting", bytes=size_of(path))
    run = load_run(path, SHORT)
    state, reason = state_of(run, held)
    last = now if state == "running" else _last_time(directory.metrics_files()) if state == "died" else None
    head = stands(run)
    return Listed(
        directory=str(path),
        state=state,
        kind="simulation" if run.simulated else "run",
        reason=reason if state == "finished" else "",
        network=run.name,
        nodes=len(run.nodes),
        started=run.started,
        seconds=_ran(run, last),
        lowest=head["worst"],
        mean=head["mean"],
        attackers=head["attackers"],
        measured=head["measured"],
        measured_by=run.measured_by,
        blocks=None if run.simulated else sum(sealed.all for sealed in run.tally.sealed.values()),
        bytes=size_of(path),
    )


def _ran(run: Run, last: int | None) -> float:
    """Seconds that it ran, until `last` if that is later than what it says of itself."""
    if run.simulated:
        return load_about(run.path).seconds
    return run.elapsed if last is None or run.ready is None else run.seconds(last)


def held_since(directory: RunDirectory) -> float | None:
    """When the process that holds the directory began to (ms since the epoch); None if none holds it. Raises StoreError."""
    try:
        return 1000 * directory.lock_file.stat().st_mtime if directory.held() else None
    except FileNotFoundError:
        return None


def state_of(run: Run, held: float | None) -> tuple[str, str]:
    """The state of a run and the reason its supervisor gave for stopping, "" if it gave none. `held` is what `held_since` says."""
    readies, stops = run.of(Ready), run.of(Stopped)
    if held is not None and run.simulated:
        return "running", ""
    if held is not None:
        return "running" if readies and readies[-1].t >= held else "starting", ""
    if not stops or (readies and stops[-1].t < readies[-1].t):
        return "died", ""
    reason = stops[-1].reason
    return "finished" if reason in FINISHED else reason or "stopped", reason


def state_now(run: Run) -> str:
    """The same at this moment."""
    return state_of(run, held_since(RunDirectory(run.path)))[0]


class _Timed(msgspec.Struct):
    t: int


def _last_time(files: list[Path]) -> int | None:
    """The time of the last whole line of the metrics."""
    found = (_last_in(file) for file in reversed(files))
    return next((time for time in found if time is not None), None)


def _last_in(metrics: Path) -> int | None:
    try:
        with metrics.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            return msgspec.json.decode(line, type=_Timed).t
        except msgspec.DecodeError:
            continue
    return None


def size_of(path: Path) -> int:
    """Bytes that everything under `path` takes on the disk; what we may not look into is left out."""
    blocks = 0
    for folder, _, files in os.walk(path):
        for file in files:
            try:
                blocks += Path(folder, file).lstat().st_blocks
            except OSError:
                continue  # gone meanwhile: the run goes on
    return 512 * blocks


def load_measured(path: Path) -> Run:
    """A run that has metrics. Raises StoreError."""
    run = load_run(path)
    if not run.events:
        raise StoreError(f"{path} has no metrics: nothing has happened in this run yet, or its metrics.jsonl is lost")
    return run


# --- names and deleting


def find(name: str, directories: Sequence[Path]) -> Path:
    """The directory that `name` means: a run of this name in the first of these that has one, or else a path. Raises StoreError."""
    path = _place(name, directories)
    return path if is_simulation(path) else RunDirectory.open(path).path


def find_some(name: str, directories: Sequence[Path]) -> tuple[Path, bool]:
    """The same, or else a directory that holds runs; whether it is a run itself. Raises StoreError."""
    path = _place(name, directories)
    if path.is_dir() and not _is_run(path) and runs_below(path):
        return path, False
    return find(name, directories), True


def _place(name: str, directories: Sequence[Path]) -> Path:
    bare = Path(name).name == name != ".."
    path = next((directory / name for directory in directories if bare and (directory / name).is_dir()), Path(name))
    if bare and not path.is_dir():
        places = " or ".join(map(str, directories))
        raise StoreError(f"{name}: no such run in {places}, and no such directory; `dfl-actors runs` shows what there is")
    return path


def _is_run(path: Path) -> bool:
    return RunDirectory(path).run.is_file() or is_simulation(path)


def runs_below(path: Path, depth: int = DEPTH) -> list[Path]:
    """A run itself; or the runs in a directory, and in directories in it, as of several seeds or of a sweep. Raises StoreError."""
    if _is_run(path):
        return [path]
    return [run for inner in _inside(path) for run in runs_below(inner, depth - 1)] if depth else []


def check_removable(path: Path) -> None:
    """Raises StoreError unless `path` is a run's directory, holds nothing else, and no process uses it."""
    if path.is_symlink():
        raise StoreError(f"{path} is a link to {path.resolve()}: name that directory")
    run = RunDirectory(path) if is_simulation(path) else RunDirectory.open(path)
    if not is_simulation(path) and not read_about(run).genesis:
        raise StoreError(f"{run.run} is not of a run: name the directory of one")
    foreign = sorted(entry.name for entry in path.iterdir() if not any(fnmatch(entry.name, ours) for ours in OURS))
    if foreign:
        raise StoreError(f"{path} holds {', '.join(foreign[:3])}, which no run leaves: move it elsewhere, or delete the directory yourself")
    if run.held():
        raise StoreError(f"{path} is in use by a run: stop that first")


def remove(path: Path) -> None:
    """Delete the run in `path`. What makes it a run goes last, so that an attempt that failed can be repeated. Raises StoreError."""
    check_removable(path)
    run = RunDirectory(path.absolute())
    last = run.run if run.run.exists() else run.config
    try:
        with run.lock():
            for entry in run.path.iterdir():
                if entry not in (last, run.lock_file):
                    shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            last.unlink()
        run.path.rmdir()
    except OSError as error:
        problem = f"{error.filename} cannot be removed ({error.strerror})"
        raise StoreError(f"{path} is only partly deleted, {problem}: correct that and repeat the command") from error


# --- the table


def columns(runs: Sequence[Listed]) -> list[Column]:
    """The table of the runs. Their names stay whole, for a person will copy them."""
    return [
        Column("run", [Path(run.directory).name for run in runs], left=True, style="cyan"),
        Column("state", [f"{run.state} ({run.reason})" if run.state == "finished" else run.state for run in runs], left=True),
        Column("network", [run.network or "-" for run in runs], 2, left=True),
        Column("nodes", [_count(run.nodes) for run in runs], 6),
        Column("started", [_moment(run.started) for run in runs], 5, left=True),
        Column("ran", [duration_text(run.seconds) for run in runs], 4),
        Column("worst", [accuracy_text(run.lowest) for run in runs], 8, style="bold"),
        Column("mean", [accuracy_text(run.mean) for run in runs], 7),
        *_where_any("attackers", [run.attackers for run in runs]),
        *_where_any("unmeasured", [(run.nodes or 0) - run.measured if run.measured is not None else 0 for run in runs]),
        Column("blocks", [_count(run.blocks) for run in runs], 3),
        Column("size", [size_text(run.bytes) for run in runs], 5),
    ]


def _where_any(header: str, counts: Sequence[int]) -> list[Column]:
    """Nodes that the figures beside it leave out; no column where there are none."""
    return [Column(header, [str(count) if count else "" for count in counts], 7)] if any(counts) else []


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _moment(milliseconds: int | None) -> str:
    return "-" if milliseconds is None else time_text(milliseconds, "%Y-%m-%d %H:%M")


def duration_text(seconds: float | None) -> str:
    """ "0:01:30": hours, minutes, seconds."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
