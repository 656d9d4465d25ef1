"""When a transaction is ready for a block, and when a block is final."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.blocks import Pending, Terms, enough, in_order, needed
from dfl_actors.core.checks import receipts_of
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import digest
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.objects import Draft
from tests import objects as made

SINCE = 5_000
"""On the monotonic clock, when a transaction of `made.NOW` was made."""

WITNESSES = [KeyPair(bytes([100 + number]) * 32) for number in range(5)]


@pytest.mark.parametrize(
    ("receipts", "fraction", "expected"),
    [
        (0, 1.0, 0),
        (0, 0.0, 0),
        (1, 0.0, 0),
        (1, 0.01, 1),
        (5, 0.8, 4),
        (5, 0.81, 5),
        (10, 0.7, 7),
        (10, 0.1, 1),
        (10, 0.3, 3),
        (3, 1 / 3, 1),
        (3, 2 / 3, 2),
        (100, 0.29, 29),
        (25, 0.28, 7),
        (100, 0.07, 7),
        (1000, 0.999, 999),
        (65536, 1.0, 65536),
    ],
)
def test_needed(receipts: int, fraction: float, expected: int) -> None:
    assert needed(receipts, fraction) == expected


@given(st.integers(0, 65536), st.integers(0, 100))
def test_needed_is_the_exact_fraction_rounded_up(receipts: int, percent: int) -> None:
    assert needed(receipts, percent / 100) == -(-receipts * percent // 100)


def drafted(*witnesses: int) -> Draft:
    """A draft with a transaction for each number, that has so many receipts."""
    entries = []
    for sequence, many in enumerate(witnesses):
        tx = made.transaction(sequence=sequence, signed=False)
        entries.append((tx, tuple(made.receipt(tx, key) for key in WITNESSES[:many])))
    return made.draft(*entries, signed=False)


@pytest.mark.parametrize(
    ("witnesses", "confirmed", "fraction", "block", "transaction"),
    [
        ((5,), (4,), 0.8, True, True),
        ((5,), (3,), 0.8, False, False),
        ((4, 4), (4, 0), 0.5, True, False),
        ((4, 4), (2, 2), 0.5, True, True),
        ((4, 4), (3, 1), 0.5, True, False),
        ((1, 5), (0, 5), 0.8, True, False),
        ((1, 5), (1, 4), 0.8, True, True),
        ((3, 3), (2, 2), 0.6, True, True),
        ((3, 0), (3, 0), 1.0, True, True),
        ((3, 0), (2, 0), 1.0, False, False),
        ((0, 0), (0, 0), 1.0, True, True),
        ((2, 2), (0, 0), 0.0, True, True),
        ((5, 5), (5, 5), 1.0, True, True),
        ((5, 5), (5, 4), 1.0, False, False),
    ],
)
def test_enough(witnesses: tuple[int, ...], confirmed: tuple[int, ...], fraction: float, block: bool, transaction: bool) -> None:
    draft = drafted(*witnesses)
    given = {digest(receipt) for entry, many in zip(draft.entries, confirmed, strict=True) for receipt in entry.receipts[:many]}
    receipts = receipts_of(draft)
    assert enough(draft, given, receipts, fraction, "block") is block
    assert enough(draft, given, receipts, fraction, "transaction") is transaction


def pending(receipts: int, neighbours: int = 3, least: int = 1, wait: int = 100, set_by: int = 0) -> Pending:
    """One whose clock was set by so many ms after it was made."""
    found = Pending(made.transaction(signed=False), Terms(neighbours, least, wait), Now(SINCE, made.NOW + set_by))
    found.receipts = {key.address: made.receipt(found.transaction, key) for key in WITNESSES[:receipts]}
    return found


@pytest.mark.parametrize(
    ("receipts", "neighbours", "least", "waited", "ready"),
    [
        (3, 3, 1, 0, True),
        (2, 3, 1, 99, False),
        (2, 3, 1, 100, True),
        (0, 3, 1, 100, False),
        (1, 3, 2, 100, False),
        (2, 3, 2, 100, True),
        (2, 2, 3, 0, False),
        (2, 2, 3, 1_000, False),
        (3, 2, 3, 0, True),
        (0, 0, 1, 100, False),
        (0, 0, 0, 100, False),
        (1, 0, 1, 0, True),
    ],
    ids=[
        "all neighbours",
        "some, too early",
        "some, after the wait",
        "none",
        "too few, after the wait",
        "the least, after the wait",
        "all neighbours, but fewer than the least",
        "the same after the wait",
        "the least, from further away",
        "no neighbours",
        "nobody and nothing asked for",
        "one, though there are no neighbours",
    ],
)
def test_ready(receipts: int, neighbours: int, least: int, waited: int, ready: bool) -> None:
    assert pending(receipts, neighbours, least).ready(SINCE + waited) is ready


@pytest.mark.parametrize(("receipts", "at"), [(0, 60_000), (1, 60_000), (2, 100), (3, 100)])
def test_time_matters_at_the_end_of_the_wait_or_of_life(receipts: int, at: int) -> None:
    assert pending(receipts, least=2).ready_at() == SINCE + at


@pytest.mark.parametrize(
    ("set_by", "ready", "expires"),
    [(0, 100, 60_000), (40, 60, 59_960), (3_600_000, -59_900, 0), (-3_600_000, 100, 60_000)],
    ids=["at once", "soon after", "the clock was set forward since", "the clock was set back since"],
)
def test_one_that_was_read_from_a_journal_waits_no_longer_than_it_would_have(set_by: int, ready: int, expires: int) -> None:
    found = pending(3, least=3, set_by=set_by)
    assert found.ready_at() == SINCE + ready
    del found.receipts[WITNESSES[0].address]
    assert found.ready_at() == found.expires == SINCE + expires


@pytest.mark.parametrize(
    ("receipts", "waited", "reminded", "lacks"),
    [
        (2, 4_999, 0, False),
        (2, 5_000, 0, True),
        (0, 5_000, 0, True),
        (3, 5_000, 0, False),
        (4, 5_000, 0, False),
        (2, 11_999, 7_000, False),
        (2, 12_000, 7_000, True),
        (2, 59_999, 0, True),
        (2, 60_000, 0, False),
    ],
    ids=[
        "too early",
        "after half the wait",
        "nobody answered",
        "all neighbours did",
        "more than the neighbours did",
        "asked a while ago",
        "asked half a wait ago",
        "at the end of life",
        "expired",
    ],
)
def test_lacks(receipts: int, waited: int, reminded: int, lacks: bool) -> None:
    found = pending(receipts, wait=10_000)
    found.reminded = SINCE + reminded
    assert found.lacks(SINCE + waited) is lacks
    assert found.ask_at() == SINCE + reminded + 5_000


def test_neighbours_are_not_asked_again_more_than_once_a_second() -> None:
    assert pending(2).ask_at() == SINCE + 1_000


@given(st.permutations(range(4)))
def test_confirmations_stand_in_one_order(order: list[int]) -> None:
    draft = drafted(4)
    receipts = draft.entries[0].receipts
    confirmations = [made.confirmation(draft, receipts[number], WITNESSES[number]) for number in order]
    assert [one.receipt for one in in_order(confirmations)] == sorted(digest(receipt) for receipt in receipts)
