"""Equation 5, against a plain reading of it."""

import numpy as np
import pytest

from dfl_actors.core.objects import Layer
from dfl_actors.learning.difference import Ring, distances
from dfl_actors.learning.weights import Parameters, Vector

PARAMETERS = Parameters((Layer(name="kernel", shape=(3, 4)), Layer(name="bias", shape=(4,))))


def models(count: int) -> list[Vector]:
    rng = np.random.default_rng(5)
    return [rng.normal(size=PARAMETERS.size).astype(np.float32) for _ in range(count)]


def equation(vectors: list[Vector]) -> dict[str, float]:
    """(sum over n = 1..N-1 of |model_n - model_(n-1)|, and |model_0 - model_(N-1)|) / N."""
    pairs = [*zip(vectors[1:], vectors[:-1], strict=True), (vectors[0], vectors[-1])]
    by_layer = {"kernel": slice(0, 12), "bias": slice(12, 16)}
    return {
        name: sum(float(np.abs(a[place] - b[place]).sum(dtype=float)) for a, b in pairs) / len(vectors) for name, place in by_layer.items()
    }


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_ring_is_equation_5(count: int) -> None:
    ring, vectors = Ring([str(number) for number in range(count)], PARAMETERS), models(count)
    told = [ring.put(str(number), vector) for number, vector in enumerate(vectors)]
    assert told[:-1] == [None] * (count - 1) and told[-1] == pytest.approx(equation(vectors))


def test_a_newer_model_takes_the_place_of_the_older() -> None:
    count = 4
    ring, vectors = Ring("abcd", PARAMETERS), models(count + 1)
    for name, vector in zip("abcd", vectors[:count], strict=True):
        ring.put(name, vector)
    assert ring.put("c", vectors[4]) == pytest.approx(equation([vectors[0], vectors[1], vectors[4], vectors[3]]))


def test_equal_models_do_not_differ() -> None:
    ring, (model,) = Ring("ab", PARAMETERS), models(1)
    ring.put("a", model)
    assert ring.put("b", model.copy()) == {"kernel": 0, "bias": 0}


def test_a_node_alone_has_nothing_to_compare() -> None:
    assert Ring(["a"], PARAMETERS).put("a", models(1)[0]) is None


def test_a_large_layer_is_summed_exactly() -> None:
    parameters = Parameters((Layer(name="dense", shape=(1000, 1000)),))
    one = np.full(1_000_000, 0.1, np.float32)
    assert distances(one, np.zeros_like(one), parameters) == pytest.approx([1e6 * float(np.float32(0.1))], rel=1e-12)
