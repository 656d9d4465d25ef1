"""Verify exported chains by a second reading of docs/protocol.md: nothing of `dfl_actors` is imported, only `cryptography` for Ed25519.

    dfl-actors chain export runs/... > chains.jsonl
    python tools/verify_chain.py chains.jsonl                # or - for standard input
    python tools/verify_chain.py chains.jsonl --begins 2=17  # node 2's blocks below 17 were lost: verify what is there

A line of the file is one chain: `{"node":NAME,"genesis":GENESIS,"blocks":[FINALBLOCK,...]}`, with `"members":[MEMBERLIST,...]` before the
blocks where there are later lists of members. For each chain one line says what was verified, or which block breaks which rule; the codes
are those of chapter 9. What needs more than the chain is not looked at: whose key the generator's is, the weights, the head that a node's
journal pins. Exit code 0: every chain is right; 8: one is not; 2: wrong arguments.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MOST = 2**53 - 1
WINDOW = 4096  # how far a sequence number may lie below the newest one of the blocks before
T = TypeVar("T")
Json = str | int | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]
Check = Callable[[Json, str], None]


class Broken(Exception):
    """A rule that a chain breaks: its code, what was found, and where."""

    def __init__(self, code: str, found: str = "") -> None:
        super().__init__(f"{code}: {found}" if found else code)
        self.code = code
        self.where = ""


# --- chapter 1: bytes, digests, signatures -----------------------------------------------------------------------------------


def canonical(value: Json) -> bytes:
    """The one spelling of a value: sorted keys, no spaces, nothing escaped that need not be."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Json) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def parsed(line: bytes) -> Json:
    """The value of a line of JSON. Raises `Broken` for what is not JSON, a key that comes twice, or a number that is not whole."""
    try:
        value: Json = json.loads(line.decode(), object_pairs_hook=_once, parse_float=_no_number, parse_constant=_no_number)
        canonical(value)
    except (ValueError, RecursionError) as error:
        raise Broken("malformed", str(error)) from None
    return value


def _once(pairs: list[tuple[str, Json]]) -> Object:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Broken("not_canonical", "a key comes twice")
    return fields


def _no_number(text: str) -> Json:
    raise Broken("schema", f"{text[:20]} is no whole number")


def check_signature(kind: str, signed: Object, signer: str, genesis: str) -> None:
    """An object of this network, signed by the key whose address its field `signer` states."""
    if signed["genesis"] != genesis:
        raise Broken("other_genesis", f"{signed['genesis']!s:.8}, not {genesis:.8}")
    key = bytes.fromhex(text(signed, "public_key"))
    if hashlib.sha256(key).hexdigest() != signed[signer]:
        raise Broken("address_mismatch", f"{signer} {signed[signer]!s:.8}")
    rest: Json = {name: value for name, value in signed.items() if name != "signature"}
    data = f"dfl-actors/{kind}/1\n".encode() + canonical(rest)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(bytes.fromhex(text(signed, "signature")), data)
    except (InvalidSignature, ValueError):
        raise Broken("bad_signature", f"{kind} of {signed[signer]!s:.8}") from None


# --- chapter 2: which values a field may hold ----------------------------------------------------------------------------------


def must(hold: Callable[[Json], bool], said: str) -> Check:
    def check(value: Json, where: str) -> None:
        if not hold(value):
            raise Broken("schema", f"{where} is no {said}")

    return check


def whole(least: int, most: int = MOST) -> Check:
    return must(lambda value: type(value) is int and least <= value <= most, f"whole number from {least} to {most}")


def words(least: int, most: int) -> Check:
    return must(lambda value: isinstance(value, str) and least <= len(value) <= most, f"text of {least} to {most} characters")


def hexadecimal(length: int) -> Check:
    digits = re.compile(f"[0-9a-f]{{{length}}}")
    return must(lambda value: isinstance(value, str) and bool(digits.fullmatch(value)), f"text of {length} hexadecimal digits")


def one_of(*choices: Json) -> Check:
    return must(lambda value: any(type(value) is type(one) and value == one for one in choices), "such word")


