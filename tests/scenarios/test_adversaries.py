"""A neighbour that breaks the rules of transactions and receipts: each breach is refused under its name, and the honest nodes go on."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from dfl_actors.core.codec import digest, model_digest
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.messages import DraftNews, ReceiptNews, TransactionNews
from dfl_actors.core.objects import Entry, sign
from tests.objects import unsigned
from tests.scenarios.attacked import SETTINGS, attacked, codes, own_receipts, soon
from tests.scenarios.conditions import SECOND, witnesses
from tests.scenarios.interface import Plan
from tests.simnet.network import SimNetwork
from tests.simnet.rogue import ZERO, Rogue

# --- receipts


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"received_at_ttl": 1}, "receipt_ttl"),
        ({"correct": 101}, "accuracy_range"),
        ({"genesis": ZERO}, "other_genesis"),
        ({"creator": ZERO}, "address_mismatch"),
    ],
)
def test_a_wrong_receipt_is_refused(fields: dict[str, Any], code: str) -> None:
    with attacked() as (network, rogue):
        transaction = rogue.transactions_of(network.address("a"))[-1]
        rogue.say(ReceiptNews(receipt=rogue.receipt(transaction, network.now, **fields)))
        soon(network)
        assert code in codes(network, "a", "gossiper")


def test_a_forged_receipt_is_refused() -> None:
    with attacked() as (network, rogue):
        transaction = rogue.transactions_of(network.address("a"))[-1]
        rogue.say(ReceiptNews(receipt=unsigned(rogue.receipt(transaction, network.now))))
        soon(network)
        assert codes(network, "a", "gossiper") == {"bad_signature"}
    assert network.address("m") not in witnesses(network, "a")


def test_a_receipt_moved_to_another_transaction_is_refused() -> None:
    with attacked(ttl=2) as (network, rogue):
        _, receipts = own_receipts(network, rogue)
        other = rogue.transaction(network.now, sequence=1)
        rogue.say(TransactionNews(transaction=other, receipts=receipts))
        rogue.say(DraftNews(draft=rogue.draft((Entry(transaction=other, receipts=receipts),), network.now)))
        soon(network)
        assert codes(network, "a", "gossiper") == codes(network, "a", "validator") == {"receipt_moved"}
        assert not rogue.confirmations()


def test_a_receipt_for_oneself_is_refused() -> None:
    with attacked(ttl=2) as (network, rogue):
        transaction = rogue.transaction(network.now)
        receipt = rogue.receipt(transaction, network.now)
        rogue.say(DraftNews(draft=rogue.draft((Entry(transaction=transaction, receipts=(receipt,)),), network.now)))
        rogue.say(TransactionNews(transaction=transaction, receipts=(receipt,)))
        soon(network)
        assert codes(network, "a") == {"self_receipt"}


def test_a_receipt_that_a_node_never_gave_is_refused_in_a_draft() -> None:
    with attacked() as (network, rogue):
        transaction, receipts = own_receipts(network, rogue)
        mixed = tuple(unsigned(receipt) for receipt in receipts)
        rogue.say(DraftNews(draft=rogue.draft((Entry(transaction=transaction, receipts=mixed),), network.now)))
        soon(network)
        assert codes(network, "a", "validator") == {"bad_signature"}


def invented(number: int) -> KeyPair:
    """A key that anybody can make, and nobody knows."""
    return KeyPair(number.to_bytes(32, "big"))


def test_receipts_of_invented_witnesses_are_in_no_block() -> None:
    """Two for each transaction, as soon as it is heard: enough to draft it before any witness that could ever confirm it."""
    with attacked() as (network, rogue):
        said: set[str] = set()

        def flood() -> bool:
            for transaction in rogue.transactions_of(network.address("a")):
                for number in (0, 1) if digest(transaction) not in said else ():
                    key = invented(2 * len(said) + number)
                    receipt = rogue.receipt(transaction, network.now, creator=key.address, public_key=key.public)
                    rogue.say(ReceiptNews(receipt=sign(receipt, key)))
                said.add(digest(transaction))
            return len(said) >= 20 and len(network.chain("a")) >= 2

        assert network.run(flood, 60 * SECOND), "its chain goes on"
        assert codes(network, "a") == {"not_a_member"}
    assert witnesses(network, "a") <= set(network.names)


def test_invented_generators_are_not_measured() -> None:
    with attacked(ttl=2) as (network, rogue):
        for number in range(20):
            key = invented(number)
            plain = rogue.transaction(network.now, data=bytes([number]) * 32, generator=key.address, public_key=key.public)
            transaction = sign(plain, key)
            rogue.say(TransactionNews(transaction=transaction, receipts=(rogue.receipt(transaction, network.now),)))
            draft = rogue.draft((Entry(transaction=transaction, receipts=(rogue.receipt(transaction, network.now),)),), network.now)
            rogue.say(DraftNews(draft=sign(replace(draft, generator=key.address, public_key=key.public), key)))
        soon(network)
        assert codes(network, "a") == codes(network, "b") == {"not_a_member"}
        assert not [note for note in network.notes("scored") if note["generator"] not in network.names]


# --- shut out


def test_a_spammer_is_shut_out_after_four_bad_messages_also_by_a_gossiper_that_crashed_and_nobody_else_is() -> None:
    with attacked() as (network, rogue):
        for number in range(12):
            rogue.say(TransactionNews(transaction=unsigned(rogue.transaction(network.now, sequence=number)), receipts=()))
        soon(network)
        found = Counter(note["code"] for note in network.notes("refused", "a"))
        assert found == {"bad_signature": 4, "shut_out": 1}
        network.kill("a", "gossiper")
        soon(network)
        rogue.say(TransactionNews(transaction=rogue.transaction(network.now, sequence=99), receipts=()))
        soon(network)
        assert not [note for note in network.notes("scored", "a") if note["generator"] == network.address("m")]
        assert {note["by"] for note in network.notes("refused") if note["code"] == "shut_out"} == {network.address("m")}


def test_a_flood_of_right_transactions_that_name_one_model_costs_the_honest_no_more_than_turns() -> None:
    with attacked() as (network, rogue):
        before = len(network.notes("scored", "a"))
        soon(network)
        usual = len(network.notes("scored", "a")) - before
        for number in range(600):
            rogue.say(TransactionNews(transaction=rogue.transaction(network.now, sequence=number), receipts=()))
        honest = [note for note in network.notes("scored", "a") if note["generator"] == network.address("b")]
        soon(network)
        after = [note for note in network.notes("scored", "a") if note["generator"] == network.address("b")]
        assert 2 * (len(after) - len(honest)) >= usual > 0
        assert "busy" in codes(network, "a") and "shut_out" not in codes(network, "a")


# --- transactions and models


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"size": 36}, "model_size"),
        ({"codec": "float16"}, "model_size"),
        ({"genesis": ZERO}, "other_genesis"),
        ({"generator": ZERO}, "relay_unsigned"),
        ({"correct": 101}, "accuracy_range"),
        ({"expires": 1}, "expired"),
        ({"created": 1}, "lifetime"),
        ({"created": 1_800_000_000_000, "expires": 1_800_000_000_001}, "from_the_future"),
        ({"data": np.full(8, np.nan, "<f4").tobytes()}, "model_not_finite"),
        ({"data": bytes(31), "size": 32}, "chunk"),
        ({"model": model_digest(b"another")}, "model_digest"),
    ],
)
def test_a_wrong_transaction_gets_no_receipt(fields: dict[str, Any], code: str) -> None:
    with attacked() as (network, rogue):
        transaction = rogue.transaction(network.now, **fields)
        rogue.say(TransactionNews(transaction=transaction, receipts=()))
        soon(network)
        assert codes(network, "a") == codes(network, "b") == {code}
        assert not [news for news in rogue.heard(ReceiptNews) if news.receipt.transaction == digest(transaction)]


def test_a_transaction_with_a_forged_signature_is_refused() -> None:
    with attacked() as (network, rogue):
        rogue.say(TransactionNews(transaction=unsigned(rogue.transaction(network.now)), receipts=()))
        soon(network)
        assert codes(network, "a") == {"bad_signature"}


def test_a_sequence_number_used_twice_is_refused() -> None:
    with attacked() as (network, rogue):
        own_receipts(network, rogue)
        rogue.say(TransactionNews(transaction=rogue.transaction(network.now, data=b"\1" * 32), receipts=()))
        soon(network)
        assert codes(network, "a", "validator") == codes(network, "b", "validator") == {"sequence_reused"}
        told = [note for note in network.notes("refused") if note["code"] == "contradiction"]
        assert sorted(note["node"] for note in told) == ["a", "b"] and {note["by"] for note in told} == {network.address("m")}


DIAMOND = (("g", "m"), ("g", "h"), ("m", "b"), ("h", "b"))
"""The rogue and an honest node stand between two others."""


@pytest.mark.parametrize(("kind", "code"), [("stripped", "relay_unsigned"), ("forged", "bad_signature"), ("moved", "receipt_moved")])
def test_a_relay_that_spoils_the_receipts_of_the_way_is_refused_and_does_not_keep_the_transaction_from_others(kind: str, code: str) -> None:
    network = SimNetwork(Plan(DIAMOND, settings={**SETTINGS, "ttl": 2}, by_node={"g": {"receipts": 2}}), rogues=("m",))
    network.start()
    rogue = network.nodes["m"].processes["gossiper"].actor
    assert isinstance(rogue, Rogue)
    passed: set[str] = set()

    def pass_on() -> bool:
        for transaction in rogue.transactions_of(network.address("g")):
            if digest(transaction) not in passed:
                passed.add(digest(transaction))
                receipt = rogue.receipt(transaction, network.now)
                paths = {
                    "stripped": (),
                    "forged": (unsigned(receipt),),
                    "moved": (rogue.receipt(transaction, network.now, transaction=ZERO),),
                }
                rogue.say(TransactionNews(transaction=transaction, receipts=paths[kind]))
        return network.address("b") in witnesses(network, "g")

    assert network.run(pass_on, 30 * SECOND)
    assert codes(network, "b", "gossiper") == {code}
