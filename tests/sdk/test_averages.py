"""FedAvg and HalfFedAvg (equation 2) against numbers computed by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dfl_actors.errors import ConfigError
from dfl_actors.learning.weights import Parameters
from dfl_actors.sdk import Algorithm, ReceivedModel, fedavg, half_fedavg
from dfl_actors.sdk.interface import Context
from dfl_actors.sdk.loader import checked_apply, load_algorithm

BOTH = [fedavg.build(), half_fedavg.build()]
vectors = arrays(np.float32, 4, elements=st.floats(-100, 100, width=32))


def model(sender: str, *weights: float) -> ReceivedModel:
    return ReceivedModel(sender, np.array(weights, np.float32))


def mean(algorithm: Algorithm, own: list[float], received: list[ReceivedModel]) -> list[float]:
    weights: list[float] = checked_apply(algorithm, None, np.array(own, np.float32), received, {}).weights.tolist()
    return weights


@pytest.mark.parametrize(
    ("received", "full", "half"),
    [
        ([], [0.0, 8.0], [0.0, 8.0]),
        ([model("a", 4.0, 0.0)], [2.0, 4.0], [2.0, 4.0]),
        ([model("a", 4.0, 0.0), model("b", 8.0, 4.0), model("c", 0.0, 4.0)], [3.0, 4.0], [2.0, 16 / 3]),
        # Two models of one sender count twice.
        ([model("a", 4.0, 0.0), model("a", 4.0, 0.0), model("b", 1.0, 4.0)], [9 / 4, 3.0], [1.5, 14 / 3]),
    ],
)
def test_means_computed_by_hand(received: list[ReceivedModel], full: list[float], half: list[float]) -> None:
    assert mean(fedavg.build(), [0.0, 8.0], received) == pytest.approx(full, rel=1e-6)
    assert mean(half_fedavg.build(), [0.0, 8.0], received) == pytest.approx(half, rel=1e-6)


def test_fedavg_weighs_by_what_senders_state_if_it_is_asked() -> None:
    received = [
        ReceivedModel(sender, np.array([value], np.float32), None, samples) for sender, value, samples in (("a", 4, 10), ("b", 8, None))
    ]
    for own, expected in ((30, (30 * 1 + 10 * 4 + 30 * 8) / 70), (None, (1 * 1 + 10 * 4 + 1 * 8) / 12)):
        algorithm = load_algorithm("fedavg", {"weighted": True})
        context = Context("me", ("a", "b"), Parameters(()), np.random.default_rng(0), own)
        result = checked_apply(algorithm, algorithm.init(context), np.ones(1, np.float32), received, {})
        assert result.weights.tolist() == pytest.approx([expected])
    assert mean(fedavg.build(), [1.0], received) == pytest.approx([13 / 3])


@pytest.mark.parametrize("algorithm", BOTH, ids=lambda algorithm: algorithm.name)
class TestBoth:
    @given(own=vectors, others=st.lists(vectors, min_size=1, max_size=8), random=st.randoms(use_true_random=False))
    def test_the_order_of_senders_does_not_matter(self, algorithm: Algorithm, own: Any, others: list[Any], random: Any) -> None:
        received = [ReceivedModel(str(i), weights) for i, weights in enumerate(others)]
        first = algorithm.apply(None, own, received, {}).weights
        random.shuffle(received)
        np.testing.assert_allclose(algorithm.apply(None, own, received, {}).weights, first, rtol=1e-5, atol=1e-4)

    @given(own=vectors, count=st.integers(0, 8))
    def test_equal_models_stay_equal(self, algorithm: Algorithm, own: Any, count: int) -> None:
        received = [ReceivedModel(str(i), own) for i in range(count)]
        np.testing.assert_allclose(algorithm.apply(None, own, received, {}).weights, own, rtol=1e-5, atol=1e-30)

    def test_reputations_stay_and_nothing_is_measured(self, algorithm: Algorithm) -> None:
        result = algorithm.apply(None, np.ones(1, np.float32), [model("a", 2.0)], {"a": 0.3, "z": 0.1})
        assert dict(result.reputations) == {"a": 0.3, "z": 0.1}
        assert algorithm.needs == frozenset()

    def test_the_result_is_new_memory(self, algorithm: Algorithm) -> None:
        own = np.ones(2, np.float32)
        assert not np.may_share_memory(algorithm.apply(None, own, [], {}).weights, own)


@pytest.mark.parametrize("name", ["fedavg", "half_fedavg"])
def test_a_parameter_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=r"fedavg, parameters: .*`share`; it takes (none|weighted)"):
        load_algorithm(name, {"share": 0.5})
