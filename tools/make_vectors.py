"""Write `tests/vectors/` anew: the bytes, digests and signatures of one object of each kind, and what must be refused.

    python tools/make_vectors.py

Everything comes from fixed seeds, so an unchanged protocol gives unchanged files: a difference after running this is a change
of the protocol and belongs into `docs/protocol.md`. The tests never use this module; they check the files by another route.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from vector_objects import (
    ALICE,
    BOB,
    CAROL,
    CONFIRMED,
    DRAFT,
    ELSEWHERE,
    FINAL,
    FROM_BOB,
    FROM_CAROL,
    GENESIS,
    HELLO,
    LIMITS,
    LISTED,
    MALLORY,
    NET,
    NONCE,
    NOW,
    OTHER_NONCE,
    PROOF,
    PULSE,
    SEEDS,
    TX,
    WELCOME,
    Case,
    changed,
    confirmation,
    draft,
    entry,
    final,
    receipt,
    sealed,
    text,
    transaction,
)

from dfl_actors.core.codec import digest, encode
from dfl_actors.core.link import greeting_bytes, proof, welcome
from dfl_actors.core.messages import Chunk, Fetch, Proof, Resent, TransactionNews
from dfl_actors.core.objects import Signed, sign, signer_of, signing_bytes

FOLDER = Path(__file__).parent.parent / "tests" / "vectors"

# --- what is right -----------------------------------------------------------------------------------------------------


def objects() -> list[Case]:
    kinds: dict[str, msgspec.Struct] = {
        "Genesis": GENESIS,
        "Transaction": TX,
        "Receipt": FROM_BOB,
        "Draft": DRAFT,
        "Confirmation": CONFIRMED[0],
        "MemberList": LISTED,
        "FinalBlock": FINAL,
        "Pulse": PULSE,
    }
    return [described(kind, value) for kind, value in kinds.items()]


def described(kind: str, value: msgspec.Struct) -> Case:
    found: Case = {"kind": kind, "bytes": text(value), "digest": digest(value)}
    if isinstance(value, Signed):
        signer = {key.address: name for key, name in zip((ALICE, BOB, CAROL), SEEDS, strict=False)}[signer_of(value)]
        found |= {"domain": value.kind, "signer": signer, "signing": signing_bytes(value).decode(), "signature": value.signature}
    return found


def handshake() -> Case:
    """The messages of bob's way to alice, and the two signatures in them."""
    return {
        "genesis": NET,
        "hello": text(HELLO),
        "welcome": text(WELCOME),
        "proof": text(PROOF),
        "welcome_signing": greeting_bytes("welcome", NET, ALICE.address, BOB.address, NONCE).decode(),
        "welcome_signature": WELCOME.signature,
        "proof_signing": greeting_bytes("proof", NET, BOB.address, ALICE.address, OTHER_NONCE).decode(),
        "proof_signature": PROOF.signature,
    }


# --- what is wrong, by the rule that has to find it ---------------------------------------------------------------------


def decoding() -> Iterator[Case]:
    yield from malformed()
    yield from wrong_schema()
    yield from not_canonical()
    yield {"code": "too_large", "name": "one byte above the limit", "kind": "Transaction", "bytes": text(TX), "limit": len(encode(TX)) - 1}


def malformed() -> Iterator[Case]:
    whole = encode(TX)
    for name, data in {
        "nothing": b"",
        "cut short": whole[:-1],
        "more after the end": whole + b"}",
        "two objects": whole + whole,
        "not UTF-8": whole.replace(b"float32", b"float\xff2"),
        "half a surrogate pair": encode(DRAFT).replace(b"four", b"\\ud800"),
        "byte order mark": b"\xef\xbb\xbf" + whole,
        "not a number": whole.replace(b'"tested":100', b'"tested":NaN'),
        "a leading zero": whole.replace(b'"tested":100', b'"tested":0100'),
        "nested without end": b"[" * 100_000,
    }.items():
        kind = "Draft" if b"entries" in data else "Transaction"
        yield {"code": "malformed", "name": name, "kind": kind, "hex": data[:2000].hex(), "repeat": 50 if len(data) > 2000 else 1}


