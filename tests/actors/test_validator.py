"""The validator: one receipt a transaction, one confirmation a receipt, one draft a height, whatever comes in whatever order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.actors.validator import AT_ONCE, MOST_WAITING, Validator, ValidatorSettings
from dfl_actors.core import events
from dfl_actors.core.blocks import confirmable_until
from dfl_actors.core.checks import WINDOW
from dfl_actors.core.codec import digest, encode
from dfl_actors.core.control import Adoption, Holdings
from dfl_actors.core.effects import Tell
from dfl_actors.core.messages import Confirmed, DraftArrived, Fetched, HoldingAsked, HoldingFound, Injected, Judged, Scored, Witnessed
from dfl_actors.core.objects import Draft, Entry
from dfl_actors.core.words import Started, Stopping, Tick
from dfl_actors.errors import LocalError
from dfl_actors.learning.partition import Received
from tests import objects
from tests.actors import bench
from tests.actors.bench import KEYS, NOW, Bench, draft, notes, receipt, told, transaction
from tests.simnet import parts

DATA = bytes(32)
SAMPLES = Injected(samples=tuple(range(20)))


class Counting(parts.Learner):
    judged = 0

    def judge(self, data: memoryview, codec: str, parameters: int, samples: np.ndarray) -> tuple[int, int]:
        self.judged += 1
        return super().judge(data, codec, parameters, samples)


def built(learner: parts.Learner | None = None, **fields: Any) -> Bench:
    def build(one: Bench) -> Validator:
        return Validator(
            bench.settings(ValidatorSettings, **fields),
            KEYS["me"],
            learner or parts.Learner(),
            one.models,
            one.journal,
            Received(),
            np.random.default_rng(1),
        )

    made = Bench(build)
    for data in (DATA, b"\1" * 32, np.full(8, np.inf, "<f4").tobytes()):
        made.models.put(transaction("g", 0, data).model, data)
    return made


def fetched(by: str, sequence: int, data: bytes = DATA, **fields: Any) -> Fetched:
    return Fetched(transaction=transaction(by, sequence, data, **fields), receipts=(), sender=KEYS[by].address)


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


# --- what cannot be, and what ends


def entries(made: Bench, *numbers: int, now: int = NOW) -> tuple[Entry, ...]:
    """Transactions of g with our receipts."""
    found = [told(made.give(SAMPLES, fetched("g", number, now=now), now=now), Witnessed)[0] for number in numbers]
    return tuple(Entry(transaction=one.transaction, receipts=(one.receipt,)) for one in found)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"height": 2**53 - 1, "previous": "ab" * 32}, "height"),
        ({"height": WINDOW + 7, "previous": "ab" * 32}, "height"),
        ({"height": WINDOW + 6, "previous": "ab" * 32}, None),
        ({"created": 10_000_000_000_000}, "from_the_future"),
        ({"created": NOW + 5_001}, "from_the_future"),
        ({"created": NOW + 5_000}, None),
        ({"height": 0, "previous": "ab" * 32}, "previous"),
    ],
)
def test_a_draft_with_a_height_or_a_time_that_cannot_be_is_not_confirmed(fields: dict[str, Any], code: str | None) -> None:
    made = built()
    said = made.give(arrived(draft("g", entries(made, 7), **fields)))
    assert [note.code for note in notes(said, events.Refused)] == ([] if code is None else [code])
    assert bool(told(said, Confirmed)) == (code is None)


def test_a_witness_confirms_what_follows_the_last_draft_it_confirmed() -> None:
    made = built()
    first, second, third, fourth = ((one,) for one in entries(made, 0, 1, 2, 3))
    assert told(made.give(arrived(draft("g", second, height=5, created=NOW + 100))), Confirmed)
    late = made.give(arrived(draft("g", first, height=4)))
    assert not told(late, Confirmed) and not notes(late, events.Refused), "lost news that come again are nobody's fault"
    assert isinstance(made.actor, Validator) and not made.actor.rewritten
    again = made.give(arrived(draft("g", third, height=3, created=NOW + 101)))
    assert [note.code for note in notes(again, events.Refused)] == ["block_rewritten"]
    assert made.actor.rewritten == {KEYS["g"].address: "block 3"}
    before = made.give(arrived(draft("g", third, height=6, created=NOW + 99)))
    assert [note.code for note in notes(before, events.Refused)] == ["time_backwards"]
    assert told(made.give(arrived(draft("g", fourth, height=6, created=NOW + 100))), Confirmed)


def test_what_can_no_longer_be_confirmed_is_forgotten_and_refused() -> None:
    made = built()
    made.give(Started())
    (confirmed, open_) = entries(made, 4, 5)
    of, until = draft("g", (confirmed,), height=1), confirmable_until(confirmed.transaction)
    assert until == NOW + 9 * 60_000
    assert told(made.give(arrived(of)), Confirmed)
    kept = set(made.journal.data)
    made.give(Tick(), now=until - 1)
    assert set(made.journal.data) == kept
    assert told(made.give(arrived(draft("g", (open_,), height=2)), now=until), Confirmed)
    made.give(Tick(), now=until)
    generator = KEYS["g"].address.encode()
    assert set(made.journal.data) == {b"w/" + generator, b"g/" + generator, b"f/" + generator}
    for late in (of, draft("g", (open_,), height=3)):
        said = made.give(arrived(late), now=until + 1, crash=99)
        assert not told(said, Confirmed)
    assert [note.code for note in notes(said, events.Refused)] == ["too_late"]
    again = fetched("g", 5, b"\1" * 32, now=until)
    assert [note.code for note in notes(made.give(SAMPLES, again, now=until), events.Refused)] == ["sequence_reused"]
    assert told(made.give(fetched("g", 6, now=until), now=until), Witnessed)


def test_the_journal_stays_as_large_as_what_can_be_confirmed() -> None:
    made, sizes = built(), list[int]()
    made.give(Started())
    for number in range(120):
        now = NOW + 20_000 * number
        made.give(arrived(draft("g", entries(made, number, now=now), height=number, created=now)), Tick(), now=now)
        sizes.append(len(made.journal.data))
    assert sizes[-1] == sizes[40] < 200, "9 lifetimes of 60 s, three of them a minute"


def test_what_is_contradicted_is_handed_on_as_it_was_signed_for_the_journal_has_it() -> None:
    made = built()
    first, second = draft("g", entries(made, 3)), draft("g", entries(made, 4), memo="otherwise")
    made.give(arrived(first), crash=99)
    (judged,) = told(made.give(arrived(second)), Judged)
    assert (judged.code, judged.drafts) == ("block_rewritten", (first,))
    (judged,) = told(made.give(SAMPLES, fetched("g", 4, b"\1" * 32)), Judged)
    assert (judged.code, judged.transactions) == ("sequence_reused", (second.entries[0].transaction,))
    (judged,) = told(made.give(fetched("g", 3, b"\1" * 32)), Judged)
    assert not judged.transactions, "of an older one the journal has no more than the digest"


@pytest.mark.parametrize("right", [True, False])
def test_a_draft_of_very_many_signatures_is_checked_in_parts_and_others_have_their_turn(right: bool) -> None:
    made = built()
    made.give(Started())
    others = tuple(
        Entry(transaction=one, receipts=tuple(receipt(by, one) for by in "hvwx"))
        for one in (transaction("g", number) for number in range(1, 120))
    )
    forged = Entry(transaction=transaction("g", 120), receipts=(objects.unsigned(receipt("h", transaction("g", 120))),))
    said = made.give(arrived(draft("g", (*entries(made, 0), *others, *(() if right else (forged,))))))
    assert said == [] and made.wake == NOW
    assert told(made.give(fetched("h", 0)), Witnessed)
    parts_ = 0
    while not told(said, Confirmed) and not told(said, Judged):
        said, parts_ = made.give(Tick()), parts_ + 1
    assert 600 // AT_ONCE - 2 <= parts_ <= 600 // AT_ONCE and bool(told(said, Confirmed)) == right
    assert [note.code for note in notes(said, events.Refused)] == ([] if right else ["bad_signature"])
    assert made.wake is not None and made.wake > NOW, "nothing is left to be checked"


# --- directories that were lost


def arrived(of: Draft, by: str = "g") -> DraftArrived:
    return DraftArrived(draft=of, sender=KEYS[by].address)


def test_who_brings_a_draft_is_named_unless_only_its_signer_can_be_at_fault() -> None:
    made = built()
    first, second = (draft("g", (one,), height=5) for one in entries(made, 0, 1))
    wrong = objects.unsigned(draft("g", first.entries, height=6))
    said = made.give(arrived(first), arrived(wrong, "h"), arrived(second, "h"))
    found = [(note.code, note.by) for note in notes(said, events.Refused)]
    assert found == [("bad_signature", KEYS["h"].address), ("block_rewritten", KEYS["g"].address)]
    assert f"said to be of {KEYS['g'].address[:8]}" in notes(said, events.Refused)[0].detail


def test_a_neighbour_is_told_its_newest_transaction_and_draft_as_it_signed_them() -> None:
    made = built()
    made.give(SAMPLES)
    ask = HoldingAsked(sender=KEYS["g"].address)
    assert told(made.give(ask), HoldingFound) == [HoldingFound(sender=KEYS["g"].address, transactions=(), drafts=())]
    witnessed = [told(made.give(fetched("g", number)), Witnessed)[0] for number in (3, 7, 5)]
    of = draft("g", (Entry(transaction=witnessed[0].transaction, receipts=(witnessed[0].receipt,)),), height=4)
    made.give(arrived(of))
    made.give(Stopping(), crash=99)
    (found,) = told(made.give(ask), HoldingFound)
    assert (found.transactions, found.drafts) == ((transaction("g", 7),), (of,))


def lost(heights: dict[str, int]) -> tuple[Bench, Draft, Draft]:
    """A witness that has lost its journal, and two drafts with receipts from before: of the height that the generator had, and below."""
    made = built()
    made.give(Started(adoption=Adoption(held=Holdings(), at=NOW + 1_000, heights=heights)), crash=99)
    made.give(SAMPLES)
    drafts = []
    for height in (6, 5):
        of = transaction("g", height)
        drafts.append(draft("g", (Entry(transaction=of, receipts=(receipt("me", of, created=NOW),)),), height=height))
    return made, drafts[0], drafts[1]


def test_a_witness_that_lost_its_journal_confirms_what_it_signed_before_once_and_no_earlier_block() -> None:
    """Else its neighbours' chains would wait for it for ever."""
    made, right, below = lost({KEYS["g"].address: 6})
    assert [note.code for note in notes(made.give(arrived(below)), events.Refused)] == ["receipt_not_issued"]
    (confirmed,) = told(made.give(arrived(right)), Confirmed)
    assert len(confirmed.confirmations) == 1
    made.give(Stopping(), crash=99)
    assert told(made.give(arrived(right)), Confirmed) == [confirmed], "and says the same again"
    of = right.entries[0]
    again = draft("g", (of,), height=7)
    assert [note.code for note in notes(made.give(arrived(again)), events.Refused)] == ["confirmed_elsewhere"]


def test_what_is_signed_after_the_loss_is_held_against_the_journal_as_ever() -> None:
    made, _, _ = lost({})
    of = transaction("g", 9)
    late = draft("g", (Entry(transaction=of, receipts=(receipt("me", of, created=NOW + 1_000),)),), height=9)
    assert [note.code for note in notes(made.give(arrived(late)), events.Refused)] == ["receipt_not_issued"]
