"""The gossiper: what it passes on, what it fetches from whom, and what it serves."""

from collections.abc import Callable
from itertools import permutations, product
from typing import Any

import pytest
from msgspec.structs import replace

from dfl_actors.actors.handing import MOST_WAITING, PATIENCE, PLACES
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Announce, Effect
from dfl_actors.core.events import Refused
from dfl_actors.core.messages import (
    Announced,
    Beat,
    Begun,
    BlockNews,
    Chunk,
    ConfirmationsArrived,
    ConfirmationsFor,
    Confirmed,
    DraftArrived,
    Drafted,
    DraftNews,
    Fetch,
    Fetched,
    Finalised,
    Hello,
    Judged,
    Lacking,
    Proof,
    ReceiptArrived,
    ReceiptNews,
    Refusal,
    Resend,
    Resent,
    Trained,
    TransactionNews,
    Witnessed,
)
from dfl_actors.core.objects import Entry, Receipt
from dfl_actors.core.words import Asked, Heard, Started, Subscribed, Tick
from tests.actors.bench import KEYS, NOW, Bench, confirmation, draft, notes, receipt, told, transaction
from tests.actors.gossiping import (
    DATA,
    MODEL,
    PEER,
    admit,
    announced,
    answers,
    built,
    codes,
    greeting,
    hear,
    join,
    news,
    opened,
    reply,
    sent,
    served,
)
from tests.objects import unsigned

# --- our own


def test_an_own_transaction_is_announced_and_told_to_the_builder() -> None:
    made, own = built(), transaction("me", 0)
    said = made.give(Trained(transaction=own))
    assert announced(said) == [news(own)] and told(said, Announced) == [Announced(transaction=own)]


def test_an_own_transaction_that_lacks_receipts_is_announced_again_and_not_told_to_the_builder() -> None:
    made, own = built(), transaction("me", 0)
    made.models.put(MODEL, DATA)
    made.give(Trained(transaction=own))
    said = made.give(Lacking(transaction=own))
    assert announced(said) == [news(own)] and not told(said, Announced)
    one = ReceiptNews(receipt=receipt("g", own))
    assert told(hear(made, "g", one), ReceiptArrived)
    made.give(Lacking(transaction=own))
    assert not hear(made, "g", one), "one that is here already is told once"


def test_after_a_restart_an_own_transaction_that_lacks_receipts_is_served_and_its_receipts_are_taken() -> None:
    made, own = built(), transaction("me", 0)
    made.models.put(MODEL, DATA)
    assert not hear(made, "g", ReceiptNews(receipt=receipt("g", own))), "it no longer knows of it"
    made.give(Lacking(transaction=own))
    assert served(made.give(Asked(peer=PEER, request=Fetch(model=MODEL, first=0, count=1)))) == [(MODEL, 0, 1)]
    assert told(hear(made, "g", ReceiptNews(receipt=receipt("g", own))), ReceiptArrived)


def test_an_own_transaction_whose_model_has_gone_is_not_announced_again() -> None:
    assert built().give(Lacking(transaction=transaction("me", 0))) == []


def test_news_are_numbered_and_a_beat_repeats_the_last_number() -> None:
    made = built()
    said = made.give(Trained(transaction=transaction("me", 0)), Tick(), Trained(transaction=transaction("me", 1)), Subscribed())
    assert [effect.number for effect in said if isinstance(effect, Announce)] == [1, 1, 2, 2]


def test_drafts_and_blocks_are_announced() -> None:
    made, one = built(), draft("me", (Entry(transaction=transaction("me", 0), receipts=()),))
    said = made.give(Drafted(draft=one), Finalised(generator=KEYS["me"].address, height=0, block=MODEL))
    assert announced(said) == [DraftNews(draft=one), BlockNews(generator=KEYS["me"].address, height=0, block=MODEL)]


@pytest.mark.parametrize(("ttl", "kind"), [(1, ReceiptNews), (2, TransactionNews)])
def test_what_was_witnessed_goes_on_while_the_ttl_allows(ttl: int, kind: type) -> None:
    made, one = built(), transaction("g", 0, ttl=ttl)
    (out,) = announced(made.give(Witnessed(transaction=one, receipts=(), receipt=receipt("me", one))))
    assert isinstance(out, kind)
    assert not isinstance(out, TransactionNews) or out.receipts == (receipt("me", one),)


def test_our_receipt_stands_once_in_the_path() -> None:
    """A relay may bring it back to us among those of its way."""
    made, one = built(), transaction("g", 0, ttl=4)
    theirs, ours = receipt("h", one), receipt("me", one, received_at_ttl=2)
    for path in ((theirs,), (theirs, ours), (ours, theirs)):
        (out,) = announced(made.give(Witnessed(transaction=one, receipts=path, receipt=ours)))
        assert out.receipts == (theirs, ours)


