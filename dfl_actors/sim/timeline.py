"""What happens in which tick, before any of it is computed: who trains on which samples, who receives, who averages, what is measured.

The order within a tick is the reference simulation's: every node whose training tick has come trains a step and puts the model it sends
into the buffer of each neighbour; then every node whose buffer is full averages and empties it; then the services look. None of this
depends on what the models turn out to be, so it is drawn here, in order, by generators of its own for each node, and the jobs that come
out may be computed in any order that respects what they need: the result is the same on one worker and on many.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Member:
    """A node of a simulation. `neighbours` are those it sends to; `intervals` the ticks that may lie between two trainings, each
    as likely; `offers` is false for an observer, which trains nothing."""

    name: str
    neighbours: tuple[int, ...]
    intervals: tuple[int, ...]
    buffer: int
    offers: bool = True
    measures: bool = False


class Offered(NamedTuple):
    """A model on its way: its number, and who sent it."""

    model: int
    sender: int


class Train(NamedTuple):
    """A node trains a step on these samples of the training set, and offers model `model` to its neighbours."""

    tick: int
    node: int
    samples: Indices
    model: int


class Measure(NamedTuple):
    """A node measures received models, each on its own row of samples of the test set [models, tests]."""

    tick: int
    node: int
    models: tuple[int, ...]
    samples: Indices


class Update(NamedTuple):
    """A node averages what its buffer holds; `measured` says whether a `Measure` of the same models comes before."""

    tick: int
    node: int
    received: tuple[Offered, ...]
    measured: bool


class Check(NamedTuple):
    """A node's model is measured on these samples of the test set."""

    tick: int
    node: int
    samples: Indices


class Compare(NamedTuple):
    """The difference of all models (equation 5)."""

    tick: int


Job = Train | Measure | Update | Check | Compare


class Draw(Protocol):
    """Draws the samples of one node: a batch to train on, so many rows to measure received models on, one row for the accuracy."""

    def batch(self) -> Indices: ...

    def tests(self, models: int) -> Indices: ...

    def check(self) -> Indices: ...


class Timeline:
    """The jobs of a simulation, tick after tick."""

    def __init__(
        self, members: Sequence[Member], draws: Sequence[Draw], rng: np.random.Generator, *, check_every: int, compare_every: int
    ) -> None:
        self._members, self._draws, self._rng = members, draws, rng
        self._check_every, self._compare_every = check_every, compare_every
        self._due = [0] * len(members)
        self._buffers: list[list[Offered]] = [[] for _ in members]
        self._models = 0

    def tick(self, tick: int) -> Iterator[Job]:
        """The jobs of one tick, in an order in which they may be done; ticks are asked for one after the other, from 0 on."""
        for number, member in enumerate(self._members):
            if member.offers and self._due[number] <= tick:
                self._due[number] = tick + int(self._rng.choice(member.intervals))
                yield self._train(tick, number, member)
        for number, member in enumerate(self._members):
            if len(self._buffers[number]) >= member.buffer:
                yield from self._update(tick, number, member)
        if self._check_every and tick % self._check_every == 0:
            for number in range(len(self._members)):
                yield Check(tick, number, self._draws[number].check())
        if self._compare_every and tick % self._compare_every == 0:
            yield Compare(tick)

    def _train(self, tick: int, number: int, member: Member) -> Train:
        model = self._models
        self._models += 1
        for neighbour in member.neighbours:
            self._buffers[neighbour].append(Offered(model, number))
        return Train(tick, number, self._draws[number].batch(), model)

    def _update(self, tick: int, number: int, member: Member) -> Iterator[Job]:
        received = tuple(self._buffers[number])
        self._buffers[number].clear()
        if member.measures:
            models = tuple(offered.model for offered in received)
            yield Measure(tick, number, models, self._draws[number].tests(len(models)))
        yield Update(tick, number, received, member.measures)
