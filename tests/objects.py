"""The objects that tests use: right in every respect, but for what a test says otherwise.

`tools/make_vectors.py` makes its own, so that the vectors do not depend on the tests.
"""

from typing import Any

import msgspec
from hypothesis import strategies as st

from dfl_actors.core.checks import Verifier
from dfl_actors.core.codec import digest, model_digest
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.objects import Confirmation, Draft, Entry, FinalBlock, Genesis, Layer, Receipt, Signed, Transaction, sign
from dfl_actors.core.pulse import Pulse

ALICE, BOB, CAROL, DAVE = (KeyPair(bytes([number]) * 32) for number in range(1, 5))
NET = "ee" * 32
NOW = 1_700_000_000_000


class Trusting(Verifier):
    """Finds every signature right; for tests that are about something else and make many objects."""

    def check(self, value: Signed) -> str:
        return digest(value)


def transaction(key: KeyPair = ALICE, *, now: int = NOW, data: bytes = bytes(32), signed: bool = True, **fields: Any) -> Transaction:
    """`data` is the model's bytes; of `float32`, eight zeros."""
    given: dict[str, Any] = {
        "genesis": NET,
        "public_key": key.public,
        "generator": key.address,
        "sequence": 0,
        "created": now,
        "expires": now + 60_000,
        "ttl": 3,
        "model": model_digest(data),
        "codec": "float32",
        "size": len(data),
        "correct": 71,
        "tested": 100,
    }
    value = Transaction(**(given | fields))
    return sign(value, key) if signed else value


def pulse(key: KeyPair = ALICE, listener: KeyPair = BOB, **fields: Any) -> Pulse:
    given: dict[str, Any] = {
        "genesis": NET, "public_key": key.public, "node": key.address, "listener": listener.address, "nonce": "ab" * 32, "sent": NOW,
        "since": NOW, "height": 3, "steps": 5, "score": 710_000, "serves": 1, "refused": (), "known": "cd" * 32, "settings": (),
    }  # fmt: skip
    return sign(Pulse(**(given | fields)), key)


def receipt(of: Transaction, key: KeyPair = BOB, **fields: Any) -> Receipt:
    given: dict[str, Any] = {
        "genesis": of.genesis,
        "public_key": key.public,
        "creator": key.address,
        "transaction": digest(of),
        "received_at_ttl": of.ttl - 1,
        "correct": 68,
        "tested": 100,
        "created": of.created + 250,
    }
    return sign(Receipt(**(given | fields)), key)


def draft(*entries: Entry | tuple[Transaction, tuple[Receipt, ...]], key: KeyPair = ALICE, signed: bool = True, **fields: Any) -> Draft:
    given: dict[str, Any] = {
        "genesis": NET,
        "public_key": key.public,
        "generator": key.address,
        "height": 0,
        "previous": NET,
        "created": NOW + 1_000,
        "entries": tuple(one if isinstance(one, Entry) else Entry(transaction=one[0], receipts=one[1]) for one in entries),
    }
    value = Draft(**(given | fields))
    return sign(value, key) if signed else value


def confirmation(of: Draft, what: Receipt, key: KeyPair = BOB, **fields: Any) -> Confirmation:
    given: dict[str, Any] = {
        "genesis": of.genesis,
        "public_key": key.public,
        "creator": key.address,
        "draft": digest(of),
        "transaction": what.transaction,
        "receipt": digest(what),
    }
    return sign(Confirmation(**(given | fields)), key)


def final(of: Draft, *confirmations: Confirmation, finalised: int | None = None) -> FinalBlock:
    return FinalBlock(draft=of, confirmations=confirmations, finalised=of.created if finalised is None else finalised)


def unsigned(value: Any) -> Any:
    """The object with a signature that is not its own."""
    return msgspec.structs.replace(value, signature="ab" * 64)


# --- any object that the schema allows, signed or not --------------------------------------------------------------------

hexadecimal = st.text("0123456789abcdef", min_size=64, max_size=64)
signatures = st.text("0123456789abcdef", min_size=128, max_size=128)
counts = st.integers(0, 2**53 - 1)
# Surrogates are no text, and JSON that has them is refused.
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
genesis = st.builds(
    Genesis,
    network=words,
    protocol=st.just(1),
    model=words,
    layers=st.lists(st.builds(Layer, name=words, shape=st.lists(st.integers(1, 2**31), max_size=8).map(tuple)), min_size=1, max_size=3).map(
        tuple
    ),
    dtype=st.just("float32"),
    labels=st.integers(2, 1_000_000),
    initial=hexadecimal,
    hash=st.just("sha256"),
    model_hash=st.just("blake3"),
    signature=st.just("ed25519"),
)
who = {"genesis": hexadecimal, "public_key": hexadecimal, "signature": signatures}
transactions = st.builds(
    Transaction,
    **who,
    generator=hexadecimal,
    sequence=counts,
    created=counts,
    expires=counts,
    ttl=st.integers(1, 16),
    model=hexadecimal,
    codec=st.sampled_from(["float32", "float16"]),
    size=st.integers(1, 2**31 - 1),
    correct=counts,
    tested=counts,
)
receipts = st.builds(
    Receipt,
    **who,
    creator=hexadecimal,
    transaction=hexadecimal,
    received_at_ttl=st.integers(0, 16),
    correct=counts,
    tested=st.integers(1, 2**53 - 1),
    created=counts,
)
entries = st.builds(Entry, transaction=transactions, receipts=st.lists(receipts, max_size=2).map(tuple))
drafts = st.builds(
    Draft,
    **who,
    generator=hexadecimal,
    height=counts,
    previous=hexadecimal,
    created=counts,
    entries=st.lists(entries, min_size=1, max_size=2).map(tuple),
    memo=st.text(st.characters(exclude_categories=["Cs"]), max_size=256),
)
confirmations = st.builds(Confirmation, **who, creator=hexadecimal, draft=hexadecimal, transaction=hexadecimal, receipt=hexadecimal)
finals = st.builds(FinalBlock, draft=drafts, confirmations=st.lists(confirmations, max_size=2).map(tuple), finalised=counts)
anything: st.SearchStrategy[msgspec.Struct] = st.one_of(genesis, transactions, receipts, drafts, confirmations, finals)
