"""Forged, moved, doubled and late receipts and confirmations, drawn from a seed, each at a real validator, builder or chain.

Each `Trial` says what was tried and whether it was accepted. In between every one of them also hears what is right, and must accept it: so
that nothing is refused merely because nobody listens.
"""

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np

from dfl_actors.actors.builder import Builder, BuilderSettings
from dfl_actors.actors.validator import Validator, ValidatorSettings
from dfl_actors.core.blocks import confirmable_until
from dfl_actors.core.events import ReceiptArrived as Gathered
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.messages import (
    Announced,
    ConfirmationsArrived,
    Confirmed,
    DraftArrived,
    Drafted,
    Fetched,
    Injected,
    ReceiptArrived,
    Witnessed,
)
from dfl_actors.core.objects import Draft, Entry, Receipt, Signed, Transaction, domain, sign, signing_bytes
from dfl_actors.core.words import Started
from dfl_actors.learning.partition import Received
from tests.actors import bench
from tests.actors.bench import KEYS, NOW, Bench, confirmation, draft, notes, receipt, told, transaction
from tests.simnet import parts

ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group of Ed25519: a signature whose second half is larger by it solves the same equation, and must be refused all the same."""

STRANGER = KeyPair(b"\7" * 32)
OTHERS = ("g", "h", "v", "w")
FIELDS = {
    "receipt": ("transaction", "received_at_ttl", "correct", "tested", "created"),
    "confirmation": ("draft", "transaction", "receipt"),
}


class Trial(NamedTuple):
    """What was tried, at whom, and whether it was accepted."""

    at: str
    what: str
    accepted: bool


# --- one signed object, forged


def altered(rng: random.Random, right: Any) -> Any:
    """One of its fields is another."""
    name = rng.choice(FIELDS[right.kind])
    value = getattr(right, name)
    other = rng.randbytes(32).hex() if isinstance(value, str) else value + 1 if value < 2 else value - rng.randint(1, value - 1)
    return msgspec.structs.replace(right, **{name: other})


def of_another_key(rng: random.Random, right: Any) -> Any:
    """Signed by another member in its name, with or without a change."""
    return sign(rng.choice((right, altered(rng, right))), _other(rng, right))


def with_another_key(rng: random.Random, right: Any) -> Any:
    """The same, with that member's public key in it."""
    key = _other(rng, right)
    return sign(msgspec.structs.replace(right, public_key=key.public), key)


def of_a_stranger(rng: random.Random, right: Any) -> Any:
    """By somebody who is no member, rightly signed."""
    return sign(msgspec.structs.replace(right, creator=STRANGER.address, public_key=STRANGER.public), STRANGER)


def of_another_network(rng: random.Random, right: Any) -> Any:
    """By the witness itself, in another network."""
    return sign(msgspec.structs.replace(right, genesis=rng.randbytes(32).hex()), _key(right))


def of_another_kind(rng: random.Random, right: Any) -> Any:
    """Its fields were signed as something else."""
    kind = rng.choice([one for one in ("transaction", "receipt", "draft", "confirmation", "members", "pulse") if one != right.kind])
    body = signing_bytes(right).removeprefix(domain(right.kind))
    return msgspec.structs.replace(right, signature=_key(right).sign(domain(kind) + body))


def malleated(rng: random.Random, right: Any) -> Any:
    """Another signature that solves the same equation, which nobody has to hold a key for."""
    raw = bytes.fromhex(right.signature)
    larger = int.from_bytes(raw[32:], "little") + ORDER * rng.randint(1, 15)
    return msgspec.structs.replace(right, signature=(raw[:32] + (larger % 2**256).to_bytes(32, "little")).hex())


def damaged(rng: random.Random, right: Any) -> Any:
    """A bit of its signature is another, or its halves have changed places, or it is nothing."""
    raw = int(right.signature, 16)
    flipped = f"{raw ^ (1 << rng.randrange(512)):0128x}"
    return msgspec.structs.replace(right, signature=rng.choice((flipped, right.signature[64:] + right.signature[:64], "0" * 128)))


FORGERIES: tuple[Callable[[random.Random, Any], Any], ...] = (
    altered, of_another_key, with_another_key, of_a_stranger, of_another_network, of_another_kind, malleated, damaged,
)  # fmt: skip


def _key(right: Signed) -> KeyPair:
    return next(key for key in KEYS.values() if key.public == right.public_key)


def _other(rng: random.Random, right: Signed) -> KeyPair:
    return rng.choice([key for key in KEYS.values() if key.public != right.public_key])


Bad = dict[str, Callable[[], Any]]
"""Ways of being bad, each with what makes it."""


def forged(rng: random.Random, right: Any) -> Bad:
    """Each of the ways to forge a signed object."""
    return {forge.__name__: partial(forge, rng, right) for forge in FORGERIES}


# --- who hears it


