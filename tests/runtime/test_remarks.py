"""What a person is told of clocks and of chains: once, and for as long as it holds."""

from types import SimpleNamespace
from typing import cast

from dfl_actors.core.control import Neighbour, Refusals
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.remarks import PATIENT, Remarks

B, C = "bb" * 32, "cc" * 32
SETTINGS = SimpleNamespace(address="aa" * 32, neighbours=(B, C), genesis="11" * 32)
NODE = SimpleNamespace(name="a", neighbours=("b", "c"))
PLAN = cast("NodePlan", SimpleNamespace(node=NODE, settings=SETTINGS, whole_network=False))


def test_a_neighbours_clock_is_told_when_it_changes_and_stands_while_it_is_off() -> None:
    told: list[str] = []
    remarks = Remarks(told.append)
    for off in ({}, {B: 0}, {B: 60_000, C: 0}, {B: 60_000, C: -3_600_000}, {B: 60_000, C: -3_600_000}, {}):
        remarks.clocks(PLAN, off)
    assert [text[: text.index(",")] for text in told] == [
        "the clock of node b is 60 s ahead of that of node a",
        "the clock of node c is 3600 s behind that of node a",
    ]
    assert list(remarks.standing()) == told, "a gossiper that was restarted knows nothing yet, and takes nothing back"
    remarks.clocks(PLAN, {B: 0})
    assert told[2:] == ["the clock of node b agrees with that of node a again"]
    assert [text.split()[4] for text in remarks.standing()] == ["c"]


def test_this_machines_clock_is_told_each_time_it_is_set_and_stands_until_it_is_set_back() -> None:
    told: list[str] = []
    remarks = Remarks(told.append)
    assert [remarks.machine(step) for step in (0, 3_600_000, 3_600_000, -30_000)] == [None, 3_600_000, None, -30_000]
    assert told == [
        "this machine's clock was set forward by 3600 s during the run: signed times go on by the old one until --resume",
        "this machine's clock was set back by 30 s during the run: signed times go on by the old one until --resume",
    ]
    assert list(remarks.standing()) == told[1:]
    assert remarks.machine(1) == 0 and not remarks.standing()


def test_whoever_signs_otherwise_what_is_known_of_it_is_named_until_that_is_over() -> None:
    told: list[str] = []
    remarks = Remarks(told.append)
    stranger, remote = "dd" * 32, "ee" * 32
    for signed in ({}, {B: "block 12"}, {B: "block 12"}, {}, {B: "block 12", remote: "block 0", stranger: "transaction 3"}):
        remarks.rewritten(PLAN, signed, {remote: "far"})
    assert told == [
        f"node a knows another {what} of node {name}: the directory of node {name} is older than the network knows, or its key is used"
        f" twice; stop node {name} and restore its newer directory"
        for name, what in (("b", "block 12"), ("far", "block 0"), ("dddddddd", "transaction 3"))
    ]
    assert list(remarks.standing()) == told, "a validator that was restarted knows nothing yet, and takes nothing back"
    remarks.rewritten(PLAN, {B: ""}, {})
    assert told[3:] == ["node a confirms blocks of node b again"] and len(remarks.standing()) == 2


def test_another_genesis_is_told_with_what_differs_once_that_is_known_and_once_for_both_ways() -> None:
    told: list[str] = []
    remarks = Remarks(told.append)
    known = Neighbour(other_genesis="22" * 32, differs={"network.seed": ("3", "0"), "genesis.initial": ("b", "a"), "data.rate": ("1", "2")})
    for count, neighbours in ((3, {}), (5, {B: known}), (41, {B: known})):
        refused = [Refusals(B, "other_genesis", count, "network 22222222", count)]
        remarks.settings(PLAN, neighbours)
        remarks.refusals(PLAN, refused, [Refusals(B, "other_genesis", count, "Hello", count)], neighbours)
    (line,) = told
    assert line.startswith("b: refused 5 times, other_genesis: its seed is 3, ours 0; make these keys the same in both topologies")
    assert [text.partition(";")[0] for text in remarks.standing(42)] == ["b: refused 41 times, other_genesis: its seed is 3, ours 0"]
    remarks.refusals(PLAN, refused, [], {B: Neighbour(since=1)})
    assert told == [line], "the cause is gone: what was refused before is not told again without it"


def test_another_genesis_that_nobody_explains_is_told_after_a_while() -> None:
    told: list[str] = []
    remarks = Remarks(told.append)
    for at in range(0, PATIENT + 1, PATIENT // 20):
        assert not told
        remarks.refusals(PLAN, [Refusals(B, "other_genesis", 100 + at, "network 22222222", 1 + at)], [], {})
    assert [text.partition(";")[0] for text in told] == ["b: refused 10100 times, other_genesis: network 22222222"]


def test_settings_that_differ_are_told_once_and_when_they_agree_again() -> None:
    told: list[str] = []
    remarks = Remarks(told.append)
    for rate in ("0.1", "0.1", "0.2", ""):
        differs = {"training.learning_rate": (rate, "0.01")} if rate else {}
        remarks.settings(PLAN, {B: Neighbour(differs=differs), C: Neighbour()})
    assert [text.rpartition(": ")[2] for text in told] == [
        "its training.learning_rate is 0.1, ours 0.01",
        "its training.learning_rate is 0.2, ours 0.01",
        "is configured as node a is again",
    ]
    assert remarks.standing() == ()


def test_a_key_that_is_used_twice_is_told_to_the_node_whose_key_it_is() -> None:
    told: list[str] = []
    Remarks(told.append).refusals(PLAN, [Refusals("aa" * 32, "contradiction", 2, "two receipts for 3bdf", 1)], (), {})
    (line,) = told
    assert line.startswith(
        "what bears this node's own signature: refused 2 times, contradiction: two receipts for 3bdf; this node's key is used twice"
    )


def test_a_neighbour_that_is_away_is_told_once_and_stands_until_it_is_back() -> None:
    told: list[str] = []
    remarks = Remarks(told.append)
    for linked, heard, now in ((5, 1_000, 2_000), (0, 1_000, 50_000), (0, 1_000, 62_000), (0, 1_000, 90_000)):
        remarks.silent(PLAN, {B: Neighbour(linked=linked, heard=heard), C: Neighbour()}, now)
    assert [line.partition(":")[0] for line in told] == ["b"] and "take it out of the topology" in told[0]
    assert remarks.standing() == tuple(told)
    remarks.silent(PLAN, {B: Neighbour(linked=91_000, heard=91_000)}, 92_000)
    assert told[1:] == ["b: is heard again"] and not remarks.standing()
