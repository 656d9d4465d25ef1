"""A validator, and what comes to it."""

from typing import Any

import numpy as np

from dfl_actors.actors.validator import Validator, ValidatorSettings
from dfl_actors.core.messages import DraftArrived, Fetched, Injected, Witnessed
from dfl_actors.core.objects import Draft, Entry
from dfl_actors.learning.partition import Received
from tests.actors import bench
from tests.actors.bench import KEYS, NOW, Bench, told, transaction
from tests.simnet import parts

DATA = bytes(32)
SAMPLES = Injected(samples=tuple(range(20)))


class Counting(parts.Learner):
    judged = 0

    def judge(self, data: memoryview, codec: str, parameters: int, samples: np.ndarray) -> tuple[int, int]:
        self.judged += 1
        return super().judge(data, codec, parameters, samples)


def built(learner: parts.Learner | None = None, **fields: Any) -> Bench:
    def build(one: Bench) -> Validator:
        return Validator(
            bench.settings(ValidatorSettings, **fields),
            KEYS["me"],
            learner or parts.Learner(),
            one.models,
            one.journal,
            Received(),
            np.random.default_rng(1),
        )

    made = Bench(build)
    for data in (DATA, b"\1" * 32, np.full(8, np.inf, "<f4").tobytes()):
        made.models.put(transaction("g", 0, data).model, data)
    return made


def fetched(by: str, sequence: int, data: bytes = DATA, **fields: Any) -> Fetched:
    return Fetched(transaction=transaction(by, sequence, data, **fields), receipts=(), sender=KEYS[by].address)


def arrived(of: Draft, by: str = "g") -> DraftArrived:
    return DraftArrived(draft=of, sender=KEYS[by].address)


def entries(made: Bench, *numbers: int, now: int = NOW) -> tuple[Entry, ...]:
    """Transactions of g with our receipts."""
    found = [told(made.give(SAMPLES, fetched("g", number, now=now), now=now), Witnessed)[0] for number in numbers]
    return tuple(Entry(transaction=one.transaction, receipts=(one.receipt,)) for one in found)