def gathering(rng: random.Random) -> Iterator[Trial]:
    """The builder of `me` gathers receipts for its own transactions."""
    made = _builder()
    own = [transaction("me", number, ttl=2) for number in range(8)]
    made.give(*(Announced(transaction=one) for one in own))
    while True:
        by = rng.choice(OTHERS)
        bad = _bad_receipts(rng, rng.choice(own), by)
        what = rng.choice(list(bad))
        yield Trial(
            "builder, receipt", what, bool(notes(made.give(ReceiptArrived(sender=KEYS["g"].address, receipt=bad[what]())), Gathered))
        )
        if rng.random() < 0.02:
            fresh = transaction("me", 100 + rng.randrange(10**6), ttl=2)
            said = made.give(Announced(transaction=fresh), *[ReceiptArrived(sender=KEYS["g"].address, receipt=receipt(by, fresh))] * 3)
            assert notes(said, Gathered), "a right one is gathered"
            yield Trial("builder, receipt", "the same three times", len(notes(said, Gathered)) != 1)


def _bad_receipts(rng: random.Random, of: Transaction, by: str) -> Bad:
    return {
        **forged(rng, receipt(by, of)),
        "of its own generator": lambda: receipt("me", of),
        "at a ttl that cannot be": lambda: receipt(by, of, received_at_ttl=rng.choice((2, 3, 16))),
        "more right than tested": lambda: receipt(by, of, correct=101),
        "of no transaction of its": lambda: receipt(by, transaction("h", rng.randrange(99))),
    }


def _builder() -> Bench:
    fields: dict[str, Any] = {"neighbours": OTHERS, "transactions": 2, "receipts": 4, "receipt_wait": 10**9}
    made = Bench(lambda one: Builder(bench.settings(BuilderSettings, **fields), KEYS["me"], one.chain, one.journal, bench.at()))
    made.give(Started())
    return made


def confirming(rng: random.Random) -> Iterator[Trial]:
    """The builder of `me` gathers confirmations of its draft."""
    while True:
        made, own = _builder(), [transaction("me", number, ttl=2) for number in range(2)]
        gathered = [ReceiptArrived(sender=KEYS["g"].address, receipt=receipt(by, one)) for one in own for by in OTHERS]
        (of,) = (one.draft for one in told(made.give(*(Announced(transaction=one) for one in own), *gathered), Drafted))
        for _ in range(40):
            bad = _bad_confirmations(rng, of)
            what = rng.choice(list(bad))
            yield Trial("builder, confirmation", what, _confirms(made, bad[what]()))
        right = [confirmation(by, of, one) for entry in of.entries for by, one in _by(entry)]
        made.give(ConfirmationsArrived(sender=KEYS["g"].address, confirmations=tuple(right[:-1] * 2)))
        yield Trial("builder, confirmation", "all but one, twice", bool(made.chain.data))
        made.give(ConfirmationsArrived(sender=KEYS["g"].address, confirmations=(right[-1],)))
        assert len(made.chain.data) == 1, "the right ones make a block"


def _bad_confirmations(rng: random.Random, of: Draft) -> Bad:
    by, its = rng.choice(list(_by(rng.choice(of.entries))))
    elsewhere = draft("me", of.entries, memo=rng.randbytes(4).hex())
    return {
        **forged(rng, confirmation(by, of, its)),
        "of another draft": lambda: confirmation(by, elsewhere, its),
        "of a receipt that is not in it": lambda: confirmation(by, of, receipt(by, transaction("me", 50))),
        "by another witness": lambda: confirmation(rng.choice([one for one in OTHERS if one != by]), of, its),
        "by its generator": lambda: confirmation("me", of, its),
    }


def _by(entry: Entry) -> Iterator[tuple[str, Receipt]]:
    return ((name, one) for one in entry.receipts for name, key in KEYS.items() if key.address == one.creator)


def _confirms(made: Bench, what: Any) -> bool:
    before = _confirmed(made)
    made.give(ConfirmationsArrived(sender=KEYS["g"].address, confirmations=(what,)))
    return _confirmed(made) != before or bool(made.chain.data)


def _confirmed(made: Bench) -> set[bytes]:
    return {key for key in made.journal.data if key.startswith(b"c/")}


class Witness:
    """The validator of `me`, with receipts of its own for transactions of g, two of which stand in a draft that it has confirmed."""

    def __init__(self) -> None:
        self.bench = Bench(
            lambda one: Validator(
                bench.settings(ValidatorSettings),
                KEYS["me"],
                parts.Learner(),
                one.models,
                one.journal,
                Received(),
                np.random.default_rng(1),
            )
        )
        self.bench.models.put(transaction("g", 0).model, bytes(32))
        self.bench.give(Started(), Injected(samples=tuple(range(20))))
        self.own = [self._witnessed(transaction("g", number, ttl=2)) for number in range(8)]
        self.confirmed = draft("g", tuple(self.own[:2]), created=NOW)
        assert self.confirms(self.confirmed)

    def _witnessed(self, of: Transaction) -> Entry:
        (said,) = told(self.bench.give(Fetched(transaction=of, receipts=(), sender=of.generator)), Witnessed)
        return Entry(transaction=of, receipts=(said.receipt,))

    def confirms(self, of: Draft, now: int = NOW) -> bool:
        return bool(told(self.bench.give(DraftArrived(draft=of, sender=of.generator), now=now), Confirmed))

    def answers(self, of: Transaction, path: list[Receipt]) -> bool:
        """Whether it gives a receipt, with that way."""
        return bool(told(self.bench.give(Fetched(transaction=of, receipts=tuple(path), sender=KEYS["h"].address)), Witnessed))


