"""Self-centred clipping against sums computed by hand."""

from math import inf, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dfl_actors.errors import ConfigError
from dfl_actors.sdk import ReceivedModel, Result, scclip
from dfl_actors.sdk.loader import checked_apply, load_algorithm

vectors = arrays(np.float32, 3, elements=st.floats(-100, 100, width=32))


def models(**rows: list[float]) -> list[ReceivedModel]:
    return [ReceivedModel(sender, np.array(row, np.float32)) for sender, row in rows.items()]


def applied(own: list[float], received: list[ReceivedModel], **parameters: Any) -> Result:
    return checked_apply(scclip.build(**parameters), None, np.array(own, np.float32), received, {})


def test_differences_are_clipped_to_the_radius() -> None:
    """Differences (3, 4) of length 5, clipped to (1.5, 2), and (0, 1), kept; each a third."""
    result = applied([1.0, 1.0], models(a=[4.0, 5.0], b=[1.0, 2.0]), tau=2.5)
    np.testing.assert_allclose(result.weights, [1.5, 2.0], rtol=1e-6)
    assert result.notes["clipped"] == 1


def test_the_radius_follows_from_the_nearest_models() -> None:
    assert scclip.chosen_radius([3.0, 100.0, 4.0], 1) == 5.0
    assert scclip.chosen_radius([3.0, 100.0, 4.0], 2) == pytest.approx(3 / sqrt(2))
    assert scclip.chosen_radius([3.0, 100.0, 4.0], 0) == inf
    assert scclip.chosen_radius([3.0], 1) == scclip.chosen_radius([3.0], 5) == 0.0
    # Radius sqrt(9 + 16) = 5: 3 and 4 are kept, 100 becomes 5; each a quarter.
    assert applied([0.0], models(a=[3.0], b=[100.0], c=[4.0])).weights[0] == pytest.approx(3.0)


def test_degenerate_cases() -> None:
    assert applied([2.0], models(a=[9.0])).weights.tolist() == [2.0], "it may be the attacker"
    assert applied([2.0], models(a=[9.0]), f=0).weights[0] == pytest.approx(5.5)
    assert applied([2.0], models(a=[9.0]), tau=0.0).weights.tolist() == [2.0]
    assert applied([2.0], models(a=[2.0], b=[2.0]), tau=0.0).weights.tolist() == [2.0]
    assert applied([2.0], []).weights.tolist() == [2.0]
    assert applied([2.0], models(a=[1e30]), f=0).weights.tolist() == [2.0], "infinitely far: left out"


def test_a_sender_has_one_vote_its_newest() -> None:
    received = [*models(a=[100.0]), *models(b=[2.0]), *models(a=[4.0])]
    assert applied([0.0], received, tau=10.0).weights[0] == pytest.approx(2.0)


@given(vectors, st.lists(vectors, min_size=1, max_size=6), st.floats(0, 50))
def test_nobody_moves_the_model_by_more_than_its_share_of_the_radius(own: np.ndarray, others: list[np.ndarray], tau: float) -> None:
    received = [ReceivedModel(str(i), weights) for i, weights in enumerate(others)]
    moved = checked_apply(scclip.build(tau=tau), None, own, received, {}).weights - own
    assert np.linalg.norm(moved) <= tau * len(others) / (len(others) + 1) + 1e-3


def test_a_wrong_parameter_is_named() -> None:
    with pytest.raises(ConfigError, match=r"algorithm scclip, parameters: .*tau"):
        load_algorithm("scclip", {"tau": -1.0})
