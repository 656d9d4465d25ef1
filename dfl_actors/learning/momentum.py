"""Momentum that knows of averages: an optimiser as pure functions over flat vectors.

A step of training is, with the gradient g of a batch and a velocity v that is given to it,

    weights <- weights - v - rate * (g + weight_decay * weights)

The program's SGD makes v of its own last step, inside the compiled function, and knows nothing of the network. An `Optimiser` makes it
of whatever it remembers, and is told of every average that comes in:

    init(weights) -> state                                   at rest
    velocity(state, weights) -> v                            asked before a step; before several, where no step changes the state
    after_step(state, moved) -> state                        `moved`: the weights before the step - those after it; left out: no change
    after_update(state, before, after, steps) -> state       an average came in, `steps` steps after the one before

Every vector is float32 [P] and read-only; a state is a tuple of such vectors, of any lengths that never change, so that a node can write it
down and go on with it. `training` are values for keys of `[training]` that go with it, for a topology that does not give them.

A topology names one in `training.optimizer`, or its `update.algorithm` brings it along. `Course` is how a node follows one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, TypeVar

import numpy as np
from msgspec import Meta

from dfl_actors.errors import AlgorithmError
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.weights import Recipe, TrainState, Vector, all_finite

T = TypeVar("T")
State = tuple[Vector, ...]
Share = Annotated[float, Meta(ge=0.0, lt=1.0)]
Step = Callable[[TrainState, slice, Vector | None], tuple[TrainState, float]]
"""Trains those of some steps: (state, which, velocity) -> (state, mean loss)."""


def unchanged(state: State, before: Vector, after: Vector, steps: int) -> State:
    """The state of an optimiser that averages do not touch."""
    return state


@dataclass(frozen=True, slots=True)
class Optimiser:
    """A node's momentum; the module's docstring says when each function is called."""

    init: Callable[[Vector], State]
    velocity: Callable[[State, Vector], Vector]
    after_update: Callable[[State, Vector, Vector, int], State] = unchanged
    after_step: Callable[[State, Vector], State] | None = None
    training: Mapping[str, float] = field(default_factory=dict)
    name: str = ""


BRINGS = ("learning_rate", "momentum", "gamma", "floor", "balance", "clip")
"""Keys of `[training]` that an optimiser may bring values for."""

QUICK = MappingProxyType({"learning_rate": 0.1, "gamma": 0.01, "floor": 0.1, "balance": 0.5, "clip": 5.0})
"""What goes with `quasi_global`: a node of an asynchronous network makes few steps, so a high rate that falls soon, but not below a tenth;
batches whose labels are nearer to alike; and no gradient that is far longer than the usual ones."""


def quasi_global(momentum: Share = 0.8, memory: Share = 0.7, jump: Annotated[float, Meta(gt=0)] = 0.05) -> Optimiser:
    """Quasi-global momentum (arXiv 2102.04761): steps go on the way that the network went, not the way of the node's own labels.

        v = momentum * d
        d <- memory * d + (1 - memory) * (anchor - after) / k,  anchor <- after      when an average came in

    `anchor` are the weights after the average before, k the usual steps between two averages: k <- memory * k + (1 - memory) * steps where
    there were any, and those of the first time at first. Steps leave d as it is. After an average that moves the weights by more than
    `jump` of their norm, as when models that started apart meet, d is 0. Of several averages between two steps each is a way of its own,
    of as many steps as others are: where models go round faster than nodes make steps, all that others stepped comes in with each, and the
    sum of it would feed on itself.
    """

    def after_update(state: State, before: Vector, after: Vector, steps: int) -> State:
        way, anchor, usual = state
        if steps:
            usual = np.float32(memory) * usual + np.float32((1 - memory) * steps) if usual[0] else np.array([steps], np.float32)
        if length(after - before) > jump * length(before):
            return np.zeros_like(way), after.copy(), usual
        return np.float32(memory) * way + np.float32((1 - memory) / max(1.0, usual[0])) * (anchor - after), after.copy(), usual

    return Optimiser(
        init=lambda weights: (np.zeros_like(weights), weights.copy(), np.zeros(1, np.float32)),
        velocity=lambda state, weights: np.float32(momentum) * state[0],
        after_update=after_update,
        training=QUICK,
        name="quasi_global",
    )


def proximal(pull: Share = 0.01, momentum: Share = 0.9) -> Optimiser:
    """A proximal term (FedProx, arXiv 1812.06127) beside the usual momentum: between averages a node does not go far from the last one.

        v = momentum * moved + pull * (weights - anchor)

    `moved` is the last step, `anchor` the weights after the last average. `pull` is the part of the way back that a step goes: the term's
    usual factor times the learning rate.
    """
    return Optimiser(
        init=lambda weights: (np.zeros_like(weights), weights.copy()),
        velocity=lambda state, weights: np.float32(momentum) * state[0] + np.float32(pull) * (weights - state[1]),
        after_update=lambda state, before, after, steps: (state[0], after.copy()),
        after_step=lambda state, moved: (moved.copy(), state[1]),
        name="proximal",
    )


OPTIMISERS: Mapping[str, Callable[..., Optimiser]] = MappingProxyType({"quasi_global": quasi_global, "proximal": proximal})


def in_vain(recipe: Recipe, optimiser: Optimiser | None, task: str) -> str:
    """What a topology says of training to no effect; "" if there is nothing."""
    if recipe.balance and "balance" not in recipe.unsaid and task != "classification":
        return f"training.balance has no effect: a {task} has no labels that are rare"
    if optimiser is not None and "momentum" not in recipe.unsaid:
        return f"training.momentum has no effect: optimiser {optimiser.name!r} has a momentum of its own"
    return ""


def length(vector: Vector) -> float:
    """The norm of [P]; infinite beyond 1.8e19."""
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.dot(vector, vector)))


class Course:
    """A node's way with its optimiser: holds the state, and how many steps were made since the last average. Without an optimiser, whose
    work is then done inside the compiled steps, it holds nothing. What an optimiser gives is held to types, lengths and finite numbers:
    raises `AlgorithmError`.
    """

    def __init__(self, optimiser: Optimiser | None, weights: Vector) -> None:
        self._optimiser, self.steps = optimiser, 0
        self._state: State = () if optimiser is None else self._asked("init", (), lambda: optimiser.init(locked(weights)), weights)

    @property
    def name(self) -> str:
        """Of the optimiser; empty without one."""
        return "" if self._optimiser is None else self._optimiser.name

    def train(self, state: TrainState, steps: int, step: Step) -> tuple[TrainState, float]:
        """So many steps from `state`, with `step`; the loss is their mean."""
        optimiser = self._optimiser
        if optimiser is None:
            return step(state, slice(0, steps), None)
        if optimiser.after_step is None:
            self.steps += steps
            return step(state, slice(0, steps), self._velocity(optimiser, state.weights))
        losses = []
        for number in range(steps):
            before = state.weights.copy()
            state, loss = step(state, slice(number, number + 1), self._velocity(optimiser, state.weights))
            losses.append(loss)
            self._stepped(optimiser.after_step, before - state.weights)
        return state, float(np.mean(losses))

    def _velocity(self, optimiser: Optimiser, weights: Vector) -> Vector:
        made = self._made("velocity", lambda: optimiser.velocity(self._state, locked(weights)))
        self._check("velocity", (weights,), (made,))
        return made

    def _stepped(self, after_step: Callable[[State, Vector], State], moved: Vector) -> None:
        self._state = self._asked("after_step", self._state, lambda: after_step(self._state, locked(moved)), moved)
        self.steps += 1

    def average(self, before: Vector, after: Vector) -> None:
        """An average came in."""
        optimiser, steps = self._optimiser, self.steps
        if optimiser is not None:
            given = locked(before), locked(after)
            made = self._asked("after_update", self._state, lambda: optimiser.after_update(self._state, *given, steps), *given)
            self._state, self.steps = made, 0

    def held(self) -> Vector:
        """All of it as one vector, to be written down: the steps first. Empty without an optimiser."""
        if self._optimiser is None:
            return np.zeros(0, np.float32)
        return np.concatenate([np.array([self.steps], np.float32), *self._state])

    def take(self, held: Vector) -> bool:
        """Go on where another course was when it gave `held`; whether that fits."""
        lengths = [len(vector) for vector in self._state]
        if len(held) != (sum(lengths) + 1 if self._optimiser is not None else 0):
            return False
        if self._optimiser is not None:
            self.steps = int(held[0])
            self._state = tuple(locked(vector.copy()) for vector in np.split(held[1:], np.cumsum(lengths)[:-1]))
        return True

    def _asked(self, what: str, like: State, ask: Callable[[], State], *lent: Vector) -> State:
        """A new state of the optimiser, checked against `like`, or on its own at first. It keeps nothing of what is only `lent` to it."""
        made = self._made(what, ask)
        if not isinstance(made, tuple):
            raise self._broken(what, f"must return a tuple of vectors, not {type(made).__name__}")
        self._check(what, like or made, made)
        shares = (any(np.may_share_memory(vector, one) for one in lent) for vector in made)
        return tuple(locked(vector.copy() if shared else vector) for vector, shared in zip(made, shares, strict=True))

    def _made(self, what: str, ask: Callable[[], T]) -> T:
        return guarded(f"optimiser {self.name!r}: {what} failed", ask)

    def _check(self, what: str, like: Sequence[object], made: Sequence[object]) -> None:
        if len(like) != len(made):
            raise self._broken(what, f"returns {len(made)} vectors where there were {len(like)}")
        for wanted, vector in zip(like, made, strict=True):
            problem = misfit(vector, wanted)
            if problem:
                raise self._broken(what, problem)

    def _broken(self, what: str, problem: str) -> AlgorithmError:
        return AlgorithmError(f"optimiser {self.name!r} broke its contract: {what} {problem}; mend it")


def misfit(vector: object, like: object) -> str:
    """Why `vector` is no finite float32 vector as long as `like`; empty if it is one."""
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.ndim != 1:
        return f"gives {described(vector)} where a float32 vector is needed"
    if isinstance(like, np.ndarray) and like.shape != vector.shape:
        return f"gives {described(vector)} where {described(like)} is needed"
    return "" if all_finite(vector) else "gives numbers that are NaN or infinite"


def described(value: object) -> str:
    """What kind of thing it is."""
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def locked(vector: Vector) -> Vector:
    """A view that cannot be written to."""
    view = vector.view()
    view.flags.writeable = False
    return view
