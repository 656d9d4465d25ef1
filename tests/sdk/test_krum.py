"""Krum and multi-Krum against scores computed by hand, and their degenerate cases."""

import numpy as np
import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.sdk import Algorithm, ReceivedModel, Result, krum, multi_krum
from dfl_actors.sdk.loader import checked_apply, load_algorithm


def models(**values: float) -> list[ReceivedModel]:
    return [ReceivedModel(sender, np.array([value], np.float32)) for sender, value in values.items()]


def applied(algorithm: Algorithm, own: float, received: list[ReceivedModel]) -> Result:
    return checked_apply(algorithm, None, np.array([own], np.float32), received, {})


def test_scores_computed_by_hand() -> None:
    """n = 5, f = 1: the two nearest. Own 0 has 1 + 4, 1 has 1 + 1, 2 has 1 + 4 (to 1 and 0), 4 has 4 + 9, 100 has 96^2 + 98^2."""
    scores = krum.krum_scores([np.array([value], np.float32) for value in (0, 1, 2, 4, 100)], 1)
    assert scores is not None and scores.tolist() == [5, 2, 5, 13, 96**2 + 98**2]


def test_the_model_with_the_lowest_score_is_taken_whole() -> None:
    result = applied(krum.build(), 0.0, models(a=1, b=2, c=4, d=100))
    assert (result.weights.tolist(), result.notes) == ([1.0], {"chosen": "a", "fallback": False})


def test_multi_krum_averages_the_m_lowest() -> None:
    received = models(a=1, b=2, c=4, d=100)
    assert applied(multi_krum.build(), 0.0, received).weights.tolist() == [pytest.approx(7 / 4)]
    assert applied(multi_krum.build(m=1), 0.0, received).weights.tolist() == [1.0]
    # Own and b tie at 5; the own model comes first.
    assert applied(multi_krum.build(m=2), 0.0, received).weights.tolist() == [0.5]
    assert applied(multi_krum.build(m=3), 0.0, received).weights.tolist() == [1.0]
    assert applied(multi_krum.build(m=99), 0.0, received).weights.tolist() == [pytest.approx(107 / 5)]


@pytest.mark.parametrize("build", [krum.build, multi_krum.build])
def test_with_fewer_than_f_and_three_models_the_own_one_stays(build: type) -> None:
    for f, received in ((1, models(a=1, b=2)), (2, models(a=1, b=2, c=3)), (0, models(a=1)), (0, [])):
        result = applied(build(f=f), 7.0, received)
        assert result.weights.tolist() == [7.0] and result.notes["fallback"] is True
    assert applied(build(f=0), 7.0, models(a=1, b=2)).notes["fallback"] is False


@pytest.mark.parametrize("build", [krum.build, multi_krum.build])
def test_an_attackers_pair_does_not_support_itself(build: type) -> None:
    """Both of e's models counted, each would have a neighbour at distance 0 and one at 0.01."""
    honest = models(a=0.5, b=1.0, c=1.5)
    pair = [*models(e=50.0), *honest, *models(e=50.01), *models(e=50.02)]
    assert applied(build(), 0.0, pair).weights[0] < 1.6


@pytest.mark.parametrize("build", [krum.build, multi_krum.build])
def test_equal_models_and_infinitely_far_ones(build: type) -> None:
    assert applied(build(), 3.0, models(a=3, b=3, c=3)).weights.tolist() == [3.0]
    assert np.isfinite(applied(build(f=2), 3.0, models(a=1e30, b=-1e30, c=3, d=3)).weights).all()
    assert applied(build(f=1), 3.0, models(a=1e30, b=2, c=3)).weights[0] <= 3.0


def test_of_equal_scores_the_own_model_wins_then_the_first_sender() -> None:
    assert applied(krum.build(f=0), 0.0, models(z=1, a=-1)).notes["chosen"] == ""
    # Own 10 is far away; the others all have a neighbour at distance 1.
    assert applied(krum.build(f=1), 10.0, models(z=1, m=0, a=-1)).notes["chosen"] == "a"
    assert applied(krum.build(f=2), 50.0, models(z=1, y=1, b=-1, a=-1)).notes["chosen"] == "a"


@pytest.mark.parametrize(("name", "parameters", "word"), [("krum", {"f": -1}, "f"), ("multi_krum", {"m": 0}, "m"), ("krum", {"m": 1}, "m")])
def test_a_wrong_parameter_is_named(name: str, parameters: dict[str, int], word: str) -> None:
    with pytest.raises(ConfigError, match=rf"parameters: .*\b{word}\b"):
        load_algorithm(name, parameters)
