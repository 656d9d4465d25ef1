"""The coordinate-wise median against numbers computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dfl_actors.errors import ConfigError
from dfl_actors.sdk import ReceivedModel, median
from dfl_actors.sdk.loader import checked_apply, load_algorithm

vectors = arrays(np.float32, 5, elements=st.floats(-1000, 1000, width=32))


def models(*rows: list[float], senders: str = "abcdefgh") -> list[ReceivedModel]:
    return [ReceivedModel(sender, np.array(row, np.float32)) for sender, row in zip(senders, rows, strict=False)]


def applied(own: list[float], received: list[ReceivedModel]) -> list[float]:
    weights: list[float] = checked_apply(median.build(), None, np.array(own, np.float32), received, {}).weights.tolist()
    return weights


@pytest.mark.parametrize(
    ("own", "received", "expected"),
    [
        ([1.0, 5.0], models([2.0, 4.0], [9.0, -9.0]), [2.0, 4.0]),
        ([1.0, 5.0], models([2.0, 4.0], [9.0, -9.0], [4.0, 6.0]), [3.0, 4.5]),
        ([1.0, 5.0], models([2.0, 4.0]), [1.5, 4.5]),
        ([1.0, 5.0], [], [1.0, 5.0]),
        # Of a sender that comes twice the newer model counts, and once.
        ([1.0, 5.0], models([9.0, 9.0], [2.0, 4.0], [3.0, 3.0], senders="aba"), [2.0, 4.0]),
        # The sum of the two in the middle would exceed float32.
        ([3e38, 0.0], models([3e38, 0.0]), [pytest.approx(3e38, rel=1e-6), 0.0]),
    ],
)
def test_medians_computed_by_hand(own: list[float], received: list[ReceivedModel], expected: list[float]) -> None:
    assert applied(own, received) == expected


@given(st.lists(vectors, min_size=1, max_size=9))
def test_it_is_numpys_median(rows: list[np.ndarray]) -> None:
    np.testing.assert_allclose(median.median(rows), np.median(np.stack(rows), axis=0), rtol=1e-5, atol=1e-4)


def test_a_whole_lenet_crosses_the_ends_of_blocks() -> None:
    rows = np.random.default_rng(4).normal(size=(5, 431_080)).astype(np.float32)
    np.testing.assert_array_equal(median.median(list(rows)), np.median(rows, axis=0))


def test_it_takes_no_parameters() -> None:
    with pytest.raises(ConfigError, match="algorithm median, parameters"):
        load_algorithm("median", {"beta": 0.1})
