"""What the evaluator answers, of the stores of a run that is over."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.config import load_topology
from dfl_actors.core import codec
from dfl_actors.core.codec import model_digest
from dfl_actors.core.control import FROM_ACTOR, Evaluate, Evaluated
from dfl_actors.processes.channel import Channel
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.evaluator import Evaluator
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import ModelStore
from tests.network.conftest import Finished


class Asked:
    """An evaluator of a copy of a finished run, and our end of its channel."""

    def __init__(self, run: RunDirectory, cache: Path, ends: tuple[socket.socket, socket.socket]) -> None:
        self.run, self.config = run, load_topology(str(run.path / "config.toml"))
        self._end = Channel(ends[0])
        self._evaluator = Evaluator(self.config, cache, run, 431_080, Channel(ends[1]), Clock())

    def newest(self) -> str:
        with ModelStore(self.run.node("0").models) as store:
            return store.keys()[-1]

    def answers(self, *orders: Evaluate) -> list[Evaluated]:
        """To orders that come one after the other, and then none for so long that the last is answered."""
        for order in orders:
            self._end.send(codec.encode(order))
            self._evaluator._next()
        while not self._end.wait(0):
            self._evaluator._next()
        return [word for said in self._end.receive() if isinstance(word := codec.convert(FROM_ACTOR, codec.parse(said)), Evaluated)]


@pytest.fixture
def asked(finished: Finished, tmp_path: Path) -> Iterator[Asked]:
    shutil.copytree(finished.out, tmp_path / "run")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Asked(RunDirectory(tmp_path / "run"), tmp_path, (ours, theirs))


def test_a_model_that_is_not_finite_gets_nothing_right(asked: Asked) -> None:
    weights = np.full(431_080, np.nan, np.float32).tobytes()
    with ModelStore(asked.run.node("0").models, asked.config.models_kept("0")) as store:
        store.put(model_digest(weights), weights)
    order = Evaluate(node="0", model=model_digest(weights))
    assert asked.answers(order) == [Evaluated(node="0", model=order.model, correct=0, tested=500)]
    (saved,) = asked.answers(Evaluate(node="0", model=order.model, measure=False, save=True))
    assert saved.missing, "nobody says that it was saved"


def test_a_last_model_is_measured_though_its_store_has_forgotten_it(asked: Asked) -> None:
    """Models of others go on to come until everybody has stopped: in a small store nothing was left to measure."""
    model = asked.newest()
    saved = asked.answers(Evaluate(node="0", model=model, measure=False, save=True))
    assert not saved[0].missing
    shutil.rmtree(asked.run.node("0").models)
    with ModelStore(asked.run.node("0").models, 1):
        pass
    found = asked.answers(Evaluate(node="0", model=model), Evaluate(node="0", model="ab" * 32, whole=True))
    assert [(answer.tested, answer.missing) for answer in found] == [(500, False), (0, True)]


def test_what_is_asked_while_all_samples_of_a_model_are_measured_is_answered_first(asked: Asked) -> None:
    model = asked.newest()
    sample, all_of_it = Evaluate(node="0", model=model), Evaluate(node="0", model=model, whole=True)
    save = Evaluate(node="0", model=model, measure=False, save=True)
    found = asked.answers(all_of_it, sample, sample, all_of_it, save)
    told = [(answer.whole, answer.tested) for answer in found]
    assert told == [(False, 500), (False, 500), (True, 0), (True, 0), (False, 0)], "two are broken off, for another one and for saving"
    (answer,) = asked.answers(all_of_it)
    assert (answer.whole, answer.tested, answer.complete) == (True, 10_000, True) and not any(answer.complete for answer in found)


@pytest.mark.parametrize("target", [0.05, 0.99])
def test_a_target_far_from_what_a_model_can_is_decided_on_few_samples(asked: Asked, target: float) -> None:
    (answer,) = asked.answers(Evaluate(node="0", model=asked.newest(), whole=True, target=target))
    assert (answer.whole, answer.tested) == (True, 1000) and (answer.correct >= target * answer.tested) == (target < 0.5)
