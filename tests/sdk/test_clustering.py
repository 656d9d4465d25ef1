"""Clustering against clusters made by hand."""

import numpy as np
import pytest

from dfl_actors.errors import AlgorithmError, ConfigError
from dfl_actors.sdk import ReceivedModel, Result, clustering
from dfl_actors.sdk.loader import checked_apply, load_algorithm


def model(sender: str, value: float, accuracy: float | None) -> ReceivedModel:
    return ReceivedModel(sender, np.array([value], np.float32), accuracy)


def applied(received: list[ReceivedModel], reputations: dict[str, float], own: float = 0.0, **parameters: float) -> Result:
    return checked_apply(clustering.build(**parameters), None, np.array([own], np.float32), received, reputations)


@pytest.mark.parametrize(
    ("points", "majority", "expected"),
    [
        ([(0.9, 1.0), (0.1, 1.0), (0.8, 1.0), (0.7, 1.0)], 0.5, [0, 2, 3]),
        # 0 and 2 merge at 0.1; their centre 0.85 is nearer to 0.7 than 0.1 is: exactly half was not enough.
        ([(0.9, 1.0), (0.1, 1.0), (0.8, 1.0), (0.7, 1.0)], 0.4, [0, 2]),
        # Reputation tells apart what accuracy does not.
        ([(0.5, 1.0), (0.5, 0.2), (0.5, 0.9)], 0.5, [0, 2]),
        # Two pairs: centres 0.05 and 0.95, so no majority before all are one.
        ([(0.0, 1.0), (0.1, 1.0), (0.9, 1.0), (1.0, 1.0)], 0.5, [0, 1, 2, 3]),
        ([(0.0, 1.0), (1.0, 1.0)], 0.5, [0, 1]),
        ([(0.3, 1.0)], 0.5, [0]),
        ([(0.3, 1.0)] * 4, 0.5, [0, 1, 2]),
        ([], 0.5, []),
    ],
)
def test_clusters_made_by_hand(points: list[tuple[float, float]], majority: float, expected: list[int]) -> None:
    assert clustering.majority_cluster(points, majority) == expected


def test_the_majority_is_averaged_by_reputation_and_accuracy() -> None:
    """b is left out. Weights 0.8 and 0.6 * 0.5: (0.8 * 1 + 0.3 * 12) / 1.1, and half of that; c is the least accurate of the two."""
    received = [model("a", 1, 0.8), model("b", 99, 0.1), model("c", 12, 0.6)]
    result = applied(received, {"a": 1.0, "b": 0.1, "c": 0.5})
    assert result.weights[0] == pytest.approx(4.4 / 1.1 / 2)
    assert dict(result.reputations) == {"a": 1.0, "b": 0.1, "c": 0.49}
    assert result.notes == {"punished": ["c"], "fallback": False, "cluster": ["a", "c"]}


def test_degenerate_cases() -> None:
    assert applied([model("a", 4, 0.5)], {}).weights.tolist() == [2.0]
    assert applied([], {"a": 0.5}, own=3.0).weights.tolist() == [3.0]
    nobody = applied([model("a", 4, 0.0), model("b", 8, 0.0)], {})
    assert nobody.weights.tolist() == [3.0] and nobody.notes["fallback"] is True


def test_a_sender_has_one_vote_its_newest_and_is_punished_once() -> None:
    result = applied([model("a", 50, 0.1), model("b", 2, 0.5), model("a", 2, 0.5)], {}, penalty=0.25)
    assert result.weights[0] == pytest.approx(1.0) and dict(result.reputations) == {"a": 0.75, "b": 0.75}


def test_it_needs_accuracies_and_sound_parameters() -> None:
    assert clustering.build().needs == {"accuracy"}
    with pytest.raises(AlgorithmError, match="apply failed: ValueError: the model of a was not measured"):
        applied([model("a", 1, None)], {})
    for parameters in ({"majority": 1.0}, {"penalty": -0.1}):
        with pytest.raises(ConfigError, match="algorithm clustering, parameters"):
            load_algorithm("clustering", parameters)
