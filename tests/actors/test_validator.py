"""The validator: one receipt a transaction, one confirmation a receipt, one draft a height, whatever comes in whatever order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.actors.validator import MOST_WAITING, Validator
from dfl_actors.core import events
from dfl_actors.core.codec import digest, encode
from dfl_actors.core.effects import Tell
from dfl_actors.core.messages import Confirmed, DraftArrived, Fetched, Scored, Witnessed
from dfl_actors.core.objects import Draft, Entry
from dfl_actors.core.words import Stopping, Tick
from dfl_actors.errors import LocalError
from tests.actors.bench import KEYS, NOW, Bench, draft, notes, receipt, told, transaction
from tests.actors.validating import DATA, SAMPLES, Counting, built, fetched


def test_a_right_transaction_gets_a_receipt_and_is_scored() -> None:
    made = built()
    made.give(SAMPLES)
    said = made.give(fetched("g", 0))
    (witnessed,) = told(said, Witnessed)
    (scored,) = told(said, Scored)
    assert witnessed.receipt.received_at_ttl == 0 and witnessed.receipt.tested == 10
    assert (scored.correct, scored.tested) == (witnessed.receipt.correct, witnessed.receipt.tested)
    assert notes(said, events.Scored)


def test_a_transaction_handed_over_again_gets_the_same_receipt_and_is_not_measured_again() -> None:
    """Its generator lacks our receipt: it was lost on the way, or in a crash."""
    made = built()
    made.give(SAMPLES)
    (first,) = told(made.give(fetched("g", 0)), Witnessed)
    for now in (NOW + 1, NOW + 70_000):
        said = made.give(fetched("g", 0), now=now, crash=99)
        assert told(said, Witnessed) == [first] and not told(said, Scored) and not notes(said, events.Scored)
        made.give(SAMPLES)


def test_a_model_that_several_transactions_name_is_measured_once() -> None:
    learner = Counting()
    made = built(learner)
    made.give(SAMPLES)
    said = made.give(*(fetched(by, number) for by in "gh" for number in range(3)), fetched("g", 9, b"\1" * 32))
    assert learner.judged == 2 and len(told(said, Witnessed)) == 7


def test_without_samples_transactions_wait_the_oldest_go_first() -> None:
    made = built()
    assert made.give(*(fetched("g", number) for number in range(MOST_WAITING + 5))) == []
    assert len(told(made.give(SAMPLES), Witnessed)) == MOST_WAITING
    assert told(made.give(SAMPLES), Witnessed) == []


def test_what_waits_at_the_end_is_left() -> None:
    made = built()
    made.give(fetched("g", 0), Stopping())
    assert made.give(SAMPLES) == []


@pytest.mark.parametrize(
    ("message", "now", "code"),
    [
        (fetched("g", 0), NOW + 60_000, "expired"),
        (fetched("g", 0), NOW - 5_001, "from_the_future"),
        (fetched("g", 0, expires=NOW + 240_001), NOW, "lifetime"),
        (fetched("g", 0, b"\2" * 32), NOW, "model_missing"),
        (fetched("g", 0, b"\0" * 36), NOW, "model_size"),
        (fetched("g", 0, np.full(8, np.inf, "<f4").tobytes()), NOW, "model_not_finite"),
        (fetched("me", 0), NOW, "own_transaction"),
        (Fetched(transaction=transaction("g", 0), receipts=(), sender=KEYS["h"].address), NOW, "relay_unsigned"),
        (
            Fetched(transaction=transaction("g", 0), receipts=(receipt("h", transaction("g", 0)),), sender=KEYS["h"].address),
            NOW,
            "ttl_exhausted",
        ),
    ],
)
def test_a_wrong_transaction_is_refused_by_name(message: Fetched, now: int, code: str) -> None:
    made = built()
    made.give(SAMPLES, now=now)
    said = made.give(message, now=now)
    assert [note.code for note in notes(said, events.Refused)] == [code]
    assert not told(said, Witnessed) and not made.journal.data


def test_a_receipt_in_our_name_that_we_never_gave_is_refused() -> None:
    made = built()
    made.give(SAMPLES)
    of = transaction("g", 0, ttl=2)
    said = made.give(Fetched(transaction=of, receipts=(receipt("me", of), receipt("h", of)), sender=KEYS["h"].address))
    assert [note.code for note in notes(said, events.Refused)] == ["receipt_not_issued"]


OPERATIONS = st.lists(
    st.tuples(
        st.lists(
            st.one_of(
                st.just(("inject",)),
                st.tuples(st.just("transaction"), st.sampled_from("gh"), st.integers(0, 1), st.integers(0, 1)),
                st.tuples(st.just("draft"), st.sampled_from("gh"), st.integers(0, 1), st.integers(0, 1)),
                st.just(("tick",)),
            ),
            max_size=4,
        ),
        st.sampled_from([1, 1, 1, 1, 30_000, 600_000]),
        st.one_of(st.none(), st.integers(0, 8)),
    ),
    max_size=25,
)


@settings(max_examples=120)
@given(OPERATIONS)
def test_any_order_repeats_losses_and_crashes_leave_one_receipt_and_one_confirmation(operations: list[Any]) -> None:
    made, drafts, now = built(), list[Draft](), NOW
    for batch, later, crash in operations:
        messages = [message for operation in batch if (message := as_message(made, operation, drafts)) is not None]
        now += later
        made.give(*messages, now=now, crash=crash)
    witnessed = told(made.said, Witnessed)
    confirmed = [one for message in told(made.said, Confirmed) for one in message.confirmations]
    one_each((one.receipt.transaction, encode(one.receipt)) for one in witnessed)
    one_each(((one.transaction.generator, one.transaction.sequence), encode(one.receipt)) for one in witnessed)
    one_each((one.receipt, encode(one)) for one in confirmed)
    heights = {digest(one): (one.generator, one.height) for one in drafts}
    one_each((heights[one.draft], one.draft) for one in confirmed)


def as_message(made: Bench, operation: tuple[Any, ...], drafts: list[Draft]) -> Any:
    if operation[0] == "inject":
        return SAMPLES
    if operation[0] == "tick":
        return Tick()
    _, by, first, second = operation
    if operation[0] == "transaction":
        return fetched(by, first, DATA if second == 0 else b"\1" * 32)
    entries = tuple(
        Entry(transaction=one.transaction, receipts=(one.receipt,))
        for one in sorted(
            {one.transaction.sequence: one for one in told(made.said, Witnessed)}.values(), key=lambda one: one.transaction.sequence
        )
        if one.transaction.generator == KEYS[by].address
    )
    if not entries:
        return None
    drafts.append(draft(by, entries, height=first, memo=str(second)))
    return DraftArrived(draft=drafts[-1], sender=KEYS[by].address)


def one_each(pairs: Any) -> None:
    seen: dict[Any, Any] = {}
    for key, value in pairs:
        assert seen.setdefault(key, value) == value


def test_a_draft_is_confirmed_again_with_the_same_bytes_after_a_crash() -> None:
    made = built()
    made.give(SAMPLES)
    (witnessed,) = told(made.give(fetched("g", 0)), Witnessed)
    arrived = DraftArrived(
        draft=draft("g", (Entry(transaction=witnessed.transaction, receipts=(witnessed.receipt,)),)), sender=KEYS["g"].address
    )
    made.give(arrived, crash=Tell)
    assert not told(made.said, Confirmed)
    first, second = told(made.give(arrived), Confirmed), told(made.give(arrived), Confirmed)
    assert first == second != []


def test_who_rewrites_a_block_is_told_of_with_its_height_until_a_block_is_confirmed_again() -> None:
    made = built()
    assert isinstance(made.actor, Validator)
    rewritten = made.actor.rewritten
    made.give(SAMPLES)
    entries = [
        (Entry(transaction=one.transaction, receipts=(one.receipt,)),)
        for number in range(4)
        for one in told(made.give(fetched("g", number)), Witnessed)
    ]

    def status(height: int, of: int) -> object:
        made.give(DraftArrived(draft=draft("g", entries[of], height=height), sender=KEYS["h"].address))
        return dict(rewritten)

    generator = KEYS["g"].address
    assert [status(7, 0), status(8, 1)] == [{}, {}]
    assert [status(7, 2), status(8, 2)] == [{generator: "block 7"}, {generator: "block 7"}]
    assert status(7, 0) == {generator: "block 7"}, "the draft that was confirmed may come again at any time"
    assert status(9, 3) == {generator: ""}
    assert status(8, 2) == {generator: "block 8"}


def test_who_uses_a_sequence_number_twice_is_told_of_too() -> None:
    """Of an older directory that was put back this comes first: no transaction of it gets a receipt until its numbers are new."""
    made = built()
    assert isinstance(made.actor, Validator)
    made.give(SAMPLES, fetched("g", 0), fetched("g", 1), fetched("g", 0))
    assert not made.actor.rewritten
    made.give(fetched("g", 1, b"\1" * 32), fetched("g", 0, b"\1" * 32))
    assert made.actor.rewritten == {KEYS["g"].address: "transaction 1"}


@pytest.mark.parametrize("kind", ["r", "d"])
def test_a_damaged_journal_is_our_own_fault_and_no_neighbours(kind: str) -> None:
    made = built()
    made.give(SAMPLES)
    first = fetched("g", 0)
    (witnessed,) = told(made.give(first), Witnessed)
    arrived = DraftArrived(draft=draft("g", (Entry(transaction=first.transaction, receipts=(witnessed.receipt,)),)), sender=first.sender)
    assert told(made.give(arrived, crash=99), Confirmed)
    identity = digest(first.transaction) if kind == "r" else digest(arrived.draft)
    made.journal.data[f"{kind}/{identity}".encode()] = b"{}"
    made.give(SAMPLES)
    with pytest.raises(LocalError, match="our own"):
        made.give(first if kind == "r" else arrived)