def wrong_schema() -> Iterator[Case]:
    whole = text(TX)
    swaps = {
        "a field that nobody knows": ('"codec"', '"bonus":1,"codec"'),
        "a field is missing": ('"codec":"float32",', ""),
        "text for a number": ('"tested":100', '"tested":"100"'),
        "a number for text": ('"codec":"float32"', '"codec":32'),
        "a float for a number": ('"tested":100', '"tested":100.5'),
        "a whole float for a number": ('"tested":100', '"tested":100.0'),
        "an exponent for a number": ('"tested":100', '"tested":1e2'),
        "true for a number": ('"tested":100', '"tested":true'),
        "null for a number": ('"tested":100', '"tested":null'),
        "below the range": ('"tested":100', '"tested":-1'),
        "above 2**53 - 1": ('"tested":100', '"tested":9007199254740992'),
        "above 64 bits": ('"tested":100', '"tested":18446744073709551616'),
        "a ttl of 0": ('"ttl":2', '"ttl":0'),
        "a ttl above 16": ('"ttl":2', '"ttl":17'),
        "a codec that nobody knows": ('"codec":"float32"', '"codec":"pickle"'),
        "a codec with a line end": ('"codec":"float32"', '"codec":"float32\\n"'),
        "a digest in upper case": (TX.model, "AB" * 32),
        "a digest that is not hexadecimal": (TX.model, "gg" * 32),
        "a digest with a line end": (TX.model, TX.model + "\\n"),
        "a digest with a line end for a digit": (TX.model, TX.model[:-1] + "\\n"),
        "a digest that is too short": (TX.model, TX.model[:-1]),
        "a digest with digits of another script": (TX.model, TX.model[:-1] + "\u0662"),
        "a signature that is too long": (TX.signature, TX.signature + "0"),
        "a model without bytes": ('"size":40', '"size":0'),
    }
    for name, (old, new) in swaps.items():
        assert whole.count(old) == 1, name
        yield {"code": "schema", "name": name, "kind": "Transaction", "bytes": whole.replace(old, new)}
    yield from wrong_others()


def wrong_others() -> Iterator[Case]:
    memo = "x" * 257
    for name, kind, value in (
        ("another protocol", "Genesis", changed(GENESIS, protocol=2)),
        ("another hash", "Genesis", changed(GENESIS, hash="sha1")),
        ("another hash of models", "Genesis", changed(GENESIS, model_hash="sha256")),
        ("a network without a name", "Genesis", changed(GENESIS, network="")),
        ("a model without layers", "Genesis", changed(GENESIS, layers=())),
        ("a receipt that tested nothing", "Receipt", receipt(TX, correct=0, tested=0)),
        ("a receipt with a negative ttl", "Receipt", receipt(TX, received_at_ttl=-1)),
        ("a draft without transactions", "Draft", draft()),
        ("a memo of 257 characters", "Draft", draft(entry(TX), memo=memo)),
        ("another kind of object", "Receipt", TX),
        ("a fetch of 17 chunks", "Request", Fetch(model=TX.model, first=0, count=17)),
        ("a reply where a request is due", "Request", Chunk(model=TX.model, index=0)),
        ("repeated news that are none", "Reply", Resent(epoch=1, number=1, news={"deep": {}})),  # type: ignore[arg-type]
        ("news with a wrong transaction", "AnyNews", TransactionNews(transaction=changed(TX, ttl=17), receipts=())),
    ):
        yield {"code": "schema", "name": name, "kind": kind, "bytes": text(value)}
    for name, data in (("a list", "[]"), ("null", "null"), ("a message without a type", "{}")):
        yield {"code": "schema", "name": name, "kind": "Request", "bytes": data}


def not_canonical() -> Iterator[Case]:
    whole = text(TX)
    plain = json.loads(whole)
    for name, data in {
        "a key twice": whole.replace('"codec"', '"codec":"float16","codec"', 1),
        "a space": whole.replace(":", ": ", 1),
        "a line end after it": whole + "\n",
        "another order of keys": json.dumps(dict(reversed(plain.items())), separators=(",", ":")),
        "escaped text": whole.replace("float32", "\\u0066loat32"),
        "an escaped key": whole.replace('"codec"', '"\\u0063odec"'),
        "minus zero": text(transaction(correct=0)).replace('"correct":0', '"correct":-0'),
    }.items():
        yield {"code": "not_canonical", "name": name, "kind": "Transaction", "bytes": data}
    escaped = text(DRAFT).replace("\u2603", "\\u2603")
    yield {"code": "not_canonical", "name": "text escaped without need", "kind": "Draft", "bytes": escaped}
    left_out = text(draft(entry(TX), memo="")).replace('"memo":"",', "")
    yield {"code": "not_canonical", "name": "a field left out because it has its default", "kind": "Draft", "bytes": left_out}


