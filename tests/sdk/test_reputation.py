"""Equations 3 and 4 and the punishment against numbers computed by hand; ties, zeros and several models of one sender."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dfl_actors.errors import AlgorithmError, ConfigError
from dfl_actors.sdk import ReceivedModel, Result, half_fedavg, reputation
from dfl_actors.sdk.loader import checked_apply, load_algorithm

vectors = arrays(np.float32, 4, elements=st.floats(-100, 100, width=32))
senders = st.lists(st.tuples(st.sampled_from("abcd"), vectors, st.integers(0, 100).map(lambda n: n / 100)), min_size=1, max_size=8)
reputation_tables = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1))


def model(sender: str, value: float, accuracy: float | None) -> ReceivedModel:
    return ReceivedModel(sender, np.array([value], np.float32), accuracy)


def applied(received: list[ReceivedModel], reputations: dict[str, float], own: float = 10.0, **parameters: Any) -> Result:
    return checked_apply(reputation.build(**parameters), None, np.array([own], np.float32), received, reputations)


@pytest.mark.parametrize(
    ("received", "before", "mean", "after"),
    [
        # weights 0.8, 0.2: (0.8 * 1 + 0.2 * 6 + 10) / 2
        ([model("a", 1, 0.8), model("b", 6, 0.2)], {}, 6.0, {"a": 1.0, "b": 0.95}),
        # weights 0.5 * 0.8 = 0.4 and 1 * 0.1 = 0.1: shares 0.8, 0.2
        ([model("a", 1, 0.8), model("b", 6, 0.1)], {"a": 0.5, "b": 1.0}, 6.0, {"a": 0.5, "b": 0.95}),
        # the punishment comes after the mean: were it before, b would have no share. Weights 0.4, 0.02
        ([model("a", 0, 0.8), model("b", 21, 0.4)], {"a": 0.5, "b": 0.05}, (21 * 0.02 / 0.42 + 10) / 2, {"a": 0.5, "b": 0.0}),
        # a reputation of 0 takes the sender out of the mean, and it stays 0
        ([model("a", 2, 0.5), model("b", 99, 0.1)], {"a": 1.0, "b": 0.0}, 6.0, {"a": 1.0, "b": 0.0}),
        # an accuracy of 0 as well
        ([model("a", 2, 0.5), model("b", 99, 0.0)], {}, 6.0, {"a": 1.0, "b": 0.95}),
        # a sender that is not in the buffer keeps its reputation
        ([model("a", 2, 0.5), model("b", 2, 0.4)], {"z": 0.3}, 6.0, {"a": 1.0, "b": 0.95, "z": 0.3}),
        # alone in the buffer, a sender is the least accurate
        ([model("a", 2, 0.9)], {"a": 0.5}, 6.0, {"a": 0.45}),
        # floor at 0
        ([model("a", 2, 0.9)], {"a": 0.03}, 6.0, {"a": 0.0}),
        ([], {"a": 0.5}, 10.0, {"a": 0.5}),
    ],
)
def test_rounds_computed_by_hand(received: list[ReceivedModel], before: dict[str, float], mean: float, after: dict[str, float]) -> None:
    result = applied(received, before)
    assert result.weights[0] == pytest.approx(mean, rel=1e-6)
    assert dict(result.reputations) == pytest.approx(after)


def test_every_sender_tied_for_the_least_accuracy_is_punished() -> None:
    received = [model("a", 1, 0.3), model("b", 1, 0.7), model("c", 1, 0.3)]
    result = applied(received, {})
    assert dict(result.reputations) == {"a": 0.95, "b": 1.0, "c": 0.95}
    assert result.notes["punished"] == ["a", "c"]


def test_the_authors_program_punishes_for_every_model() -> None:
    received = [model("a", 0, 0.2), model("a", 6, 0.2), model("b", 3, 0.4), model("c", 3, 0.2)]
    assert dict(applied(received, {"a": 0.07}, every_model=True).reputations) == {"a": 0.0, "b": 1.0, "c": 0.95}
    assert dict(applied(received, {"a": 0.5}, every_model=True).reputations) == {"a": 0.4, "b": 1.0, "c": 0.95}


def test_all_models_of_a_sender_count_but_it_is_punished_once() -> None:
    received = [model("a", 0, 0.2), model("a", 6, 0.2), model("b", 3, 0.4)]
    result = applied(received, {})
    # Shares 0.25, 0.25, 0.5: (0 + 1.5 + 1.5 + 10) / 2
    assert result.weights[0] == pytest.approx(6.5)
    assert dict(result.reputations) == {"a": 0.95, "b": 1.0}


def test_a_good_model_does_not_protect_a_sender_from_its_bad_one() -> None:
    assert dict(applied([model("a", 0, 0.9), model("a", 0, 0.1), model("b", 0, 0.5)], {}).reputations) == {"a": 0.95, "b": 1.0}


@pytest.mark.parametrize(
    ("accuracies", "before"), [((0.9, 0.5), {"a": 0.0, "b": 0.0}), ((0.0, 0.0), {}), ((0.0, 0.5), {"a": 1.0, "b": 0.0})]
)
def test_without_any_weight_it_is_half_fedavg(accuracies: tuple[float, float], before: dict[str, float]) -> None:
    received = [model("a", 2, accuracies[0]), model("b", 4, accuracies[1])]
    result = applied(received, before)
    expected = half_fedavg.build().apply(None, np.array([10.0], np.float32), received, before).weights
    np.testing.assert_array_equal(result.weights, expected)
    assert result.weights[0] == pytest.approx(6.5)
    assert result.notes["fallback"] is True


def test_twenty_penalties_end_at_exactly_zero() -> None:
    """A remainder of 1e-16 would keep the attacker in the mean when everybody else is at 0."""
    reputations: dict[str, float] = {}
    for done in range(1, 23):
        reputations = dict(applied([model("a", 1, 0.1), model("b", 1, 0.9)], reputations).reputations)
        assert reputations["a"] == max(0.0, round(1 - 0.05 * done, 9))
    assert reputations == {"a": 0.0, "b": 1.0}


def test_the_penalty_is_a_parameter() -> None:
    assert dict(applied([model("a", 1, 0.5)], {}, penalty=0.3).reputations) == {"a": 0.7}
    assert dict(applied([model("a", 1, 0.5)], {}, penalty=0).reputations) == {"a": 1.0}
    assert dict(applied([model("a", 1, 0.5)], {}, penalty=1).reputations) == {"a": 0.0}


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"penalty": -0.1}, "penalty"),
        ({"penalty": 1.1}, "penalty"),
        ({"penalty": float("nan")}, "penalty"),
        ({"penalty": "much"}, "penalty"),
        ({"penalti": 0.1}, "penalti"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=rf"algorithm reputation, parameters: .*\b{word}\b"):
        load_algorithm("reputation", parameters)


def test_a_model_that_was_not_measured_is_refused() -> None:
    assert reputation.build().needs == {"accuracy"}
    with pytest.raises(AlgorithmError, match="model of a was not measured"):
        applied([model("a", 1, None)], {})


@given(senders, reputation_tables, vectors, st.randoms(use_true_random=False))
def test_the_order_of_senders_does_not_matter(rows: Any, before: dict[str, float], own: Any, random: Any) -> None:
    received = [ReceivedModel(*row) for row in rows]
    algorithm = reputation.build()
    first = algorithm.apply(None, own, received, before)
    random.shuffle(received)
    second = algorithm.apply(None, own, received, before)
    np.testing.assert_allclose(second.weights, first.weights, rtol=1e-5, atol=1e-4)
    assert dict(second.reputations) == dict(first.reputations)


@given(senders, reputation_tables, vectors)
def test_results_keep_their_bounds_and_inputs_are_left_alone(rows: Any, before: dict[str, float], own: Any) -> None:
    received, kept = [ReceivedModel(*row) for row in rows], dict(before)
    result = checked_apply(reputation.build(), None, own, received, before)
    every = np.stack([own, *(model.weights for model in received)])
    assert (result.weights <= every.max(axis=0) + 1e-3).all() and (result.weights >= every.min(axis=0) - 1e-3).all()
    assert before == kept
    assert all(result.reputations[sender] <= before.get(sender, 1.0) for sender in result.reputations)


@given(vectors, st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1)), max_size=6), reputation_tables)
def test_equal_models_stay_equal(own: Any, rows: Any, before: dict[str, float]) -> None:
    received = [ReceivedModel(sender, own, accuracy) for sender, accuracy in rows]
    np.testing.assert_allclose(reputation.build().apply(None, own, received, before).weights, own, rtol=1e-5, atol=1e-30)
