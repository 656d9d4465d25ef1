"""Runs a simulation: the workers, the slab they share, the engine, and the files it leaves."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from dfl_actors import __version__
from dfl_actors.config import Config
from dfl_actors.config.sections import Event
from dfl_actors.core.events import Noised
from dfl_actors.errors import DflError, Diverged, StoreError
from dfl_actors.files import explained
from dfl_actors.learning.coverage import few_samples
from dfl_actors.learning.data import Dataset, check_unchanged, load_datasets
from dfl_actors.learning.magnitudes import far_from_one
from dfl_actors.learning.score import score_of, sums_of
from dfl_actors.processes.forkserver import ForkServer
from dfl_actors.processes.signals import at_once
from dfl_actors.sim import checkpoint, plan
from dfl_actors.sim.about import MODELS, About, load_about, save_about
from dfl_actors.sim.checkpoint import Kept
from dfl_actors.sim.engine import Engine
from dfl_actors.sim.files import Tables
from dfl_actors.sim.tasks import Slots, Task
from dfl_actors.sim.team import Team, starting
from dfl_actors.sim.worker import Slab, opened

FIRST_CHECKPOINT_S = 30.0  # Seconds between two checkpoints, or more.
CHECKPOINT_SHARE = 0.03  # The part of the time that checkpoints may take.
VOTES_AT_ONCE = 1000  # Samples that one job has a model vote on.


class Listener(Protocol):
    """Whoever watches a simulation."""

    def starting(self, text: str) -> None:
        """What is being waited for, before the first tick is done."""

    def measured(self, tick: int, row: list[float]) -> None:
        """A row of accuracies, one a node."""

    def happened(self, tick: int, event: Event) -> None:
        """An event of the topology."""

    def done(self, ticks: int) -> None:
        """So many ticks are done."""

    def voting(self, done: float) -> None:
        """This part of the last measurement, of all models together, is done."""

    def warn(self, text: str) -> None:
        """Something that a person should know."""


class Stopped(Exception):
    """The simulation was asked to stop, and can go on later from tick `tick`."""

    def __init__(self, tick: int) -> None:
        super().__init__(tick)
        self.tick = tick


def simulate(
    config: Config,
    out: Path,
    jobs: int,
    folder: Path,
    listener: Listener,
    stop: Callable[[], bool],
    server: ForkServer,
    resume: bool = False,
) -> None:
    """Simulate `config` into the directory `out`, which exists, on `jobs` workers of `server`; with `resume` go on from its checkpoint.

    Raises as `carry_out` does.
    """
    with tempfile.TemporaryDirectory(prefix="sim-", dir=server.folder) as cache:
        team = starting(config, Path(cache), folder, min(jobs, len(config.nodes)), server, _kept_in(config, out))
        carry_out(config, out, folder, listener, stop, Path(cache), team, resume)


def _kept_in(config: Config, out: Path) -> Path | None:
    """The folder of the models as they were measured last, made; None where none are kept. Raises `StoreError`."""
    if not config.sim.models:
        return None
    with explained(f"{out / MODELS} cannot be made", checkpoint.ROOM):
        (out / MODELS).mkdir(exist_ok=True)
    return out / MODELS


def _last_check(config: Config) -> int:
    """The tick of the last row of accuracies; -1: there is none."""
    sim = config.sim
    return (sim.ticks - 1) // sim.check_every * sim.check_every if sim.check_every else -1


def carry_out(
    config: Config,
    out: Path,
    folder: Path,
    listener: Listener,
    stop: Callable[[], bool],
    cache: Path,
    team: AbstractContextManager[Team],
    resume: bool = False,
    digest: str = "",
) -> None:
    """Simulate `config` into the directory `out`, which exists, by a team that is yet to start; with `resume` go on from its checkpoint.

    `cache` holds the data set, unpacked, and is no other's at the same time; its `digest` must be this, where it is known. Raises `Stopped`
    soon after `stop` says so, and `DflError`; what has been written by then stays, so that the simulation can be resumed.
    """
    about = load_about(out) if resume else About(started=time.time_ns() // 1_000_000, version=__version__)
    if about.diverged:
        raise StoreError(f"{out} cannot go on, for it would diverge again ({about.diverged}); simulate it with another --out")
    about.broken = ""
    save_about(out, about)
    found = checkpoint.find(out) if resume else None
    kept = Kept(0, None, {}, {}) if found is None else checkpoint.load(found)
    if found is not None and kept.config != checkpoint.digest_of(config):
        raise StoreError(f"{out / 'config.toml'} has changed since {found} was written: put it back, or simulate it with another --out")

    def check() -> None:
        if stop():
            raise Stopped(kept.tick)

    with team as workers, _accounted(out, about, workers):
        listener.starting("reading the data")
        with at_once():
            data = load_datasets(config, cache)
        about.data, about.form = check_unchanged(data, kept.data or digest), next(iter(data.values())).form
        kept = kept._replace(data=about.data)
        for line in (*few_samples(config, data), *far_from_one(data)):
            listener.warn(line)
        check()
        run = _Run(config, out, folder, data, workers, listener, kept)
        listener.starting("importing TensorFlow")
        ready = workers.ready(check)
        listener.starting("compiling the model")
        if workers.remark:
            listener.warn(workers.remark)
        run.go(found, kept, ready, stop, cache)
        about.noised = run.noised(folder, data)


@contextmanager
def _accounted(out: Path, about: About, team: Team) -> Iterator[None]:
    """Write down afterwards how long it took, and what; an error that ends it comes before one of writing that. Raises `StoreError`."""
    begun, own = time.monotonic(), time.process_time()
    try:
        yield
        about.over = True
    except BaseException as error:
        about.diverged = str(error) if isinstance(error, Diverged) else ""
        about.broken = "failed" if isinstance(error, DflError) else "interrupted" if isinstance(error, Stopped) else ""
        with suppress(StoreError):
            _account(out, about, begun, own, team)
        raise
    _account(out, about, begun, own, team)


def _account(out: Path, about: About, begun: float, own: float, team: Team) -> None:
    about.seconds += round(time.monotonic() - begun, 3)
    about.cpu += round(time.process_time() - own + team.cpu(), 3)
    save_about(out, about)


class _Run:
    """One simulation, whose workers may still be starting."""

    def __init__(
        self, config: Config, out: Path, folder: Path, data: Mapping[str, Dataset], team: Team, listener: Listener, kept: Kept
    ) -> None:
        self._config, self._out, self._listener, self._digest = config, out, listener, kept.data
        self._data = next(iter(data.values()))  # That of all, where all together are measured.
        self._timeline, self._slots = plan.timeline(config, folder, data), Slots(plan.slots(config))
        names = [node.name for node in config.nodes]
        self._tables = Tables(out, names, [node.senders for node in config.nodes], listener)
        self._engine = Engine(self._timeline, names, team.connections, self._slots, self._tables, begin=kept.tick, keep=_last_check(config))
        self._saved, self._keeps = kept.tick, True

    def go(self, found: Path | None, kept: Kept, slab: Slab, stop: Callable[[], bool], folder: Path) -> None:
        """All of it from the checkpoint `kept` on, which lies in `found`, or from the beginning. Raises `Stopped`."""
        self._slab, self._due = slab, time.monotonic() + FIRST_CHECKPOINT_S
        try:
            if found is not None:
                self._restore(found, kept)
            self._tables.restore(kept.tables)
            self._compute(stop)
            if self._config.sim.ensemble:
                self._vote(folder, stop)
            checkpoint.remove(self._out)
        except StoreError as error:
            raise self._hopeful(error) from error
        finally:
            self._tables.end()

    def noised(self, folder: Path, data: Mapping[str, Dataset]) -> list[Noised]:
        """What nodes say of their noise, with the steps that they have made."""
        said = plan.noises(self._config, folder, data)
        return [replace(one, steps=steps) for one, steps in zip(said, self._timeline.steps, strict=bool(said))]

    def _hopeful(self, error: StoreError) -> StoreError:
        """The error with a remedy that is one: where there is no checkpoint yet, nothing can go on."""
        if any(self._out.glob("checkpoint*")):
            return error
        return StoreError(str(error).replace(checkpoint.ROOM, "free some space and simulate it again, for there was no checkpoint yet"))

    def _restore(self, place: Path, kept: Kept) -> None:
        """Raises `StoreError` for a checkpoint that is none of this simulation."""
        try:
            if kept.timeline is not None:
                self._timeline.restore(kept.timeline)
            for model, readers in sorted(self._timeline.waiting().items()):
                self._slab[self._slots.take(model, readers)] = kept.models[model]
        except (KeyError, ValueError, TypeError) as error:
            raise StoreError(f"{place} is damaged ({error}): simulate it again") from error
        self._each("load", place)

    def _compute(self, stop: Callable[[], bool]) -> None:
        """All ticks that are left, with a checkpoint now and then. Raises `Stopped`."""
        ticks = self._config.sim.ticks
        while self._engine.closed < ticks:
            for done in self._engine.run(ticks, lambda: stop() or self._checkpoint_due()):
                self._listener.done(done)
            if self._engine.closed < ticks:
                self._save()
                if stop():
                    raise Stopped(self._engine.closed)

    def _checkpoint_due(self) -> bool:
        return self._keeps and self._engine.closed > self._saved and time.monotonic() >= self._due

    def _save(self) -> None:
        """Write a checkpoint; the next is due when this one's cost has become small."""
        if not self._keeps:
            return
        begun, self._saved = time.monotonic(), self._engine.closed
        with explained(f"{self._out} cannot be written", checkpoint.ROOM):
            place = checkpoint.begin(self._out)
            reasons = self._each("save", place)
            if reasons:
                self._keeps = False
                checkpoint.remove(self._out)
                self._listener.warn(f"{reasons[0]}: this simulation cannot be interrupted and resumed")
                return
            models = {model: self._slab[slot] for model, slot in self._slots.held().items()}
            self._tables.sync()
            kept = Kept(self._engine.closed, self._timeline.state(), self._tables.lengths(), models, self._digest)
            checkpoint.commit(place, kept._replace(config=checkpoint.digest_of(self._config)))
        cost = time.monotonic() - begun
        self._due = begun + cost + max(FIRST_CHECKPOINT_S, cost / CHECKPOINT_SHARE)

    def _each(self, name: str, place: Path) -> list[str]:
        """Have every node do something with a checkpoint; returns what they say against it."""
        said: list[str | None] = []
        nodes = range(len(self._config.nodes))
        for _ in self._engine.every([self._engine.of_node(Task(None, name, (node, place), said.append), node) for node in nodes]):
            pass
        return [text for text in said if text]

    def _vote(self, folder: Path, stop: Callable[[], bool]) -> None:
        """All models together: how good the mean of what they say of each sample is, added in the nodes' order.

        Raises `Stopped`.
        """
        self._save()
        found: list[tuple[str, int, int]] = []
        for part, labels in (("train", self._data.y_train), ("test", self._data.y_test)):
            (folder / part).unlink(missing_ok=True)  # of a simulation before
            (folder / part).touch()
            votes = opened(folder / part, len(labels), self._data.form.outputs)
            tasks = list(self._votes(part, len(labels)))
            for left in self._engine.every(tasks):
                self._listener.voting((len(found) + 1 - left / len(tasks)) / 2)
                if stop():
                    raise Stopped(self._engine.closed)
            answers = votes if self._data.form.task == "classification" else votes / len(self._config.nodes)
            found.append((part, *score_of(self._data.form, sums_of(self._data.form, answers, labels), labels)))
        self._tables.ensemble(found)

    def _votes(self, part: str, count: int) -> Iterator[Task]:
        for first in range(0, count, VOTES_AT_ONCE):
            before = None
            for node in range(len(self._config.nodes)):
                task = Task(None, "vote", (node, part, first, min(first + VOTES_AT_ONCE, count)))
                task.worker = self._engine.owner(node)
                task.follow(before)
                before = task
                yield task
