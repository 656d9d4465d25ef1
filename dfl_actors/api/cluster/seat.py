"""The life of a process that runs one node on a machine of the cluster, as `dfl-actors node` does on a host.

Its key is made there, lies in a folder that goes with the process, and is never sent: the others hear the public half. What the node
leaves is sent, a file after the other, when it has ended.
"""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from dfl_actors.api.cluster.files import Piece, check_files, pieces
from dfl_actors.api.topology import Topology
from dfl_actors.errors import DflError, TransportError
from dfl_actors.processes import signals
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.forkserver import ForkServer, fork_server
from dfl_actors.runtime.keyfiles import curve_keys, new_key
from dfl_actors.runtime.launch import PRELOAD, Launch, run_node
from dfl_actors.runtime.status import NetworkStatus

SAY_EVERY = 0.5  # Seconds between two pictures of the node.
PORTS = range(20_000, 32_000, 2)  # Below those that systems give to whoever connects.


class Seated(msgspec.Struct, frozen=True, tag=True):
    """The node has a key and two ports, this and the next."""

    port: int
    public: str
    curve: str


class Go(msgspec.Struct, frozen=True, tag=True):
    """The topology with everybody's addresses and keys, and the files that it needs on every machine, with digests."""

    network: str
    topology: str
    files: dict[str, str]


class Seen(msgspec.Struct, frozen=True, tag=True):
    """How the node is."""

    status: NetworkStatus


class Told(msgspec.Struct, frozen=True, tag=True):
    """Something for the person who watches."""

    text: str


class Gone(msgspec.Struct, frozen=True, tag=True):
    """The node has ended and all that it left was sent; what ended it, "" if nothing went wrong."""

    error: str = ""
    exit_code: int = 0


FROM_SEAT = msgspec.msgpack.Decoder(Seated | Seen | Told | Piece | Gone)
encode = msgspec.msgpack.encode


def sit(parent: Channel, name: str, port: int) -> None:
    """Run node `name`, which listens at `port` and the next, or at free ports for 0. Raises `DflError`."""
    with fork_server(PRELOAD) as server:
        pair = new_key(server.folder / "keys")
        with _held(port) as free:
            parent.send(encode(Seated(free, pair.public, curve_keys(pair)[0].decode())))
            raw = parent.next()
        if raw is not None:
            gone = _run(msgspec.msgpack.decode(raw, type=Go), name, server, parent)
            for piece in _left(server.folder / "run"):
                parent.send(encode(piece))
                parent.finish()
            parent.send(encode(gone))
            parent.finish()


def _left(run: Path) -> Iterator[Piece]:
    """What the node has left; nothing, if it could not begin."""
    return pieces(run) if run.is_dir() else iter(())


def _run(go: Go, name: str, server: ForkServer, parent: Channel) -> Gone:
    """Until the node has ended, or the parent says anything, which is to stop."""
    try:
        check_files(go.files)
        config = Topology(go.network, text=go.topology).deployed()
        launch = Launch(server, _Called(parent), _Teller(parent), time.monotonic())
        error = run_node(config, name, server.folder / "keys", server.folder / "run", launch).error
    except DflError as problem:
        error = problem
    except signals.Interrupted:
        error = None
    return Gone() if error is None else Gone(str(error), error.exit_code)


class _Called(signals.Stop):
    """What the parent wants, instead of signals. Whatever it says means to stop, and so does its end."""

    def __init__(self, parent: Channel) -> None:
        self._parent = parent

    def __bool__(self) -> bool:
        if not self.number and (any(True for _ in self._parent.receive()) or self._parent.ended):
            self.number = signal.SIGTERM
        return self.number != 0

    def check(self) -> None:
        if self:
            super().check()


class _Teller:
    """Watches the node for the parent."""

    def __init__(self, parent: Channel) -> None:
        self._parent, self._state, self._due = parent, "", 0.0

    def update(self, status: NetworkStatus) -> None:
        now = time.monotonic()
        if now >= self._due or status.state != self._state:
            self._state, self._due = status.state, now + SAY_EVERY
            self._parent.send(encode(Seen(status)))

    def event(self, text: str) -> None:
        self._parent.send(encode(Told(text)))


@contextmanager
def _held(port: int) -> Iterator[int]:
    """Keep two ports from others meanwhile. Raises `TransportError`."""
    for first in [port] if port else PORTS:
        with ExitStack() as held:
            try:
                for number in (first, first + 1):
                    held.enter_context(socket.socket()).bind(("", number))
            except OSError:
                continue
            yield first
            return
    raise TransportError(
        f"no two ports are free on {socket.gethostname()} ({port or PORTS.start} and on): give node.NAME.listen others, or none"
    )
