"""Two clocks: moments written down before a restart, clocks of neighbours that are off, and a machine's clock that is set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.clock import APART, STEP, Now, Skews, Steps, since

SKEW = 5_000
WALL = 1_700_000_000_000


@pytest.mark.parametrize(
    ("written", "longest", "expected"),
    [(WALL - 300, 1_000, 700), (WALL, 1_000, 1_000), (WALL - 9_000, 1_000, 0), (WALL + 3_600_000, 1_000, 1_000), (0, 60, 940)],
    ids=["a while ago", "just now", "long ago", "the clock was set back since", "it was wrong by decades"],
)
def test_a_moment_that_was_written_down_is_at_most_so_long_ago_and_never_to_come(written: int, longest: int, expected: int) -> None:
    assert since(written, Now(1_000, WALL), longest) == expected


Rows = list[tuple[int, int, int, int | None]]


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 0, -20, None), (2_000, 1, -30, None), (4_000, 2, -4_900, None), (6_000, 3, -4_950, None)],
        [(0, 0, 60_000, None), (2_000, 1, 59_990, 59_990), (4_000, 2, 60_010, None)],
        [(0, 0, -60_000, None), (2_000, 1, -60_020, -60_020)],
        [(0, 0, -40_000, None), (20, 1, -30_000, None), (40, 2, -20, None), (2_000, 3, -30, None)],
        [(0, 0, 60_000, None), (100, 1, 60_000, None), (APART, 2, 60_000, 60_000)],
        [(0, 5, 60_000, None), (2_000, 5, 60_000, None), (4_000, 3, 60_000, None), (6_000, 6, 60_000, 60_000)],
        [(0, 0, 60_000, None), (2_000, 1, 60_000, 60_000), (4_000, 2, 64_000, None), (6_000, 3, 90_000, None), (8_000, 4, 90_000, 90_000)],
        [(0, 0, 60_000, None), (2_000, 1, 60_000, 60_000), (4_000, 2, -10, None), (6_000, 3, -10, 0), (8_000, 4, -10, None)],
        [(0, 0, 5_100, None), (2_000, 1, 5_100, 5_100), (4_000, 2, 4_900, None), (6_000, 3, 5_050, None), (8_000, 4, 4_800, None)],
        [(0, 0, -20, None), (2_000, 1, -20, None), (4_000, 2, 3_600_000, None), (6_000, 3, 3_600_000, 3_600_000)],
    ],
    ids=[
        "right, with delays",
        "ahead, told once",
        "behind",
        "many together after a cut: the newest counts",
        "two moments must agree",
        "only what is new says anything",
        "told again when it changed much",
        "and when it is right again",
        "not again and again at the bound",
        "set during the run",
    ],
)
def test_a_clock_that_is_off_is_told_once(rows: Rows) -> None:
    """Rows are when it came, its number, how far its `created` is ahead of us, and what is told."""
    skews = Skews(SKEW)
    told = [skews.saw("g", sequence, WALL + at + ahead, Now(at, WALL + at)) for at, sequence, ahead, _ in rows]
    assert told == [expected for *_, expected in rows]
    assert skews.reported().get("g", 0) == ([one for one in told if one is not None] or [0])[-1]


@pytest.mark.parametrize(
    ("said", "told"),
    [(None, -20_010), (15, None), (-40, None), (-20_000, -20_000), (3_600_000, None)],
    ids=["nothing", "right", "nearly right", "it is slow", "fast"],
)
def test_what_comes_late_over_a_link_that_was_cut_makes_no_clock_slow_that_answers_in_time(said: int | None, told: int | None) -> None:
    skews = Skews(SKEW)
    found = [skews.saw("g", at, WALL + at + ahead, Now(at, WALL + at), said) for at, ahead in ((0, -20_000), (2_000, -20_010))]
    assert found == [None, told]


def test_each_neighbour_has_its_own_clock_and_an_unknown_one_is_not_called_right() -> None:
    skews = Skews(SKEW)
    for at in (0, 2_000):
        skews.saw("g", at, WALL + at + 60_000, Now(at, WALL + at))
        skews.saw("h", at, WALL + at, Now(at, WALL + at))
    skews.saw("x", 0, WALL, Now(0, WALL))
    assert skews.reported() == {"g": 60_000, "h": 0}


@given(st.integers(-SKEW, SKEW), st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 120_000)), max_size=20))
def test_a_clock_within_the_bound_is_never_called_fast(off: int, news: list[tuple[int, int]]) -> None:
    """However late its transactions come."""
    skews, at = Skews(SKEW), 0
    for sequence, (passed, late) in enumerate(news):
        at += passed
        told = skews.saw("g", sequence, WALL + at + off - late, Now(at, WALL + at))
        assert told is None or told <= 0


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([0, 3, -4, STEP, -STEP], [None] * 5),
        ([0, 3_600_000, 3_600_001, 3_600_000], [None, 3_600_000, None, None]),
        ([-30_000, -30_000, 4, 0], [-30_000, None, 0, None]),
        ([5_000, 10_000, 10_000], [5_000, 10_000, None]),
    ],
    ids=["small ones", "forward", "back, and back again", "twice"],
)
def test_a_clock_that_was_set_is_told_once(steps: list[int], told: list[int | None]) -> None:
    found = Steps()
    assert [found.saw(step) for step in steps] == told
