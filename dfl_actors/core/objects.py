"""The objects of the protocol (the paper, section IV-B and figure 6): what is signed, chained and sent.

All are frozen and hold only text, integers and each other. `codec` gives their canonical bytes; their identity is the SHA-256
of those. A signature covers a domain string, the genesis digest and every other field; this file alone says which bytes
are signed (`signing_bytes`). The weights of a model are never inside: a transaction commits to them by digest, so that a
chain can still be verified after its weights have been deleted.

Digests and addresses are 64, signatures 128 lower-case hexadecimal digits. Times are milliseconds since the Unix epoch.
"""

from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
import orjson
from msgspec import UNSET, Meta, UnsetType

from dfl_actors.core.codec import convert
from dfl_actors.core.keys import KeyPair, address_of, verify
from dfl_actors.errors import Refused, our_own

PROTOCOL = 1
MAX_TTL = 16
MAX_TRANSACTIONS = 256
MAX_RECEIPTS = 256
MAX_MEMO = 256

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", max_length=64)]
Address = Digest
PublicKey = Digest
Keys = Annotated[tuple[PublicKey, ...], Meta(min_length=1, max_length=1024)]
Signature = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}\Z", max_length=128)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Time = Count
Ttl = Annotated[int, Meta(ge=0, le=MAX_TTL)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]

UNSIGNED = "0" * 128


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every object: frozen, keyword-only, unknown fields refused."""


class Layer(Record, frozen=True, kw_only=True):
    """One named array of the model."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    shape: Annotated[tuple[Annotated[int, Meta(ge=1, le=2**31)], ...], Meta(max_length=8)]


class Input(Record, frozen=True, kw_only=True):
    """One of the arrays that make a sample, by its name ("" for the only one), and what one sample has of it."""

    name: Annotated[str, Meta(max_length=128)]
    shape: Annotated[tuple[Annotated[int, Meta(ge=1, le=2**31)], ...], Meta(max_length=8)]
    dtype: Annotated[str, Meta(min_length=1, max_length=16)]


class Genesis(Record, frozen=True, kw_only=True):
    """What every node of a network agrees on. Its digest is in every signed object, so networks never mix.

    `hash` is the kind of the objects' digests, `model_hash` that of the models', `initial` included. What stands last is left out where the
    samples are uint8 images, scaled by 1/256, to be classified under labels that are numbers from 0.

    `members` are the keys of the nodes that began the network; it is left out in one from before there were such lists.
    """

    network: Name
    protocol: Annotated[int, Meta(ge=1, le=1)]
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    layers: Annotated[tuple[Layer, ...], Meta(min_length=1, max_length=4096)]
    dtype: Annotated[str, Meta(pattern=r"^float32\Z")]
    labels: Annotated[int, Meta(ge=1, le=1_000_000)]
    initial: Digest
    hash: Annotated[str, Meta(pattern=r"^sha256\Z")]
    model_hash: Annotated[str, Meta(pattern=r"^blake3\Z")]
    signature: Annotated[str, Meta(pattern=r"^ed25519\Z")]
    task: Literal["multilabel", "regression"] | UnsetType = UNSET
    score: Literal["r2"] | UnsetType = UNSET
    names: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=128)], ...], Meta(min_length=1, max_length=65_536)] | UnsetType = (
        UNSET
    )
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1, max_length=256)] | UnsetType = UNSET
    scale: Annotated[str, Meta(min_length=1, max_length=32)] | UnsetType = UNSET
    members: Keys | UnsetType = UNSET


class Signed(Record, frozen=True, kw_only=True):
    """Base of what a node signs. A subclass names its kind and which field is the signer's address."""

    kind: ClassVar[str]
    signer: ClassVar[str]

    genesis: Digest
    public_key: PublicKey
    signature: Signature = UNSIGNED


class Transaction(Signed, frozen=True, kw_only=True):
    """A trained model, offered by its generator. `correct` of `tested` is the accuracy the generator itself measured.

    `samples` is how many different samples it trains on, if it says so.
    """

    kind, signer = "transaction", "generator"
    generator: Address
    sequence: Count
    created: Time
    expires: Time
    ttl: Annotated[int, Meta(ge=1, le=MAX_TTL)]
    model: Digest
    codec: Annotated[str, Meta(pattern=r"^(float32|float16)\Z")]
    size: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    correct: Count
    tested: Count
    samples: Annotated[int, Meta(ge=1, le=2**53 - 1)] | UnsetType = UNSET


