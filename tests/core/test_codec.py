"""Canonical bytes: one spelling for each object, and no other is accepted. `test_vectors` has the table of what is refused."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.core.codec import decode, digest, encode, model_digest, sha256
from dfl_actors.core.objects import Receipt, Transaction
from dfl_actors.errors import Refused
from tests import objects as made


@settings(max_examples=150)
@given(made.anything)
def test_what_is_encoded_decodes_to_itself(value: msgspec.Struct) -> None:
    assert decode(type(value), encode(value)) == value


@settings(max_examples=150)
@given(made.anything)
def test_the_bytes_are_sorted_json_without_spaces(value: msgspec.Struct) -> None:
    plain = json.loads(encode(value))
    assert encode(value) == json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@settings(max_examples=400)
@given(st.one_of(made.transactions, made.receipts, made.genesis), st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_makes_another_object(value: msgspec.Struct, place: int, change: int) -> None:
    data = bytearray(encode(value))
    data[place % len(data)] ^= change
    try:
        other = decode(type(value), bytes(data))
    except Refused as error:
        assert error.code in ("malformed", "schema", "not_canonical")
    else:
        assert other != value
        assert digest(other) != digest(value)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        decode(Transaction, data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=200)
@given(st.sampled_from(["bonus", *json.loads(encode(made.transaction()))]), json_values)
def test_any_value_in_a_field_is_taken_as_it_is_or_refused(field: str, value: object) -> None:
    data = json.dumps(json.loads(encode(made.transaction())) | {field: value}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        found = decode(Transaction, data.encode(errors="surrogatepass"))
    except Refused:
        return
    assert type(getattr(found, field)) is type(value)
    assert getattr(found, field) == value


@pytest.mark.parametrize("depth", [100, 253, 254, 1_000, 1_024, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    data = encode(made.transaction()).replace(b'"float32"', b"[" * depth + b"]" * depth)
    with pytest.raises(Refused):
        decode(Transaction, data)


@pytest.mark.parametrize(("limit", "taken"), [(0, True), (1, False)])
def test_the_limit_is_the_last_size_that_is_taken(limit: int, taken: bool) -> None:
    data = encode(made.transaction())
    if taken:
        assert decode(Transaction, data, len(data)) == made.transaction()
    else:
        with pytest.raises(Refused, match="too_large"):
            decode(Transaction, data, len(data) - 1)


def test_the_identity_covers_the_signature() -> None:
    value = made.transaction()
    assert digest(value) == sha256(encode(value))
    assert digest(value) != digest(made.transaction(signed=False))


def test_the_hash_takes_views() -> None:
    assert sha256(memoryview(b"abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"),
        (1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"),
    ],
)
def test_the_digest_of_a_model_is_blake3(length: int, expected: str) -> None:
    """Within and beyond one chunk of the hash's tree; input and result are those of the official test vectors."""
    assert model_digest(memoryview(bytes(number % 251 for number in range(length)))) == expected


def test_a_header_with_its_receipt_fits_in_two_kilobytes() -> None:
    value = made.transaction(sequence=2**53 - 1, created=2**53 - 2, expires=2**53 - 1, size=2**31 - 1, correct=2**53 - 1, tested=2**53 - 1)
    assert len(encode(value)) < 1024
    assert len(encode(made.receipt(value, created=2**53 - 1))) < 1024
    assert isinstance(decode(Receipt, encode(made.receipt(value, created=2**53 - 1))), Receipt)