def signing() -> Iterator[Case]:
    flipped = TX.signature[:-1] + ("0" if TX.signature[-1] != "0" else "1")
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(bytes.fromhex(TX.signature[64:]), "little") + order
    malleable = TX.signature[:64] + scalar.to_bytes(32, "little").hex()
    as_receipt = BOB.sign(signing_bytes(FROM_BOB).replace(b"dfl-actors/receipt", b"dfl-actors/transaction"))
    for code, name, value in (
        ("other_genesis", "of another network", transaction(genesis=ELSEWHERE)),
        ("address_mismatch", "in the name of another", changed(TX, MALLORY, public_key=MALLORY.public)),
        ("address_mismatch", "another generator", changed(TX, ALICE, generator=BOB.address)),
        ("bad_signature", "moved here from another network", changed(transaction(genesis=ELSEWHERE), genesis=NET)),
        ("bad_signature", "not signed", changed(TX, signature="0" * 128)),
        ("bad_signature", "one digit differs", changed(TX, signature=flipped)),
        ("bad_signature", "the other spelling of the same signature (S + L)", changed(TX, signature=malleable)),
        ("bad_signature", "a field changed afterwards", changed(TX, correct=99)),
        ("bad_signature", "signed by another", sign(TX, MALLORY)),
        ("bad_signature", "signed as another kind", changed(FROM_BOB, signature=as_receipt)),
        ("bad_signature", "a draft whose memo changed", changed(DRAFT, memo="")),
        ("bad_signature", "a confirmation moved to another draft", changed(CONFIRMED[0], draft="44" * 32)),
    ):
        yield {"code": code, "name": name, "kind": type(value).__name__, "bytes": text(value), "genesis": NET}
    who = {"kind": "Receipt", "bytes": text(FROM_BOB), "genesis": NET, "members": [ALICE.public, CAROL.public]}
    yield {"code": "not_a_member", "name": "of a key that no node has"} | who


def lifetime() -> Iterator[Case]:
    for code, name, value, now in (
        ("lifetime", "expires when it is created", transaction(expires=NOW), NOW),
        ("lifetime", "expires before it is created", transaction(expires=NOW - 1), NOW),
        ("lifetime", "lives 1 ms too long", transaction(expires=NOW + LIMITS["longest"] + 1), NOW),
        ("from_the_future", "created 1 ms beyond the skew", transaction(created=NOW + LIMITS["skew"] + 1), NOW),
        ("expired", "at the very end", TX, TX.expires),
    ):
        yield {"code": code, "name": name, "transaction": text(value), "now": now, **LIMITS}


def path() -> Iterator[Case]:
    for code, name, receipts, sender, me in (
        ("own_transaction", "our own comes back", [FROM_BOB], BOB, ALICE),
        ("relay_unsigned", "a relay without a receipt", [], BOB, CAROL),
        ("relay_unsigned", "a relay that shows the receipt of another", [FROM_BOB], MALLORY, CAROL),
        ("ttl_exhausted", "passed on by a node at ttl 0", [FROM_BOB, FROM_CAROL], CAROL, MALLORY),
    ):
        received = [text(one) for one in receipts]
        yield {"code": code, "name": name, "transaction": text(TX), "receipts": received, "sender": sender.address, "me": me.address}


def transactions() -> Iterator[Case]:
    other = transaction(sequence=1)
    forged = changed(FROM_BOB, correct=100)
    for code, name, value, receipts in (
        ("accuracy_range", "the generator is right more often than it tried", transaction(correct=101), []),
        ("accuracy_range", "a witness is right more often than it tried", TX, [receipt(TX, correct=101)]),
        ("receipt_moved", "a receipt of another transaction", TX, [receipt(other)]),
        ("self_receipt", "a receipt of the generator", TX, [receipt(TX, ALICE)]),
        ("receipt_twice", "the same receipt twice", TX, [FROM_BOB, FROM_BOB]),
        ("receipt_twice", "two receipts of one witness", TX, [FROM_BOB, receipt(TX, correct=69)]),
        ("receipt_ttl", "received with the ttl it was sent with", TX, [receipt(TX, received_at_ttl=2)]),
        ("bad_signature", "a forged receipt", TX, [forged]),
        ("bad_signature", "a forged transaction", changed(TX, correct=100), []),
        ("other_genesis", "a receipt of another network", TX, [receipt(TX, genesis=ELSEWHERE)]),
    ):
        yield {"code": code, "name": name, "transaction": text(value), "receipts": [text(one) for one in receipts], "genesis": NET}


