"""Where samples come into a running node: a ROUTER of its injector, an ipc socket that only the node's user can reach; and where the
topology gives one (`node.NAME.inlet`) another on the network, which admits the nodes' keys and those of `feeders`, encrypted.

A client asks what the node's samples are, then sends batches, each when the one before is answered. A batch is on the disk before it is
answered `taken`; while the trainer has not caught up it is answered `full`, and the client waits. What does not fit is `refused`, with why.

    [form]                                    -> [form, JSON of the form, types and shapes]
    [samples, client and number, array, ...]  -> [taken | full | refused, samples so far as text, or why]
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
import zmq

from dfl_actors.core.family import Message
from dfl_actors.core.words import Stocked
from dfl_actors.errors import Refused
from dfl_actors.learning.form import Array, Form
from dfl_actors.learning.stock import Kind, Stock
from dfl_actors.runtime import sockets
from dfl_actors.runtime.net import Curve, authenticator, guard

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

Context: TypeAlias = "zmq.Context[zmq.Socket[bytes]]"
Socket: TypeAlias = "zmq.Socket[bytes]"
FORM, SAMPLES, TAKEN, FULL, REFUSED = b"form", b"samples", b"taken", b"full", b"refused"
HEAD = struct.Struct(">16sQ")  # The client, 16 bytes of its choice, and the number of the batch there.
MOST_FRAMES = 256
MOST_BYTES = 8 << 20  # In a frame.


class Asks(msgspec.Struct, frozen=True):
    """What a node's samples are: what the first request is answered with."""

    form: Form
    kinds: tuple[Kind, ...]


def endpoint(directory: Path, node: str) -> str:
    """Where a node's samples come in."""
    return sockets.ipc(directory, node, "injector", "inlet")


class Inlet:
    """`room` says whether the node takes more at present. Its sockets are the `doors`."""

    def __init__(self, context: Context, place: str, stock: Stock, asks: Asks, room: Callable[[], bool]) -> None:
        self._context, self._stock, self._asks, self._room = context, stock, asks, room
        self._authenticator: ThreadAuthenticator | None = None
        self.doors = [self._door(sockets.BATCHES)]
        sockets.bind(self.doors[0], place)

    def open(self, place: str, curve: Curve) -> None:
        """Open another door, on the network, to those who hold one of the keys. Raises `TransportError`."""
        self._authenticator = authenticator(self._context, curve.allowed)
        door = self._door(sockets.UNLIMITED)
        sockets.heartbeats(door)
        guard(door, curve)
        self.doors.append(door)
        sockets.bind(door, place)

    def close(self) -> None:
        if self._authenticator is not None:
            self._authenticator.stop()

    def _door(self, coming: int) -> Socket:
        return sockets.make(self._context, zmq.ROUTER, MOST_BYTES, sockets.BATCHES, coming)

    def requests(self, door: Socket) -> Iterator[Message | Refused | None]:
        """What came there, taken in and answered. Raises `StoreError` when the disk is full."""
        return sockets.read(door, range(2, MOST_FRAMES), partial(self._take, door))

    def _take(self, door: Socket, peer: zmq.Frame, kind: zmq.Frame, *frames: zmq.Frame) -> Message | None:
        before = self._stock.count
        try:
            answer = self._answer(kind.bytes, [frame.bytes for frame in frames])
        except ValueError as why:
            answer = [REFUSED, str(why).encode()]
        with suppress(zmq.ZMQError):  # it has gone, or takes no answers: it will ask again, and a batch that comes again is known
            sockets.send(door, peer.bytes, *answer)
        return Stocked(count=self._stock.count) if self._stock.count > before else None

    def _answer(self, kind: bytes, frames: list[bytes]) -> list[bytes]:
        """Raises `ValueError` for what is no request, or no batch of this node's samples."""
        if kind == FORM and not frames:
            return [FORM, msgspec.json.encode(self._asks)]
        if kind != SAMPLES or not frames or len(frames[0]) != HEAD.size:
            raise ValueError("no request that this version knows")
        client, number = HEAD.unpack(frames[0])
        arrays = batch_of(self._asks, frames[1:])
        if not self._room():
            return [FULL, str(self._stock.count).encode()]
        self._stock.take(client, number, arrays)
        return [TAKEN, str(self._stock.count).encode()]


def batch_of(asks: Asks, frames: Sequence[bytes]) -> list[Array]:
    """The arrays of a batch, one a frame. Raises `ValueError` for one that is no batch of such samples."""
    if len(frames) != len(asks.kinds):
        raise ValueError(f"{len(frames)} arrays, not {len(asks.kinds)}")
    count = len(frames[-1]) // asks.kinds[-1].size
    if not count or any(len(frame) != count * kind.size for frame, kind in zip(frames, asks.kinds, strict=True)):
        raise ValueError("arrays of other types or shapes than this node's, or of different lengths")
    arrays = [np.frombuffer(frame, kind.dtype).reshape(count, *kind.shape) for frame, kind in zip(frames, asks.kinds, strict=True)]
    for array in arrays:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError("a number that is not finite")
    y, labels = arrays[-1], len(asks.form.labels)
    most = {"classification": labels - 1, "multilabel": 1}.get(asks.form.task)
    if most is not None and not 0 <= int(y.min()) <= int(y.max()) <= most:
        raise ValueError(f"a label outside 0 to {most}")
    return arrays
