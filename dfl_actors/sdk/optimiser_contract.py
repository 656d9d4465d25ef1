"""Tries an optimiser against its contract, as `contract` does algorithms: it is led through steps and averages of made-up models."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from dfl_actors.learning.momentum import BRINGS, Course, Optimiser
from dfl_actors.learning.weights import TrainState, Vector

SIZE, SEED, ROUNDS = 240, 20, 3

Build = Callable[[], Optimiser]


class Way(NamedTuple):
    """What an optimiser is tried on: the weights at first, how far a step and an average go, in their norm, and steps between averages."""

    name: str
    begin: float
    step: float
    average: float
    steps: int


WAYS = (
    Way("steps and averages", 0.1, 0.01, 0.01, 2),
    Way("no step between two averages", 0.1, 0.01, 0.01, 0),
    Way("an average far away", 0.1, 0.01, 50.0, 1),
    Way("weights of zeros", 0.0, 0.01, 0.01, 1),
    Way("a huge step", 0.1, 1e15, 0.01, 1),
    Way("nothing moves", 0.1, 0.0, 0.0, 2),
)


def velocities(build: Build, way: Way) -> Iterator[Vector]:
    """What the optimiser says before each step. Raises `AlgorithmError` as `Course` does."""
    rng = np.random.default_rng(SEED)
    state = TrainState(_drawn(rng, way.begin), np.zeros(0, np.float32), 0)
    course = Course(build(), state.weights)
    said: list[Vector] = []

    def step(state: TrainState, which: slice, velocity: Vector | None) -> tuple[TrainState, float]:
        assert velocity is not None
        said.append(velocity.copy())
        return state._replace(weights=state.weights - velocity - _drawn(rng, way.step)), 0.0

    for _ in range(ROUNDS):
        if way.steps:
            state, _ = course.train(state, way.steps, step)
        after = state.weights + _drawn(rng, way.average)
        course.average(state.weights, after)
        state = state._replace(weights=after)
    course.train(state, 1, step)
    yield from said


def _drawn(rng: np.random.Generator, scale: float) -> Vector:
    return rng.normal(scale=1.0, size=SIZE).astype(np.float32) * np.float32(scale)


def runs(build: Build, way: Way) -> str:
    for _ in velocities(build, way):
        pass
    return ""


def repeats(build: Build, way: Way) -> str:
    pairs = zip(velocities(build, way), velocities(build, way), strict=True)
    return "" if all(one.tobytes() == other.tobytes() for one, other in pairs) else "two walks from a new start give different velocities"


def rests(build: Build, way: Way) -> str:
    """Where nothing has moved there is nothing to go on with."""
    first = next(velocities(build, way)) if way.steps else np.zeros(1, np.float32)
    still = [*velocities(build, way)] if not (way.step or way.average) else [first]
    return "" if not any(velocity.any() for velocity in still) else "there is a velocity though nothing has moved"


def known(build: Build, way: Way) -> str:
    wrong = [key for key in build().training if key not in BRINGS]
    return f"{wrong[0]!r} is none of {', '.join(BRINGS)}" if wrong else ""


OPTIMISER_RULES: Mapping[str, Callable[[Build, Way], str]] = {
    "optimiser runs": runs,
    "optimiser repeats": repeats,
    "optimiser starts at rest": rests,
    "optimiser brings known keys": known,
}
