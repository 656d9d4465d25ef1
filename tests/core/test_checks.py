"""The rules of single objects where they allow something; `test_vectors` has what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.checks import (
    Verifier,
    check_confirmation,
    check_draft,
    check_final,
    check_lifetime,
    check_path,
    check_transaction,
    receipts_of,
    received_at_ttl,
)
from dfl_actors.core.codec import digest
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.objects import Receipt, Signed, sign
from dfl_actors.errors import Refused
from tests import objects as made
from tests.objects import ALICE, BOB, CAROL, DAVE, NET, NOW

TX = made.transaction()
FROM_BOB = made.receipt(TX)
FROM_CAROL = made.receipt(TX, CAROL, received_at_ttl=1)


# --- equation 1


@pytest.mark.parametrize(
    ("ttl", "received", "expected"),
    [(1, [], 0), (3, [], 2), (3, [2], 1), (3, [2, 1], 0), (3, [2, 1, 0], -1), (3, [1, 2], 0), (2, [16], 1), (16, [15, 14, 3], 2)],
)
def test_equation_1(ttl: int, received: list[int], expected: int) -> None:
    value = made.transaction(ttl=ttl, signed=False)
    assert received_at_ttl(value, [made.receipt(value, received_at_ttl=one) for one in received]) == expected


@given(st.integers(1, 16), st.lists(st.integers(0, 16), max_size=4))
def test_equation_1_is_the_least_less_one(ttl: int, received: list[int]) -> None:
    value = made.transaction(ttl=ttl, signed=False)
    found = received_at_ttl(value, [made.receipt(value, received_at_ttl=one) for one in received])
    assert found == min([ttl, *received]) - 1
    assert -1 <= found < ttl


@given(st.integers(1, 16))
def test_a_transaction_goes_ttl_links_far_and_no_further(ttl: int) -> None:
    """Honest relays, each with its receipt: the node after `ttl` links receives it at 0, the next one would at -1."""
    value = made.transaction(ttl=ttl, signed=False)
    receipts: list[Receipt] = []
    sender = value.generator
    for link in range(ttl):
        at = check_path(value, receipts, sender, ALICE.address[::-1])
        assert at == ttl - 1 - link
        sender = f"{link:064x}"
        receipts.append(made.receipt(value, received_at_ttl=at, creator=sender))
    with pytest.raises(Refused, match="ttl_exhausted"):
        check_path(value, receipts, sender, ALICE.address[::-1])


# --- a transaction


@pytest.mark.parametrize(
    ("created", "expires", "now"),
    [(NOW, NOW + 1, NOW), (NOW, NOW + 1_000, NOW), (NOW + 50, NOW + 60, NOW), (NOW, NOW + 1_000, NOW + 999)],
    ids=["shortest", "longest", "at the skew", "just before it expires"],
)
def test_a_transaction_lives(created: int, expires: int, now: int) -> None:
    check_lifetime(made.transaction(created=created, expires=expires, signed=False), now, longest=1_000, skew=50)


@pytest.mark.parametrize(
    ("receipts", "sender", "ttl"),
    [((), ALICE, 2), ((FROM_BOB,), BOB, 1), ((FROM_BOB, FROM_CAROL), CAROL, 0), ((FROM_BOB,), ALICE, 1)],
    ids=["from its generator", "one relay", "two relays", "its generator shows receipts"],
)
def test_a_path_is_right(receipts: tuple[Receipt, ...], sender: KeyPair, ttl: int) -> None:
    assert check_path(TX, receipts, sender.address, DAVE.address) == ttl


def test_a_transaction_with_receipts_is_right() -> None:
    assert check_transaction(TX, (FROM_BOB, FROM_CAROL), Verifier(NET)) == digest(TX)


def test_a_generator_may_have_measured_nothing() -> None:
    value = made.transaction(correct=0, tested=0)
    assert check_transaction(value, (), Verifier(NET)) == digest(value)


# --- drafts, confirmations, final blocks

SECOND = made.transaction(sequence=7)
BOB_AGAIN = made.receipt(SECOND)
DRAFT = made.draft((TX, (FROM_BOB, FROM_CAROL)), (SECOND, (BOB_AGAIN,)))


def test_a_draft_may_skip_numbers() -> None:
    assert check_draft(DRAFT, Verifier(NET)) == digest(DRAFT)
    assert receipts_of(DRAFT) == {digest(FROM_BOB): FROM_BOB, digest(FROM_CAROL): FROM_CAROL, digest(BOB_AGAIN): BOB_AGAIN}


@pytest.mark.parametrize(("receipt", "witness"), [(FROM_BOB, BOB), (FROM_CAROL, CAROL)], ids=["bob", "carol"])
def test_a_witness_confirms_its_receipt(receipt: Receipt, witness: KeyPair) -> None:
    value = made.confirmation(DRAFT, receipt, witness)
    assert check_confirmation(value, digest(DRAFT), receipts_of(DRAFT), Verifier(NET)) == digest(value)


@pytest.mark.parametrize("who", [(BOB,), (CAROL,), (BOB, CAROL), (CAROL, BOB)])
def test_a_final_block_holds_at_least_one_confirmation(who: tuple[KeyPair, ...]) -> None:
    received = {BOB.address: FROM_BOB, CAROL.address: FROM_CAROL}
    block = made.final(DRAFT, *[made.confirmation(DRAFT, received[key.address], key) for key in who])
    assert check_final(block, Verifier(NET)) == digest(block)


# --- the verifier


class Counting(Verifier):
    """Counts what was really verified."""

    verified = 0

    def trust(self, identity: str) -> None:
        self.verified += 1
        super().trust(identity)


def test_an_object_is_verified_once() -> None:
    verifier = Counting(NET)
    for _ in range(3):
        check_draft(DRAFT, verifier)
    assert verifier.verified == 6  # the draft, two transactions, three receipts


def test_what_was_refused_is_not_remembered() -> None:
    verifier = Verifier(NET)
    forged: Signed = sign(TX, BOB)
    for _ in range(2):
        with pytest.raises(Refused, match="bad_signature"):
            verifier.check(forged)


def test_a_verifier_forgets_the_oldest() -> None:
    verifier = Counting(NET, capacity=2)
    values = [made.transaction(sequence=number) for number in range(3)]
    for value in (*values, values[2], values[1], values[0]):
        verifier.check(value)
    assert verifier.verified == 4


def test_our_own_objects_are_trusted() -> None:
    verifier = Verifier(NET)
    verifier.trust(digest(TX))
    assert verifier.check(TX) == digest(TX)