def test_a_receipt_for_us_is_told_to_the_builder_once() -> None:
    made, own = built(), transaction("me", 0)
    made.give(Trained(transaction=own))
    one = receipt("g", own)
    assert told(hear(made, "g", ReceiptNews(receipt=one)), ReceiptArrived) == [ReceiptArrived(sender=KEYS["g"].address, receipt=one)]
    assert not hear(made, "h", ReceiptNews(receipt=one))
    assert not hear(made, "h", ReceiptNews(receipt=receipt("h", transaction("me", 7)))), "of a transaction that we do not know"


def test_a_receipt_from_further_on_goes_back_once() -> None:
    made, one = built(), transaction("g", 0, ttl=2)
    made.models.put(MODEL, DATA)
    beyond = ReceiptNews(receipt=receipt("v", one, received_at_ttl=0))
    assert not hear(made, "h", beyond), "not before we have passed the transaction on"
    hear(made, "g", news(one))
    made.give(Witnessed(transaction=one, receipts=(), receipt=receipt("me", one)))
    assert announced(hear(made, "h", beyond)) == [beyond]
    assert announced(hear(made, "h", beyond)) == []


FAR = transaction("g", 0, ttl=2)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (receipt("g", FAR), "self_receipt"),
        (receipt("v", FAR, received_at_ttl=2), "receipt_ttl"),
        (receipt("v", FAR, received_at_ttl=0, correct=101), "accuracy_range"),
        (unsigned(receipt("v", FAR, received_at_ttl=0)), "bad_signature"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_receipt_from_further_on_does_not_go_back(wrong: Receipt, code: str) -> None:
    made = built()
    made.models.put(MODEL, DATA)
    hear(made, "g", news(FAR))
    made.give(Witnessed(transaction=FAR, receipts=(), receipt=receipt("me", FAR)))
    said = hear(made, "h", ReceiptNews(receipt=wrong))
    assert codes(said) == [code] and not announced(said)
    right = ReceiptNews(receipt=receipt("v", FAR, received_at_ttl=0))
    assert announced(hear(made, "h", right)) == [right], "the right one goes back all the same"


# --- announced again


@pytest.mark.parametrize(("by", "again"), [("g", True), ("h", False)])
def test_a_known_transaction_goes_to_the_validator_again_when_its_generator_announces_it_again(by: str, again: bool) -> None:
    made, one = built(), transaction("g", 0, ttl=2)
    made.models.put(MODEL, DATA)
    hear(made, "g", news(one))
    assert hear(made, "g", news(one)) == [], "as long as it is with the validator"
    made.give(Witnessed(transaction=one, receipts=(), receipt=receipt("me", one)))
    path = () if by == "g" else (receipt("h", one),)
    for _ in range(2):
        said = told(hear(made, by, news(one, *path)), Fetched)
        assert said == ([Fetched(transaction=one, receipts=(), sender=KEYS["g"].address)] if again else [])
        made.give(Judged(what=digest(one), code="expired"))


def test_a_known_transaction_whose_model_is_on_its_way_is_not_taken_again() -> None:
    made, one = built(), transaction("g", 0)
    hear(made, "g", news(one))
    assert hear(made, "g", news(one)) == []


def test_a_known_transaction_whose_model_has_gone_is_answered_again_by_the_validator() -> None:
    made, one = built(), transaction("g", 0)
    made.models.put(MODEL, DATA)
    hear(made, "g", news(one))
    made.give(Witnessed(transaction=one, receipts=(), receipt=receipt("me", one)))
    made.models.data.clear()
    assert told(hear(made, "g", news(one)), Fetched) == [Fetched(transaction=one, receipts=(), sender=KEYS["g"].address)]


def test_a_model_that_went_before_it_was_measured_is_fetched_again() -> None:
    made, one = built(), transaction("g", 0)
    hear(made, "g", news(one))
    assert told(made.give(reply("g", Chunk(model=MODEL, index=0), DATA)), Fetched)
    made.models.data.clear()
    made.give(Judged(what=digest(one), code="model_missing"))
    assert sent(hear(made, "g", news(one))) == [("g", Fetch(model=MODEL, first=0, count=1))]


def test_our_own_transaction_is_not_taken_from_others() -> None:
    made, own = built(), transaction("me", 0, ttl=2)
    made.models.put(MODEL, DATA)
    made.give(Trained(transaction=own))
    assert not told(hear(made, "g", news(own, receipt("g", own))), Fetched)


def test_the_receipt_of_a_witness_that_is_asked_again_goes_out_again() -> None:
    made, one = built(), transaction("g", 0)
    answer = Witnessed(transaction=one, receipts=(), receipt=receipt("me", one))
    assert [announced(made.give(answer)) for _ in range(2)] == [[ReceiptNews(receipt=answer.receipt)]] * 2


# --- drafts and confirmations


def confirmed(made: Bench, one: DraftNews, by: str) -> list[Effect]:
    """The validator finds the draft right that a neighbour brought."""
    ours = confirmation("me", one.draft, receipt("me", one.draft.entries[0].transaction))
    return made.give(Confirmed(sender=KEYS[by].address, confirmations=(ours,)))


def test_a_draft_goes_to_the_validator_and_on_to_those_behind_us() -> None:
    made, one = built(), transaction("g", 0, ttl=2)
    near = DraftNews(draft=draft("g", (Entry(transaction=one, receipts=(receipt("me", one),)),)))
    far = DraftNews(
        draft=draft("g", (Entry(transaction=one, receipts=(receipt("me", one), receipt("v", one, received_at_ttl=0))),), height=1)
    )
    assert told(hear(made, "g", near), DraftArrived) and announced(confirmed(made, near, "g")) == []
    for _ in range(2):
        said = hear(made, "g", far)
        assert told(said, DraftArrived) and not announced(said), "nothing goes on before it is checked"
        assert hear(made, "g", far) == []
        assert announced(confirmed(made, far, "g")) == [far], "a reminder goes on too"
    assert hear(made, "h", far) == [], "but not what comes back"


def test_of_a_draft_that_the_validator_refuses_nothing_is_passed_on_and_nothing_remembered() -> None:
    made, one = built(), transaction("g", 0, ttl=2)
    forged = unsigned(receipt("v", one, received_at_ttl=0))
    wrong = DraftNews(draft=draft("g", (Entry(transaction=one, receipts=(receipt("me", one), forged)),)))
    hear(made, "h", wrong)
    assert not announced(made.give(Judged(what=digest(wrong.draft), code="bad_signature")))
    given = ConfirmationsFor(confirmations=(confirmation("v", wrong.draft, forged),))
    assert codes(made.give(Asked(peer=PEER, request=given))) == ["other_draft"]


def test_what_waits_for_the_validator_is_bounded_for_each_neighbour_and_the_neighbours_take_turns() -> None:
    made = built()
    made.models.put(MODEL, DATA)
    for number in range(PLACES + MOST_WAITING + 1):
        said = hear(made, "g", news(transaction("g", number)))
        assert codes(said) == (["busy"] if number == PLACES + MOST_WAITING else [])
    for number in range(4):
        assert not codes(hear(made, "h", news(transaction("h", number))))
    told_of: list[str] = []
    for number in range(8):
        letters = told(made.give(Judged(what=digest(transaction("g", number)), code="expired")), Fetched)
        told_of += [letter.sender for letter in letters]
    assert told_of.count(KEYS["h"].address) == 4, "every other one is of the neighbour that has brought few"
    assert len(told(made.give(Tick(), now=NOW + PATIENCE), Fetched)) == PLACES, "one without samples answers nothing"
    assert len(told(made.give(Begun()), Fetched)) == PLACES, "nor does one that has crashed"


def test_the_way_of_a_draft_that_its_generator_announces_is_back_to_it_though_a_relay_was_faster() -> None:
    made, one = built(), transaction("g", 0, ttl=2)
    far = DraftNews(draft=draft("g", (Entry(transaction=one, receipts=(receipt("me", one), receipt("h", one))),)))
    address = {name: KEYS[name].address for name in "gh"}
    given = ConfirmationsFor(confirmations=(confirmation("h", far.draft, receipt("h", one)),))
    assert told(hear(made, "h", far), DraftArrived)[0].sender == address["h"]
    confirmed(made, far, "h")
    assert sent(made.give(Asked(peer=PEER, request=given))) == [("h", given)]
    assert told(hear(made, "g", far), DraftArrived)[0].sender == address["g"]
    confirmed(made, far, "g")
    assert sent(made.give(Asked(peer=PEER, request=given))) == [("g", given)]
    assert hear(made, "h", far) == [], "the relay is no longer heard"
    assert told(hear(made, "g", far), DraftArrived), "a reminder is"


def test_confirmations_go_to_the_builder_or_the_way_the_draft_came() -> None:
    made = built()
    ours, theirs = transaction("me", 0), transaction("h", 0, ttl=2)
    own = draft("me", (Entry(transaction=ours, receipts=(receipt("g", ours),)),))
    other = draft("h", (Entry(transaction=theirs, receipts=(receipt("g", theirs),)),))
    made.give(Drafted(draft=own))
    hear(made, "h", DraftNews(draft=other))
    confirmed(made, DraftNews(draft=other), "h")
    first, second = confirmation("g", own, receipt("g", ours)), confirmation("g", other, receipt("g", theirs))
    said = made.give(Asked(peer=PEER, request=ConfirmationsFor(confirmations=(first, second))))
    assert told(said, ConfirmationsArrived) == [ConfirmationsArrived(sender=KEYS["g"].address, confirmations=(first,))]
    assert sent(said) == [("h", ConfirmationsFor(confirmations=(second,)))]
    unknown = confirmation("g", draft("v", other.entries), receipt("g", theirs))
    assert codes(made.give(Asked(peer=PEER, request=ConfirmationsFor(confirmations=(unknown,))))) == ["other_draft"]


def test_a_beat_goes_out_with_every_tick() -> None:
    made = built()
    said = made.give(Tick(), now=NOW + 1_000)
    assert Beat() in announced(said)
    assert made.wake == NOW + 1_100, "soon again while links are missing"


# --- ready


def stand(made: Bench, name: str, order: tuple[str, ...] = ("admit", "join", "hear")) -> list[bool]:
    """Whether work may begin after each step of making a link."""
    steps: dict[str, Callable[[], object]] = {
        "admit": lambda: admit(made, name, name.encode()),
        "join": lambda: join(made, name),
        "hear": lambda: made.give(Heard(neighbour=KEYS[name].address, epoch=1, number=0, news=Beat())),
    }
    return [made.actor.ready for step in order if steps[step]() or True]


@pytest.mark.parametrize(("links", "ready"), [(2, [False] * 5 + [True]), (1, [False] * 2 + [True] * 4)])
def test_work_may_begin_with_every_link_or_on_a_host_of_its_own_with_one(links: int, ready: list[bool]) -> None:
    made = opened(links=links)
    assert stand(made, "g") + stand(made, "h") == ready


@pytest.mark.parametrize("order", list(permutations(("admit", "join", "hear"))))
def test_a_link_stands_when_both_have_proved_themselves_and_news_are_heard(order: tuple[str, ...]) -> None:
    assert stand(opened(links=1), "h", order) == [False, False, True]


def test_with_one_link_of_two_the_other_is_still_greeted() -> None:
    made = opened(links=1)
    stand(made, "g")
    said = made.give(Tick(), now=NOW + 100)
    assert [(name, type(message)) for name, message in sent(said)] == [("h", Hello)]
    assert made.wake == NOW + 200


# --- what says nothing new


def test_our_own_draft_blocks_of_others_and_beats_are_heard_in_silence() -> None:
    made, one = built(), draft("me", (Entry(transaction=transaction("me", 0), receipts=()),))
    block = BlockNews(generator=KEYS["g"].address, height=0, block=MODEL)
    assert hear(made, "g", DraftNews(draft=one)) == hear(made, "g", block) == []
    assert made.give(Heard(neighbour=KEYS["g"].address, epoch=1, number=2, news=Beat())) == []


def test_a_start_is_announced_by_a_beat() -> None:
    assert announced(built().give(Started())) == [Beat()]


def test_only_who_has_proved_itself_is_blamed() -> None:
    """A greeting is signed by nobody: one that named h, and then any request, blamed h."""
    made, liar, h = built(), b"liar", KEYS["h"].address
    made.give(Asked(peer=liar, request=greeting("h")))
    wrong: tuple[Any, ...] = (Resend(epoch=1, first=0, last=99), Proof(signature="0" * 128), replace(greeting("h"), genesis="00" * 32))
    for request, by in product(wrong, ("", h)):
        (note,) = notes(made.give(Asked(peer=liar, request=request, by=by)), Refused)
        assert note.by == by, "blamed is who holds the transport key, or nobody"
    (note,) = notes(made.give(Asked(peer=PEER, request=wrong[2])), Refused)
    assert note.by == KEYS["g"].address


# --- what was missed


def test_news_that_a_neighbour_missed_are_said_to_it_again() -> None:
    made = built()
    made.give(Finalised(generator=KEYS["me"].address, height=0, block=MODEL))
    block = BlockNews(generator=KEYS["me"].address, height=0, block=MODEL)
    said = made.give(Asked(peer=PEER, request=Resend(epoch=1, first=0, last=99)))
    assert [one.news for one in answers(said) if one.news != Beat()] == [block]
    (refused,) = answers(made.give(Asked(peer=b"stranger", request=Resend(epoch=1, first=0, last=99))))
    assert refused == Refusal(code="not_admitted", what="Resend")


def test_news_that_we_missed_are_heard_when_they_come_again() -> None:
    made, one = built(), transaction("g", 0)
    address = KEYS["g"].address
    gap = made.give(Heard(neighbour=address, epoch=1, number=2, news=Beat()))
    ((_, asked),) = sent(gap)
    assert isinstance(asked, Resend) and (asked.epoch, asked.first) == (1, 1)
    said = made.give(reply("g", Resent(epoch=1, number=1, news=news(one))))
    assert sent(said) == [("g", Fetch(model=MODEL, first=0, count=1))]
