"""A neighbour that breaks the rules of drafts, confirmations, links and bytes: each breach is refused under its name."""

from collections import Counter
from typing import Any

import pytest

from dfl_actors.core.codec import digest, encode
from dfl_actors.core.messages import ConfirmationsFor, DraftNews, Fetch, Hello, ReceiptNews, Refusal, Resend, Resent, TransactionNews
from dfl_actors.core.objects import Entry
from tests.scenarios.attacked import HONEST, attacked, codes, own_receipts, soon
from tests.scenarios.conditions import SECOND
from tests.scenarios.interface import Plan
from tests.simnet.network import SimNetwork
from tests.simnet.rogue import ZERO, Rogue

# --- drafts and confirmations


def test_one_receipt_is_confirmed_for_one_draft_only() -> None:
    with attacked() as (network, rogue):
        transaction, receipts = own_receipts(network, rogue)
        entries = (Entry(transaction=transaction, receipts=receipts),)
        rogue.say(DraftNews(draft=rogue.draft(entries, network.now)))
        soon(network)
        first = rogue.confirmations()
        assert {one.creator for one in first} == {network.address(name) for name in HONEST}
        rogue.say(DraftNews(draft=rogue.draft(entries, network.now, height=1, previous=ZERO)))
        soon(network)
        assert codes(network, "a") == codes(network, "b") == {"confirmed_elsewhere"}
        assert rogue.confirmations() == first


def test_a_block_cannot_be_written_again() -> None:
    with attacked() as (network, rogue):
        transaction, receipts = own_receipts(network, rogue)
        entries = (Entry(transaction=transaction, receipts=receipts),)
        draft = rogue.draft(entries, network.now)
        rogue.say(DraftNews(draft=draft))
        soon(network)
        rogue.say(DraftNews(draft=rogue.draft(entries, network.now, memo="otherwise")))
        soon(network)
        assert codes(network, "a") == codes(network, "b") == {"block_rewritten", "contradiction"}
        assert {one.draft for one in rogue.confirmations()} == {digest(draft)}


def test_the_same_draft_gets_the_same_confirmations_again() -> None:
    with attacked() as (network, rogue):
        transaction, receipts = own_receipts(network, rogue)
        draft = rogue.draft((Entry(transaction=transaction, receipts=receipts),), network.now)
        for _ in range(3):
            rogue.say(DraftNews(draft=draft))
            soon(network)
        assert set(Counter(digest(one) for one in rogue.confirmations()).values()) == {3}


def test_a_draft_with_the_transactions_of_others_is_refused() -> None:
    with attacked() as (network, rogue):
        theirs = rogue.transactions_of(network.address("b"))[-1]
        entry = Entry(transaction=theirs, receipts=(rogue.receipt(theirs, network.now),))
        rogue.say(DraftNews(draft=rogue.draft((entry,), network.now)))
        soon(network)
        assert codes(network, "a") == {"foreign_transaction"}


def test_confirmations_said_again_and_again_count_once() -> None:
    with attacked(per="transaction") as (network, rogue):
        for _ in range(40):
            for name in HONEST:
                for transaction in rogue.transactions_of(network.address(name)):
                    rogue.say(ReceiptNews(receipt=rogue.receipt(transaction, transaction.created)))
            for news in rogue.heard(DraftNews):
                ours = [one for entry in news.draft.entries for one in entry.receipts if one.creator == network.address("m")]
                confirmations = tuple(rogue.confirmation(news.draft, one) for one in ours)
                rogue.ask(news.draft.generator, ConfirmationsFor(confirmations=confirmations * 2))
            network.run(lambda: False, 100)
        assert len(network.chain("a")) >= 2
        assert codes(network, "a") <= {"other_draft"}, "only those that come when the next draft is open"


def test_a_confirmation_in_the_name_of_another_is_refused() -> None:
    with attacked(receipts=1, deadline=4 * SECOND) as (network, rogue):
        assert network.run(lambda: bool(rogue.heard(DraftNews)), 20 * SECOND)
        count = len(rogue.heard(DraftNews))
        assert network.run(lambda: len(rogue.heard(DraftNews)) > count, 20 * SECOND)
        draft = rogue.heard(DraftNews)[-1].draft
        receipt = draft.entries[0].receipts[0]
        rogue.ask(draft.generator, ConfirmationsFor(confirmations=(rogue.confirmation(draft, receipt),)))
        soon(network)
        assert codes(network, network.names[draft.generator]) <= {"not_the_witness", "other_draft"} != set()


# --- links and bytes


def test_a_stranger_is_turned_away() -> None:
    honest = {name: {"neighbours": ()} for name in ("b",)}
    network = SimNetwork(Plan((("b", "m"),), by_node=honest), rogues=("m",))
    network.start()
    soon(network)
    rogue = network.nodes["m"].processes["gossiper"].actor
    assert isinstance(rogue, Rogue)
    assert codes(network, "b") == {"stranger"}
    rogue.ask(network.address("b"), Fetch(model=ZERO, first=0, count=1))
    soon(network)
    assert codes(network, "b") == {"stranger", "not_admitted"}
    assert not rogue.heard(TransactionNews) or rogue.links.due() is not None


@pytest.mark.parametrize(("fields", "code"), [({"genesis": ZERO}, "other_genesis"), ({"public_key": ZERO}, "address_mismatch"), ({}, None)])
def test_a_greeting_is_checked(fields: dict[str, Any], code: str | None) -> None:
    with attacked() as (network, rogue):
        hello = {"genesis": network.genesis, "address": rogue.key.address, "public_key": rogue.key.public, "nonce": ZERO, **fields}
        rogue.ask(network.address("a"), Hello(**hello))
        soon(network)
        assert codes(network, "a", "gossiper") == ({code} if code else set())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\x00 garbage", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"type":"Nothing"}', "schema"),
        (b'{"type":"Beat","more":1}', "schema"),
        (b'{"type": "Beat"}', "not_canonical"),
        (b'{"type":"Beat","type":"Beat"}', "not_canonical"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes, code: str) -> None:
    with attacked() as (network, rogue):
        node = network.nodes["m"]
        network.announce(node, rogue.out.epoch, rogue.out.number + 1, data)
        if code == "malformed":
            network.send(node, network.address("a"), data)
        soon(network)
        assert codes(network, "a") == codes(network, "b") == {code}


def test_a_repetition_that_is_no_news_is_refused() -> None:
    with attacked() as (network, rogue):
        node, number = network.nodes["m"], rogue.out.number
        network.announce(node, rogue.out.epoch, number + 9, b'{"type":"Beat"}')
        soon(network)
        asked = [(peer, request) for peer, request in rogue.requests if isinstance(request, Resend)]
        assert asked
        for peer, request in asked:
            reply = Resent(epoch=request.epoch, number=request.first, news={"type": "Nothing"})  # type: ignore[arg-type]
            network.answer(node, peer, encode(reply), b"")
        soon(network)
        assert codes(network, "a") == codes(network, "b") == {"schema"}
        rogue.out.number = number + 9


def test_a_model_is_not_served_for_ever() -> None:
    with attacked() as (network, rogue):
        model = rogue.transactions_of(network.address("a"))[-1].model
        for _ in range(20):
            rogue.ask(network.address("a"), Fetch(model=model, first=0, count=16))
        rogue.ask(network.address("a"), Fetch(model=model, first=1 << 50, count=16))
        soon(network)
        assert codes(network, "a") == {"fetched_often"}
        assert [reply.code for reply in rogue.replies if isinstance(reply, Refusal)]
        assert sum(chunk[:3] == ("a", "m", model) for chunk in network.chunks) <= 3