class Receipt(Signed, frozen=True, kw_only=True):
    """A witness's statement: it received the transaction and measured `correct` of `tested` on its own data."""

    kind, signer = "receipt", "creator"
    creator: Address
    transaction: Digest
    received_at_ttl: Ttl
    correct: Count
    tested: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    created: Time


class Entry(Record, frozen=True, kw_only=True):
    """A transaction of a block with the receipts that its generator gathered, in the order of their creators."""

    transaction: Transaction
    receipts: Annotated[tuple[Receipt, ...], Meta(max_length=MAX_RECEIPTS)]


class Draft(Signed, frozen=True, kw_only=True):
    """A block that waits for its confirmations. `previous` is the digest of the final block before, or the genesis digest."""

    kind, signer = "draft", "generator"
    generator: Address
    height: Count
    previous: Digest
    created: Time
    entries: Annotated[tuple[Entry, ...], Meta(min_length=1, max_length=MAX_TRANSACTIONS)]
    memo: Annotated[str, Meta(max_length=MAX_MEMO)] = ""


class Confirmation(Signed, frozen=True, kw_only=True):
    """A witness's word that a receipt in the draft is its own and stands in no other draft."""

    kind, signer = "confirmation", "creator"
    creator: Address
    draft: Digest
    transaction: Digest
    receipt: Digest


class MemberList(Signed, frozen=True, kw_only=True):
    """Who the members are from the time `created` on, as the generator of a chain goes by it, where they are not those of the genesis.

    `number` counts a generator's lists from 1; the genesis is the first of them.
    """

    kind, signer = "members", "generator"
    generator: Address
    number: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    created: Time
    keys: Keys


class FinalBlock(Record, frozen=True, kw_only=True):
    """A draft with its confirmations, in the order of the receipts' digests. Its digest is the next block's `previous`.

    Without any confirmation it was abandoned: its witnesses were gone, and all that it shows is that its generator went on.
    """

    draft: Draft
    confirmations: Annotated[tuple[Confirmation, ...], Meta(max_length=MAX_TRANSACTIONS * MAX_RECEIPTS)]
    finalised: Time


S = TypeVar("S", bound=Signed)


def signing_bytes(value: Signed) -> bytes:
    """The bytes a signature covers: the domain, and the canonical bytes of every field but the signature."""
    plain = msgspec.to_builtins(value)
    del plain["signature"]
    return domain(value.kind) + orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def domain(kind: str) -> bytes:
    """Domain string of a kind of signature, so that no signature can stand for one of another kind."""
    return b"dfl-actors/%s/%d\n" % (kind.encode(), PROTOCOL)


def sign(value: S, key: KeyPair) -> S:
    """`value` with the signature of `key`, whose public part must stand in it already."""
    return msgspec.structs.replace(value, signature=key.sign(signing_bytes(value)))


def issue(kind: type[S], key: KeyPair, genesis: Digest, **fields: object) -> S:
    """A new object of the node whose key this is, signed. Raises `LocalError` for a field that is missing or out of its range."""
    with our_own(kind.kind):
        value = convert(kind, {"genesis": genesis, "public_key": key.public, kind.signer: key.address, **fields})
    return sign(value, key)


def signer_of(value: Signed) -> Address:
    """Address of the node that signed `value`."""
    address: Address = getattr(value, value.signer)
    return address


def check_signed(value: Signed, genesis: Digest) -> None:
    """The rules every signed object keeps.

    Raises `Refused` with code `other_genesis`, `address_mismatch` or `bad_signature`.
    """
    if value.genesis != genesis:
        raise Refused("other_genesis", f"{value.kind} of network {value.genesis[:8]}")
    if address_of(value.public_key) != signer_of(value):
        raise Refused("address_mismatch", f"{value.kind} of {signer_of(value)[:8]}")
    if not verify(value.public_key, value.signature, signing_bytes(value)):
        raise Refused("bad_signature", f"{value.kind} of {signer_of(value)[:8]}")
