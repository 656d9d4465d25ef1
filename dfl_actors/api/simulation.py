"""`simulate` and `repeat`: the same learning in virtual time, without processes for actors and without a chain."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import orjson
from rich.console import Console

from dfl_actors.api.beside import Beside, alone
from dfl_actors.api.crew import Crew, Interrupted, crew
from dfl_actors.api.result import Result, load_run
from dfl_actors.api.topology import Overrides, Tell, Topology, topology_of, warn
from dfl_actors.api.words import in_parameters
from dfl_actors.config import Config, load_topology
from dfl_actors.errors import ConfigError, DflError, Diverged, StoreError
from dfl_actors.files import explained, whole
from dfl_actors.learning.score import word_for
from dfl_actors.processes import signals
from dfl_actors.processes.signals import at_once
from dfl_actors.report.load import load_run as read_run
from dfl_actors.report.progress import How, Progress, shown
from dfl_actors.report.runs.compare import USUAL_TARGET
from dfl_actors.report.simulation import leave
from dfl_actors.runtime.rundir import RunDirectory, default_path
from dfl_actors.sim.about import MODELS, load_about
from dfl_actors.sim.run import Stopped
from dfl_actors.sim.run import simulate as compute

PRELOAD = ("dfl_actors.learning.models", "dfl_actors.sim.worker")  # What the fork server of the workers imports.
REPEAT = "repeat.json"  # In the directory of a repeat: its seeds, and which of them are over.


@in_parameters
def simulate(
    topology: Topology | str | Path | None = None,
    *,
    seed: int | None = None,
    ticks: int | None = None,
    overrides: Overrides = (),
    out: str | Path | None = None,
    jobs: int = 0,
    resume: str | Path | None = None,
    progress: How = "auto",
    tell: Tell = warn,
    beside: Beside = alone,
) -> Result:
    """Simulate a topology, which leaves a directory (`sims/NAME-TIME` unless `out` names one), or go on with the one in `resume`.

        result = simulate("net.toml", seed=1, overrides={"update.algorithm": "krum"})
        result.accuracy.groupby("node").last()

    `jobs` worker processes, 0 for one a processor; the result does not depend on it. `beside` is given the directory and entered
    meanwhile. Raises `DflError`, and `Interrupted` for Ctrl-C once a checkpoint is written, from which `resume` goes on.
    """
    with _desk(jobs, progress, tell) as desk:
        if resume is None:
            return load_run(_begin(_given(topology, seed, ticks, overrides), out, desk, beside))
        path = _resumed(resume, topology, seed, ticks, overrides or None, out)
        with beside([path]) as page:
            _simulated(load_topology(path / "config.toml"), path, desk._replace(page=page), path, resume=True)
    return load_run(path)


class Repeated(NamedTuple):
    """Simulations of one network that differ in the seed: their results by seed. `summary` has mean and standard deviation."""

    path: Path
    results: dict[int, Result]

    @property
    def summary(self) -> dict[str, object]:
        """Over the seeds: the mean and the standard deviation (divided by one less than their number) of each closing figure."""
        closing = [result.summary["accuracy"] for result in self.results.values()]
        figures = ("mean", "worst", "last_mean", "last_worst")
        values = {name: np.array([one[name] for one in closing if one]) for name in figures}
        return {
            "directory": str(self.path),
            "seeds": list(self.results),
            **{name: {"mean": float(given.mean()), "std": _std(given)} for name, given in values.items() if len(given)},
        }

    @in_parameters
    def paper(self, folder: str | Path | None = None) -> list[Path]:
        """Write accuracy over ticks for a paper, mean and standard deviation over the seeds, as `Result.paper` does.

        Raises `StoreError`.
        """
        from dfl_actors.report.paper import panels_of, write_into
        from dfl_actors.report.runs.group_picture import groups_chart
        from dfl_actors.report.runs.groups import grouped, load_member

        members = [load_member(result.path, USUAL_TARGET) for result in self.results.values()]
        found = grouped(members, USUAL_TARGET)
        return write_into(self.path / "plots" / "paper" if folder is None else Path(folder), panels_of(groups_chart(found)))


def _std(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


@in_parameters
def repeat(
    topology: Topology | str | Path | None = None,
    seeds: Sequence[int] = (),
    *,
    ticks: int | None = None,
    overrides: Overrides = (),
    out: str | Path | None = None,
    jobs: int = 0,
    resume: str | Path | None = None,
    progress: How = "auto",
    tell: Tell = warn,
    beside: Beside = alone,
) -> Repeated:
    """Simulate a topology once for each seed, each in a directory of its own (`OUT/seed-N`), or go on with the repeat in `resume`.

    Seeds whose simulation is over are not simulated again. `beside` is given the directories of all and entered meanwhile. Raises as
    `simulate` does.
    """
    with _desk(jobs, progress, tell) as desk:
        if resume is None:
            path = _begin_repeat(_given(topology, None, ticks, overrides), seeds, out, tell)
        else:
            path = _resumed(resume, topology, ticks, overrides or None, out)
        places = {seed: path / f"seed-{seed}" for seed in _load_repeat(path).seeds}
        with beside([*places.values()]) as page:
            _run_seeds(path, desk._replace(page=page))
    repeated = Repeated(path, {seed: load_run(place) for seed, place in places.items()})
    with whole(path / "summary.json") as draft:
        draft.write_bytes(orjson.dumps(repeated.summary, option=orjson.OPT_INDENT_2))
    return repeated


def is_repeat(path: Path) -> bool:
    """Whether a directory is one of a repeat."""
    return (path / REPEAT).exists()


# --- one simulation


class _Desk(NamedTuple):
    """What simulations of one call have in common. `page` is the address of the one that follows them, if any does."""

    workers: int
    how: How
    tell: Tell
    crew: Crew
    page: str = ""


@contextmanager
def _desk(jobs: int, how: How, tell: Tell) -> Iterator[_Desk]:
    """The fork server imports TensorFlow while we read the topology. A second signal stops at once."""
    if jobs < 0:
        raise ConfigError(f"jobs is {jobs}: give the number of worker processes, or 0 for one a processor")
    with crew(PRELOAD, impatient=True) as hired:
        yield _Desk(jobs or os.cpu_count() or 1, how, tell, hired)


def _simulated(config: Config, path: Path, desk: _Desk, again: Path, resume: bool = False) -> None:
    """One simulation, new or resumed, shown while it goes on, and what it leaves. `again` is what can be resumed.

    Raises `Interrupted`, and `signals.Interrupted` when nothing can be resumed.
    """
    server, stop = desk.crew
    honest = [number for number, node in enumerate(config.nodes) if not config.attacks(node.name)]
    progress = Progress(shown(desk.how, Console(), desk.page), config.sim.ticks, honest, desk.tell, word_for(config.data.task))
    with RunDirectory(path).lock():
        try:
            with progress:
                compute(config, path, desk.workers, Path.cwd(), progress, lambda: bool(stop), server, resume=resume)
        except Stopped as stopped:
            goes_on = any(path.glob("checkpoint*"))
            if not (goes_on or stopped.tick):
                stop.check()
            text = f"stopped after {stopped.tick} of {config.sim.ticks} ticks"
            if goes_on or again != path:
                raise Interrupted(stop.number, f"{text}; go on with: dfl-actors sim --resume {again}") from None
            raise Interrupted(stop.number, f"{text}, with which it cannot go on; what it measured lies in {path}") from None
        leave(read_run(path))


def _given(topology: Topology | str | Path | None, seed: int | None, ticks: int | None, overrides: Overrides) -> Topology:
    """What is to be simulated, with everything over it. Raises `ConfigError`."""
    if topology is None:
        raise ConfigError("what is to be simulated? Give a topology, or a directory to resume")
    set_ = {key: value for key, value in {"sim.ticks": ticks, "network.seed": seed}.items() if value is not None}
    return topology_of(topology, overrides).override(set_)


def _checked(topology: Topology, tell: Tell) -> Config:
    """Its configuration, fit to be simulated. Raises `DflError`."""
    from dfl_actors.sdk.loader import check_plugins

    config = topology.checked(tell)
    check_plugins(config, Path.cwd())
    return config


def _begin(topology: Topology, out: str | Path | None, desk: _Desk, beside: Beside) -> Path:
    """A simulation in a directory of its own, of which nothing is left where it is stopped, or fails, before anything is computed."""
    config = _checked(topology, desk.tell)
    path = _place(out, config)
    try:
        with beside([path]) as page:
            _simulated(config, path, desk._replace(page=page), path)
    except (signals.Interrupted, DflError) as error:
        if isinstance(error, signals.Interrupted) or not any(_computed(path)):
            _forget(path)
        raise
    return path


def _resumed(resume: str | Path, *given: object) -> Path:
    """The directory to go on in. What was begun goes on as it was begun, whatever else is `given` is an error. Raises `DflError`."""
    if any(one is not None for one in given):
        raise ConfigError("what is resumed goes on as it was begun: give nothing else but the number of jobs")
    path = Path(resume)
    if not (path / "config.toml").is_file():
        raise StoreError(f"{path} is not the directory of a simulation: it has no config.toml")
    return path


def _place(out: str | Path | None, config: Config) -> Path:
    """A new directory for it, with the resolved configuration in it. Raises `StoreError`."""
    path = default_path(config.network.name, time.time_ns() // 1_000_000, "sims") if out is None else Path(out)
    prepare(path, config)
    return path


def prepare(path: Path, config: Config) -> None:
    """Make the directory, with the resolved configuration in it. Raises `StoreError`."""
    with explained(f"{path} cannot be written", "choose another --out"):
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise StoreError(f"{path} is not empty: choose another --out")
        with whole(path / "config.toml") as draft:
            draft.write_text(config.resolved(), encoding="utf-8")


def _computed(path: Path) -> Iterator[Path]:
    """The tables and the models of a simulation."""
    yield from path.glob("*.csv")
    yield from path.glob(f"{MODELS}/*.npy")


def _forget(path: Path) -> None:
    """A simulation that ended before anything was computed leaves nothing."""
    for file in (path / "config.toml", path / "sim.json", *_computed(path)):
        file.unlink(missing_ok=True)
    with suppress(OSError):  # what is in it is not ours, and stays
        for folder in (path / MODELS, path):
            if folder.is_dir():
                folder.rmdir()


# --- several seeds


class _Repeat(msgspec.Struct):
    """Simulations of one network with several seeds, each in `seed-N` beside this: all of them, those that are over, and the digest of
    the data set."""

    seeds: list[int]
    done: list[int] = []
    data: str = ""

    def save(self, path: Path) -> None:
        """Into the directory of a repeat, whole or not at all. Raises `StoreError`."""
        with whole(path / REPEAT) as draft:
            draft.write_bytes(msgspec.json.encode(self))


def _load_repeat(path: Path) -> _Repeat:
    """The repeat of a directory. Raises `StoreError`."""
    try:
        return msgspec.json.decode((path / REPEAT).read_bytes(), type=_Repeat)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(f"{path / REPEAT} is damaged ({error}): simulate it again") from error


def _begin_repeat(topology: Topology, seeds: Sequence[int], out: str | Path | None, tell: Tell) -> Path:
    """The directory of a new repeat, with one for each seed. Raises `DflError`."""
    if not seeds:
        raise ConfigError("which seeds? Give at least one")
    config = _checked(topology, tell)
    path = _place(out, config)
    for seed in seeds:
        prepare(path / f"seed-{seed}", topology.override({"network.seed": seed}).config)
    _Repeat(list(seeds), data=_digest(config, "")).save(path)
    return path


def _digest(config: Config, before: str) -> str:
    """Of the data that all seeds learn, which must be what it was. Raises `DataError`."""
    from dfl_actors.learning.data import check_unchanged, load_datasets

    with at_once():
        data = load_datasets(config)
    return check_unchanged(data, before)


def _run_seeds(path: Path, desk: _Desk) -> None:
    """The simulations of a repeat that are not over: from their checkpoint, or from the beginning where there is none.

    Raises `Diverged` for those that have diverged, which would again, once the others are over.
    """
    repeat, diverged = _load_repeat(path), list[str]()
    for seed in repeat.seeds:
        if seed in repeat.done:
            continue
        place = path / f"seed-{seed}"
        config = load_topology(place / "config.toml")
        _digest(config, repeat.data)
        try:
            if why := load_about(place).diverged:
                raise Diverged(why)
            _simulated(config, place, desk, path, resume=any(place.glob("checkpoint*")))
        except Diverged as error:
            diverged.append(f"seed {seed}: {error}")
            continue
        repeat.done.append(seed)
        repeat.save(path)
    if diverged:
        raise Diverged(f"{len(diverged)} of {len(repeat.seeds)} simulations in {path} diverged; {diverged[0]}")
