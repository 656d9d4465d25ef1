"""The objects: what they allow, what is signed, and who signs."""

from typing import Any

import msgspec
import orjson
import pytest

from dfl_actors.core.codec import convert, decode, digest, encode
from dfl_actors.core.objects import (
    MAX_RECEIPTS,
    MAX_TRANSACTIONS,
    PROTOCOL,
    UNSIGNED,
    Confirmation,
    Draft,
    Genesis,
    Receipt,
    Record,
    Signed,
    Transaction,
    check_signed,
    domain,
    issue,
    sign,
    signer_of,
    signing_bytes,
)
from dfl_actors.errors import LocalError, Refused
from tests import objects as made

TX = made.transaction()
RECEIPT = made.receipt(TX)
DRAFT = made.draft((TX, (RECEIPT,)))
CONFIRMATION = made.confirmation(DRAFT, RECEIPT)
SIGNED = [TX, RECEIPT, DRAFT, CONFIRMATION]


def kind(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize("value", SIGNED, ids=kind)
def test_a_signed_object_is_right(value: Signed) -> None:
    check_signed(value, made.NET)


@pytest.mark.parametrize("value", SIGNED, ids=kind)
def test_every_field_is_signed(value: Signed) -> None:
    """Another value in any field, the signature as it was: never right."""
    for field in value.__struct_fields__:
        other = changed(getattr(value, field))
        with pytest.raises(Refused):
            check_signed(msgspec.structs.replace(value, **{field: other}), made.NET)


def changed(value: Any) -> Any:
    if value is msgspec.UNSET:
        return 7
    if isinstance(value, int):
        return value + 1
    if isinstance(value, tuple):
        return ()
    return value + "x" if value in ("", "float32") else value[:-1] + ("0" if value[-1] != "0" else "1")


@pytest.mark.parametrize(
    ("value", "signer"), list(zip(SIGNED, (made.ALICE, made.BOB, made.ALICE, made.BOB), strict=True)), ids=[kind(value) for value in SIGNED]
)
def test_the_signer_is_named_by_the_kind(value: Signed, signer: Any) -> None:
    assert signer_of(value) == signer.address


def test_no_two_kinds_have_the_same_domain_or_the_same_fields() -> None:
    kinds = Signed.__subclasses__()
    assert {one.kind for one in kinds} == {"transaction", "receipt", "draft", "confirmation", "members", "pulse"}
    assert len({one.__struct_fields__ for one in kinds}) == len(kinds)
    assert domain("draft") == b"dfl-actors/draft/%d\n" % PROTOCOL


def test_the_signature_is_not_among_the_signed_bytes() -> None:
    assert signing_bytes(TX) == signing_bytes(msgspec.structs.replace(TX, signature=UNSIGNED))
    assert sign(msgspec.structs.replace(TX, signature=UNSIGNED), made.ALICE) == TX


@pytest.mark.parametrize("value", [*SIGNED, made.final(DRAFT)], ids=kind)
def test_an_object_is_frozen_and_closed(value: Record) -> None:
    with pytest.raises(AttributeError):
        value.genesis = ""  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        type(value)(*[0] * 20)


def sized(entries: int, receipts: int) -> Draft:
    return made.draft(*[(TX, (RECEIPT,) * receipts)] * entries, signed=False)


@pytest.mark.parametrize(
    ("draft", "taken"),
    [
        (sized(MAX_TRANSACTIONS, 0), True),
        (sized(MAX_TRANSACTIONS + 1, 0), False),
        (sized(1, MAX_RECEIPTS), True),
        (sized(1, MAX_RECEIPTS + 1), False),
        (sized(0, 0), False),
        (made.draft((TX, ()), memo="\U0001f3e0" * 256), True),
        (made.draft((TX, ()), memo="\U0001f3e0" * 257), False),
    ],
    ids=["256 transactions", "257 transactions", "256 receipts", "257 receipts", "none", "memo of 256", "memo of 257"],
)
def test_a_draft_has_limits(draft: Draft, taken: bool) -> None:
    if taken:
        assert decode(Draft, encode(draft)) == draft
    else:
        with pytest.raises(Refused, match="schema"):
            decode(Draft, encode(draft))


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [("sequence", 0, 2**53 - 1), ("created", 0, 2**53 - 1), ("ttl", 1, 16), ("size", 1, 2**31 - 1), ("tested", 0, 2**53 - 1)],
)
def test_numbers_have_ranges(field: str, least: int, most: int) -> None:
    for number, taken in ((least - 1, False), (least, True), (most, True), (most + 1, False)):
        fields: dict[str, Any] = {field: number}
        data = encode(made.transaction(signed=False, **fields))
        if taken:
            assert getattr(decode(Transaction, data), field) == number
        else:
            with pytest.raises(Refused, match="schema"):
                decode(Transaction, data)


def test_an_identity_is_of_one_kind() -> None:
    for one in (Transaction, Receipt, Draft, Confirmation):
        for value in SIGNED:
            if type(value) is not one:
                with pytest.raises(Refused, match="schema"):
                    decode(one, encode(value))
    assert len({digest(value) for value in SIGNED}) == len(SIGNED)


@pytest.mark.parametrize(("field", "value"), [("ttl", 17), ("size", 0), ("codec", "float8"), ("created", -1)])
def test_what_we_sign_ourselves_must_keep_the_rules(field: str, value: Any) -> None:
    """The error is ours, and no refusal that a neighbour could be blamed for."""
    fields = {name: getattr(TX, name) for name in ("sequence", "created", "expires", "ttl", "model", "codec", "size", "correct", "tested")}
    assert issue(Transaction, made.ALICE, made.NET, **fields) == TX
    with pytest.raises(LocalError, match=f"our own transaction .*{field}"):
        issue(Transaction, made.ALICE, made.NET, **{**fields, field: value})


def test_what_goes_without_saying_is_left_out_and_has_one_spelling() -> None:
    layers = [{"name": "w", "shape": [20, 1]}]
    kinds = {"hash": "sha256", "model_hash": "blake3", "signature": "ed25519"}
    plain = {
        "network": "n",
        "protocol": PROTOCOL,
        "model": "m",
        "layers": layers,
        "dtype": "float32",
        "labels": 2,
        "initial": "ab" * 32,
    } | kinds
    assert msgspec.to_builtins(convert(Genesis, plain)).keys() == plain.keys()
    said = {"task": "regression", "score": "r2", "names": ["price"], "labels": 1, "scale": "0.5"}
    said["inputs"] = [{"name": "", "shape": [20], "dtype": "float32"}]
    genesis = convert(Genesis, plain | said)
    assert decode(Genesis, encode(genesis)) == genesis and set(said) < set(orjson.loads(encode(genesis)))
    refused: list[dict[str, object]] = [{"task": None}, {"task": "classification"}, {"score": "accuracy"}, {"names": []}, {"samples": 3}]
    for wrong in refused:
        with pytest.raises(Refused):
            convert(Genesis, plain | wrong)
    stated = made.transaction(samples=40)
    assert b'"samples":40' in encode(stated) and decode(Transaction, encode(stated)) == stated and b"samples" not in encode(TX)
    check_signed(stated, made.NET)
