"""Where the nodes of a graph are drawn."""

from itertools import combinations, pairwise
from random import Random

import numpy as np
import pytest

from dfl_actors.report.layout import bends, path, positions
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


def test_a_star_has_its_hub_in_the_middle() -> None:
    where = positions(names(7), [("3", name) for name in names(7) if name != "3"])
    assert where.pop("3") == (0, 0) and [np.hypot(*point) for point in where.values()] == pytest.approx([1] * 6)


def test_a_line_is_open_at_its_foot() -> None:
    where = positions(names(9), list(pairwise(names(9))))
    assert where["4"] == pytest.approx((0, 1), abs=1e-9) and where["0"] == pytest.approx((-where["8"][0], where["8"][1]))
    assert where["0"][1] < 0 and where["8"][0] - where["0"][0] > 1


@pytest.mark.parametrize(("rows", "columns", "closed"), [(2, 5, False), (4, 4, False), (3, 4, True), (5, 5, True)])
def test_a_grid_is_a_grid_and_a_torus_too(rows: int, columns: int, closed: bool) -> None:
    at = np.array(names(rows * columns)).reshape(rows, columns)
    links = [*zip(at[:, :-1].ravel(), at[:, 1:].ravel(), strict=True), *zip(at[:-1].ravel(), at[1:].ravel(), strict=True)]
    links += [*zip(at[:, -1], at[:, 0], strict=True), *zip(at[-1], at[0], strict=True)] if closed else []
    pairs = [(str(one), str(other)) for one, other in links]
    where = positions(names(rows * columns), pairs)
    cell = 2 / (max(rows, columns) - 1)
    for one, other in pairs[: rows * (columns - 1)]:
        assert np.subtract(where[other], where[one]) == pytest.approx((cell, 0))
    assert where["0"][1] - where[str(columns)][1] == pytest.approx(cell)
    assert len(bends(where, pairs)) == (rows + columns if closed else 0), "only where borders meet links go around nodes"


def test_a_link_goes_around_a_node_and_no_further_than_it_must() -> None:
    places = {"a": (-1.0, 0.0), "b": (0.0, 0.02), "c": (1.0, 0.0), "d": (0.0, 1.0)}
    bent = bends(places, [("a", "c"), ("a", "d"), ("a", "b")])
    assert bent.keys() == {("a", "c")} and 0.1 < abs(bent["a", "c"][1]) < 0.5
    way = path(places["a"], places["c"], bent["a", "c"])
    assert tuple(way[0]) == places["a"] and tuple(way[-1]) == places["c"]
    assert np.linalg.norm(way - places["b"], axis=1).min() > 0.05


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
