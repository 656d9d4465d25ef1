"""What the robust algorithms share."""

import numpy as np
import pytest

from dfl_actors.sdk import ReceivedModel, robust
from dfl_actors.sdk.robust import NETWORK_UP_TO, by_network, by_sorting, distance, mixed, newest, sorted_blocks


def test_the_newest_of_each_sender_by_name() -> None:
    received = [ReceivedModel(sender, np.array([place], np.float32)) for place, sender in enumerate("bacab")]
    assert [(model.sender, model.weights[0]) for model in newest(received)] == [("a", 3), ("b", 4), ("c", 2)]
    assert newest([]) == []


def test_distances_over_several_blocks() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 40_000)).astype(np.float32)
    assert distance(one, other) == pytest.approx(float(np.linalg.norm(one.astype(float) - other)), rel=1e-5)
    assert distance(one, one) == 0.0
    assert distance(np.array([3e38], np.float32), np.array([-3e38], np.float32)) == float("inf")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, NETWORK_UP_TO, NETWORK_UP_TO + 1, 100])
def test_values_come_in_order(count: int) -> None:
    rows = np.random.default_rng(count).normal(size=(count, 20_000)).astype(np.float32)
    whole = np.concatenate([np.stack(ranks) for _, ranks in sorted_blocks(list(rows))], axis=1)
    np.testing.assert_array_equal(whole, np.sort(rows, axis=0))


@pytest.mark.parametrize("count", [5, NETWORK_UP_TO + 6])
def test_both_ways_of_sorting_give_the_same_bytes(count: int) -> None:
    rows = np.random.default_rng(count).integers(-20, 20, (count, 3000)).astype(np.float32)
    one, other = (np.stack(way([row.copy() for row in rows])).tobytes() for way in (by_network, by_sorting))
    assert one == other


def test_many_models_do_not_go_through_the_network_whose_time_is_square_in_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    networks: list[int] = []

    def counted(rows: list[np.ndarray]) -> list[np.ndarray]:
        networks.append(len(rows))
        return by_network(rows)

    monkeypatch.setattr(robust, "by_network", counted)
    for count in (NETWORK_UP_TO, NETWORK_UP_TO + 1, 16 * NETWORK_UP_TO):
        rows = list(np.random.default_rng(count).normal(size=(count, 50)).astype(np.float32))
        ((_, found),) = sorted_blocks(rows)
        np.testing.assert_array_equal(found, np.sort(rows, axis=0))
    assert networks == [NETWORK_UP_TO]


def test_a_mix_of_nothing_is_a_copy() -> None:
    own = np.ones(2, np.float32)
    alone = mixed(own, [], 0.0)
    alone += 1
    assert own.tolist() == [1.0, 1.0]
