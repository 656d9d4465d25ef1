"""The trimmed mean against numbers computed by hand."""

import numpy as np
import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.sdk import ReceivedModel, trimmed_mean
from dfl_actors.sdk.loader import checked_apply, load_algorithm


def models(*values: float) -> list[ReceivedModel]:
    return [ReceivedModel(sender, np.array([value, -value], np.float32)) for sender, value in zip("abcdefgh", values, strict=False)]


def applied(own: float, received: list[ReceivedModel], **parameters: float) -> float:
    result = checked_apply(trimmed_mean.build(**parameters), None, np.array([own, -own], np.float32), received, {})
    assert result.weights[0] == -result.weights[1]
    return float(result.weights[0])


@pytest.mark.parametrize(
    ("own", "others", "beta", "expected"),
    [
        (1.0, (2.0, 3.0, 7.0, 100.0), 0.2, 4.0),
        (1.0, (2.0, 3.0, 7.0, 100.0), 0.4, 3.0),
        (1.0, (2.0, 3.0, 7.0, 102.0), 0.0, 23.0),
        # The own model is trimmed like any other.
        (-50.0, (2.0, 3.0, 7.0, 100.0), 0.2, 4.0),
        # Too few to trim: the plain mean.
        (1.0, (2.0, 6.0), 0.2, 3.0),
        (1.0, (4.0,), 0.49, 2.5),
        (1.0, (), 0.2, 1.0),
    ],
)
def test_means_computed_by_hand(own: float, others: tuple[float, ...], beta: float, expected: float) -> None:
    assert applied(own, models(*others), beta=beta) == pytest.approx(expected)


def test_a_sender_has_one_vote_its_newest() -> None:
    twice = [*models(100.0, 2.0, 3.0, 7.0), *models(5.0)]
    assert applied(1.0, twice) == applied(1.0, models(5.0, 2.0, 3.0, 7.0)) == pytest.approx(10 / 3)


def test_a_product_just_below_a_whole_number_trims_that_number() -> None:
    """0.29 * 100 is 28.999999999999996."""
    received = [ReceivedModel(str(i), np.zeros(2, np.float32)) for i in range(99)]
    assert trimmed_mean.build(beta=0.29).apply(None, np.zeros(2, np.float32), received, {}).notes["trimmed"] == 29


@pytest.mark.parametrize("beta", [-0.1, 0.5, "much"])
def test_a_wrong_parameter_is_named(beta: object) -> None:
    with pytest.raises(ConfigError, match=r"algorithm trimmed_mean, parameters: .*beta"):
        load_algorithm("trimmed_mean", {"beta": beta})
