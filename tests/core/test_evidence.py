"""Evidence: found whenever two things contradict each other and never else, and checked by anybody."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.checks import Verifier
from dfl_actors.core.codec import decode, digest, encode
from dfl_actors.core.evidence import Claims, Evidence, check_evidence, evidence, place_of
from dfl_actors.core.objects import Draft, Receipt, Signed, Transaction
from dfl_actors.errors import Refused
from tests import objects as made

ONE, OTHER = made.transaction(sequence=5), made.transaction(sequence=5, data=b"\1" * 32)
NEXT = made.transaction(sequence=6)
PAIRS: dict[str, tuple[Signed, Signed]] = {
    "transaction": (ONE, OTHER),
    "receipt": (made.receipt(ONE), made.receipt(ONE, correct=1)),
    "draft": (made.draft((ONE, (made.receipt(ONE),))), made.draft((ONE, (made.receipt(ONE),)), memo="otherwise")),
}
HONEST: list[Signed] = [
    ONE, NEXT, made.transaction(made.BOB, sequence=5), made.receipt(ONE), made.receipt(NEXT), made.receipt(ONE, made.CAROL),
    made.draft((ONE, (made.receipt(ONE),))), made.draft((NEXT, (made.receipt(NEXT),)), height=1),
]  # fmt: skip


@given(st.lists(st.sampled_from(HONEST), max_size=30))
def test_who_signs_one_thing_for_each_place_is_never_accused_in_whatever_order_and_however_often_it_comes(things: list[Signed]) -> None:
    claims = Claims()
    assert not any(claims.saw(thing) for thing in things)


@given(st.sampled_from(sorted(PAIRS)), st.booleans(), st.lists(st.sampled_from(HONEST[1:3]), max_size=10))
def test_a_contradiction_is_found_whichever_comes_first_and_everybody_can_check_it(kind: str, swapped: bool, between: list[Signed]) -> None:
    first, second = PAIRS[kind][::-1] if swapped else PAIRS[kind]
    claims = Claims()
    assert claims.saw(first) is None and not any(claims.saw(thing) for thing in between)
    found = claims.saw(second)
    assert found is not None and found == evidence(*PAIRS[kind]), "it has one form"
    shown = decode(Evidence, encode(found))
    assert check_evidence(shown, Verifier(made.NET)) == place_of(first)


def shown(transactions: tuple[Transaction, ...] = (), drafts: tuple[Draft, ...] = (), receipts: tuple[Receipt, ...] = ()) -> Evidence:
    return Evidence(transactions=transactions, drafts=drafts, receipts=receipts)


FIRST, SECOND = evidence(ONE, OTHER).transactions


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (shown(), "no_evidence"),
        (shown((FIRST,)), "no_evidence"),
        (shown((FIRST, FIRST)), "no_evidence"),
        (shown((SECOND, FIRST)), "no_evidence"),
        (shown(tuple(sorted((ONE, NEXT), key=digest))), "no_evidence"),
        (shown(tuple(sorted((ONE, made.transaction(made.BOB, sequence=5)), key=digest))), "no_evidence"),
        (shown((FIRST,), receipts=(made.receipt(FIRST),)), "no_evidence"),
        (shown(tuple(sorted((ONE, made.unsigned(OTHER)), key=digest))), "bad_signature"),
        (shown(tuple(sorted((ONE, made.transaction(sequence=5, genesis="1" * 64)), key=digest))), "other_genesis"),
    ],
)
def test_what_proves_nothing_is_refused(wrong: Any, code: str) -> None:
    with pytest.raises(Refused) as refused:
        check_evidence(wrong, Verifier(made.NET))
    assert refused.value.code == code