def drafts() -> Iterator[Case]:
    second = transaction(sequence=1)
    foreign = transaction(MALLORY)
    for code, name, value in (
        ("foreign_transaction", "the transaction of another", draft(entry(foreign, receipt(foreign)))),
        ("transaction_order", "sequence numbers fall", draft(entry(second, receipt(second)), entry(TX, FROM_BOB))),
        ("transaction_order", "a transaction twice", draft(entry(TX, FROM_BOB), entry(TX, FROM_CAROL))),
        ("receipt_moved", "a receipt under another transaction", draft(entry(TX, FROM_BOB), entry(second, FROM_CAROL))),
        ("self_receipt", "a receipt of the generator", draft(entry(TX, receipt(TX, ALICE)))),
        ("receipt_twice", "two receipts of one witness", draft(entry(TX, FROM_BOB, receipt(TX, correct=69)))),
        ("no_receipt", "a transaction without a witness", draft(entry(TX, FROM_BOB), entry(second))),
        ("bad_signature", "a receipt with more correct answers", draft(entry(TX, changed(FROM_BOB, correct=99)))),
        ("bad_signature", "a transaction with more correct answers", draft(entry(changed(TX, correct=99)))),
    ):
        yield {"code": code, "name": name, "draft": text(value), "genesis": NET}


def confirmations() -> Iterator[Case]:
    second = transaction(sequence=1)
    for code, name, value in (
        ("other_draft", "of another draft", confirmation(draft(entry(TX, FROM_BOB), memo="another"), FROM_BOB)),
        ("unknown_receipt", "of a receipt that is not in the draft", confirmation(DRAFT, receipt(TX, correct=69))),
        ("unknown_receipt", "names another transaction", confirmation(DRAFT, FROM_BOB, transaction=digest(second))),
        ("not_the_witness", "of another's receipt", confirmation(DRAFT, FROM_BOB, CAROL)),
        ("bad_signature", "not signed by the witness", sign(CONFIRMED[0], MALLORY)),
        ("other_genesis", "of another network", confirmation(DRAFT, FROM_BOB, genesis=ELSEWHERE)),
    ):
        yield {"code": code, "name": name, "draft": text(DRAFT), "confirmation": text(value), "genesis": NET}


def finals() -> Iterator[Case]:
    for code, name, value in (
        ("confirmation_twice", "the same confirmation twice", final(DRAFT, CONFIRMED[0], CONFIRMED[0])),
        ("finalised_before_created", "1 ms too early", final(DRAFT, *CONFIRMED, finalised=DRAFT.created - 1)),
        ("not_the_witness", "confirmed by another", final(DRAFT, confirmation(DRAFT, FROM_BOB, CAROL))),
        ("other_draft", "confirmations of the draft before", final(draft(entry(TX, FROM_BOB), memo="changed"), *CONFIRMED)),
        ("bad_signature", "a changed draft", final(changed(DRAFT, memo="changed"))),
    ):
        yield {"code": code, "name": name, "block": text(value), "genesis": NET}


