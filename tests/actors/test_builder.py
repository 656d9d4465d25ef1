"""The builder: when it drafts, finalises, expires and reminds; and that no crash makes two drafts for a height."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.actors.builder import MOST_PENDING, REMINDERS, Builder, BuilderSettings
from dfl_actors.core import chain, events
from dfl_actors.core.blocks import LARGEST_DRAFT, confirmable_until
from dfl_actors.core.checks import Verifier
from dfl_actors.core.codec import decode, digest, encode
from dfl_actors.core.delivery import WriteJournal
from dfl_actors.core.effects import Journal, Tell
from dfl_actors.core.family import Message
from dfl_actors.core.messages import Announced, ConfirmationsArrived, Drafted, Finalised, Lacking, ReceiptArrived, Settled
from dfl_actors.core.objects import MAX_RECEIPTS, MemberList
from dfl_actors.core.words import Started, Tick
from tests import objects
from tests.actors import bench
from tests.actors.bench import GENESIS, KEYS, NOW, Bench, notes, receipt, told, transaction
from tests.actors.building import ABANDON, DEADLINE, OWN, WAIT, WITNESSES, announced, built, confirmed, drafted, final_blocks, receipts


def test_two_answered_transactions_make_a_draft_and_its_confirmations_a_block() -> None:
    made = built()
    assert not told(made.give(*announced(0, 1), *receipts(0)), Drafted)
    said = made.give(*receipts(1))
    assert [entry.transaction for entry in drafted(made).entries] == OWN[:2]
    assert made.wake == NOW + DEADLINE // REMINDERS and not made.actor.idle
    assert told(said, Settled) and notes(said, events.Drafted)
    said = made.give(confirmed(drafted(made)))
    (block,) = final_blocks(made)
    assert len(block.confirmations) == 4 and told(said, Finalised)[0].block == digest(block)
    assert made.actor.idle and set(made.journal.data) == {chain.PIN}, "the journal holds nothing of what the chain has but its head"


@pytest.mark.parametrize(
    ("by", "least", "later", "drafts"),
    [
        (WITNESSES, 1, 0, True),
        (("g",), 1, 0, False),
        (("g",), 1, WAIT - 1, False),
        (("g",), 1, WAIT, True),
        (("g",), 2, WAIT, False),
        ((), 1, WAIT, False),
        (WITNESSES, 3, 0, False),
        (("g", "h", "v"), 3, 0, True),
    ],
)
def test_when_a_transaction_is_ready(by: tuple[str, ...], least: int, later: int, drafts: bool) -> None:
    made = built(transactions=1, receipts=least)
    made.give(*announced(0), *receipts(0, by=by))
    made.give(Tick(), now=NOW + later)
    assert bool(told(made.said, Drafted)) == drafts


@pytest.mark.parametrize(
    ("fraction", "per", "by", "later", "final"),
    [
        (1.0, "block", WITNESSES, 0, True),
        (1.0, "block", ("g",), 0, False),
        (0.5, "block", ("g",), 0, True),
        (0.5, "transaction", ("g",), 0, True),
        (0.6, "transaction", ("g",), 0, False),
        (1.0, "block", ("g",), DEADLINE - 1, False),
        (1.0, "block", ("g",), DEADLINE, True),
        (0.0, "block", (), DEADLINE, False),
        (1.0, "block", (), ABANDON - 1, False),
        (1.0, "block", (), ABANDON, True),
    ],
)
def test_when_a_draft_is_final(fraction: float, per: str, by: tuple[str, ...], later: int, final: bool) -> None:
    made = built(confirmations=fraction, per=per)
    made.give(*announced(0, 1), *receipts(0, 1))
    made.give(confirmed(drafted(made), by), Tick(), now=NOW + later)
    assert bool(made.chain.data) == final


def test_a_draft_without_confirmations_goes_out_again_and_again() -> None:
    made = built()
    made.give(*announced(0, 1), *receipts(0, 1))
    for _ in range(REMINDERS + 2):
        made.give(Tick(), now=made.wake or 0)
    sent = [encode(message) for message in told(made.said, Drafted)]
    assert len(sent) == REMINDERS + 3 and len(set(sent)) == 1


def test_a_draft_that_nobody_confirms_is_given_up_and_the_chain_goes_on() -> None:
    made = built()
    made.give(*announced(0, 1), *receipts(0, 1))
    given_up, later = drafted(made), [transaction("me", number, now=NOW + 200_000) for number in (2, 3)]
    more = [Announced(transaction=one) for one in later] + [
        ReceiptArrived(sender=KEYS["g"].address, receipt=receipt(name, one)) for one in later for name in WITNESSES
    ]
    while not made.chain.data:
        assert made.wake is not None and made.wake <= NOW + ABANDON
        made.give(*more, Tick(), now=made.wake)
    (block,) = final_blocks(made)
    assert (block.draft, block.confirmations) == (given_up, ()) and made.actor.counts["abandoned"] == 1
    (final,) = notes(made.said, events.Final)
    assert (final.confirmations, final.expected) == (0, 4)
    assert len(told(made.said, Drafted)) <= 10 * REMINDERS + 2, "reminders end too"
    assert [one.transaction for one in drafted(made).entries] == later and drafted(made).previous == digest(block)
    said = made.give(confirmed(given_up), now=NOW + ABANDON)
    assert [note.code for note in notes(said, events.Refused)] == ["other_draft"] * 4, "too late is too late"
    made.give(confirmed(drafted(made)), now=NOW + ABANDON)
    state, verifier = chain.empty(GENESIS), Verifier(GENESIS)
    for one in final_blocks(made):
        state = chain.extend(state, one, verifier)
    assert state.height == 2 and made.journal.data.keys() == {chain.PIN}


def test_after_a_restart_the_witnesses_of_an_old_draft_get_one_more_deadline() -> None:
    made = built()
    made.give(*announced(0, 1), *receipts(0, 1), crash=99)
    back = NOW + 9 * ABANDON
    made.give(Started(), now=back)
    made.give(Tick(), now=back + DEADLINE - 1)
    assert not made.chain.data
    made.give(confirmed(drafted(made), ("g",)), now=back + DEADLINE - 1)
    made.give(Tick(), now=back + DEADLINE)
    assert len(final_blocks(made)[0].confirmations) == 2


def test_what_could_not_be_confirmed_in_time_is_not_drafted() -> None:
    made, over = built(transactions=2), NOW + 5 * 60_000
    made.give(*announced(0), *receipts(0))
    made.give(Tick(), now=over - 1)
    assert not notes(made.said, events.Expired)
    later = transaction("me", 1, now=over)
    made.give(
        Announced(transaction=later),
        *(ReceiptArrived(sender=KEYS["g"].address, receipt=receipt(name, later)) for name in WITNESSES),
        now=over,
    )
    assert [note.tx for note in notes(made.said, events.Expired)] == [digest(OWN[0])] and not told(made.said, Drafted)
    made = built(abandon=10**9)
    made.give(*announced(0, 1), *receipts(0, 1))
    made.give(Tick(), now=confirmable_until(OWN[1]) - 1)
    assert not made.chain.data
    made.give(Tick(), now=confirmable_until(OWN[1]))
    assert made.chain.data, "from here on nobody can confirm it"


def test_what_waits_is_bounded_and_the_oldest_goes_first() -> None:
    made = built(receipts=3)
    made.give(*(Announced(transaction=transaction("me", number)) for number in range(MOST_PENDING + 2)))
    assert [note.tx for note in notes(made.said, events.Expired)] == [digest(one) for one in OWN[:2]]
    assert made.actor.counts["crowded_out"] == 2 and len(made.journal.data) == MOST_PENDING
    assert told(made.said, Settled) == [Settled(transaction=digest(one)) for one in OWN[:2]]


def test_a_transaction_without_enough_receipts_expires() -> None:
    made = built(receipts=2)
    made.give(*announced(0), *receipts(0, by=("g",)))
    assert not notes(made.give(Tick(), now=NOW + 59_999), events.Expired)
    assert made.wake == NOW + 60_000
    said = made.give(Tick(), now=NOW + 60_000)
    assert notes(said, events.Expired) == [events.Expired(tx=digest(OWN[0]), receipts=1, needed=2)]
    assert told(made.said, Settled) == [Settled(transaction=digest(OWN[0]))]
    assert not made.journal.data


def test_a_receipt_that_comes_late_puts_off_nothing_that_is_due() -> None:
    made = built(receipts=2)
    made.give(*announced(0, 1), *receipts(0, by=("g",)))
    made.give(*receipts(1, by=("g",)), now=NOW + 60_001)
    assert made.wake is not None and made.wake <= NOW + 60_001
    expired = notes(made.give(Tick(), now=NOW + 60_001), events.Expired)
    assert [note.tx for note in expired] == [digest(OWN[0]), digest(OWN[1])]


@pytest.mark.parametrize(
    ("by", "least", "wakes"),
    [
        ((), 1, [WAIT // 2, WAIT, 3 * WAIT // 2]),
        (("g",), 1, [WAIT // 2, WAIT, 3 * WAIT // 2]),
        (("g",), 2, [WAIT // 2, WAIT, 3 * WAIT // 2]),
        (WITNESSES, 1, [WAIT, None]),
        (WITNESSES, 3, [60_000, None]),
    ],
)
def test_when_time_changes_something_for_a_transaction(by: tuple[str, ...], least: int, wakes: list[int | None]) -> None:
    """The end of the wait or of life; before it, whenever neighbours that have not answered are asked again."""
    made = built(receipts=least)
    made.give(*announced(0), *receipts(0, by=by))
    for after in wakes:
        assert made.wake == (None if after is None else NOW + after)
        made.give(Tick(), now=made.wake or NOW)


def test_a_transaction_that_neighbours_have_not_answered_is_announced_again_until_they_do() -> None:
    made, lacking = built(), Lacking(transaction=OWN[0])
    made.give(*announced(0), *receipts(0, by=("g",)))
    assert not told(made.give(Tick(), now=NOW + WAIT // 2 - 1), Lacking)
    assert told(made.give(Tick(), now=NOW + WAIT // 2), Lacking) == [lacking]
    assert not told(made.give(Tick(), *receipts(1), now=NOW + WAIT - 1), Lacking), "once in half a wait"
    assert told(made.give(Tick(), now=NOW + WAIT), Lacking) == [lacking]
    made.give(*receipts(0, by=("h",)), now=NOW + WAIT)
    assert not told(made.give(Tick(), now=NOW + 5 * WAIT), Lacking)


def test_what_has_expired_or_stands_in_a_draft_is_not_announced_again() -> None:
    made = built(transactions=1, receipts=1)
    made.give(*announced(0), *receipts(0, by=("g",)), now=NOW + WAIT)
    assert [entry.transaction for entry in drafted(made).entries] == OWN[:1]
    made.give(*announced(1), now=NOW + WAIT)
    made.said.clear()
    made.give(Tick(), now=NOW + 2 * WAIT)
    assert told(made.said, Lacking) == [Lacking(transaction=OWN[1])]
    assert not told(made.give(Tick(), now=NOW + 60_000), Lacking)


def test_after_a_crash_what_lacks_receipts_is_announced_again() -> None:
    made = built()
    made.give(*announced(0), *receipts(0, by=("g",)), crash=99)
    assert not told(made.give(Started(), now=NOW + WAIT // 2 - 1), Lacking)
    assert made.wake == NOW + WAIT // 2
    made.give(crash=99)
    assert told(made.give(Started(), now=NOW + WAIT), Lacking) == [Lacking(transaction=OWN[0])]


def test_one_that_lacks_receipts_stays_for_the_next_block() -> None:
    made = built()
    made.give(*announced(0, 1, 2), *receipts(1, 2))
    assert [entry.transaction.sequence for entry in drafted(made).entries] == [1, 2]
    made.give(confirmed(drafted(made)))
    made.give(*announced(3), *receipts(3, 0))
    assert [entry.transaction.sequence for entry in drafted(made).entries] == [0, 3]
    made.give(confirmed(drafted(made)))
    state, verifier = chain.empty(GENESIS), Verifier(GENESIS)
    for block in final_blocks(made):
        state = chain.extend(state, block, verifier)
    assert state.height == 2


def test_more_receipts_than_a_block_may_hold_are_left_out() -> None:
    made = built(receipts=MAX_RECEIPTS)
    pending = made.actor._pending  # type: ignore[attr-defined]
    made.give(*announced(0))
    pending[digest(OWN[0])].receipts.update({str(number): receipt("g", OWN[0]) for number in range(MAX_RECEIPTS)})
    assert made.give(*receipts(0, by=("h",))) == []


def test_a_draft_is_filled_by_bytes_and_what_does_not_fit_waits_for_the_next() -> None:
    """256 witnesses a transaction and 32 transactions: one message must carry them."""
    made = built(transactions=32, receipts=1)
    pending = made.actor._pending  # type: ignore[attr-defined]
    for number in range(40):
        one = transaction("me", number)
        made.give(Announced(transaction=one))
        pending[digest(one)].receipts.update(dict.fromkeys(map(str, range(MAX_RECEIPTS)), receipt("g", one)))
    made.give(Tick())
    sizes = [len(encode(message)) for message in told(made.said, Drafted)]
    assert sizes and LARGEST_DRAFT * 0.9 < sizes[0] < LARGEST_DRAFT + 4096
    assert len(pending) == 40 - len(drafted(made).entries)


def test_a_receipt_counts_only_of_a_member_and_only_while_it_is_one() -> None:
    made = built()
    made.give(
        *announced(0), ReceiptArrived(sender=KEYS["g"].address, receipt=objects.receipt(OWN[0], objects.DAVE)), *receipts(0, by=("g",))
    )
    assert [note.code for note in notes(made.said, events.Refused)] == ["not_a_member"]
    left = bench.settings(BuilderSettings, members=[KEYS[name].public for name in ("me", "h")])
    after = Builder(left, KEYS["me"], made.chain, made.journal, bench.at())
    deleted = [effect.key for effect in after.handle(Started(), bench.at()) if isinstance(effect, Journal)]
    assert deleted == [f"r/{digest(OWN[0])}/{KEYS['g'].address}".encode()]


def test_who_the_members_are_is_listed_with_the_first_draft_of_which_it_is_so() -> None:
    everybody = frozenset(key.public for key in KEYS.values())

    def lists(made: Bench) -> list[MemberList]:
        return [decode(MemberList, raw) for key, raw in made.journal.data.items() if key.startswith(b"m/")]

    same, unnamed = built(founders=everybody), built()
    joined = built(founders=everybody - {KEYS["h"].public})
    for made in (same, unnamed, joined):
        made.give(*announced(0, 1), *receipts(0, 1))
    assert (lists(same), lists(unnamed)) == ([], [])
    (one,) = lists(joined)
    assert (one.number, one.created, one.keys) == (1, drafted(joined).created, tuple(sorted(everybody)))
    joined.give(confirmed(drafted(joined)), crash=99)
    joined.give(Started(), *announced(2, 3), *receipts(2, 3))
    assert lists(joined) == [one], "once"


def test_before_the_run_begins_again_nothing_is_final_by_a_deadline() -> None:
    """Letters arrive at a restarted builder before the word to begin."""
    made = built()
    made.give(*announced(0, 1), *receipts(0, 1), crash=99)
    first = drafted(made)
    made.give(confirmed(first, ("g",)), now=NOW + 1)
    assert not made.chain.data
    made.give(Started(), now=NOW + 2)
    assert drafted(made) == first


def test_after_a_crash_between_the_chain_and_the_journal_a_transaction_is_not_drafted_again() -> None:
    made = built()
    made.give(*announced(0, 1), *receipts(0, 1))
    made.give(confirmed(drafted(made)), crash=WriteJournal)
    assert len(made.chain.data) == 1 and made.journal.get(b"draft") is not None
    said = made.give(*announced(2), *receipts(2))
    assert not told(said, Drafted)
    made.give(Started())
    made.give(*announced(3), *receipts(3))
    assert [entry.transaction.sequence for entry in drafted(made).entries] == [2, 3]


def test_a_draft_made_before_the_run_begins_again_outlives_what_the_journal_still_held() -> None:
    """The block of the draft before stands in the chain; a crash kept the journal from forgetting it."""
    made = built(transactions=1)
    made.give(*announced(0), *receipts(0))
    made.give(confirmed(drafted(made)), crash=WriteJournal)
    made.give(*announced(1), *receipts(1))
    second = drafted(made)
    assert second.height == 1
    made.give(Started(), crash=99)
    assert made.journal.get(b"draft") == encode(second)
    made.give(Started(), now=NOW + 1)
    made.give(confirmed(second))
    assert drafted(made) == second == final_blocks(made)[1].draft and set(made.journal.data) == {chain.PIN}


def test_a_word_to_the_trainer_that_a_crash_swallowed_is_said_again() -> None:
    made = built(transactions=8)
    made.give(*announced(0))
    made.give(*receipts(0), crash=Tell)
    assert not told(made.said, Settled)
    assert told(made.give(Started()), Settled) == [Settled(transaction=digest(OWN[0]))]


OPERATIONS = st.lists(
    st.tuples(
        st.lists(
            st.one_of(
                st.tuples(st.just("announced"), st.integers(0, 5)),
                st.tuples(st.just("receipt"), st.integers(0, 5), st.sampled_from(WITNESSES)),
                st.tuples(st.just("confirmed"), st.sampled_from([("g",), ("h",), WITNESSES])),
                st.just(("tick",)),
                st.just(("started",)),
            ),
            max_size=5,
        ),
        st.integers(0, 15_000),
        st.one_of(st.none(), st.integers(0, 8)),
    ),
    max_size=25,
)


@settings(max_examples=120)
@given(OPERATIONS)
def test_any_order_and_any_crash_leave_one_block_a_height(operations: list[Any]) -> None:
    made, now = built(), NOW
    for batch, later, crash in operations:
        now += later
        made.give(*(as_message(made, operation) for operation in batch), now=now, crash=crash)
    sent: dict[int, bytes] = {}
    for message in told(made.said, Drafted):
        assert sent.setdefault(message.draft.height, encode(message)) == encode(message), "two drafts for one height were sent"
    state, verifier = chain.empty(GENESIS), Verifier(GENESIS)
    for block in final_blocks(made):
        state = chain.extend(state, block, verifier)
        assert block.confirmations or block.finalised - block.draft.created >= ABANDON
    for final in told(made.said, Finalised):
        assert digest(final_blocks(made)[final.height]) == final.block, "a block is announced after it is stored"


def as_message(made: Bench, operation: tuple[Any, ...]) -> Message:
    what, *rest = operation
    if what == "announced":
        return Announced(transaction=OWN[rest[0]])
    if what == "receipt":
        return ReceiptArrived(sender=KEYS["g"].address, receipt=receipt(rest[1], OWN[rest[0]]))
    if what == "confirmed":
        sent = told(made.said, Drafted)
        return confirmed(sent[-1].draft, rest[0]) if sent else Tick()
    return Tick() if what == "tick" else Started()


def test_who_brings_what_is_wrong_is_named_and_not_whoever_is_written_there() -> None:
    made = built()
    made.give(*announced(0, 1), *receipts(0, 1, by=("g",)))
    wrong = msgspec.structs.replace(receipt("h", OWN[0]), creator="ab" * 32)
    said = made.give(ReceiptArrived(receipt=wrong, sender=KEYS["v"].address))
    made.give(*receipts(0, 1, by=("h",)))
    forged = tuple(objects.unsigned(one) for one in confirmed(drafted(made)).confirmations[:2])
    said += made.give(ConfirmationsArrived(confirmations=forged, sender=KEYS["v"].address))
    assert {note.by for note in notes(said, events.Refused)} == {KEYS["v"].address} and len(notes(said, events.Refused)) == 3
    assert "said to be of abababab" in notes(said, events.Refused)[0].detail
