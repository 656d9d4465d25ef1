"""The objects of `make_vectors.py`, from fixed seeds: a maker for each kind, and one right object of each."""

from typing import Any

import msgspec

from dfl_actors.core.codec import digest, encode
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.link import proof, welcome
from dfl_actors.core.messages import Hello
from dfl_actors.core.objects import Confirmation, Draft, Entry, FinalBlock, Genesis, Layer, MemberList, Receipt, Transaction, issue, sign
from dfl_actors.core.pulse import pulse

SEEDS = {"alice": bytes([1]) * 32, "bob": bytes([2]) * 32, "carol": bytes([3]) * 32, "mallory": bytes([4]) * 32}
ALICE, BOB, CAROL, MALLORY = (KeyPair(seed) for seed in SEEDS.values())
NOW = 1_700_000_000_000
NONCE, OTHER_NONCE = "ab" * 32, "cd" * 32
LIMITS = {"longest": 240_000, "skew": 5_000}

GENESIS = Genesis(
    network="vectors",
    protocol=1,
    model="lenet",
    layers=(Layer(name="dense/kernel", shape=(4, 2)), Layer(name="dense/bias", shape=(2,))),
    dtype="float32",
    labels=10,
    initial="11" * 32,
    hash="sha256",
    model_hash="blake3",
    signature="ed25519",
)
NET = digest(GENESIS)
ELSEWHERE = digest(msgspec.structs.replace(GENESIS, network="elsewhere"))

Case = dict[str, Any]


def text(value: msgspec.Struct) -> str:
    return encode(value).decode()


def changed(value: Any, key: KeyPair | None = None, **fields: Any) -> Any:
    """`value` with other fields, signed again if a key is given."""
    value = msgspec.structs.replace(value, **fields)
    return value if key is None else sign(value, key)


def transaction(key: KeyPair = ALICE, **fields: Any) -> Transaction:
    given: dict[str, Any] = {
        "genesis": NET,
        "public_key": key.public,
        "generator": key.address,
        "sequence": 0,
        "created": NOW,
        "expires": NOW + 60_000,
        "ttl": 2,
        "model": "22" * 32,
        "codec": "float32",
        "size": 40,
        "correct": 71,
        "tested": 100,
    }
    return sign(Transaction(**(given | fields)), key)


def receipt(of: Transaction, key: KeyPair = BOB, **fields: Any) -> Receipt:
    given: dict[str, Any] = {
        "genesis": NET,
        "public_key": key.public,
        "creator": key.address,
        "transaction": digest(of),
        "received_at_ttl": 1,
        "correct": 68,
        "tested": 100,
        "created": NOW + 250,
    }
    return sign(Receipt(**(given | fields)), key)


def entry(of: Transaction, *receipts: Receipt) -> Entry:
    return Entry(transaction=of, receipts=tuple(sorted(receipts, key=lambda one: one.creator)))


def draft(*entries: Entry, key: KeyPair = ALICE, **fields: Any) -> Draft:
    given: dict[str, Any] = {
        "genesis": NET,
        "public_key": key.public,
        "generator": key.address,
        "height": 0,
        "previous": NET,
        "created": NOW + 1_000,
        "entries": entries,
        "memo": 'four nodes: "näher" \u2603\n',
    }
    return sign(Draft(**(given | fields)), key)


def confirmation(of: Draft, what: Receipt, key: KeyPair = BOB, **fields: Any) -> Confirmation:
    given: dict[str, Any] = {
        "genesis": NET,
        "public_key": key.public,
        "creator": key.address,
        "draft": digest(of),
        "transaction": what.transaction,
        "receipt": digest(what),
    }
    return sign(Confirmation(**(given | fields)), key)


def final(of: Draft, *confirmations: Confirmation, finalised: int = NOW + 2_000) -> FinalBlock:
    ordered = tuple(sorted(confirmations, key=lambda one: one.receipt))
    return FinalBlock(draft=of, confirmations=ordered, finalised=finalised)


def sealed(of: Draft, **fields: Any) -> FinalBlock:
    """Final, with Bob's confirmation of each of his receipts."""
    return final(of, *(confirmation(of, one) for part in of.entries for one in part.receipts), **fields)


TX = transaction()
FROM_BOB, FROM_CAROL = receipt(TX), receipt(TX, CAROL, received_at_ttl=0, correct=70, created=NOW + 500)
DRAFT = draft(entry(TX, FROM_BOB, FROM_CAROL))
CONFIRMED = (confirmation(DRAFT, FROM_BOB), confirmation(DRAFT, FROM_CAROL, CAROL))
FINAL = final(DRAFT, *CONFIRMED)
LISTED = issue(MemberList, ALICE, NET, number=1, created=NOW, keys=sorted([ALICE.public, BOB.public]))
HELLO = Hello(genesis=NET, address=BOB.address, public_key=BOB.public, nonce=NONCE)
WELCOME = welcome(HELLO, ALICE, NET, OTHER_NONCE)
PROOF = proof(WELCOME, BOB, NET)
PULSE = pulse(
    ALICE,
    NET,
    listener=BOB.address,
    nonce=NONCE,
    sent=NOW + 1_000,
    since=NOW,
    height=1,
    steps=10,
    score=710_000,
    serves=1,
    refused=[{"code": "expired", "count": 2, "ago": 400, "detail": "200 ms ago"}],
    known="44" * 32,
    settings=[{"key": "network.seed", "value": "0"}],
)
