"""Watching a running network: which one, its records as they come, and what of them was missed.

A watcher is one SUB socket that connects to the taps of all actors. It asks for nothing and answers nothing; an actor that
is restarted binds its tap anew and ZeroMQ finds it again. The network is over when its sockets' directory is gone, or nobody
holds the lock of its run directory.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISFIFO, S_ISSOCK

import msgspec
import zmq

from dfl_actors.core.family import ACTORS
from dfl_actors.errors import StoreError
from dfl_actors.runtime import sockets
from dfl_actors.runtime.header import Record, counted_as
from dfl_actors.runtime.recording import Network
from dfl_actors.runtime.rundir import About, RunDirectory, read_about

RUNS = Path("runs")  # Where `dfl-actors run` puts its directories.
QUEUE, LEAST = 12_000, 64  # Records that may wait here while the watcher is busy, and those of one actor at least.
TURN = 100  # Longest wait for records, in ms.
MOST_AT_ONCE = 2_000  # Records in one turn.
STDOUT = 1


def running(run: RunDirectory, about: About) -> bool:
    """Whether the network of the run directory runs."""
    return bool(about.sockets) and Path(about.sockets).is_dir() and run.held()


def newest(only_running: bool = True, runs: Path = RUNS) -> RunDirectory | None:
    """The run under `runs` that was started last, of those that run now or of all."""
    found = []
    for path in runs.glob("*/run.json"):
        run = RunDirectory(path.parent)
        try:
            if not only_running or running(run, read_about(run)):
                found.append((path.stat().st_mtime_ns, run))
        except (StoreError, OSError):
            continue  # it is not whole, or it has just been removed
    return max(found, key=lambda pair: pair[0], default=(0, None))[1]


def network_of(about: About) -> Network:
    return Network(name=about.name, nodes=tuple(about.nodes), links=about.links, begun=about.started)


class Watch:
    """The records of a running network, from now on. Use `turns`, then `close`."""

    def __init__(self, run: RunDirectory, about: About) -> None:
        """Raises `StoreError` when the network is not running, or is another user's."""
        if not running(run, about):
            raise StoreError(f"{run.path} is over: read it with `dfl-actors report {run.path}`, or one transaction of it with --follow ID")
        if not os.access(about.sockets, os.R_OK | os.X_OK):
            raise StoreError(f"{run.path} is run by another user, and so are its sockets: watch as that user")
        self._run, self._about = run, about
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        share = max(LEAST, QUEUE // (len(ACTORS) * max(1, len(about.nodes))))
        self._socket = sockets.make(self._context, zmq.SUB, sockets.SUBSCRIPTION_LIMIT, share)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        for node in about.nodes:
            for actor in ACTORS:
                self._socket.connect(sockets.ipc(Path(about.sockets), node, actor, "tail"))
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        if _pipe(STDOUT):
            self._poller.register(STDOUT, zmq.POLLERR)

    def turns(self) -> Iterator[list[bytes]]:
        """What has come, at least every `TURN` ms, until the network has ended. Raises `BrokenPipeError` when nobody reads our output."""
        ended = False
        while True:
            ready = dict(self._poller.poll(TURN))
            if STDOUT in ready:
                raise BrokenPipeError
            batch = list(self._waiting())
            yield batch
            if ended and not batch:
                return
            ended = not batch and not running(self._run, self._about)

    def _waiting(self) -> Iterator[bytes]:
        """What is no record of one frame comes from no actor, and is left out."""
        for _ in range(MOST_AT_ONCE // sockets.MOST):
            records = list(sockets.read(self._socket, range(1, 2), lambda frame: frame.bytes))
            yield from (record for record in records if isinstance(record, bytes))
            if len(records) < sockets.MOST:
                return

    def close(self) -> None:
        self._context.destroy(linger=0)


def _pipe(descriptor: int) -> bool:
    """Whether somebody who reads our output may go away."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return S_ISFIFO(mode) or S_ISSOCK(mode)


class _Place(msgspec.Struct):
    """How far the records of one actor are."""

    life: int
    n: int
    k: Counter[str]


class Numbers:
    """Follows the numbers of every actor's records, and says what is missing between them."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], _Place] = {}
        self.missed = 0
        self.missed_by_type: Counter[str] = Counter()

    def follow(self, record: Record) -> Iterator[Record]:
        """The record, and before it a `restarted` or `missed` of our own making. `count` of the latter are missing."""
        place = self._places.get((record.node, record.actor))
        if place is None:
            place = self._places[record.node, record.actor] = _Place(record.life, record.n - 1, Counter())
        elif record.life != place.life:
            place = self._places[record.node, record.actor] = _Place(record.life, 0, Counter())
            yield _made(record, "restarted", None)
        lost = record.n - place.n - 1
        if lost > 0:
            self.missed += lost
            yield _made(record, "missed", lost)
        self._follow_type(place, record)
        place.n = record.n
        yield record

    def _follow_type(self, place: _Place, record: Record) -> None:
        """Of a type that was heard before it is known how many are missing."""
        if record.part == 0:
            name = counted_as(record.kind, record.type)
            lost = record.k - place.k.get(name, record.k - 1) - 1
            if lost > 0:
                self.missed_by_type[name] += lost
            place.k[name] = record.k


def _made(record: Record, kind: str, count: int | None) -> Record:
    """A record of our own, about the actor of another."""
    return Record(t=record.t, node=record.node, actor=record.actor, n=record.n, life=record.life, kind=kind, type=kind, count=count)
