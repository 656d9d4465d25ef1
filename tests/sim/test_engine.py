"""The engine with workers that only let a clock run: who waits for whom, and how long.

What a job takes is what it takes on a machine of docs/benchmarks-sim.md, in ms. The clock is ours, so nothing here depends on a machine.
"""

import pickle
from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfl_actors.config import load_topology
from dfl_actors.learning.data import load_datasets
from dfl_actors.learning.score import Score
from dfl_actors.sim import engine, plan
from dfl_actors.sim.engine import Engine, Results
from dfl_actors.sim.tasks import Slots

FIGURE_9 = Path(__file__).parents[2] / "topologies" / "paper" / "figure_9.toml"

Done = tuple[float, Sequence[int], Sequence[int], Any]
"""What a job comes to: how long it took, the slots that it read and wrote, its answer."""

TRAIN, MEASURE, CHECK, UPDATE, SHOW, COMPARE = 10.0, 4.4, 5.0, 1.2, 0.2, 0.4


class Machine:
    """Workers side by side, the time, which node's model was shown in a slot of the slab, and until when a slot is read or written."""

    def __init__(self, workers: int) -> None:
        self.now = 0.0
        self.workers = [VirtualWorker(self) for _ in range(workers)]
        self.written: dict[int, float] = defaultdict(float)
        self.read: dict[int, float] = defaultdict(float)
        self.shown: dict[int, int] = {}

    def register(self, worker: "VirtualWorker", events: int, number: int) -> None:
        """As a selector does."""

    def select(self) -> list[tuple[Any, int]]:
        """The next that answers; the time is then."""
        number = min((n for n, worker in enumerate(self.workers) if worker.answers), key=lambda n: self.workers[n].answers[0][0])
        self.now = self.workers[number].answers[0][0]
        return [(SimpleNamespace(data=number), 0)]

    def touch(self, begin: float, end: float, reads: Sequence[int], writes: Sequence[int]) -> None:
        """A job reads and writes slots: nobody may be writing what it reads, or reading or writing what it writes."""
        for slot in reads:
            assert self.written[slot] <= begin, "a slot is read while it is written"
            self.read[slot] = max(self.read[slot], end)
        for slot in writes:
            assert max(self.written[slot], self.read[slot]) <= begin, "a slot is written while it is in use"
            self.written[slot] = end


class VirtualWorker:
    """The other end of a connection: does its jobs one after the other."""

    def __init__(self, machine: Machine) -> None:
        self._machine, self._free = machine, 0.0
        self.busy = 0.0
        self.answers: deque[tuple[float, bytes]] = deque()

    def send_bytes(self, message: bytes) -> None:
        ticket, name, arguments = pickle.loads(message)
        took, reads, writes, answer = getattr(self, name)(*arguments)
        begin = max(self._machine.now, self._free)
        self._free = begin + took
        self.busy += took
        self._machine.touch(begin, self._free, reads, writes)
        self.answers.append((self._free, pickle.dumps((ticket, answer))))

    def recv_bytes(self) -> bytes:
        return self.answers.popleft()[1]

    def train(self, number: int, samples: Any, slot: int) -> Done:
        return TRAIN, (), (slot,) if slot >= 0 else (), None

    def measure(self, number: int, slots: Sequence[int], samples: Any) -> Done:
        return MEASURE * len(slots), slots, (), [Score(10, 100)] * len(slots)

    def check(self, number: int, samples: Any) -> Done:
        return CHECK, (), (), Score(10, 100)

    def update(self, number: int, senders: Any, slots: Sequence[int], accuracies: Any, own: Any) -> Done:
        assert accuracies == [0.1] * len(slots), "an update waits for what was measured"
        return UPDATE, slots, (), ({}, {}, None)

    def show(self, number: int, slot: int, answer: bool) -> Done:
        self._machine.shown[slot] = number
        return SHOW, (), (slot,), None

    def compare(self, pairs: Sequence[tuple[int, int]]) -> Done:
        shown = self._machine.shown
        answer = [{"layer": float(abs(shown[one] - shown[other]))} for one, other in pairs]
        return COMPARE * len(pairs), [slot for pair in pairs for slot in pair], (), answer

    def average(self, slots: Sequence[int], mean: int) -> Done:
        return UPDATE, slots, (mean,), None

    def adopt(self, number: int, slot: int) -> Done:
        return SHOW, (slot,), (), None


class Kept(Results):
    """The differences, and which ticks were closed."""

    def __init__(self) -> None:
        self.differences: dict[int, float] = {}
        self.closed: list[int] = []

    def difference(self, tick: int, by_layer: dict[str, float]) -> None:
        self.differences[tick] = by_layer["layer"]

    def close(self, tick: int) -> None:
        self.closed.append(tick)


def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int, ticks: int, *options: str) -> float:
    """Let so many workers do these ticks of figure 9; returns the part of the time in which a worker has nothing to do."""
    config = load_topology(FIGURE_9, ("update.algorithm=reputation", f"sim.ticks={ticks}", *options))
    timeline = plan.timeline(config, tmp_path, load_datasets(config))
    machine, results = Machine(workers), Kept()
    monkeypatch.setattr(engine, "DefaultSelector", lambda: machine)
    lines: Any = machine.workers
    slots = Slots(number := plan.slots(config))
    run = Engine(timeline, [node.name for node in config.nodes], lines, slots, results)
    assert list(run.run(ticks, lambda: False)) == list(range(1, ticks + 1))
    assert results.closed == list(range(ticks))
    # A model is its node's number here: each differs by 1 from the one before, and the first from the last by all but one of them.
    count = len(config.nodes)
    assert results.differences == dict.fromkeys(range(0, ticks, 20), pytest.approx(2 * (count - 1) / count))
    assert len(slots) == number - len(timeline.waiting()), "what nobody will read holds no slot"
    return 1 - sum(worker.busy for worker in machine.workers) / (workers * machine.now)


def test_two_workers_hardly_wait_for_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert simulated(monkeypatch, tmp_path, 2, 500) < 0.02


def test_one_worker_never_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert simulated(monkeypatch, tmp_path, 1, 100) < 1e-9


@pytest.mark.parametrize("workers", [1, 3])
def test_no_slot_is_read_or_written_too_early(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int) -> None:
    """Of more nodes than models lie ready at once for a comparison; their mean is forced on all now and then, and links delay."""
    links = "[" + ", ".join(f'"{node}--{(node + step) % 40}"' for node in range(40) for step in (1, 2)) + "]"
    options = ("network.nodes=40", f"network.links={links}", "sim.broadcast_every=30", "sim.delay=[0, 3]")
    simulated(monkeypatch, tmp_path, workers, 100, *options)
