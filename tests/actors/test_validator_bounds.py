"""The validator and drafts that cannot be, what it forgets, how much it does at once, and directories that were lost."""

from typing import Any

import pytest

from dfl_actors.actors.validator import AT_ONCE, Validator
from dfl_actors.core import events
from dfl_actors.core.blocks import confirmable_until
from dfl_actors.core.checks import WINDOW
from dfl_actors.core.control import Adoption, Holdings
from dfl_actors.core.messages import Confirmed, HoldingAsked, HoldingFound, Judged, Witnessed
from dfl_actors.core.objects import Draft, Entry
from dfl_actors.core.words import Started, Stopping, Tick
from tests import objects
from tests.actors.bench import KEYS, NOW, Bench, draft, notes, receipt, told, transaction
from tests.actors.validating import SAMPLES, arrived, built, entries, fetched


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


def test_a_neighbour_is_told_also_of_what_waits_for_samples() -> None:
    """It had lost its directory, and began with a number that it had signed already: it was shut out for it."""
    made = built()
    made.give(fetched("g", 3), fetched("h", 9), fetched("g", 2))
    (found,) = told(made.give(HoldingAsked(sender=KEYS["g"].address)), HoldingFound)
    assert found.transactions == (transaction("g", 3),)


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
