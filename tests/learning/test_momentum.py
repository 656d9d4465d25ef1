"""Optimisers that know of averages: their formulas, and how a node follows one and goes on with it."""

from typing import Any

import numpy as np
import pytest

from dfl_actors.errors import AlgorithmError
from dfl_actors.learning.momentum import Course, Optimiser, proximal, quasi_global
from dfl_actors.learning.weights import TrainState, Vector


def vector(*values: float) -> Vector:
    return np.array(values, np.float32)


def state(weights: Vector) -> TrainState:
    return TrainState(weights, vector(), 0)


def pulled(by: float, said: list[Vector | None]) -> Any:
    """A step that goes `by` besides the velocity; several in one call go as often."""

    def step(state: TrainState, which: slice, velocity: Vector | None) -> tuple[TrainState, float]:
        said.append(velocity)
        steps = which.stop - which.start
        moved = steps * (np.float32(by) + (0 if velocity is None else velocity))
        return state._replace(weights=state.weights - moved, iteration=state.iteration + steps), 0.5

    return step


def test_the_velocity_is_the_way_of_the_network_since_the_last_average() -> None:
    said: list[Vector | None] = []
    course = Course(quasi_global(momentum=0.5, memory=0.75, jump=0.5), vector(10, 10))
    at, loss = course.train(state(vector(10, 10)), 2, pulled(1.0, said))
    assert loss == 0.5 and at.weights.tolist() == [8, 8], "at rest a step goes its own way"
    course.average(at.weights, vector(6, 9))
    # d = .25 * (anchor - after) / steps = .25 * (4, 1) / 2, and half of it is the velocity; steps leave it as it is.
    course.train(state(vector(6, 9)), 3, pulled(0.0, said))
    assert np.asarray(said[1]).tolist() == [0.25, 0.0625]
    course.average(vector(6, 9), vector(6, 9))
    course.train(state(vector(6, 9)), 1, pulled(0.0, said))
    assert np.allclose(np.asarray(said[2]), [0.1875, 0.046875]), "where the network stands still it fades"


def test_an_average_without_a_step_is_a_way_of_its_own_and_a_far_one_ends_it() -> None:
    said: list[Vector | None] = []
    course = Course(quasi_global(momentum=0.5, memory=0.5, jump=0.5), vector(10))
    at, _ = course.train(state(vector(10)), 1, pulled(1.0, said))
    course.average(at.weights, vector(8))
    course.average(vector(8), vector(7))
    course.train(state(vector(7)), 1, pulled(1.0, said))
    course.average(vector(6), vector(6))
    course.train(state(vector(6)), 1, pulled(0.0, said))
    # d: half of 10 - 8; of that half, and half of 8 - 7, which came without a step; of that half, and half of 7 - 6.
    assert np.asarray(said[1]).tolist() == [0.5 * (0.5 * 1.0 + 0.5 * 1.0)]
    assert np.asarray(said[2]).tolist() == [0.5 * (0.5 * 1.0 + 0.5 * 1.0)]
    course.average(vector(6), vector(20))
    course.train(state(vector(20)), 1, pulled(0.0, said))
    assert np.asarray(said[3]).tolist() == [0.0]


def test_an_average_without_a_step_is_of_as_many_steps_as_others_are() -> None:
    said: list[Vector | None] = []
    course = Course(quasi_global(momentum=0.5, memory=0.5, jump=0.5), vector(10))
    at, _ = course.train(state(vector(10)), 8, pulled(0.125, said))
    course.average(at.weights, vector(6))
    course.average(vector(6), vector(4))
    at, _ = course.train(state(vector(4)), 4, pulled(0.0, said))
    course.average(at.weights, at.weights)
    course.train(at, 1, pulled(0.0, said))
    # d: half of (10 - 6) / 8; of that half, and half of (6 - 4) / 8; and the four steps of d / 2, by half of 8 + 4 then.
    way = 0.5 * (0.5 * 4 / 8) + 0.5 * 2 / 8
    assert np.allclose(np.asarray(said[1]), 0.5 * way)
    assert np.allclose(np.asarray(said[2]), 0.5 * (0.5 * way + 0.5 * 4 * 0.5 * way / 6))


def test_a_proximal_term_is_asked_before_every_step() -> None:
    said: list[Vector | None] = []
    course = Course(proximal(pull=0.5, momentum=0.0), vector(4))
    course.train(state(vector(4)), 3, pulled(1.0, said))
    # 4 -> 3 -> 3 - (.5 * -1) - 1 = 2.5 -> 2.5 + .75 - 1
    assert [float(np.asarray(one)[0]) for one in said] == [0.0, -0.5, -0.75]


def test_a_course_goes_on_where_another_was_and_refuses_what_does_not_fit() -> None:
    said: list[Vector | None] = []
    first, again = (Course(quasi_global(), vector(10, 10)) for _ in range(2))
    at, _ = first.train(state(vector(10, 10)), 2, pulled(0.1, said))
    first.average(at.weights, vector(9.6, 9.9))
    at, _ = first.train(state(vector(9.6, 9.9)), 1, pulled(0.1, said))
    assert again.take(np.frombuffer(first.held().tobytes(), "<f4")) and again.steps == 1
    for course in (first, again):
        course.average(at.weights, vector(9.5, 9.7))
        course.train(state(vector(9.5, 9.7)), 1, pulled(0.0, said))
    assert np.asarray(said[-1]).tobytes() == np.asarray(said[-2]).tobytes() and np.asarray(said[-1]).any()
    assert not again.take(vector(1, 2)) and not Course(None, vector(1)).take(vector(0)) and Course(None, vector(1)).take(vector())


def test_without_an_optimiser_steps_stay_one_call_and_averages_change_nothing() -> None:
    said: list[Vector | None] = []
    course = Course(None, vector(1))
    course.train(state(vector(1)), 7, pulled(0.1, said))
    course.average(vector(1), vector(5))
    assert said == [None] and course.held().size == 0 and course.name == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"velocity": lambda state, weights: weights[:1]}, "velocity gives float32 (1,) where float32 (2,) is needed"),
        ({"velocity": lambda state, weights: weights.astype(float)}, "velocity gives float64 (2,) where a float32 vector is needed"),
        ({"velocity": lambda state, weights: weights * np.float32("nan")}, "velocity gives numbers that are NaN or infinite"),
        ({"after_step": lambda state, moved: ()}, "after_step returns 0 vectors where there were 1"),
        ({"after_step": lambda state, moved: moved}, "after_step must return a tuple of vectors, not ndarray"),
        ({"after_step": lambda state, moved: (moved.__imul__(2),)}, "after_step failed: ValueError"),
    ],
)
def test_what_breaks_the_contract_is_named(changes: dict[str, Any], words: str) -> None:
    honest: dict[str, Any] = {"init": lambda weights: (weights,), "velocity": lambda state, weights: state[0]}
    with pytest.raises(AlgorithmError, match="optimiser 'mine'") as told:
        Course(Optimiser(**{**honest, **changes}, name="mine"), vector(1, 2)).train(state(vector(1, 2)), 1, pulled(0.1, []))
    assert words in str(told.value)
