"""The gossiper: what it passes on, what it fetches from whom, and what it serves."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from dfl_actors.actors.gossiper import Gossiper, GossiperSettings
from dfl_actors.actors.transfers import MOST_ASSEMBLIES, MOST_SERVED
from dfl_actors.core import events
from dfl_actors.core.codec import digest, model_digest
from dfl_actors.core.effects import Announce, Answer, Effect, Send, Serve
from dfl_actors.core.family import Message
from dfl_actors.core.gossip import CHUNK, WINDOW
from dfl_actors.core.link import proof, welcome
from dfl_actors.core.messages import (
    Admitted,
    Announced,
    Asked,
    Beat,
    BlockNews,
    Chunk,
    ConfirmationsArrived,
    ConfirmationsFor,
    DraftArrived,
    Drafted,
    DraftNews,
    Fetch,
    Fetched,
    Finalised,
    Gone,
    Heard,
    Hello,
    Lacking,
    Opened,
    Proof,
    ReceiptArrived,
    ReceiptNews,
    Refusal,
    Replied,
    Subscribed,
    Tick,
    Trained,
    TransactionNews,
    Welcome,
    Witnessed,
)
from dfl_actors.core.objects import Entry, Receipt, Transaction
from tests.actors import bench
from tests.actors.bench import GENESIS, KEYS, NOW, Bench, confirmation, draft, notes, receipt, told, transaction
from tests.objects import unsigned

DATA = bytes(32)
MODEL = model_digest(DATA)
PEER = b"g-peer"


NONCE = "7" * 64
"""Of whoever listens."""


def greeting(name: str) -> Hello:
    key = KEYS[name]
    return Hello(genesis=GENESIS, address=key.address, public_key=key.public, nonce=NONCE)


def opened(**fields: Any) -> Bench:
    """A gossiper with the neighbours g and h, of which nothing has come yet."""
    made = Bench(lambda one: Gossiper(bench.settings(GossiperSettings, **fields), KEYS["me"], one.models, 1, lambda: NONCE))
    made.give(Opened())
    return made


def admit(made: Bench, name: str, peer: bytes) -> None:
    """The neighbour proves itself to us."""
    me = KEYS["me"]
    made.give(Asked(peer=peer, request=greeting(name)))
    ours = Welcome(address=me.address, public_key=me.public, nonce=NONCE, signature="0" * 128)
    made.give(Asked(peer=peer, request=proof(ours, KEYS[name], GENESIS)))


def join(made: Bench, name: str) -> None:
    """We prove ourselves to the neighbour."""
    made.give(reply(name, welcome(greeting("me"), KEYS[name], GENESIS, NONCE)), reply(name, Admitted()))


def built(**fields: Any) -> Bench:
    """The same where g has proved itself as `PEER`, and both have been heard."""
    made = opened(**fields)
    admit(made, "g", PEER)
    made.numbers = {"g": 0, "h": 0}  # type: ignore[attr-defined]
    for name in "gh":
        made.give(Heard(neighbour=KEYS[name].address, epoch=1, number=0, news=Beat()))
    made.said.clear()
    return made


def hear(made: Bench, name: str, news: Any, now: int = NOW) -> list[Effect]:
    made.numbers[name] += 1  # type: ignore[attr-defined]
    return made.give(Heard(neighbour=KEYS[name].address, epoch=1, number=made.numbers[name], news=news), now=now)  # type: ignore[attr-defined]


def reply(name: str, message: Message, body: bytes = b"") -> Replied:
    return Replied(neighbour=KEYS[name].address, reply=message, body=body)  # type: ignore[arg-type]


def announced(effects: list[Effect]) -> list[Any]:
    return [effect.news for effect in effects if isinstance(effect, Announce)]


def sent(effects: list[Effect]) -> list[tuple[str, Any]]:
    names = {key.address: name for name, key in KEYS.items()}
    return [(names[effect.neighbour], effect.message) for effect in effects if isinstance(effect, Send)]


def answers(effects: list[Effect]) -> list[Any]:
    return [effect.message for effect in effects if isinstance(effect, Answer)]


def served(effects: list[Effect]) -> list[tuple[str, int, int]]:
    """Model, first and last of the chunks that are served."""
    return [(effect.model, effect.first, effect.last) for effect in effects if isinstance(effect, Serve)]


def news(of: Transaction, *receipts: Any) -> TransactionNews:
    return TransactionNews(transaction=of, receipts=receipts)


def codes(effects: list[Effect]) -> list[str]:
    return [note.code for note in notes(effects, events.Refused)]


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
    assert told(hear(made, "g", ReceiptNews(receipt=one)), ReceiptArrived) == [ReceiptArrived(receipt=one)]
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
    path = () if by == "g" else (receipt("h", one),)
    for _ in range(2):
        said = told(hear(made, by, news(one, *path)), Fetched)
        assert said == ([Fetched(transaction=one, receipts=(), sender=KEYS["g"].address)] if again else [])


def test_a_known_transaction_whose_model_is_on_its_way_or_gone_is_not_taken_again() -> None:
    made, one = built(), transaction("g", 0)
    hear(made, "g", news(one))
    assert hear(made, "g", news(one)) == [], "on its way"
    assert told(made.give(reply("g", Chunk(model=MODEL, index=0), DATA)), Fetched)
    assert told(hear(made, "g", news(one)), Fetched)
    made.models.data.clear()
    assert hear(made, "g", news(one)) == []


def test_our_own_transaction_is_not_taken_from_others() -> None:
    made, own = built(), transaction("me", 0, ttl=2)
    made.models.put(MODEL, DATA)
    made.give(Trained(transaction=own))
    assert not told(hear(made, "g", news(own, receipt("g", own))), Fetched)


def test_the_receipt_of_a_witness_that_is_asked_again_goes_out_again() -> None:
    made, one = built(), transaction("g", 0)
    answer = Witnessed(transaction=one, receipts=(), receipt=receipt("me", one))
    assert [announced(made.give(answer)) for _ in range(2)] == [[ReceiptNews(receipt=answer.receipt)]] * 2


# --- headers


def test_signatures_of_a_header_are_left_to_the_validator_unless_a_relay_brings_it() -> None:
    made = built()
    forged = unsigned(transaction("g", 0, ttl=2))
    assert sent(hear(made, "g", news(forged))) == [("g", Fetch(model=MODEL, first=0, count=1))]
    by_relay = unsigned(transaction("g", 1, b"\1" * 32, ttl=2))
    assert codes(hear(made, "h", news(by_relay, receipt("h", by_relay)))) == ["bad_signature"]
    right = transaction("g", 2, b"\2" * 32, ttl=2)
    assert codes(hear(made, "h", news(right, unsigned(receipt("h", right))))) == ["bad_signature"]
    assert sent(hear(made, "h", news(right, receipt("h", right)))), "the refused relay does not keep it out"


# --- fetching


def test_a_model_is_fetched_once_and_handed_to_the_validator() -> None:
    made, one = built(), transaction("g", 0)
    assert sent(hear(made, "g", news(one))) == [("g", Fetch(model=MODEL, first=0, count=1))]
    assert sent(hear(made, "h", news(one))) == []
    said = made.give(reply("g", Chunk(model=MODEL, index=0), DATA))
    assert told(said, Fetched) == [Fetched(transaction=one, receipts=(), sender=KEYS["g"].address)]
    assert made.models.data == {MODEL: DATA}
    assert made.give(reply("g", Chunk(model=MODEL, index=0), DATA)) == []


def test_a_model_that_is_here_already_is_not_fetched() -> None:
    made = built()
    made.models.put(MODEL, DATA)
    said = hear(made, "g", news(transaction("g", 0)))
    assert told(said, Fetched) and not sent(said)


def test_chunks_are_asked_for_window_by_window() -> None:
    size = (WINDOW + 2) * CHUNK - 8
    made = built(parameters=size // 4)
    data = bytes(size)
    one = transaction("g", 0, data)
    model = one.model
    assert sent(hear(made, "g", news(one))) == [("g", Fetch(model=model, first=0, count=WINDOW))]
    said: list[Effect] = []
    for index in reversed(range(WINDOW)):
        assert not sent(said)
        said = made.give(reply("g", Chunk(model=model, index=index), data[:CHUNK]))
    assert sent(said) == [("g", Fetch(model=model, first=WINDOW, count=2))]
    made.give(reply("g", Chunk(model=model, index=WINDOW), data[:CHUNK]))
    said = made.give(reply("g", Chunk(model=model, index=WINDOW + 1), data[: CHUNK - 8]))
    assert told(said, Fetched) and len(made.models.data[model]) == size


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (reply("g", Gone(model=MODEL)), "model_gone"),
        (reply("g", Chunk(model=MODEL, index=0), b"short"), "chunk"),
        (reply("g", Chunk(model=MODEL, index=1), DATA), "chunk"),
        (reply("g", Chunk(model=MODEL, index=0), b"\1" * 32), "model_digest"),
    ],
)
def test_a_neighbour_that_does_not_give_the_model_is_left_for_another(wrong: Replied, code: str) -> None:
    made, one = built(ttl=2), transaction("g", 0, ttl=2)
    hear(made, "g", news(one))
    hear(made, "h", news(one, receipt("h", one)))
    said = made.give(wrong)
    assert codes(said) == [code] and sent(said) == [("h", Fetch(model=MODEL, first=0, count=1))]
    (fetched,) = told(made.give(reply("h", Chunk(model=MODEL, index=0), DATA)), Fetched)
    assert fetched.sender == KEYS["g"].address, "it is from whom we heard first that the ttl is counted"


def test_a_model_that_nobody_gives_is_left_until_it_is_announced_again() -> None:
    made, one = built(), transaction("g", 0)
    hear(made, "g", news(one))
    made.give(reply("g", Gone(model=MODEL)))
    assert sent(hear(made, "g", news(one))) == [("g", Fetch(model=MODEL, first=0, count=1))]


def test_what_was_lost_is_asked_for_once_more_before_a_source_is_left() -> None:
    made, one = built(), transaction("g", 0)
    hear(made, "g", news(one))
    fetch = ("g", Fetch(model=MODEL, first=0, count=1))
    assert fetch not in sent(made.give(Tick(), now=NOW + 9_999))
    assert fetch in sent(made.give(Tick(), now=NOW + 10_000))
    assert codes(made.give(Tick(), now=NOW + 20_000)) == ["fetch_timeout"]


def test_more_models_at_once_than_there_is_room_for_are_refused() -> None:
    made = built()
    for number in range(MOST_ASSEMBLIES):
        hear(made, "g", news(transaction("g", number, number.to_bytes(32, "big"))))
    assert codes(hear(made, "g", news(transaction("g", 999, b"\xff" * 32)))) == ["busy"]


# --- serving


def test_an_announced_model_is_served_in_chunks_and_no_other() -> None:
    made = built()
    made.models.put(MODEL, DATA)
    fetch = Asked(peer=PEER, request=Fetch(model=MODEL, first=0, count=1))
    assert answers(made.give(fetch)) == [Gone(model=MODEL)]
    made.give(Trained(transaction=transaction("me", 0)))
    said = made.give(fetch)
    assert served(said) == [(MODEL, 0, 1)]
    assert notes(said, events.ModelSent) == [events.ModelSent(tx=digest(transaction("me", 0)), to=KEYS["g"].address, bytes=32)]
    for _ in range(MOST_SERVED - 1):
        made.give(fetch)
    assert answers(made.give(fetch)) == [Refusal(code="fetched_often", what="Fetch")]


def test_no_more_chunks_are_served_than_the_model_has() -> None:
    size = CHUNK + 8
    made, one = built(parameters=size // 4), transaction("me", 0, bytes(size))
    made.models.put(one.model, bytes(size))
    made.give(Trained(transaction=one))
    assert served(made.give(Asked(peer=PEER, request=Fetch(model=one.model, first=0, count=16)))) == [(one.model, 0, 2)]
    assert served(made.give(Asked(peer=PEER, request=Fetch(model=one.model, first=1, count=16)))) == [(one.model, 1, 2)]
    assert served(made.give(Asked(peer=PEER, request=Fetch(model=one.model, first=2, count=16)))) == []


def test_a_peer_that_has_proved_nothing_is_refused() -> None:
    said = built().give(Asked(peer=b"other", request=Fetch(model=MODEL, first=0, count=1)))
    assert codes(said) == ["not_admitted"] and answers(said) == [Refusal(code="not_admitted", what="Fetch")]


def test_a_wrong_proof_is_refused() -> None:
    said = built().give(Asked(peer=PEER, request=Proof(signature="0" * 128)))
    assert codes(said) == ["bad_signature"] and Admitted() not in answers(said)


# --- drafts and confirmations


def test_a_draft_goes_to_the_validator_and_on_to_those_behind_us() -> None:
    made, one = built(), transaction("g", 0, ttl=2)
    near = DraftNews(draft=draft("g", (Entry(transaction=one, receipts=(receipt("me", one),)),)))
    far = DraftNews(draft=draft("g", (Entry(transaction=one, receipts=(receipt("me", one), receipt("v", one, received_at_ttl=0))),)))
    said = hear(made, "g", near)
    assert told(said, DraftArrived) and announced(said) == []
    assert announced(hear(made, "g", far)) == [far]
    assert announced(hear(made, "g", far)) == [far], "a reminder goes on too"
    assert hear(made, "h", far) == [], "but not what comes back"


def test_the_way_of_a_draft_that_its_generator_announces_is_back_to_it_though_a_relay_was_faster() -> None:
    made, one = built(), transaction("g", 0, ttl=2)
    far = DraftNews(draft=draft("g", (Entry(transaction=one, receipts=(receipt("me", one), receipt("h", one))),)))
    address = {name: KEYS[name].address for name in "gh"}
    given = ConfirmationsFor(confirmations=(confirmation("h", far.draft, receipt("h", one)),))
    assert [told(hear(made, "h", far), DraftArrived)[0].sender, *sent(made.give(Asked(peer=PEER, request=given)))] == [
        address["h"],
        ("h", given),
    ]
    assert told(hear(made, "g", far), DraftArrived)[0].sender == address["g"]
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
    first, second = confirmation("g", own, receipt("g", ours)), confirmation("g", other, receipt("g", theirs))
    said = made.give(Asked(peer=PEER, request=ConfirmationsFor(confirmations=(first, second))))
    assert told(said, ConfirmationsArrived) == [ConfirmationsArrived(confirmations=(first,))]
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
