"""The graph of a network: names, links, neighbours, reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.config.topology import (
    SHAPES,
    TopologyError,
    neighbours_of,
    node_names,
    one_way,
    parse_links,
    receivers_of,
    senders_of,
    separated,
    within,
)

NAMES = node_names(4)


@pytest.mark.parametrize(
    ("shape", "links"),
    [
        ("full", ["0--1", "0--2", "0--3", "1--2", "1--3", "2--3"]),
        ("line", ["0--1", "1--2", "2--3"]),
        ("ring", ["0--1", "1--2", "2--3", "3--0"]),
        ("star", ["0--1", "0--2", "0--3"]),
    ],
)
def test_a_shape_is_its_links(shape: str, links: list[str]) -> None:
    assert parse_links(NAMES, shape) == parse_links(NAMES, links)


@pytest.mark.parametrize("shape", SHAPES)
def test_two_nodes_share_one_link_in_every_shape(shape: str) -> None:
    assert parse_links(("a", "b"), shape) == (("a", "b"),)


@given(st.integers(2, 12), st.sampled_from(SHAPES))
def test_every_shape_joins_every_node_and_neighbours_are_mutual(count: int, shape: str) -> None:
    names = node_names(count)
    neighbours = neighbours_of(names, parse_links(names, shape))
    assert all(name in neighbours[other] for name in names for other in neighbours[name])
    assert all(name not in neighbours[name] for name in names)
    assert within(neighbours, names[0], count) == set(names[1:])


def test_neighbours_stand_in_the_order_of_the_nodes() -> None:
    assert neighbours_of(NAMES, parse_links(NAMES, ["3--1", "1--0", "2--1"])) == {
        "0": ("1",),
        "1": ("0", "2", "3"),
        "2": ("1",),
        "3": ("1",),
    }


@pytest.mark.parametrize(("hops", "reached"), [(0, ""), (1, "1"), (2, "12"), (3, "123"), (9, "123")])
def test_reach_grows_by_one_hop_at_a_time(hops: int, reached: str) -> None:
    assert within(neighbours_of(NAMES, parse_links(NAMES, "line")), "0", hops) == set(reached)


def test_the_first_node_of_every_part_that_is_cut_off_is_named() -> None:
    assert separated(NAMES, [("0", "1"), ("2", "3")]) == ["2"]
    assert separated(NAMES, [("1", "3")]) == ["1", "2"]
    assert separated(NAMES, [("0", "1"), ("1", "2"), ("2", "3")]) == []


def test_names_may_hold_a_dash_and_links_still_part_at_the_double_one() -> None:
    assert parse_links(("lab-1", "lab-2"), ["lab-1--lab-2"]) == (("lab-1", "lab-2"),)


def test_a_one_way_link_makes_neighbours_of_whom_one_sends_and_one_hears() -> None:
    links = ["0->1", "2--1", "3->1", "1->3", "3->0"]
    pairs, arrows = parse_links(NAMES, links), one_way(links)
    assert pairs == (("0", "1"), ("2", "1"), ("3", "1"), ("3", "0"))
    assert arrows == (("0", "1"), ("3", "0"))
    neighbours = neighbours_of(NAMES, pairs)
    assert neighbours == {"0": ("1", "3"), "1": ("0", "2", "3"), "2": ("1",), "3": ("0", "1")}
    assert receivers_of(neighbours, arrows) == {"0": ("1",), "1": ("2", "3"), "2": ("1",), "3": ("0", "1")}
    assert senders_of(neighbours, arrows) == {"0": ("3",), "1": ("0", "2", "3"), "2": ("1",), "3": ("1",)}


@pytest.mark.parametrize("links", [*SHAPES, ["0--1", "1--2", "2--3"], ["0->1", "1->0", "1->2", "2->1", "3->2", "2->3"]])
def test_without_one_way_links_receivers_and_senders_are_the_neighbours(links: str | list[str]) -> None:
    arrows, neighbours = one_way(links), neighbours_of(NAMES, parse_links(NAMES, links))
    assert arrows == ()
    assert receivers_of(neighbours, arrows) == senders_of(neighbours, arrows) == neighbours


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda way: way[0] != way[1])))
def test_one_sends_to_whom_hears_it(ways: set[tuple[int, int]]) -> None:
    links = [f"{one}->{other}" for one, other in ways]
    neighbours = neighbours_of(NAMES, [(str(one), str(other)) for one, other in ways])
    receivers, senders = receivers_of(neighbours, one_way(links)), senders_of(neighbours, one_way(links))
    assert {(int(one), int(other)) for one, others in receivers.items() for other in others} == ways
    assert {(int(other), int(one)) for one, others in senders.items() for other in others} == ways


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (1, "needs two nodes"),
        (["a"], "needs two nodes"),
        (["a", "b", "a"], '"a" is there twice'),
        (["a", "b c"], "'b c' is no name"),
        (["a", ""], "'' is no name"),
        (["a", "x" * 33], "is no name"),
        (["a", "b--c"], "is no name"),
        (["a", "-b"], "is no name"),
        (["a", "../b"], "is no name"),
        (["a", "b\n"], "is no name"),
    ],
)
def test_names_that_are_refused(names: int | list[str], problem: str) -> None:
    with pytest.raises(TopologyError, match=problem) as raised:
        node_names(names)
    assert "; " in str(raised.value)


@pytest.mark.parametrize(
    ("links", "problem"),
    [
        ("mesh", '"mesh" is no shape; use one of full, ring, line, star'),
        (["0-1"], '"0-1" is no link'),
        (["0--9"], 'unknown node "9"; the nodes are 0, 1, 2, 3'),
        (["0--1--2"], 'unknown node "1--2"'),
        (["0--0"], "joins a node with itself"),
        (["0--1", "1--0"], '"0--1" is there twice'),
        (["0->9"], 'unknown node "9"'),
        (["0->0"], '"0->0" joins a node with itself'),
        (["0>1"], '"0>1" is no link'),
        (["0->1", "0->1"], '"0->1" is there twice; give it once'),
        (["0--1", "1->0"], '"0--1" is there twice; give it once'),
        (["0->1", "1->0", "0--1"], '"0--1" is there twice; give it once'),
        (["0->1", "3->2"], 'node "2" cannot be reached from node "0"'),
        (["0--1", "2--3"], 'node "2" cannot be reached from node "0"'),
        ([], 'node "1" cannot be reached'),
    ],
)
def test_links_that_are_refused(links: str | list[str], problem: str) -> None:
    with pytest.raises(TopologyError) as raised:
        parse_links(NAMES, links)
    assert problem in str(raised.value)
    assert "; " in str(raised.value)


def test_all_that_is_wrong_with_names_is_told_with_its_place() -> None:
    with pytest.raises(TopologyError) as raised:
        node_names(["a", "b c", "a", "", "d"])
    assert [(problem.item, problem.text.partition("; ")[0]) for problem in raised.value.problems] == [
        (1, "'b c' is no name for a node"),
        (3, "'' is no name for a node"),
        (2, '"a" is there twice'),
    ]


def test_all_that_is_wrong_with_links_is_told_with_its_place() -> None:
    with pytest.raises(TopologyError) as raised:
        parse_links(NAMES, ["0--9", "1--0", "0-1", "0--1", "2--2"])
    assert sorted((problem.item, problem.text.partition("; ")[0]) for problem in raised.value.problems) == [
        (0, '"0--9" names the unknown node "9"'),
        (2, '"0-1" is no link'),
        (3, '"0--1" is there twice'),
        (4, '"2--2" joins a node with itself'),
    ]


def test_what_is_no_link_is_told_as_that_alone() -> None:
    with pytest.raises(TopologyError) as raised:
        parse_links(NAMES, ["0-1", "0-1"])
    assert [problem.text.partition(";")[0] for problem in raised.value.problems] == ['"0-1" is no link'] * 2


def test_each_part_that_is_cut_off_is_told() -> None:
    with pytest.raises(TopologyError) as raised:
        parse_links(("a", "b", "c", "d"), ["b--d"])
    assert [problem.text.partition(" cannot")[0] for problem in raised.value.problems] == ['node "b"', 'node "c"']


def test_a_long_list_of_nodes_is_cut_in_a_message() -> None:
    with pytest.raises(TopologyError, match=r"the nodes are 0, 1, .*, 17, \.\.\., 999$"):
        parse_links(node_names(1000), ["0--x"])
