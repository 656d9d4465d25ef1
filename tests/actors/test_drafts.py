"""Confirmations on their way through a gossiper: only right ones go on, each once, and who sends others is held to account."""

import pytest
from msgspec.structs import replace

from dfl_actors.actors import drafts
from dfl_actors.core.effects import Effect
from dfl_actors.core.messages import MOST_SENT, ConfirmationsArrived, ConfirmationsFor, Confirmed, Drafted, DraftNews, Refusal
from dfl_actors.core.objects import Confirmation, Draft, Entry
from dfl_actors.core.words import Asked
from tests.actors.bench import KEYS, Bench, confirmation, draft, receipt, told, transaction
from tests.actors.gossiping import PEER, answers, built, codes, hear, sent
from tests.objects import unsigned


def opened(made: Bench, by: str, sequence: int = 0, witnesses: tuple[str, ...] = ("me", "g", "v")) -> Draft:
    """A draft that the gossiper has passed on, or, of `me`, announced."""
    one = transaction(by, sequence, ttl=2)
    of = draft(by, (Entry(transaction=one, receipts=tuple(receipt(name, one) for name in witnesses)),), height=sequence)
    announce(made, by, of)
    return of


def announce(made: Bench, by: str, of: Draft) -> None:
    if by == "me":
        made.give(Drafted(draft=of))
    else:
        hear(made, by, DraftNews(draft=of))
        made.give(Confirmed(sender=KEYS[by].address, confirmations=(confirmation("me", of, of.entries[0].receipts[0]),)))


def by_g(of: Draft) -> Confirmation:
    return confirmation("g", of, of.entries[0].receipts[1])


def hand(made: Bench, *given: Confirmation) -> list[Effect]:
    """g hands them over; what goes on."""
    return made.give(Asked(peer=PEER, request=ConfirmationsFor(confirmations=given)))


def passed(said: list[Effect]) -> list[Confirmation]:
    letters = [*told(said, ConfirmationsArrived), *(request for _, request in sent(said))]
    return [one for letter in letters for one in letter.confirmations]


@pytest.mark.parametrize("by", ["me", "h"])
@pytest.mark.parametrize("code", ["bad_signature", "not_the_witness", "unknown_receipt", "address_mismatch"])
def test_of_wrong_confirmations_nothing_goes_on_and_their_sender_is_shut_out(by: str, code: str) -> None:
    made = built()
    of = opened(made, by)
    right, theirs = by_g(of), of.entries[0].receipts[2]
    wrong = {
        "bad_signature": unsigned(right),
        "not_the_witness": confirmation("g", of, theirs),
        "unknown_receipt": confirmation("g", of, receipt("g", transaction(by, 9))),
        "address_mismatch": replace(confirmation("v", of, theirs), public_key=KEYS["w"].public),
    }[code]
    for _ in range(3):
        said = hand(made, right, wrong)
        assert codes(said) == [code] and not passed(said) and answers(said) == [Refusal(code=code, what="ConfirmationsFor")]
    assert codes(hand(made, wrong)) == ["shut_out", code]


@pytest.mark.parametrize("by", ["me", "h"])
def test_a_right_confirmation_goes_on_once_each_time_that_its_draft_is_announced(by: str) -> None:
    made = built()
    of = opened(made, by)
    for _ in range(2):
        assert passed(hand(made, *[by_g(of)] * MOST_SENT)) == [by_g(of)]
        assert not [effect for _ in range(20) for effect in passed(hand(made, *[by_g(of)] * MOST_SENT))]
        announce(made, by, of)


@pytest.mark.parametrize("by", ["me", "h"])
def test_a_confirmation_of_a_draft_that_is_over_is_left_and_nobody_is_blamed(by: str) -> None:
    made = built()
    first, second = opened(made, by, 0), opened(made, by, 1)
    said = hand(made, by_g(first))
    assert not codes(said) and not passed(said)
    if by == "h":
        announce(made, by, first)
    assert passed(hand(made, by_g(second))) == [by_g(second)], "also when an older draft comes again"


def test_what_is_remembered_of_drafts_is_bounded_and_a_large_one_pushes_out_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST_RECEIPTS", 6)
    made = built()
    own, small = opened(made, "me", witnesses=("v", "g", "h", "w")), opened(made, "h")
    large = opened(made, "g", witnesses=("me", "h", "v", "w"))
    assert passed(hand(made, by_g(own), by_g(small))) == [by_g(own), by_g(small)]
    assert not passed(hand(made, confirmation("v", large, large.entries[0].receipts[2])))
