"""Feeds samples to a running node: reads them as the node reads its own, sends them batch by batch, and waits while the node is full."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import zmq

from dfl_actors.config import Config
from dfl_actors.config.toml_text import counted
from dfl_actors.errors import ActorError, DataError, TransportError
from dfl_actors.files import explained
from dfl_actors.learning.data import readable
from dfl_actors.learning.form import Array, Form, Input
from dfl_actors.learning.sources import find
from dfl_actors.learning.sources.columns import whole
from dfl_actors.learning.sources.inputs import inputs_of, name_of, pieces
from dfl_actors.learning.sources.targets import targets
from dfl_actors.runtime import sockets
from dfl_actors.runtime.handshakes import DOOR, KEY, Handshakes
from dfl_actors.runtime.inlet import FORM, FULL, HEAD, REFUSED, SAMPLES, Asks

BATCH, BATCH_BYTES = 256, 1 << 20  # Samples in a batch, and bytes, at most; one sample at least.
ANSWERED_WITHIN = 5.0  # Seconds after which a request is sent again: the node's injector may have been restarted.
PATIENCE = 60.0  # Seconds without any answer after which the node is given up.
AGAIN_AFTER = 0.1  # Seconds until a node that was full is asked again.


Secure = tuple[bytes, bytes, bytes]


class Fed(NamedTuple):
    """How far a feeding is: `sent` samples are on the node's disk, of which it has `stocked` in all; whether it waits for the node."""

    sent: int
    stocked: int
    waits: bool


class Client:
    """Talks to one node's inlet. `check` is called while it waits, and may raise; `secure` are the node's public transport key and our
    pair, for an inlet on the network."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", place: str, node: str, check: Callable[[], None], secure: Secure | None = None
    ) -> None:
        self._node, self._check, self._id, self._number = node, check, secrets.token_bytes(16), 0
        self._socket, self._handshakes = sockets.make(context, zmq.DEALER, sockets.LETTER_LIMIT, 10), Handshakes()
        self._socket.setsockopt(zmq.IMMEDIATE, 0)
        if secure is not None:
            sockets.heartbeats(self._socket)
            self._socket.curve_serverkey, self._socket.curve_publickey, self._socket.curve_secretkey = secure
            self._handshakes.watch(node, self._socket)
        self._socket.connect(place)

    def close(self) -> None:
        self._handshakes.forget(self._node)
        self._socket.close(linger=0)

    def asks(self) -> Asks:
        """What the node's samples are. Raises `ActorError`."""
        return msgspec.json.decode(self._asked(FORM, lambda kind: kind == FORM)[1], type=Asks)

    def give(self, arrays: list[bytes]) -> Iterator[Fed]:
        """Bring one batch; yields whenever the node is full, and at the end. Raises `DataError` when it is refused, and `ActorError`."""
        self._number += 1
        while True:
            kind, said = self._asked(SAMPLES, lambda kind: kind != FORM, HEAD.pack(self._id, self._number), *arrays)
            if kind == REFUSED:
                raise DataError(f"node {self._node} refuses these samples: {said.decode(errors='replace')}")
            yield Fed(0, int(said), kind == FULL)
            if kind != FULL:
                return
            time.sleep(AGAIN_AFTER)
            self._check()

    def _asked(self, kind: bytes, fits: Callable[[bytes], bool], *frames: bytes) -> tuple[bytes, bytes]:
        """The answer to a request, which is sent again until it comes: a batch that comes twice is known."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._socket.poll(int(1000 * ANSWERED_WITHIN), zmq.POLLOUT):
                with suppress(zmq.Again):  # The connection ended meanwhile, as one does whose key the other side refuses.
                    sockets.send(self._socket, kind, *frames)
            again = time.monotonic() + ANSWERED_WITHIN
            while (left := again - time.monotonic()) > 0:
                self._check()
                self._check_admitted()
                if self._socket.poll(min(100, int(1000 * left) + 1)):
                    answer = self._socket.recv_multipart()
                    if len(answer) == 2 and fits(answer[0]):
                        return answer[0], answer[1]
        raise ActorError(f"node {self._node} does not answer within {PATIENCE:.0f} s: does it run? Start it again and inject the rest")

    def _check_admitted(self) -> None:
        why = self._handshakes.failing().get(self._node)
        if why == DOOR:
            raise TransportError(f"node {self._node} does not admit this key: put its curve key into node.{self._node}.feeders there")
        if why == KEY:
            raise TransportError(f"node {self._node} has another key: correct node.{self._node}.curve_key in this topology")


def samples(config: Config, form: Form, source: str) -> list[Array]:
    """The training samples of a source as a node of this form has them: its inputs, then what they are. Raises `DataError`."""
    place = Path(source).expanduser().absolute()
    said = msgspec.structs.replace(config.data, source=str(place) if place.exists() else source, labels=form.labels)
    found = find(said.source)
    with explained(f"data {source!r} cannot be read", "correct its path", DataError), readable(found.where), found.opened(said) as raw:
        inputs = inputs_of(said, raw.train, "train")
        if inputs != form.inputs:
            raise DataError(f"its samples are {_shown(inputs)}, those of the node {_shown(form.inputs)}; bring them to one form")
        y = targets(said, raw.names, [("y_train", whole(raw.train.y))]).parts[0]
        x = [np.concatenate(list(pieces(name_of("train", one.name), raw.train.x[one.name], one))) for one in inputs]
        if any(len(array) != len(y) for array in x):
            raise DataError(f"it has {counted(len(y), 'label')} for {counted(len(x[0]), 'sample')}; save for each sample what it is")
        return [*x, y]


def _shown(inputs: Sequence[Input]) -> str:
    return ", ".join(f"{one.name} {one.dtype} {one.shape}".lstrip() for one in inputs)


def batches(arrays: list[Array]) -> Iterator[list[Array]]:
    """The samples in batches."""
    row = max(1, sum(array[:1].nbytes for array in arrays))
    step = max(1, min(BATCH, BATCH_BYTES // row))
    for begin in range(0, len(arrays[-1]), step):
        yield [array[begin : begin + step] for array in arrays]


def feed(client: Client, config: Config, source: str, rate: float, check: Callable[[], None]) -> Iterator[Fed]:
    """Feed all samples of a source, `rate` of them a second (0: as fast as the node takes them). Raises `DflError`."""
    asks, sent, begun = client.asks(), 0, time.monotonic()
    for arrays in batches(samples(config, asks.form, source)):
        for done in client.give([np.ascontiguousarray(array).tobytes() for array in arrays]):
            sent += 0 if done.waits else len(arrays[-1])
            yield done._replace(sent=sent)
        while rate and (ahead := sent / rate - (time.monotonic() - begun)) > 0:
            time.sleep(min(ahead, 0.1))
            check()
