"""BALANCE against bounds and means computed by hand."""

from math import exp
from typing import Any

import numpy as np
import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.sdk import ReceivedModel, Result, balance
from dfl_actors.sdk.loader import checked_apply, load_algorithm


def models(**rows: list[float]) -> list[ReceivedModel]:
    return [ReceivedModel(sender, np.array(row, np.float32)) for sender, row in rows.items()]


def applied(own: list[float], received: list[ReceivedModel], state: int = 0, **parameters: Any) -> Result:
    return checked_apply(balance.build(**parameters), state, np.array(own, np.float32), received, {})


def test_near_models_are_averaged_with_the_own_one() -> None:
    """|own| = 5, so the bound is 1.5: a at 1 and b at 1.5 are accepted, c at 2 is not."""
    result = applied([3.0, 4.0], models(a=[4.0, 4.0], b=[3.0, 5.5], c=[3.0, 6.0]))
    np.testing.assert_allclose(result.weights, [3.25, 4.375])
    assert result.notes["accepted"] == 2 and result.notes["bound"] == pytest.approx(1.5) and result.state == 1


def test_the_bound_falls_for_rounds_and_then_stays() -> None:
    bounds = [balance.threshold(0.4, 2.0, 10, done) for done in (0, 5, 10, 11, 10**6)]
    assert bounds == pytest.approx([0.4, 0.4 * exp(-1), 0.4 * exp(-2), 0.4 * exp(-2), 0.4 * exp(-2)])
    assert applied([3.0, 4.0], models(a=[4.0, 4.0]), state=1000).notes["accepted"] == 0
    assert applied([3.0, 4.0], models(a=[3.5, 4.0]), state=1000).notes["accepted"] == 1


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, 4.0), (0.5, 3.5), (0.8, 3.2), (1.0, 3.0)])
def test_alpha_is_the_own_models_share(alpha: float, expected: float) -> None:
    assert applied([3.0, 4.0], models(a=[4.0, 4.0]), alpha=alpha).weights[0] == pytest.approx(expected)


def test_without_an_accepted_model_the_own_one_stays() -> None:
    assert applied([3.0, 4.0], models(a=[-3.0, -4.0], b=[1e30, 1e30]), alpha=0.0).weights.tolist() == [3.0, 4.0]
    assert applied([3.0, 4.0], []).weights.tolist() == [3.0, 4.0]


def test_an_own_model_of_zeros_accepts_only_its_like() -> None:
    result = applied([0.0, 0.0], models(a=[0.0, 0.0], b=[0.1, 0.0]))
    assert (result.weights.tolist(), result.notes["accepted"]) == ([0.0, 0.0], 1)


def test_a_sender_has_one_vote_its_newest() -> None:
    received = [*models(a=[3.0, 5.0], b=[4.0, 4.0]), *models(a=[30.0, 5.0])]
    assert applied([3.0, 4.0], received).notes["accepted"] == 1


@pytest.mark.parametrize("parameters", [{"gamma": 0}, {"kappa": -1}, {"alpha": 1.5}, {"rounds": 0}])
def test_a_wrong_parameter_is_named(parameters: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"algorithm balance, parameters: .*{next(iter(parameters))}"):
        load_algorithm("balance", parameters)
