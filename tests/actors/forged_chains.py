"""Chains whose last block holds a forged, moved or doubled receipt or confirmation (`forgeries`), for whoever verifies chains."""

import random
from collections.abc import Callable, Iterator
from functools import partial

from dfl_actors.core import chain, codec
from dfl_actors.core.checks import Verifier
from dfl_actors.core.codec import digest
from dfl_actors.core.members import Roll
from dfl_actors.core.objects import Confirmation, Draft, Entry, FinalBlock, Genesis, Layer, Receipt
from dfl_actors.errors import Refused
from tests import objects
from tests.actors.bench import KEYS, NOW, draft, receipt, transaction
from tests.actors.forgeries import Bad, Trial, forged, put, with_forged

Verify = Callable[[Genesis, list[bytes]], str | None]
"""The code of the rule that these blocks break, None if they break none."""

MEMBERS = tuple(sorted(key.public for key in KEYS.values()))
BEGAN = Genesis(
    network="forged", protocol=1, model="point", layers=(Layer(name="w", shape=(8,)),), dtype="float32", labels=2, initial="11" * 32,
    hash="sha256", model_hash="blake3", signature="ed25519", members=MEMBERS,
)  # fmt: skip
NET = digest(BEGAN)


def ours(began: Genesis, blocks: list[bytes]) -> str | None:
    """As `chain verify` does."""
    state, verifier, roll = chain.empty(digest(began)), Verifier(digest(began)), Roll(began)
    try:
        for raw in blocks:
            block = codec.decode(FinalBlock, raw, chain.LARGEST_BLOCK)
            state = chain.extend(state, block, verifier)
            roll.check(block.draft)
    except Refused as error:
        return error.code
    return None


def chaining(rng: random.Random, verifiers: tuple[Verify, ...]) -> Iterator[Trial]:
    """Chains of three blocks of g, whose last is forged by g, with the help of all but the one whose word it needs."""
    first = _block(0, NET)
    second = _block(1, digest(first))
    right = _block(2, digest(second))
    before = [codec.encode(first), codec.encode(second)]
    assert not any(verify(BEGAN, [*before, codec.encode(right)]) for verify in verifiers), "a right one verifies"
    while True:
        receipts, words = _bad_blocks(rng, right, second), _bad_words(rng, right, second)
        what = rng.choice([*receipts, *words])
        block = _block(2, digest(second), receipts[what]()) if what in receipts else objects.final(right.draft, *words[what]())
        for verify in verifiers:
            yield Trial(f"chain, {verify.__name__}", what, verify(BEGAN, [*before, codec.encode(block)]) is None)


def _bad_blocks(rng: random.Random, right: FinalBlock, before: FinalBlock) -> Bad:
    entries, at, its = list(right.draft.entries), rng.randrange(2), rng.randrange(2)
    what = entries[at].receipts[its]
    return {
        **{f"receipt {way}": partial(with_forged, entries, at, its, forge) for way, forge in forged(rng, what).items()},
        "receipt twice": lambda: put(entries, at, (*entries[at].receipts, what)),
        "receipt moved": lambda: put(entries, at, entries[1 - at].receipts),
        "receipt of its generator": lambda: put(entries, at, (receipt("g", entries[at].transaction, genesis=NET),)),
        "transactions in another order": lambda: entries[::-1],
        "a transaction of the block before": lambda: [*before.draft.entries[:1], entries[1]],
    }


def _bad_words(rng: random.Random, right: FinalBlock, before: FinalBlock) -> Bad:
    given, at = right.confirmations, rng.randrange(4)
    its = next(one for entry in right.draft.entries for one in entry.receipts if digest(one) == given[at].receipt)
    return {
        **{f"confirmation {way}": partial(_forged_word, given, at, forge) for way, forge in forged(rng, given[at]).items()},
        "confirmation twice": lambda: (*given, given[at]),
        "confirmation moved": lambda: _changed(given, at, before.confirmations[at]),
        "confirmation of another's receipt": lambda: _changed(given, at, _word("w", right.draft, its)),
    }


def _block(height: int, previous: str, entries: list[Entry] | None = None) -> FinalBlock:
    """Confirmed by all whose receipts stand in it, forged or not: who forges them confirms them too."""
    if entries is None:
        own = [transaction("g", 2 * height + number, genesis=NET) for number in (0, 1)]
        entries = [Entry(transaction=one, receipts=tuple(receipt(by, one) for by in "hv")) for one in own]
    of = draft("g", tuple(entries), genesis=NET, height=height, previous=previous, created=NOW + height)
    known = {key.address: name for name, key in KEYS.items()}
    words = [_word(known[one.creator], of, one) for entry in entries for one in entry.receipts if one.creator in known]
    return objects.final(of, *sorted(words, key=lambda word: word.receipt))


def _word(by: str, of: Draft, what: Receipt) -> Confirmation:
    return objects.confirmation(of, what, KEYS[by])


def _forged_word(given: tuple[Confirmation, ...], at: int, forge: Callable[[], Confirmation]) -> tuple[Confirmation, ...]:
    return _changed(given, at, forge())


def _changed(given: tuple[Confirmation, ...], at: int, other: Confirmation) -> tuple[Confirmation, ...]:
    return (*given[:at], other, *given[at + 1 :])