def measuring(rng: random.Random) -> Iterator[Trial]:
    """The validator hears transactions of g that h passes on, with receipts of their way."""
    witness = Witness()
    while True:
        of = transaction("g", 1_000 + rng.randrange(10**6), ttl=4)
        path = [receipt("v", of, received_at_ttl=3), receipt("h", of, received_at_ttl=2)]
        bad = _bad_paths(rng, of, path)
        what = rng.choice(list(bad))
        yield Trial("validator, path", what, witness.answers(of, bad[what]()))
        assert rng.random() > 0.02 or witness.answers(of, path), "right ones are no hindrance"


def _bad_paths(rng: random.Random, of: Transaction, path: list[Receipt]) -> Bad:
    at = rng.randrange(2)
    return {
        **{what: partial(replaced, path, at, forge) for what, forge in forged(rng, path[at]).items()},
        "in our name": lambda: [*path, receipt("me", of, received_at_ttl=1)],
        "of its generator": lambda: [*path, receipt("g", of, received_at_ttl=3)],
        "twice": lambda: [*path, path[at]],
        "two of one witness": lambda: [*path, receipt("v", of, received_at_ttl=1)],
        "of another transaction": lambda: [*path, receipt("w", transaction("g", 1, ttl=4))],
        "without the relay's": lambda: path[:1],
    }


def replaced(of: list[Receipt], at: int, forge: Callable[[], Receipt]) -> list[Receipt]:
    return [*of[:at], forge(), *of[at + 1 :]]


def witnessing(rng: random.Random) -> Iterator[Trial]:
    """The validator hears drafts of g with receipts of its own and of others."""
    witness = Witness()
    while True:
        some = [witness.own[number] for number in sorted(rng.sample(range(2, 8), 2))]
        entries = [with_receipts(one, (*one.receipts, receipt("h", one.transaction))) for one in some]
        bad = _bad_entries(rng, entries) | {"confirmed elsewhere": lambda some=some: [witness.own[rng.randrange(2)], *some]}
        whole = _bad_drafts(draft("g", tuple(entries), height=rng.randint(1, 50), previous="ab" * 32, created=NOW + 1))
        what = rng.choice([*bad, *whole, "too late"])
        of = draft("g", tuple(bad[what]()), height=1, created=NOW + 1) if what in bad else whole.get(what, whole["as it is"])()
        late = max(confirmable_until(one.transaction) for one in entries) + 1
        if what != "as it is":
            yield Trial("validator, draft", what, witness.confirms(of, late if what == "too late" else NOW))


def _bad_entries(rng: random.Random, entries: list[Entry]) -> Bad:
    at, its = rng.randrange(2), rng.randrange(2)
    right = entries[at].receipts[its]
    return {
        **{what: partial(with_forged, entries, at, its, forge) for what, forge in forged(rng, right).items()},
        "moved to the other": lambda: [with_receipts(entries[0], entries[1].receipts), with_receipts(entries[1], entries[0].receipts)],
        "twice": lambda: put(entries, at, (*entries[at].receipts, right)),
        "its transaction twice": lambda: [entries[0], entries[0]],
        "in another order": lambda: entries[::-1],
        "with another score of ours": lambda: put(entries, at, (receipt("me", entries[at].transaction, correct=rng.randrange(60)),)),
        "of a transaction that we never measured": lambda: [_unmeasured(transaction("g", 10**6, ttl=2))],
    }


def _bad_drafts(right: Draft) -> Bad:
    return {
        "as it is": lambda: right,
        "of another generator": lambda: draft("h", right.entries, created=NOW + 1),
        "of another key": lambda: sign(right, KEYS["h"]),
        "at its height": lambda: draft("g", right.entries, height=0, created=NOW + 1),
        "of another network": lambda: draft("g", right.entries, height=1, created=NOW + 1, genesis="cd" * 32),
        "from the future": lambda: draft("g", right.entries, height=1, created=NOW + 10**9),
    }


def _unmeasured(of: Transaction) -> Entry:
    return Entry(transaction=of, receipts=(receipt("me", of),))


def with_receipts(entry: Entry, receipts: tuple[Receipt, ...]) -> Entry:
    return Entry(transaction=entry.transaction, receipts=receipts)


def put(entries: list[Entry], at: int, receipts: tuple[Receipt, ...]) -> list[Entry]:
    return [with_receipts(entry, receipts) if number == at else entry for number, entry in enumerate(entries)]


def with_forged(entries: list[Entry], at: int, its: int, forge: Callable[[], Receipt]) -> list[Entry]:
    return put(entries, at, tuple(replaced(list(entries[at].receipts), its, forge)))


COURTS: tuple[Callable[[random.Random], Iterator[Trial]], ...] = (gathering, confirming, measuring, witnessing)
