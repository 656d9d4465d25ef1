"""The example of the interface, and the weighted mean that every algorithm here is made of."""

import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dfl_actors.sdk import interface, weighted_mean

values = st.floats(-1000, 1000, width=32)
models = st.lists(arrays(np.float32, 5, elements=values), min_size=1, max_size=8)


def test_the_example_in_the_docstring_runs() -> None:
    result = doctest.testmod(interface)
    assert result.attempted >= 6 and result.failed == 0


@pytest.mark.parametrize(
    ("rows", "weights", "expected"),
    [
        ([[1.0, 2.0]], [3.0], [1.0, 2.0]),
        ([[0.0, 4.0], [2.0, 0.0]], [1.0, 1.0], [1.0, 2.0]),
        ([[0.0, 4.0], [4.0, 0.0]], [1.0, 3.0], [3.0, 1.0]),
        ([[1.0, 1.0], [9.0, 9.0]], [1.0, 0.0], [1.0, 1.0]),
        ([[1.0, 1.0], [np.nan, np.inf]], [1.0, 0.0], [1.0, 1.0]),
        ([[1.0, 8.0], [2.0, 4.0], [4.0, 2.0], [8.0, 1.0]], [4.0, 2.0, 4.0, 6.0], [72 / 16, 54 / 16]),
        # Weights far apart: the small one vanishes, nothing overflows.
        ([[1.0, 2.0], [9.0, 9.0]], [1.0, 1e-300], [1.0, 2.0]),
    ],
)
def test_means_computed_by_hand(rows: Any, weights: list[float], expected: list[float]) -> None:
    mean = weighted_mean([np.array(row, np.float32) for row in rows], weights)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, np.array(expected, np.float32), rtol=1e-6)


@pytest.mark.parametrize("weights", [[1.0] * 4, [0.1, 0.2, 0.3, 1.4], [1.4, 0.2, 0.2, 0.1], [0.5, 0.0, 1.0, 0.5]])
def test_a_whole_lenet_is_averaged(weights: list[float]) -> None:
    rows = np.random.default_rng(4).normal(size=(4, 431_080)).astype(np.float32)
    expected = np.average(rows.astype(np.float64), axis=0, weights=weights)
    np.testing.assert_allclose(weighted_mean(list(rows), weights), expected, atol=1e-6)


@given(models, st.randoms(use_true_random=False), st.data())
def test_the_order_of_models_does_not_matter(rows: list[Any], random: Any, draw: st.DataObject) -> None:
    weights = draw.draw(st.lists(st.floats(0.01, 1.0), min_size=len(rows), max_size=len(rows)))
    pairs = list(zip(rows, weights, strict=True))
    mean = weighted_mean(rows, weights)
    random.shuffle(pairs)
    np.testing.assert_allclose(weighted_mean([row for row, _ in pairs], [weight for _, weight in pairs]), mean, rtol=1e-5, atol=1e-3)


@given(arrays(np.float32, 5, elements=values), st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8))
def test_equal_models_stay_equal(model: Any, weights: list[float]) -> None:
    np.testing.assert_allclose(weighted_mean([model] * len(weights), weights), model, rtol=1e-5, atol=1e-30)


def test_inputs_are_left_alone_and_the_mean_is_new() -> None:
    model = np.ones(3, np.float32)
    model.flags.writeable = False
    mean = weighted_mean([model], [1.0])
    mean += 1
    assert model.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("count", "weights"), [(0, []), (2, [1.0]), (2, [0.0, 0.0]), (2, [1.0, -1.0]), (2, [2.0, -1.0]), (2, [1.0, float("nan")])]
)
def test_weights_that_make_no_mean_are_refused(count: int, weights: list[float]) -> None:
    with pytest.raises(ValueError, match=f"cannot average {count} models"):
        weighted_mean([np.ones(2, np.float32)] * count, weights)


def test_models_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        weighted_mean([np.ones(2, np.float32), np.ones(3, np.float32)], [1.0, 1.0])
