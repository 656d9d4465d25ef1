"""A trainer at the bench, and what it is given."""

from typing import Any

import numpy as np

from dfl_actors.actors.trainer import Offer, Trainer, TrainerSettings
from dfl_actors.core.messages import Averaged, Injected
from dfl_actors.core.words import Started
from dfl_actors.learning.partition import Received
from tests.actors import bench
from tests.actors.bench import KEYS, Bench
from tests.simnet import parts

BATCH = 4


def built(start: bool = True, offer: Offer | None = None, **fields: Any) -> Bench:
    def build(one: Bench) -> Trainer:
        rng, first = np.random.default_rng(1), parts.initial(8)
        return Trainer(
            bench.settings(TrainerSettings, **fields), KEYS["me"], parts.Learner(), first, one.models, one.journal, Received(), rng, offer
        )

    made = Bench(build)
    if start:
        made.give(Started())
    return made


def samples(count: int) -> Injected:
    return Injected(samples=tuple(range(count)))


def weights(made: Bench) -> np.ndarray:
    return made.actor.state.weights.copy()  # type: ignore[attr-defined,no-any-return]


def delta(made: Bench, number: int, value: float = 1.0) -> Averaged:
    made.models.put(f"{number:064x}", np.full(8, value, np.float32))
    return Averaged(delta=f"{number:064x}", number=number)