def many(least: int, most: int, each: Check) -> Check:
    def check(value: Json, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise Broken("schema", f"{where} is not a list of {least} to {most}")
        for number, one in enumerate(value):
            each(one, f"{where}[{number}]")

    return check


def fields(optional: Iterable[str] = (), /, **checks: Check) -> Check:
    may_lack = frozenset(optional)

    def check(value: Json, where: str) -> None:
        if not isinstance(value, dict):
            raise Broken("schema", f"{where} is no object")
        if wrong := (value.keys() - checks.keys()) | (checks.keys() - may_lack - value.keys()):
            raise Broken("schema", f"{where}: field {min(wrong)} is missing or unknown")
        for name in value:
            checks[name](value[name], f"{where}.{name}")

    return check


COUNT, DIGEST, SIGNATURE = whole(0), hexadecimal(64), hexadecimal(128)
SHAPE = many(0, 8, whole(1, 2**31))
SIGNED = {"genesis": DIGEST, "public_key": DIGEST, "signature": SIGNATURE}
GENESIS = fields(
    ("task", "score", "names", "inputs", "scale", "members"),
    network=words(1, 64),
    protocol=one_of(1),
    model=words(1, 256),
    layers=many(1, 4096, fields(name=words(1, 128), shape=SHAPE)),
    dtype=one_of("float32"),
    labels=whole(1, 1_000_000),
    initial=DIGEST,
    hash=one_of("sha256"),
    model_hash=one_of("blake3"),
    signature=one_of("ed25519"),
    task=one_of("multilabel", "regression"),
    score=one_of("r2"),
    names=many(1, 65_536, words(1, 128)),
    inputs=many(1, 256, fields(name=words(0, 128), shape=SHAPE, dtype=words(1, 16))),
    scale=words(1, 32),
    members=(KEYS := many(1, 1024, DIGEST)),
)
MEMBERS = fields(**SIGNED, generator=DIGEST, number=whole(1), created=COUNT, keys=KEYS)
TRANSACTION = fields(
    ("samples",),
    **SIGNED,
    generator=DIGEST,
    sequence=COUNT,
    created=COUNT,
    expires=COUNT,
    ttl=whole(1, 16),
    model=DIGEST,
    codec=one_of("float32", "float16"),
    size=whole(1, 2**31 - 1),
    correct=COUNT,
    tested=COUNT,
    samples=whole(1),
)
RECEIPT = fields(**SIGNED, creator=DIGEST, transaction=DIGEST, received_at_ttl=whole(0, 16), correct=COUNT, tested=whole(1), created=COUNT)
ENTRIES = many(1, 256, fields(transaction=TRANSACTION, receipts=many(0, 256, RECEIPT)))
DRAFT = fields(**SIGNED, generator=DIGEST, height=COUNT, previous=DIGEST, created=COUNT, entries=ENTRIES, memo=words(0, 256))
CONFIRMATION = fields(**SIGNED, creator=DIGEST, draft=DIGEST, transaction=DIGEST, receipt=DIGEST)
FINAL_BLOCK = fields(draft=DRAFT, confirmations=many(0, 65_536, CONFIRMATION), finalised=COUNT)
CHAIN = fields(
    ("members",), node=words(1, 2**20), genesis=GENESIS, members=many(1, MOST, MEMBERS), blocks=many(0, MOST, lambda value, where: None)
)


def typed(kind: type[T], of: Object, name: str) -> T:
    value = of[name]
    assert isinstance(value, kind)
    return value


text, number = partial(typed, str), partial(typed, int)
inner: Callable[[Object, str], Object] = partial(typed, dict)
items: Callable[[Object, str], list[Json]] = partial(typed, list)


def each(of: Object, name: str) -> Iterator[Object]:
    for one in items(of, name):
        assert isinstance(one, dict)
        yield one


# --- chapter 3: what a block must be -------------------------------------------------------------------------------------------


def check_receipts(entry: Object, genesis: str) -> Iterator[Object]:
    """The receipts of an entry: of its transaction, each by another witness, none by the generator, received behind the first link."""
    transaction, seen = inner(entry, "transaction"), set[str]()
    name = digest(transaction)
    for receipt in each(entry, "receipts"):
        creator = text(receipt, "creator")
        if receipt["transaction"] != name:
            raise Broken("receipt_moved", f"receipt of {creator:.8}")
        if creator == transaction["generator"]:
            raise Broken("self_receipt")
        if creator in seen:
            raise Broken("receipt_twice", f"witness {creator:.8}")
        if number(receipt, "received_at_ttl") >= number(transaction, "ttl"):
            raise Broken("receipt_ttl", f"receipt of {creator:.8}")
        if number(receipt, "correct") > number(receipt, "tested"):
            raise Broken("accuracy_range", f"receipt of {creator:.8}")
        check_signature("receipt", receipt, "creator", genesis)
        seen.add(creator)
        yield receipt
    if not seen:
        raise Broken("no_receipt", f"transaction {transaction['sequence']}")


def check_draft(draft: Object, genesis: str) -> dict[str, Object]:
    """The receipts of a draft by their digests."""
    check_signature("draft", draft, "generator", genesis)
    newest, receipts = -1, dict[str, Object]()
    for entry in each(draft, "entries"):
        transaction = inner(entry, "transaction")
        if transaction["generator"] != draft["generator"]:
            raise Broken("foreign_transaction", f"of {transaction['generator']!s:.8}")
        if number(transaction, "sequence") <= newest:
            raise Broken("transaction_order", f"{transaction['sequence']} after {newest}")
        newest = number(transaction, "sequence")
        check_signature("transaction", transaction, "generator", genesis)
        if number(transaction, "correct") > number(transaction, "tested"):
            raise Broken("accuracy_range", f"transaction {newest}")
        receipts.update((digest(receipt), receipt) for receipt in check_receipts(entry, genesis))
    return receipts


def check_confirmations(block: Object, receipts: dict[str, Object], genesis: str) -> None:
    """Each confirms one receipt of this draft, by the witness that issued it; without any the block was abandoned."""
    seen, draft = set[str](), digest(inner(block, "draft"))
    for confirmation in each(block, "confirmations"):
        name = text(confirmation, "receipt")
        if confirmation["draft"] != draft:
            raise Broken("other_draft", f"{confirmation['draft']!s:.8}, not {draft:.8}")
        if (receipt := receipts.get(name)) is None or receipt["transaction"] != confirmation["transaction"]:
            raise Broken("unknown_receipt", f"{name:.8}")
        if receipt["creator"] != confirmation["creator"]:
            raise Broken("not_the_witness", f"{confirmation['creator']!s:.8}")
        if name in seen:
            raise Broken("confirmation_twice", f"{name:.8}")
        check_signature("confirmation", confirmation, "creator", genesis)
        seen.add(name)


class Chain:
    """What the blocks so far say of the next one: its height and what it names, who makes it, which numbers were used."""

    def __init__(self, genesis: str, begins: int) -> None:
        self.genesis = genesis
        self.height = begins
        self.head: str | None = None if begins else genesis  # None: the block before was lost
        self.generator: Json | None = None
        self.finalised = 0
        self.used = set[int]()
        self.rolls: list[tuple[int, Json]] = []  # since when who is a member; none: the genesis names nobody
        self.transactions = self.receipts = self.confirmations = 0

    def enlist(self, later: Object) -> None:
        """From the date of this list on its keys are those of the members."""
        check_signature("members", later, "generator", self.genesis)
        if later["number"] != len(self.rolls) or number(later, "created") < self.rolls[-1][0]:
            raise Broken("list_order", f"list {later['number']}")
        if self.generator not in (None, later["generator"]):
            raise Broken("other_generator", f"{later['generator']!s:.8}")
        self.generator = later["generator"]
        self.rolls.append((number(later, "created"), later["keys"]))

    def _check_members(self, signed: Iterable[Object], created: int) -> None:
        keys = next((keys for since, keys in reversed(self.rolls) if since <= created), None)
        for one in signed:
            if isinstance(keys, list) and one["public_key"] not in keys:
                raise Broken("not_a_member", f"key {one['public_key']!s:.8}")

    def add(self, block: Object) -> None:
        """Verify the next block. Raises `Broken`."""
        draft = inner(block, "draft")
        numbers = [number(inner(entry, "transaction"), "sequence") for entry in each(draft, "entries")]
        self._check_place(draft)
        self._check_numbers(numbers)
        receipts = check_draft(draft, self.genesis)
        check_confirmations(block, receipts, self.genesis)
        self._check_members((draft, *receipts.values()), number(draft, "created"))
        if number(block, "finalised") < number(draft, "created"):
            raise Broken("finalised_before_created")
        self.height, self.head, self.generator = self.height + 1, digest(block), draft["generator"]
        self.finalised = number(block, "finalised")
        self.used.update(numbers)
        self.transactions += len(numbers)
        self.receipts += len(receipts)
        self.confirmations += sum(1 for _ in each(block, "confirmations"))

    def _check_place(self, draft: Object) -> None:
        if draft["height"] != self.height:
            raise Broken("height", f"{draft['height']}, expected {self.height}")
        if self.head not in (None, draft["previous"]):
            raise Broken("previous", f"{draft['previous']!s:.8}, expected {self.head!s:.8}")
        if self.generator not in (None, draft["generator"]):
            raise Broken("other_generator", f"{draft['generator']!s:.8}")
        if number(draft, "created") < self.finalised:
            raise Broken("time_backwards")

    def _check_numbers(self, numbers: list[int]) -> None:
        newest = max(self.used, default=-1)
        for one in numbers:
            if one in self.used or one <= newest - WINDOW:
                raise Broken("transaction_twice", f"sequence {one}")


def verify(line: bytes, begins: dict[str, int]) -> str:
    """What was verified of the chain that a line holds. Raises `Broken`."""
    chain = parsed(line)
    CHAIN(chain, "the line")
    assert isinstance(chain, dict)
    node, blocks = text(chain, "node"), items(chain, "blocks")
    state = Chain(digest(chain["genesis"]), begins.get(node, 0))
    if "members" in inner(chain, "genesis"):
        state.rolls.append((0, inner(chain, "genesis")["members"]))
    for later in each(chain, "members") if "members" in chain else ():
        state.enlist(later)
    for block in blocks:
        try:
            FINAL_BLOCK(block, "block")
            assert isinstance(block, dict)
            state.add(block)
        except Broken as error:
            error.where = f", node {node}, block {state.height}"
            raise
    if line != spelled(chain, blocks):
        raise Broken("not_canonical", f"what node {node}'s chain holds is not spelled so")
    return (
        f"node {node}: {state.height - begins.get(node, 0)} blocks, {state.transactions} transactions, {state.receipts} receipts, "
        f"{state.confirmations} confirmations, head {state.head or 'none':.8}, genesis {state.genesis:.8}"
    )


def spelled(chain: Object, blocks: list[Json]) -> bytes:
    """The line that an export writes of a chain."""
    inner = b",".join(map(canonical, blocks))
    lists = b'"members":%b,' % canonical(chain["members"]) if "members" in chain else b""
    return b'{"node":%b,"genesis":%b,%b"blocks":[%b]}' % (canonical(chain["node"]), canonical(chain["genesis"]), lists, inner)


def lines_of(path: str) -> Iterator[bytes]:
    """The lines of a file that are not empty."""
    with sys.stdin.buffer if path == "-" else Path(path).open("rb") as file:
        yield from filter(None, (line.rstrip(b"\n") for line in file))


def begun(value: str) -> tuple[str, int]:
    node, _, height = value.rpartition("=")
    return node, int(height)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", help="what chain export wrote; - for standard input")
    parser.add_argument("--begins", type=begun, action="append", default=[], metavar="NODE=HEIGHT", help="its blocks below were lost")
    given = parser.parse_args()
    found = wrong = 0
    try:
        for found, line in enumerate(lines_of(given.file), 1):
            try:
                print(verify(line, dict(given.begins)))
            except Broken as error:
                wrong += 1
                print(f"line {found}{error.where} breaks rule {error}", file=sys.stderr)
    except OSError as error:
        parser.error(f"{given.file} cannot be read: {error.strerror}")
    if not found:
        parser.error(f"{given.file} holds no chain: write one with `dfl-actors chain export RUN`")
    return 8 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