def chains() -> Iterator[Case]:
    second, late = transaction(sequence=1), transaction(sequence=9_999)
    after: dict[str, Any] = {"height": 1, "previous": digest(FINAL), "created": FINAL.finalised}
    fine = draft(entry(second, receipt(second)), **after)
    theirs, again = transaction(BOB), transaction(correct=1)
    jumped = sealed(draft(entry(late, receipt(late)), **after))
    forgotten = draft(entry(second, receipt(second)), height=2, previous=digest(jumped), created=jumped.finalised)
    for code, name, blocks in (
        ("height", "a chain that begins at 1", [final(fine)]),
        ("height", "a block twice", [FINAL, FINAL]),
        ("previous", "the first block names no genesis", [final(draft(entry(TX), previous="55" * 32))]),
        ("previous", "names the draft and not the final block", [FINAL, final(changed(fine, ALICE, previous=digest(DRAFT)))]),
        ("other_generator", "another node goes on", [FINAL, final(draft(entry(theirs), key=BOB, **after))]),
        ("transaction_twice", "a transaction in two blocks", [FINAL, sealed(draft(entry(TX, FROM_BOB), **after))]),
        ("transaction_twice", "two transactions of one number", [FINAL, sealed(draft(entry(again, receipt(again)), **after))]),
        ("transaction_twice", "a number that lags too far", [FINAL, jumped, sealed(forgotten, finalised=NOW + 3_000)]),
        ("time_backwards", "drafted before the last was final", [FINAL, final(changed(fine, ALICE, created=FINAL.finalised - 1))]),
        ("bad_signature", "a changed draft", [changed(FINAL, draft=changed(DRAFT, memo="changed"))]),
    ):
        yield {"code": code, "name": name, "blocks": [text(block) for block in blocks], "genesis": NET}


def hellos() -> Iterator[Case]:
    for code, name, value, allowed in (
        ("other_genesis", "of another network", changed(HELLO, genesis=ELSEWHERE), [BOB.address]),
        ("address_mismatch", "in the name of another", changed(HELLO, address=CAROL.address), [CAROL.address]),
        ("stranger", "no neighbour", HELLO, [CAROL.address]),
    ):
        yield {"code": code, "name": name, "hello": text(value), "allowed": allowed, "genesis": NET}


def welcomes() -> Iterator[Case]:
    other = changed(HELLO, nonce=OTHER_NONCE)
    swapped = ALICE.sign(greeting_bytes("proof", NET, ALICE.address, BOB.address, NONCE))
    for code, name, value in (
        ("wrong_neighbour", "another answers", welcome(HELLO, MALLORY, NET, OTHER_NONCE)),
        ("wrong_neighbour", "another key under the right address", changed(WELCOME, public_key=MALLORY.public)),
        ("bad_signature", "a nonce of an earlier time", welcome(other, ALICE, NET, OTHER_NONCE)),
        ("bad_signature", "for another node", welcome(changed(HELLO, address=CAROL.address), ALICE, NET, OTHER_NONCE)),
        ("bad_signature", "of another network", welcome(HELLO, ALICE, ELSEWHERE, OTHER_NONCE)),
        ("bad_signature", "a proof for a welcome", changed(WELCOME, signature=swapped)),
    ):
        rest = {"neighbour": ALICE.address, "me": BOB.address, "nonce": NONCE, "genesis": NET}
        yield {"code": code, "name": name, "welcome": text(value), **rest}


def proofs() -> Iterator[Case]:
    as_welcome = BOB.sign(greeting_bytes("welcome", NET, BOB.address, ALICE.address, OTHER_NONCE))
    for name, value in (
        ("of another key", proof(WELCOME, MALLORY, NET)),
        ("of an earlier nonce", proof(changed(WELCOME, nonce=NONCE), BOB, NET)),
        ("for another node", proof(changed(WELCOME, address=CAROL.address), BOB, NET)),
        ("a welcome for a proof", Proof(signature=as_welcome)),
    ):
        rest = {"public_key": BOB.public, "address": BOB.address, "me": ALICE.address, "nonce": OTHER_NONCE, "genesis": NET}
        yield {"code": "bad_signature", "name": name, "proof": text(value), **rest}


RULES = {
    "decode": decoding,
    "signed": signing,
    "lifetime": lifetime,
    "path": path,
    "transaction": transactions,
    "draft": drafts,
    "confirmation": confirmations,
    "final": finals,
    "chain": chains,
    "hello": hellos,
    "welcome": welcomes,
    "proof": proofs,
}


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    (FOLDER / "invalid").mkdir(parents=True, exist_ok=True)
    keys = [
        {"name": name, "seed": seed.hex(), "public_key": key.public, "address": key.address}
        for (name, seed), key in zip(SEEDS.items(), (ALICE, BOB, CAROL, MALLORY), strict=True)
    ]
    write(FOLDER / "keys.json", keys)
    write(FOLDER / "objects.json", objects())
    write(FOLDER / "handshake.json", handshake())
    for rule, cases in RULES.items():
        write(FOLDER / "invalid" / f"{rule}.json", list(cases()))


if __name__ == "__main__":
    main()
