"""What a watcher hears of a message: its `Record`, at most 512 bytes, never the message itself.

A record says when, who, to whom, which type and how large, and names the objects inside by their digests, so that they can be
followed from node to node. What it says is read from the message by the names of its fields (`READERS`), so a message of a
new type is visible before anybody has thought of watchers. `docs/tail.md` describes the fields.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from dfl_actors.core.codec import digest
from dfl_actors.core.evidence import Evidence
from dfl_actors.core.family import Message
from dfl_actors.core.objects import Address, Confirmation, Draft, Receipt, Transaction, signer_of

LARGEST = 512  # Bytes of a record.
SHORT = 16  # Hexadecimal digits, of 64, of a digest in a list, and of what a record has no room for.
EVERYBODY = "*"  # All neighbours, as the receiver of news.

SHORTENED = ("detail", "model", "receipt", "block", "draft", "code", "type", "sender", "witness", "generator", "node", "tx")
"""What loses its end, in this order, when a record would be too large."""


KEPT = ("t", "node", "actor", "n", "k", "life", "kind", "type", "size", "part")  # What even the shortest record says.


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One message, or one refusal. Times are microseconds since the epoch, digests hexadecimal, nodes given by their names."""

    t: int
    node: str
    actor: str
    n: int
    kind: str
    type: str
    life: int = 1
    k: int = 0
    to: tuple[str, ...] = ()
    size: int = 0
    tx: str = ""
    model: str = ""
    draft: str = ""
    receipt: str = ""
    block: str = ""
    txs: tuple[str, ...] = ()
    generator: str = ""
    witness: str = ""
    sender: str = ""
    sequence: int | None = None
    height: int | None = None
    number: int | None = None
    index: int | None = None
    count: int | None = None
    correct: int | None = None
    tested: int | None = None
    ttl: int | None = None
    code: str = ""
    detail: str = ""
    dropped: bool = False
    part: int = 0
    cut: bool = False


Fields = dict[str, object]
_encode = msgspec.json.Encoder().encode
read_record = msgspec.json.Decoder(Record).decode  # A record from its bytes. Raises one of `UNREADABLE`.

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
HELD_BACK = "held back"  # The type of the note that an average did not take all of somebody's model.


def encoded(record: Record) -> Iterator[bytes]:
    """The bytes of a record: in several parts when it names many transactions, shortened and marked when there is no other way."""
    raw = _encode(record)
    if len(raw) <= LARGEST:
        yield raw
        return
    bare = _fitted(msgspec.structs.replace(record, txs=(), part=999, n=record.n + 999))
    room = max(1, (LARGEST - len(_encode(bare)) - len(',"txs":[]')) // (SHORT + 3))
    starts = range(0, max(1, len(record.txs)), room)
    for part, start in enumerate(starts):
        size = record.size if part == 0 else 0
        yield _encode(msgspec.structs.replace(bare, txs=record.txs[start : start + room], part=part, n=record.n + part, size=size))


def _fitted(record: Record) -> Record:
    """A record with room for at least one entry of a list."""
    for name in SHORTENED:
        if len(_encode(record)) + len(',"txs":[]') + SHORT + 3 <= LARGEST:
            break
        if len(value := getattr(record, name)) > SHORT:
            record = msgspec.structs.replace(record, **{name: value[:SHORT]}, cut=True)
    else:
        kept = {name: getattr(record, name) for name in KEPT}
        record = msgspec.structs.replace(Record(t=0, n=0, node="", actor="", kind="", type="", cut=True), **kept)
    return record


def counted_as(kind: str, name: str) -> str:
    """What a record's `k` counts: its type; of refusals, whose types another node may choose, all of a kind."""
    return kind if kind in ("refused", "refused_by") else name


def fields_of(message: Message, named: Callable[[Address], str]) -> Fields:
    """What a record says of a message's contents; `named` gives the node at an address."""
    fields: Fields = {}
    for name in message.__struct_fields__:
        reader = READERS.get(name)
        if reader is not None:
            fields.update(reader(getattr(message, name), named))
    return fields


Named = Callable[[Address], str]
Reader = Callable[..., Fields]  # Takes the value of a field and a `Named`.


def _transaction(value: Transaction | str, named: Named) -> Fields:
    if isinstance(value, str):
        return {"tx": value}
    score = {"correct": value.correct, "tested": value.tested}
    return {"tx": digest(value), "model": value.model, "generator": named(value.generator), "sequence": value.sequence, **score}


def _receipt(value: Receipt, named: Named) -> Fields:
    score = {"correct": value.correct, "tested": value.tested, "ttl": value.received_at_ttl}
    return {"receipt": digest(value), "tx": value.transaction, "witness": named(value.creator), **score}


def _draft(value: Draft, named: Named) -> Fields:
    txs = tuple(digest(entry.transaction)[:SHORT] for entry in value.entries)
    return {"draft": digest(value), "generator": named(value.generator), "height": value.height, "txs": txs, "count": len(txs)}


def _confirmations(value: tuple[Confirmation, ...], named: Named) -> Fields:
    if not value:
        return {"count": 0}
    txs = tuple(dict.fromkeys(confirmation.transaction[:SHORT] for confirmation in value))
    return {"draft": value[0].draft, "witness": named(value[0].creator), "txs": txs, "count": len(value)}


def _evidence(value: Evidence, named: Named) -> Fields:
    return {"detail": "two " + ", ".join(f"{thing.kind} {digest(thing)[:SHORT]} of {named(signer_of(thing))}" for thing in value.things)}


def _news(value: Message, named: Named) -> Fields:
    return {**fields_of(value, named), "detail": type(value).__name__}


def _as(name: str) -> Reader:
    return lambda value, named: {name: value}


def _many(value: int | Sequence[object], named: Named) -> Fields:
    return {"count": value if isinstance(value, int) else len(value)}


def _node(name: str) -> Reader:
    return lambda value, named: {name: named(value)}


READERS: Mapping[str, Reader] = {
    "transaction": _transaction,
    "receipt": _receipt,
    "draft": _draft,
    "confirmations": _confirmations,
    "evidence": _evidence,
    "news": _news,
    **{name: _as(name) for name in ("model", "block", "height", "correct", "tested", "number", "index", "code")},
    **{
        name: _as(its)
        for name, its in {"delta": "model", "applied": "number", "last": "number", "first": "index", "what": "detail"}.items()
    },
    **dict.fromkeys(("count", "samples", "models", "receipts", "received"), _many),
    "generator": _node("generator"),
    **dict.fromkeys(("sender", "address"), _node("sender")),
}
"""How the fields of messages are read, by their names. What stands in none of these stays out."""
