"""UBAR's two stages against choices made by hand."""

import numpy as np
import pytest

from dfl_actors.errors import AlgorithmError, ConfigError
from dfl_actors.sdk import ReceivedModel, Result, ubar
from dfl_actors.sdk.loader import checked_apply, load_algorithm


def model(sender: str, value: float, accuracy: float | None) -> ReceivedModel:
    return ReceivedModel(sender, np.array([value], np.float32), accuracy)


def applied(received: list[ReceivedModel], own: float = 0.0, own_accuracy: float | None = 0.5, **parameters: float) -> Result:
    return checked_apply(ubar.build(**parameters), None, np.array([own], np.float32), received, {}, own_accuracy)


def test_the_nearest_are_listed_and_those_at_least_as_accurate_as_the_own_one_averaged() -> None:
    """Nearest two of four: b and a. Of these a alone is as accurate as the own one. Half of 2 and half of 0."""
    received = [model("a", 2, 0.8), model("b", -1, 0.4), model("c", 5, 0.9), model("d", -50, 0.95)]
    result = applied(received)
    assert result.weights.tolist() == [1.0]
    assert result.notes == {"shortlist": ["b", "a"], "chosen": ["a"]}


@pytest.mark.parametrize(
    ("own_accuracy", "chosen"),
    [
        (0.3, "abc"),  # all are better
        (0.4, "abc"),  # one is as good
        (0.5, "ac"),
        (0.9, "c"),
        (0.95, "c"),  # none is: the best, not the nearest
        (None, "ac"),  # nobody measured: those from the median, 0.7, on
    ],
)
def test_the_own_accuracy_is_the_bar_and_the_best_stays_when_none_clears_it(own_accuracy: float | None, chosen: str) -> None:
    received = [model("a", 1, 0.7), model("b", 2, 0.4), model("c", 3, 0.9)]
    result = applied(received, own_accuracy=own_accuracy, rho=1.0, alpha=0.0)
    assert result.notes["chosen"] == list(chosen)
    assert result.weights == pytest.approx([np.mean(["abc".index(one) + 1 for one in chosen])])


def test_of_equally_accurate_models_below_the_own_one_the_nearest_stays() -> None:
    assert applied([model("a", 5, 0.2), model("b", 1, 0.2)], rho=1.0, own_accuracy=0.9).notes["chosen"] == ["b"]


@pytest.mark.parametrize(("rho", "shortlist"), [(0.01, "a"), (0.25, "a"), (0.26, "ab"), (0.75, "abc"), (1.0, "abcd")], ids=str)
def test_rho_is_the_fraction_that_is_listed(rho: float, shortlist: str) -> None:
    received = [model(sender, place, 0.5) for place, sender in enumerate("abcd")]
    result = applied(received, rho=rho)
    assert result.notes["shortlist"] == list(shortlist) == result.notes["chosen"], "as accurate as the own one, all are chosen"


def test_degenerate_cases() -> None:
    assert applied([model("a", 4, 0.0)]).weights.tolist() == [2.0]
    assert applied([], own=3.0).weights.tolist() == [3.0]
    assert applied([model("a", 4, 0.0)], alpha=1.0).weights.tolist() == [0.0]
    assert applied([model("a", 4, 0.0)], alpha=0.0).weights.tolist() == [4.0]
    assert applied([model("a", 1e30, 0.9), model("b", 2, 0.1)]).notes["chosen"] == ["b"]


def test_of_equal_distances_the_first_sender_goes_first() -> None:
    assert applied([model("z", 1, 0.5), model("b", -1, 0.5)]).notes["shortlist"] == ["b"]


def test_a_sender_has_one_vote_its_newest() -> None:
    assert applied([model("a", 1, 0.9), model("b", 2, 0.5), model("a", 9, 0.9)]).notes["shortlist"] == ["b"]


def test_it_needs_accuracies_and_sound_parameters() -> None:
    assert ubar.build().needs == {"accuracy", "own_accuracy"}
    with pytest.raises(AlgorithmError, match="apply failed: ValueError: the model of a was not measured"):
        applied([model("a", 1, None)])
    for parameters in ({"rho": 0.0}, {"rho": 1.1}, {"alpha": -0.1}):
        with pytest.raises(ConfigError, match="algorithm ubar, parameters"):
            load_algorithm("ubar", parameters)
