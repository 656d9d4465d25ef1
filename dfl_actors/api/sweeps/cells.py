"""A process that simulates cells, one after the other, each by itself alone: the model is compiled once for all that train alike.

It says how far it is, and stops at a checkpoint when it is told to or nobody is there any more.
"""

import gc
import tempfile
import time
from pathlib import Path

import msgspec

from dfl_actors.api.sweeps.folder import FULL, clear, finish
from dfl_actors.config import Config, parse_topology
from dfl_actors.config.sections import Event
from dfl_actors.errors import DflError, Diverged, StoreError
from dfl_actors.files import explained, whole
from dfl_actors.processes.channel import Channel
from dfl_actors.report.load import load_run
from dfl_actors.report.simulation import leave
from dfl_actors.sim import checkpoint
from dfl_actors.sim.about import load_about
from dfl_actors.sim.run import Stopped, carry_out
from dfl_actors.sim.team import alone

SAY_EVERY = 0.5  # Seconds between two words on how far it is.


class Order(msgspec.Struct, frozen=True):
    """A cell to simulate: its configuration, where it lies meanwhile and at the end, the digest of its data set, if that is known, and
    where the user will find it, if that is not on this machine."""

    config: str
    part: str
    over: str
    data: str
    place: str = ""


class Word(msgspec.Struct, frozen=True):
    """What the process says: how far it is, a warning, or that the cell is over, has failed and why, or was stopped."""

    kind: str
    done: float = 0.0
    text: str = ""


def work(parent: Channel, folder: Path, shared: Path) -> None:
    """The life of the process: orders in, words out. Plug-ins are looked for from `folder` on; `shared` is for its files."""
    with tempfile.TemporaryDirectory(prefix="cell-", dir=shared) as cache:
        while (raw := parent.next()) is not None:
            word = _word(msgspec.json.decode(raw, type=Order), parent, folder, Path(cache))
            gc.collect()  # A worker and its nodes hold each other, and a hundred megabytes of models that nobody would miss.
            parent.send(msgspec.json.encode(word))
            if word.kind == "stopped":
                return


def _word(order: Order, parent: Channel, folder: Path, cache: Path) -> Word:
    """Simulate a cell; what came of it. That it diverged comes of it as well: with its seed it would again."""
    part = Path(order.part)
    try:
        config = parse_topology(order.config, where=part.name, name="network", folder=folder)
        resume = _begin(part, order.config)
        listener = _Listener(parent, config)
        try:
            if not load_about(part).over:
                carry_out(config, part, folder, listener, listener.stop, cache, alone(config, cache, folder), resume, order.data)
            leave(load_run(part), picture=False, place=Path(order.place or order.over))
        except Diverged as error:
            listener.warn(f"{Path(order.place or order.over).name}: {error}")
            checkpoint.remove(part)
        with explained(f"{part} cannot be finished", FULL):
            finish(part, Path(order.over))
    except Stopped:
        return Word("stopped")
    except DflError as error:
        return Word("failed", text=str(error))
    return Word("over")


def _begin(part: Path, config: str) -> bool:
    """Make its directory, unless a simulation of this very configuration can go on there; whether it can. Raises `StoreError`."""
    kept = part / "config.toml"
    if kept.is_file() and kept.read_text(encoding="utf-8") == config and _goes_on(part):
        return True
    clear(part)
    with whole(kept, FULL) as draft:
        draft.write_text(config, encoding="utf-8")
    return False


def _goes_on(part: Path) -> bool:
    """Whether a simulation is over, or has a checkpoint of this version."""
    if load_about(part).over:
        return True
    try:
        checkpoint.load(checkpoint.find(part))
    except StoreError:
        return False
    return True


class _Listener:
    """Tells the parent how far it is, and hears that it should stop."""

    def __init__(self, parent: Channel, config: Config) -> None:
        self._parent, self._ticks = parent, config.sim.ticks
        self._due, self._stopping = 0.0, False

    def stop(self) -> bool:
        """Whether anything was said, which is to stop, or the parent has gone."""
        self._stopping = self._stopping or any(True for _ in self._parent.receive()) or self._parent.ended
        return self._stopping

    def measured(self, tick: int, row: list[float]) -> None: ...

    def happened(self, tick: int, event: Event) -> None: ...

    def starting(self, text: str) -> None: ...

    def voting(self, done: float) -> None: ...

    def warn(self, text: str) -> None:
        self._parent.send(msgspec.json.encode(Word("warning", text=text)))

    def done(self, ticks: int) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + SAY_EVERY
            self._parent.send(msgspec.json.encode(Word("progress", done=ticks / self._ticks)))
