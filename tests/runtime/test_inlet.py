"""Samples come into a node over a real socket: taken once, pushed back while it is full, refused with why when they do not fit."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from dfl_actors.config import Config
from dfl_actors.config.sections import Data
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.words import Stocked
from dfl_actors.errors import DataError, TransportError
from dfl_actors.learning.data import Dataset, load_dataset
from dfl_actors.learning.stock import Stock, kinds_of
from dfl_actors.runtime import feed as feeding
from dfl_actors.runtime.feed import Client, Fed, feed
from dfl_actors.runtime.inlet import FORM, FULL, HEAD, REFUSED, SAMPLES, TAKEN, Asks, Inlet
from dfl_actors.runtime.keyfiles import curve_keys
from dfl_actors.runtime.net import Curve
from tests.config.made import parse

Context = zmq.Context[zmq.Socket[bytes]]


class Node:
    """Answers at its inlet in a thread, until it is told to end."""

    def __init__(self, context: Context, place: str, data: Dataset, folder: Path, remote: tuple[str, Curve] | None = None) -> None:
        self.stock, self.room, self.told = Stock(folder / "fed", kinds_of(data)), True, list[int]()
        self.inlet = Inlet(context, place, self.stock, Asks(data.form, self.stock.kinds), lambda: self.room)
        if remote is not None:
            self.inlet.open(*remote)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        while not self._over.is_set():
            for door in self.inlet.doors:
                if door.poll(10):
                    self.told += [arrival.count for arrival in self.inlet.requests(door) if isinstance(arrival, Stocked)]
        for door in self.inlet.doors:
            door.close(linger=0)
        self.inlet.close()

    def end(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    x = np.arange(60, dtype=np.float32).reshape(10, 6)
    np.savez(tmp_path / "node.npz", x_train=x, y_train=np.arange(10) % 3, x_test=x, y_test=np.arange(10) % 3)
    return load_dataset(Data(source=str(tmp_path / "node.npz")))


@pytest.fixture
def node(context: Context, tmp_path: Path, data: Dataset) -> Iterator[Node]:
    made = Node(context, f"ipc://{tmp_path}/inlet", data, tmp_path)
    yield made
    made.end()


@pytest.fixture
def client(context: Context, tmp_path: Path) -> Client:
    return Client(context, f"ipc://{tmp_path}/inlet", "3", lambda: None)


def config() -> Config:
    return parse("")


def source(place: Path, **arrays: np.ndarray) -> str:
    whole: dict[str, np.ndarray] = {"x_train": np.ones((600, 6)), "y_train": np.zeros(600, int), **arrays}
    np.savez(place / "new.npz", allow_pickle=False, **whole)
    return str(place / "new.npz")


def test_all_samples_are_taken_and_told_however_often_the_node_is_full(
    node: Node, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "AGAIN_AFTER", 0.001)
    seen: list[Fed] = []
    for done in feed(client, config(), source(tmp_path), 0.0, lambda: None):
        node.room = (not done.waits and not node.room) or done.waits  # full before every other batch
        seen.append(done)
    assert seen[-1] == Fed(600, 600, waits=False) and any(done.waits for done in seen)
    node.end()
    assert node.stock.count == 600 and node.told == [256, 512, 600]


def test_several_clients_feed_at_once(node: Node, context: Context, tmp_path: Path) -> None:
    path, place = source(tmp_path), f"ipc://{tmp_path}/inlet"
    ways = [feed(Client(context, place, "3", lambda: None), config(), path, 0.0, lambda: None) for _ in range(3)]
    for _ in range(3):
        for way in ways:
            next(way)
    assert node.stock.count == 1800


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"x_train": np.ones((600, 5))}, r"its samples are float32 \(5,\), those of the node float32 \(6,\); bring them to one form"),
        ({"y_train": np.full(600, 3)}, "y_train holds the label 3, outside 0 to 2"),
        ({"x_train": np.full((600, 6), np.nan)}, r"x_train holds NaN or infinity \(sample 0, counted from 0\)"),
        ({"y_train": np.zeros(5, int)}, "it has 5 labels for 600 samples"),
    ],
)
def test_samples_that_do_not_fit_are_refused_before_any_is_sent(
    node: Node, client: Client, tmp_path: Path, arrays: dict[str, np.ndarray], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        list(feed(client, config(), source(tmp_path, **arrays), 0.0, lambda: None))
    assert node.stock.count == 0


def test_a_file_that_is_not_there_is_one_line(node: Node, client: Client, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz' cannot be read \(No such file or directory\): correct its path"):
        list(feed(client, config(), str(tmp_path / "none.npz"), 0.0, lambda: None))


def test_a_neighbour_that_speaks_otherwise_gets_nothing_in(node: Node, context: Context, tmp_path: Path) -> None:
    x, y, head = np.ones((2, 6), np.float32), np.zeros(2, np.uint8), HEAD.pack(b"c" * 16, 1)
    good, bad_label, not_finite = [x.tobytes(), y.tobytes()], [x.tobytes(), b"\x00\x03"], [(x * np.inf).tobytes(), y.tobytes()]
    asked = [
        ([b"what"], REFUSED), ([FORM, b"x"], REFUSED), ([SAMPLES], REFUSED), ([SAMPLES, b"short", *good], REFUSED),
        ([SAMPLES, head, *good, b""], REFUSED), ([SAMPLES, head, b"", b""], REFUSED), ([SAMPLES, head, x.tobytes(), b"\x00"], REFUSED),
        ([SAMPLES, head, *bad_label], REFUSED), ([SAMPLES, head, *not_finite], REFUSED), ([FORM], FORM),
        ([SAMPLES, head, *good], TAKEN), ([SAMPLES, head, *good], TAKEN),
    ]  # fmt: skip
    with context.socket(zmq.DEALER) as socket:
        socket.connect(f"ipc://{tmp_path}/inlet")
        for frames, kind in asked:
            socket.send_multipart(frames)
            assert socket.poll(30_000) and socket.recv_multipart()[0] == kind, frames
        node.room = False
        socket.send_multipart([SAMPLES, HEAD.pack(b"c" * 16, 2), *good])
        assert socket.poll(30_000) and socket.recv_multipart() == [FULL, b"2"]
    assert node.stock.count == 2, "the one that came twice is there once"


def test_from_the_network_only_those_keys_come_in_that_are_admitted(context: Context, tmp_path: Path, data: Dataset) -> None:
    (public, secret), ours, strange = (curve_keys(KeyPair(bytes([number]) * 32)) for number in (1, 2, 3))
    remote = ("tcp://127.0.0.1:*", Curve(public, secret, frozenset([ours[0]])))
    node = Node(context, f"ipc://{tmp_path}/inlet", data, tmp_path, remote)
    place, path = node.inlet.doors[1].getsockopt_string(zmq.LAST_ENDPOINT), source(tmp_path)

    def fed(secure: tuple[bytes, bytes, bytes]) -> list[Fed]:
        own = zmq.Context()
        client = Client(own, place, "3", lambda: None, secure)
        try:
            return list(feed(client, config(), path, 0.0, lambda: None))
        finally:
            client.close()
            own.destroy(linger=0)

    try:
        assert fed((public, *ours))[-1] == Fed(600, 600, waits=False)
        for secure, problem in (((public, *strange), "does not admit this key"), ((strange[0], *ours), "has another key")):
            with pytest.raises(TransportError, match=problem):
                fed(secure)
        assert node.stock.count == 600
    finally:
        node.end()
