"""The one canonical encoding: which bytes an object is, and which bytes are refused.

Canonical bytes are UTF-8 JSON as `orjson` writes it, with sorted keys and no spaces, of a frozen `msgspec` struct. There are
no floating-point numbers in any object, so every value has exactly one spelling. `decode` parses with `orjson`, converts
with `msgspec` (types, ranges, lengths, unknown fields) and then encodes again: bytes that differ from those received are
refused. This closes duplicate keys, extra fields, white space and other spellings of the same number or text.
"""

import hashlib
from functools import cache
from typing import Any, TypeVar

import msgspec
import orjson
from blake3 import blake3

from dfl_actors.errors import Refused, our_own

T = TypeVar("T", bound=msgspec.Struct)
LARGEST_OBJECT = 1 << 20  # Bytes of an object or a message, unless said otherwise.


def encode(value: msgspec.Struct) -> bytes:
    """Canonical bytes of `value`."""
    return orjson.dumps(msgspec.to_builtins(value), option=orjson.OPT_SORT_KEYS)


def decode(kind: type[T], data: bytes, limit: int = LARGEST_OBJECT) -> T:
    """The object whose canonical bytes are exactly `data`.

    `kind` is a struct class or a tagged union of them. Raises `Refused` with code `too_large` (more than `limit` bytes),
    `malformed` (not JSON), `schema` (unknown or missing field, wrong type, out of range) or `not_canonical`.
    """
    if len(data) > limit:
        raise Refused("too_large", f"{len(data)} bytes, at most {limit}")
    try:
        value: T = decoder(kind).decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # The longer way decides, and says which rule was broken.
        value = convert(kind, parse(data))
    if encode(value) != data:
        raise Refused("not_canonical")
    return value


def reread(kind: type[T], data: bytes) -> T:
    """What we wrote ourselves, of whatever size, out of a journal or a chain. Raises `LocalError`."""
    with our_own(kind.__name__):
        return decode(kind, data, limit=len(data))


@cache
def decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    """What turns JSON into a `kind` at once, in half the time of `parse` and `convert`; it tells errors apart less exactly."""
    return msgspec.json.Decoder(kind)


def parse(data: bytes) -> object:
    """JSON to plain values. Raises `Refused` with code `malformed`."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused("malformed", str(error)) from None


def convert(kind: type[T], plain: object) -> T:
    """Plain values to a typed object. Raises `Refused` with code `schema`."""
    try:
        return msgspec.convert(plain, kind, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Refused("schema", str(error)) from None


def sha256(data: bytes | bytearray | memoryview) -> str:
    """SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def model_digest(data: bytes | bytearray | memoryview) -> str:
    """Digest of a model's encoded weights: BLAKE3 with 256 bits, as 64 lower-case hexadecimal digits.

    A model is hashed by its generator and by everybody who receives it, and SHA-256 takes two to three times as long for the
    megabytes. This is the only place that knows the kind; the genesis names it (`model_hash`).
    """
    return blake3(data).hexdigest()


def digest(value: msgspec.Struct) -> str:
    """Identity of an object: SHA-256 of its canonical bytes, signature included."""
    return sha256(encode(value))
