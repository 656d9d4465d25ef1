"""Where the nodes of a graph are drawn."""

from itertools import combinations, pairwise
from random import Random

import numpy as np
import pytest

from dfl_actors.report.layout import positions
from tests.report.made_run import near_ring


def names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_small_graphs_stand_in_a_circle_with_the_first_on_top() -> None:
    where = positions(names(4), [("0", "1")])
    assert where == {"0": pytest.approx((0, 1)), "1": pytest.approx((1, 0)), "2": pytest.approx((0, -1)), "3": pytest.approx((-1, 0))}


def test_dense_graphs_stand_in_a_circle() -> None:
    where = positions(names(20), list(combinations(names(20), 2)))
    assert [np.hypot(*point) for point in where.values()] == pytest.approx([1] * 20)


def test_long_names_have_the_room_of_a_circle() -> None:
    ring = [f"node-{number}" for number in range(12)]
    where = positions(ring, list(pairwise(ring)))
    assert [np.hypot(*point) for point in where.values()] == pytest.approx([1] * 12)


def test_sparse_graphs_are_spread_out_the_same_way_each_time() -> None:
    links = [(one, other) for one, other in near_ring(names(50), Random(3))]
    where = positions(names(50), links)
    assert where == positions(names(50), links)
    points = np.array(list(where.values()))
    assert np.abs(points).max() == pytest.approx(1)
    apart = [np.hypot(*(one - other)) for one, other in combinations(points, 2)]
    linked = [np.hypot(*(points[int(a)] - points[int(b)])) for a, b in links]
    assert min(apart) > 0.04 and np.mean(linked) < np.mean(apart)


@pytest.mark.parametrize("count", [1, 7, 20])
def test_a_graph_that_falls_apart_has_a_place_for_every_node(count: int) -> None:
    assert positions(names(count), [("0", "1")] if count > 1 else []).keys() == set(names(count))


def test_no_graph_has_no_places() -> None:
    assert positions([], []) == {}
