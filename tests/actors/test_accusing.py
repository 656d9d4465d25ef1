"""Contradictions: found in what passes, shown by neighbours, kept over restarts, and passed on once."""

import pytest

from dfl_actors.core import events
from dfl_actors.core.codec import decode, digest
from dfl_actors.core.evidence import KEPT, Evidence, evidence
from dfl_actors.core.messages import DraftNews, EvidenceNews, Judged, Witnessed
from dfl_actors.core.objects import Entry
from tests.actors.bench import KEYS, draft, notes, receipt, transaction
from tests.actors.gossiping import DATA, MODEL, announced, built, codes, hear, news
from tests.objects import unsigned

ONE, OTHER = transaction("g", 3), transaction("g", 3, b"\1" * 32)
SHOWN = EvidenceNews(evidence=evidence(ONE, OTHER))
KEY = b"evidence/transaction/" + KEYS["g"].address.encode()


def test_two_transactions_under_one_number_are_kept_told_and_passed_on_once() -> None:
    made = built()
    hear(made, "g", news(ONE))
    said = hear(made, "g", news(OTHER))
    assert announced(said) == [SHOWN]
    (note,) = notes(said, events.Refused)
    assert (note.code, note.by) == ("contradiction", KEYS["g"].address)
    assert decode(Evidence, made.journal.data[KEY]) == SHOWN.evidence
    assert hear(made, "h", SHOWN) == [], "what is known costs nothing"
    made.give(crash=0)
    assert hear(made, "h", SHOWN) == [], "also after a restart"


def test_what_a_neighbour_shows_is_checked_kept_and_passed_on() -> None:
    made = built()
    wrong = EvidenceNews(evidence=evidence(ONE, unsigned(OTHER)))
    assert codes(hear(made, "h", wrong)) == ["bad_signature"] and not made.journal.data.get(KEY)
    assert announced(hear(made, "h", SHOWN)) == [SHOWN] and KEY in made.journal.data


def test_what_was_signed_before_a_restart_is_held_against_it_for_the_validator_still_has_it() -> None:
    made, entries = built(), (Entry(transaction=ONE, receipts=(receipt("h", ONE),)),)
    drafts = draft("g", entries), draft("g", entries, memo="otherwise")
    hear(made, "g", news(ONE))
    made.give(crash=0)
    made.models.put(OTHER.model, b"\1" * 32)
    hear(made, "g", news(OTHER))
    said = made.give(Judged(what=digest(OTHER), code="sequence_reused", transactions=(ONE,)))
    assert announced(said) == [SHOWN]
    hear(made, "g", DraftNews(draft=drafts[1]))
    said = made.give(Judged(what=digest(drafts[1]), code="block_rewritten", drafts=(drafts[0],)))
    assert announced(said) == [EvidenceNews(evidence=evidence(*drafts))]


@pytest.mark.parametrize("code", ["block_rewritten", ""])
def test_two_drafts_at_one_height_are_found_when_the_validator_has_checked_them(code: str) -> None:
    made, entries = built(), (Entry(transaction=ONE, receipts=(receipt("h", ONE),)),)
    first, second = draft("g", entries), draft("g", entries, memo="otherwise")
    for one in (first, second):
        assert EvidenceNews(evidence=evidence(first, second)) not in announced(hear(made, "g", DraftNews(draft=one)))
        said = made.give(Judged(what=digest(one), code=code))
    assert announced(said) == [EvidenceNews(evidence=evidence(first, second))]


def test_two_receipts_of_a_witness_for_a_transaction_are_found() -> None:
    made, far = built(), transaction("v", 9, ttl=4)
    made.models.put(MODEL, DATA)
    first, second = (receipt("h", far, received_at_ttl=3, correct=correct) for correct in (1, 2))
    hear(made, "h", news(far, first))
    made.give(Witnessed(transaction=far, receipts=(first,), receipt=receipt("me", far, received_at_ttl=2)))
    said = hear(made, "g", news(far, second, receipt("g", far, received_at_ttl=3)))
    assert EvidenceNews(evidence=evidence(first, second)) in announced(said)


@pytest.mark.parametrize("sizes", [(1, 9), (9, 1), (5, 5)])
def test_two_drafts_that_are_too_large_to_be_shown_are_told_once_and_neither_kept_nor_passed_on(sizes: tuple[int, int]) -> None:
    made, entry = built(), Entry(transaction=ONE, receipts=(receipt("h", ONE),) * 256)
    drafts = [draft("g", (entry,) * size, memo=str(number)) for number, size in enumerate(sizes)]
    said = []
    for one in (*drafts, drafts[1]):
        said += hear(made, "g", DraftNews(draft=one)) + made.give(Judged(what=digest(one), code="block_rewritten"))
    assert codes(said) == ["contradiction"] and notes(said, events.Refused)[0].by == KEYS["g"].address
    assert not announced(said) and not list(made.journal.scan(KEPT))
    assert codes(hear(made, "h", EvidenceNews(evidence=evidence(*drafts)))) == ["no_evidence"]


def test_a_draft_that_somebody_made_up_is_held_against_nobody() -> None:
    made, entries = built(), (Entry(transaction=ONE, receipts=(receipt("h", ONE),)),)
    forged, right = unsigned(draft("g", entries, genesis="ab" * 32)), draft("g", entries)
    for one, code in ((forged, "other_genesis"), (right, "")):
        hear(made, "h", DraftNews(draft=one))
        assert not codes(made.give(Judged(what=digest(one), code=code)))
    assert not announced(made.said), "its signer has contradicted nothing"
