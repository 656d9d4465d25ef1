"""The cells of a sweep on a Ray cluster: each lies in a folder of its machine, and comes back to the user's when it is over.

So does every checkpoint meanwhile, and a cell that lies begun in the user's folder is taken along. A machine, a process or all of the
cluster may therefore go at any time: what is lost is what was computed since the last checkpoint.
"""

import select
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dfl_actors.api.cluster.elsewhere import Cluster, Process
from dfl_actors.api.cluster.files import Piece, check_files, named_files, pieces, put
from dfl_actors.api.sweeps.cells import Order, Word, work
from dfl_actors.api.sweeps.engine import LOOK, MODULES, STOP
from dfl_actors.api.sweeps.folder import FULL, clear, finish
from dfl_actors.api.sweeps.plan import sources_of
from dfl_actors.config import parse_topology
from dfl_actors.errors import ConfigError
from dfl_actors.files import explained
from dfl_actors.processes import forkserver
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.forkserver import ForkServer, fork_server
from dfl_actors.processes.signals import Stop
from dfl_actors.sim import checkpoint
from dfl_actors.sim.about import load_about


class Task(msgspec.Struct, frozen=True, tag=True):
    """A cell for another machine: its order, of which the pieces before it are begun, and the files that it needs there, with digests."""

    order: Order
    files: dict[str, str]


class Said(msgspec.Struct, frozen=True, tag=True):
    """What the process of the cell has said."""

    word: Word


class Carries(msgspec.Struct, frozen=True, tag=True):
    """The pieces that follow make one folder, of which `Carried` says that it is whole."""


class Carried(msgspec.Struct, frozen=True, tag=True): ...


class Halt(msgspec.Struct, frozen=True, tag=True):
    """Leave a checkpoint, and stop."""


class Unfit(msgspec.Struct, frozen=True, tag=True):
    """The machine cannot do any cell, and why."""

    why: str


TO_HAND = msgspec.msgpack.Decoder(Piece | Task | Halt)
FROM_HAND = msgspec.msgpack.Decoder(Said | Carries | Piece | Carried | Unfit)
encode = msgspec.msgpack.encode


class RayHand:
    """A process of the cluster, seen from here. `digests` are those of the data sets that cells had, for all hands together."""

    def __init__(self, process: Process, digests: dict[str, str]) -> None:
        self._process, self._digests = process, digests
        self.kill = process.kill

    @property
    def ended(self) -> bool:
        return self._process.ended

    def give(self, order: Order) -> None:
        config = parse_topology(order.config, where=Path(order.part).name, name="network")
        self._order, self._data = order, sources_of(config)
        if Path(order.part).is_dir():
            for piece in pieces(Path(order.part)):
                self._process.send(encode(piece))
        self._process.send(encode(Task(order, named_files(config))))

    def stop(self) -> None:
        self._process.send(encode(Halt()))

    def words(self) -> Iterator[Word]:
        part = Path(self._order.part)
        draft = part.with_name(f"{part.name}.new")
        for raw in self._process.receive():
            match FROM_HAND.decode(raw):
                case Carries():
                    clear(draft)
                case Piece() as piece:
                    put(piece, draft)
                case Carried():
                    shutil.rmtree(part, ignore_errors=True)
                    draft.rename(part)
                case Said(word=word):
                    yield self._whole(word, part) if word.kind == "over" else word
                case Unfit(why=why):
                    raise ConfigError(why)

    def _whole(self, word: Word, part: Path) -> Word:
        """A cell that is over goes where such cells lie, if its data were the same as everybody's."""
        data = load_about(part).data
        if self._digests.setdefault(self._data, data) != data:
            shutil.rmtree(part, ignore_errors=True)
            return Word("failed", text=f"{self._process.machine} has other data than the machines of the cells before: make them the same")
        with explained(f"{part} cannot be finished", FULL):
            finish(part, Path(self._order.over))
        return word


class Ray:
    """The engine: hands on a cluster, a processor each. `address` is the cluster's."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._digests = cluster, dict[str, str]()

    def ready(self, stop: Stop) -> int:
        self._cluster.connect(stop)
        return max(1, int(self._cluster.cpus))

    def start(self) -> RayHand:
        return RayHand(self._cluster.start("hand", hand, Path.cwd()), self._digests)

    def wait(self) -> None:
        select.select([self._cluster], [], [], LOOK)
        self._cluster.hear()

    def end(self) -> None:
        self._cluster.end()


# --- on the other machine


def hand(parent: Channel, folder: Path) -> None:
    """The life of a process there: it passes cells on to a process of a fork server, and what comes of them back."""
    with fork_server(MODULES) as server:
        _There(parent, server, folder).run()


class _There:
    def __init__(self, parent: Channel, server: ForkServer, folder: Path) -> None:
        self._parent, self._server = parent, server
        self._cell: forkserver.Process = server.start("cell", work, folder, server.folder)
        self._part, self._over = server.folder / "part", server.folder / "over"
        self._kept: tuple[int, int] | None = None

    def run(self) -> None:
        """Until the parent or the process of the cells has gone."""
        while not (self._parent.ended or self._cell.channel.ended):
            heard: list[ForkServer | Channel] = [self._server, self._parent, self._cell.channel]
            select.select(heard, [], [], LOOK)
            self._server.hear()
            for raw in self._parent.receive():
                self._obey(TO_HAND.decode(raw))
            for raw in self._cell.channel.receive():
                self._pass_on(msgspec.json.decode(raw, type=Word))

    def _obey(self, word: Piece | Task | Halt) -> None:
        match word:
            case Piece():
                put(word, self._part)
            case Task():
                self._begin(word)
            case Halt():
                self._cell.channel.send(STOP)

    def _begin(self, task: Task) -> None:
        try:
            check_files(task.files)
        except ConfigError as error:
            self._say(Unfit(str(error)))
            return
        here = Order(task.order.config, str(self._part), str(self._over), task.order.data, place=task.order.over)
        self._cell.channel.send(msgspec.json.encode(here))

    def _pass_on(self, word: Word) -> None:
        if word.kind == "over":
            self._carry(self._over)
        elif (kept := self._checkpoint()) != self._kept and kept is not None and self._carry(self._part, kept):
            self._kept = kept
        self._say(Said(word))
        if word.kind in ("over", "failed"):
            self._kept = None
            for place in (self._part, self._over):
                shutil.rmtree(place, ignore_errors=True)

    def _checkpoint(self) -> tuple[int, int] | None:
        """Which checkpoint the cell has now."""
        try:
            state = (self._part / checkpoint.FOLDER / "state.json").stat()
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns

    def _carry(self, place: Path, kept: tuple[int, int] | None = None) -> bool:
        """Say a folder; whether it is whole: in that of a cell under way the checkpoint may have been replaced meanwhile."""
        self._say(Carries())
        try:
            for piece in pieces(place):
                self._say(piece)
        except FileNotFoundError:
            return False
        whole = kept is None or kept == self._checkpoint()
        if whole:
            self._say(Carried())
        return whole

    def _say(self, word: msgspec.Struct) -> None:
        self._parent.send(encode(word))
        self._parent.finish()
