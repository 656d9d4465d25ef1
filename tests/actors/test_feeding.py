"""What is fed to a node, on its way from the injector to the trainer's journal: whatever is lost or crashes, each sample is there once."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.actors.injector import SILENCE, Injector, InjectorSettings
from dfl_actors.actors.trainer import Trainer, TrainerSettings
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Effect
from dfl_actors.core.messages import Fed, Injected, Pull, Settled, Trained
from dfl_actors.core.words import Started, Stocked, Stopping, Tick
from dfl_actors.learning.partition import Received
from dfl_actors.learning.stock import FED
from dfl_actors.learning.weights import TrainState
from tests.actors import bench
from tests.actors.bench import KEYS, NOW, Bench, at, told
from tests.actors.training import built
from tests.simnet import parts

BATCH = 4


class Learner(parts.Learner):
    """Notes which of the samples that were fed it was given, in this life."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def train(self, state: TrainState, samples: np.ndarray, velocity: np.ndarray | None = None) -> tuple[TrainState, float]:
        self.given += [int(sample) - FED for sample in samples.ravel() if sample >= FED]
        return super().train(state, np.minimum(samples, FED - 1) % parts.SAMPLES)


class Node:
    """Both actors, and what is on its way between them: events, which may be lost, and letters, which come in the end."""

    def __init__(self) -> None:
        self.stock, self.air = 0, list[Injected]()
        self.trainer = Bench(self._trainer)
        self.injector = self._injector()
        self.trainer.give(Started())
        self.letters()

    def _trainer(self, made: Bench) -> Trainer:
        self.learner, rng = Learner(), np.random.default_rng(1)
        self.begun = int(made.journal.get(b"fed") or b"0")
        its = bench.settings(TrainerSettings, rate=8.0)
        return Trainer(its, KEYS["me"], self.learner, parts.initial(8), made.models, made.journal, Received(), rng)

    def _injector(self) -> Injector:
        made = Injector(bench.settings(InjectorSettings, rate=0.0, window=3 * BATCH), parts.Stream(1), self.stock)
        self._hear(made.handle(Started(), at()))
        return made

    def _hear(self, effects: list[Effect]) -> None:
        self.air += told(effects, Injected)

    def letters(self) -> None:
        """What the trainer said reaches the injector, and its transactions are answered."""
        said, self.trainer.said = self.trainer.said, []
        for word in told(said, Fed):
            self._hear(self.injector.handle(word, at()))
        for letter in told(said, Trained):
            self.trainer.give(Settled(transaction=digest(letter.transaction)))

    def pull(self, now: int) -> None:
        self._hear(self.injector.handle(Pull(samples=0), at(now)))

    def do(self, what: str, count: int) -> None:
        match what:
            case "stock":
                self.stock += count
                self._hear(self.injector.handle(Stocked(count=self.stock), at()))
            case "own":
                self.trainer.give(Injected(samples=tuple(range(count))))
            case "deliver":
                arrived, self.air = self.air, []
                self.trainer.give(*arrived)
            case "lose":
                self.air = self.air[count:]
            case "injector":
                self.air = []
                self.injector = self._injector()
            case "trainer":
                arrived, self.air = self.air, []
                self.trainer.give(*arrived, crash=count % 8)
                self.trainer.give(Started())
            case "stop":
                self.trainer.give(Stopping())
                self.trainer.give(crash=0)
                self.trainer.give(Started())
        self.letters()
        assert self.learner.given == list(range(self.begun, self.begun + len(self.learner.given))), "in order, from where its model stands"

    @property
    def fed(self) -> int:
        return int(self.trainer.journal.get(b"fed") or b"0")


ACTIONS = st.tuples(st.sampled_from(["stock", "own", "deliver", "deliver", "lose", "injector", "trainer", "stop"]), st.integers(1, 12))


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, max_size=30))
def test_every_sample_that_was_fed_is_in_the_model_once_whatever_happened(actions: list[Any]) -> None:
    node = Node()
    for what, count in actions:
        node.do(what, count)
    for turn in range(20 + node.stock):
        if node.fed == node.stock:
            break
        node.pull(NOW + SILENCE * turn)
        node.do("own", BATCH)
        node.do("deliver", 0)
    assert node.fed == node.stock


def test_what_has_gathered_at_a_fixed_rate_is_trained_one_transaction_at_a_time() -> None:
    """A process that got no time for a while finds many batches: all their models at once would wait in memory to be stored."""
    made = built()
    said = [made.give(Injected(samples=tuple(range(5 * BATCH + 1))))]
    while made.actor.wake is not None:
        made.actor.wake = None
        said.append(made.give(Tick()))
    assert [[letter.transaction.sequence for letter in told(one, Trained)] for one in said] == [[0], [1], [2], [3], [4]]
