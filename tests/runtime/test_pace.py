"""Rates, and when a node has stalled: a table of moments."""

import pytest

from dfl_actors.runtime.pace import Pace, expected_every
from tests.config.made import parse


def steady(until: int, pace: Pace, every: int = 5, begin: int = 0) -> None:
    """Two transactions a second, and a block every so many seconds."""
    for now in range(begin, until + 1):
        pace.take(float(now), 2 * now, now // every)


def test_the_rate_is_of_the_last_seconds_and_never_below_nothing() -> None:
    pace = Pace(60.0)
    assert pace.rate is None
    steady(30, pace)
    assert pace.rate == pytest.approx(2.0)
    for now in range(31, 60):
        pace.take(float(now), 60, 6)
    assert pace.rate == 0.0
    pace.take(60.0, 0, 6)
    assert pace.rate == 0.0


@pytest.mark.parametrize(("waited", "stalled"), [(5, False), (19, False), (20, False), (21, True), (300, True)])
def test_a_node_has_stalled_after_several_of_its_intervals(waited: int, stalled: bool) -> None:
    pace = Pace(60.0)
    steady(30, pace)
    now = 30.0 + waited
    assert (pace.stalled(now), pace.block_age(now), pace.block_every) == (stalled, waited, 5.0)


@pytest.mark.parametrize(("expected", "now", "stalled"), [(60.0, 200.0, False), (60.0, 241.0, True), (None, 9000.0, False)])
def test_before_its_first_block_it_has_as_long_as_the_topology_gives(expected: float | None, now: float, stalled: bool) -> None:
    pace = Pace(expected)
    pace.take(0.0, 0, 7)
    assert pace.stalled(now) is stalled and pace.block_age(now) is None


def test_fast_blocks_do_not_make_a_short_pause_a_stall_and_who_was_away_begins_anew() -> None:
    pace = Pace(60.0)
    steady(30, pace, every=1)
    assert not pace.stalled(39.0) and pace.stalled(41.0)
    pace.rest(100.0)
    assert not pace.stalled(101.0) and pace.rate is None
    assert pace.block_age(101.0) == 71.0, "its last block is as old as before"


def test_what_a_first_block_may_take() -> None:
    text = "[network]\nnodes = 3\n[training]\nbatch = 10\n[data]\nrate = 2\n[block]\ntransactions = 4\nreceipt_wait_s = 5\ndeadline_s = 7\n"
    config = parse(text + '[node.1]\nrole = "observer"\n[node.2]\nattack = "copy"\nrate = 0')
    assert [expected_every(config, node) for node in config.nodes] == [5 + 7 + 4 * 10 / 2, None, None]
