"""Scores: who is shut out and when it is let in again, and that no honest one ever is."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.score import HALF_LIFE, IN, MOST, OUT, Promises, Score, breaks, faded, promised, worse
from dfl_actors.core.verdicts import SENDERS, SIGNERS, Verdict, verdict
from dfl_actors.errors import Code

MINUTE = 60_000


def after(times: list[int]) -> Score:
    score = Score()
    for time in times:
        score = worse(score, time)
    return score


@given(st.lists(st.integers(0, MINUTE), min_size=4, max_size=4).map(sorted))
def test_four_bad_messages_within_a_minute_shut_out_and_three_do_not(times: list[int]) -> None:
    assert after(times).out and not after(times[:3]).out


@given(st.integers(4, 100), st.integers(0, MINUTE))
def test_it_lasts_for_some_ten_minutes_and_never_for_more_than_twenty_one(bad: int, apart: int) -> None:
    times = [number * apart // bad for number in range(bad)]
    score = after(times)
    assert faded(score, times[-1] + 9 * MINUTE).out and not faded(score, times[-1] + 21 * MINUTE).out


@given(st.integers(1, 5 * MINUTE), st.integers(0, 10**12))
def test_whatever_small_share_of_the_messages_is_bad_one_more_often_than_every_five_minutes_shuts_out(gap: int, begin: int) -> None:
    """How many good ones lie between does not matter."""
    assert any(after([begin + n * gap for n in range(count)]).out for count in (4, 20))


@given(st.lists(st.tuples(st.integers(-MINUTE, 100 * MINUTE), st.booleans()), max_size=40))
def test_a_score_is_bounded_whatever_the_clock_does_and_time_alone_never_makes_it_worse(steps: list[tuple[int, bool]]) -> None:
    score, now = Score(), 10**9
    for step, bad in steps:
        now += step
        later = worse(score, now) if bad else faded(score, now)
        assert later.bad <= (score.bad + bad) and later.bad <= MOST
        assert later.out == ((later.penalty >= OUT and bad) or (score.out and faded(score, now).out))
        score = later
    assert not score.out or score.penalty >= IN


def test_one_let_in_again_has_less_to_spare() -> None:
    score = faded(after([0] * 4), HALF_LIFE + 1_000)
    assert not score.out
    assert worse(worse(score, HALF_LIFE + 1_000), HALF_LIFE + 1_000).out


@given(st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), max_size=80))
def test_who_keeps_as_many_promises_as_it_breaks_is_never_blamed_and_who_keeps_none_is_from_the_fourth_on(
    given: list[tuple[int, bool]],
) -> None:
    fair, none, now = Promises(), Promises(), 0
    for gap, first in given:
        now += gap
        for kept in (True, not first):
            fair = promised(fair, kept, now)
        none = promised(none, False, now)
        assert not breaks(fair)
    if len(given) >= 4 and now < MINUTE:
        assert breaks(none)


@pytest.mark.parametrize("code", get_args(Code))
@pytest.mark.parametrize("by_signer", [True, False])
def test_every_code_has_a_verdict_and_a_relay_is_not_blamed_for_what_only_the_generator_knows(code: Code, by_signer: bool) -> None:
    assert verdict(code, by_signer) is (Verdict.REFUSE if code in SENDERS or (code in SIGNERS and by_signer) else Verdict.IGNORE)
    assert not SENDERS & SIGNERS


@pytest.mark.parametrize("code", ["expired", "from_the_future", "busy", "fetch_timeout", "model_gone", "other_genesis", "not_admitted"])
def test_what_loss_clocks_settings_and_pace_explain_is_nobodys_fault(code: str) -> None:
    assert verdict(code, by_signer=True) is Verdict.IGNORE
