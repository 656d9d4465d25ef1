"""What the simulated network puts in the place of LMDB and TensorFlow: dictionaries, and a model of a few numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import numpy as np

from dfl_actors.actors.base import Settings
from dfl_actors.core.codec import model_digest, sha256
from dfl_actors.learning.momentum import Optimiser
from dfl_actors.learning.weights import TrainState, decode_model, encode_model
from dfl_actors.runtime.recency import MOST_HELD

SAMPLES = 1_000


USUAL: dict[str, Any] = {
    "role": "normal", "parameters": 8, "codec": "float32", "ttl": 1, "expiry": 60_000, "skew": 5_000, "heartbeat": 1_000,
    "fetch_timeout": 10_000, "transactions": 4, "receipts": 1, "receipt_wait": 10_000, "confirmations": 1.0, "per": "block",
    "deadline": 30_000, "abandon": 300_000, "memo": "", "batch": 64, "steps": 1, "rate": 8.0, "tests": 100, "stock": 5_000, "buffer": 4,
}  # fmt: skip
"""What actors are told unless a test says otherwise."""

S = TypeVar("S", bound=Settings)


def settings(kind: type[S], known: dict[str, Any]) -> S:
    """One actor's settings out of those of a node; all its links have to stand."""
    return msgspec.convert({**USUAL, "links": len(known["neighbours"]), **known}, kind)


class Journal:
    """An actor's own journal. A batch of writes is all there or not at all."""

    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.data.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter([(key, self.data[key]) for key in sorted(self.data) if key.startswith(prefix)])

    def commit(self, writes: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in writes:
            if value is None:
                self.data.pop(key, None)
            else:
                self.data[key] = bytes(value)


class Models:
    """A node's model store: what is there already is not written again, and the least recently used goes first."""

    def __init__(self, capacity: int = 256) -> None:
        self.data: dict[str, bytes] = {}
        self.held: list[str] = []
        self._capacity = capacity

    def put(self, key: str, data: bytes | bytearray | memoryview | np.ndarray, held: bool = False) -> None:
        self.data[key] = self.data.pop(key, b"") or (data.tobytes() if isinstance(data, np.ndarray) else bytes(data))
        if held:
            self.held = [key, *(other for other in self.held if other != key)][:MOST_HELD]
        while len(self.data) > self._capacity and (least := next((name for name in self.data if name not in self.held), "")):
            del self.data[least]

    def lose(self, count: int) -> int:
        """A power cut takes the last of what was written or touched, for nothing here is ever synced; how many models are gone."""
        gone = list(self.data)[-count:] if count else []
        for key in gone:
            del self.data[key]
        return len(gone)

    def put_right(self) -> None:
        """As `runtime.power` does when a machine is started anew: what has its digest stays."""
        self.data = {key: data for key, data in self.data.items() if model_digest(data) == key}

    def tear(self) -> bool:
        """Of the last model half of the pages were written; whether there is one."""
        for key in list(self.data)[-1:]:
            half = len(self.data[key]) // 2
            self.data[key] = self.data[key][:half] + bytes(len(self.data[key]) - half)
        return bool(self.data)

    def touch(self, key: str) -> None:
        if key in self.data:
            self.data[key] = self.data.pop(key)

    @contextmanager
    def view(self, key: str) -> Iterator[memoryview | None]:
        yield memoryview(self.data[key]) if key in self.data else None

    def size(self, key: str) -> int | None:
        return len(self.data[key]) if key in self.data else None


class Chain:
    """A node's chain; a block is never replaced."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.first = 0

    def append(self, height: int, block: bytes) -> None:
        self.first = self.first if self.data else height
        assert height == self.first + len(self.data), f"block {height} after {len(self.data)}: the chain takes the next only"
        self.data.append(block)

    @property
    def height(self) -> int:
        return self.first + len(self.data)

    def block(self, height: int) -> bytes | None:
        return self.data[height - self.first] if self.first <= height < self.height else None

    def blocks(self) -> Iterator[bytes]:
        return iter(self.data)


class Learner:
    """Learns to reach a point: honest, deterministic, and better with every step."""

    goal = np.float32(1)
    optimiser: Optimiser | None = None

    def start(self, weights: np.ndarray) -> TrainState:
        return TrainState(weights.astype(np.float32), np.zeros_like(weights), 0)

    def train(self, state: TrainState, samples: np.ndarray, velocity: np.ndarray | None = None) -> tuple[TrainState, float]:
        weights = state.weights
        for batch in samples:
            pull = 0.1 + 0.1 * float(batch.mean()) / SAMPLES
            weights = (weights + np.float32(pull) * (self.goal - weights)).astype(np.float32)
        return TrainState(weights, state.slots, state.iteration + len(samples)), self._loss(weights)

    def measure(self, weights: np.ndarray, samples: np.ndarray) -> tuple[int, int]:
        return round(len(samples) / (1 + self._loss(weights))), len(samples)

    def encode(self, weights: np.ndarray, codec: str) -> bytes:
        return encode_model(weights, codec)

    def judge(self, data: memoryview, codec: str, parameters: int, samples: np.ndarray) -> tuple[int, int]:
        return self.measure(decode_model(data, codec, parameters), samples)

    def _loss(self, weights: np.ndarray) -> float:
        return float(np.mean(np.square(weights - self.goal, dtype=np.float64)))


class Slope(Learner):
    """A step goes down by `down`, and as far as the velocity goes."""

    down = 1.0

    def train(self, state: TrainState, samples: np.ndarray, velocity: np.ndarray | None = None) -> tuple[TrainState, float]:
        assert velocity is not None
        weights = state.weights - len(samples) * (velocity + np.float32(self.down))
        return state._replace(weights=weights, iteration=state.iteration + len(samples)), 0.0


class Stream:
    """Random samples."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def draw(self, n: int) -> np.ndarray:
        return self._rng.integers(0, SAMPLES, n, np.uint32)


def initial(parameters: int) -> np.ndarray:
    """The weights of the genesis."""
    return np.linspace(-1, 0, parameters, dtype=np.float32)


def number(*parts: object) -> int:
    """A seed made of anything that has a text."""
    return int(sha256("/".join(map(str, parts)).encode())[:12], 16)
