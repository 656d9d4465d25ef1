"""Peer control: who adds and drops whom, when, and what that does to buffers."""

import msgspec
import numpy as np

from dfl_actors.config.sections import Sim
from dfl_actors.sim.peers import Peers

PLANNED = [[1, 2], [0, 2], [0, 1]]


CONTROL = Sim(peer_control=True, peer_interval=10, peer_high=0.8, peer_low=0.2)


def peers(control: Sim = CONTROL, buffer: int = 4) -> Peers:
    return Peers(PLANNED, [buffer] * 3, control, np.random.default_rng(1))


def judge(made: Peers, tick: int, *accuracies: float) -> list[tuple[int, bool, int, int]]:
    for node, accuracy in enumerate(accuracies):
        made.measured(tick, node, accuracy)
    return [(change.node, change.added, change.peer, change.buffer) for change in made.change(tick, range(3))]


def test_without_control_everybody_sends_to_all_that_are_planned() -> None:
    made = peers(Sim())
    assert made.receivers == PLANNED and made.to_measure(100) == [] and made.change(100, range(3)) == []


def test_an_accurate_node_adds_its_planned_receivers_one_after_the_other() -> None:
    made = peers()
    assert made.receivers == [[], [], []] and judge(made, 9, 0.9, 0.9, 0.9) == [], "not before the interval is over"
    assert judge(made, 10, 0.9, 0.5, 0.5) == [(0, True, 1, 2)]
    assert judge(made, 15, 0.9, 0.5, 0.5) == [], "nor so soon after a change"
    assert judge(made, 20, 0.8, 0.5, 0.5) == [(0, True, 2, 2)]
    assert judge(made, 30, 0.9, 0.5, 0.5) == [], "all are there"


def test_an_inaccurate_node_drops_one_at_random_until_none_is_left() -> None:
    made = peers()
    judge(made, 10, 0.9, 0.9, 0.5)
    judge(made, 20, 0.9, 0.5, 0.5)
    dropped = [judge(made, tick, 0.2, 0.5, 0.5) for tick in (30, 40, 50)]
    assert {one[0][2] for one in dropped[:2]} == {1, 2} and dropped[2] == [] and made.receivers[0] == []


def test_buffers_follow_the_senders_but_never_below_one() -> None:
    made = peers(buffer=3)
    assert judge(made, 10, 0.9, 0.5, 0.9) == [(0, True, 1, 2), (2, True, 0, 2)], "half of 3, rounded up"
    assert judge(made, 20, 0.5, 0.5, 0.9) == [(2, True, 1, 3)]
    judge(made, 30, 0.1, 0.5, 0.1)
    for node in (0, 1):
        assert made.buffers[node] == (1, 2, 3)[sum(node in those for those in made.receivers)]
    still = peers(msgspec.structs.replace(CONTROL, peer_buffer="static"))
    assert judge(still, 10, 0.9, 0.5, 0.5) == [(0, True, 1, 4)], "static"


def test_an_accuracy_is_measured_again_once_it_is_old() -> None:
    made = peers()
    assert made.to_measure(9) == [] and made.to_measure(10) == [0, 1, 2]
    made.measured(10, 1, 0.5)
    assert made.to_measure(12) == [0, 2] and made.to_measure(20) == [0, 1, 2]


def test_it_goes_on_from_its_state() -> None:
    made, other = peers(), peers()
    judge(made, 10, 0.9, 0.9, 0.1)
    other.restore(made.state())
    assert judge(made, 20, 0.9, 0.1, 0.9) == judge(other, 20, 0.9, 0.1, 0.9) and made.receivers == other.receivers
