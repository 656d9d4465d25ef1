"""The signed bytes: `tests/vectors/` pins them, and here they are checked by json, hashlib and cryptography alone as well."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dfl_actors.core import chain, checks, link, messages, objects, pulse
from dfl_actors.core.codec import decode, digest, encode
from dfl_actors.core.keys import KeyPair
from dfl_actors.errors import Code, Refused
from tests.core import rendered

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "vectors"
Case = dict[str, Any]


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


KEYS = {key["name"]: key for key in load("keys.json")}
OBJECTS: list[Case] = load("objects.json")
HANDSHAKE: Case = load("handshake.json")
INVALID = [(path.stem, case) for path in sorted((FOLDER / "invalid").glob("*.json")) for case in load(f"invalid/{path.name}")]
FINAL = next(case for case in OBJECTS if case["kind"] == "FinalBlock")
SIGNED = [case for case in OBJECTS if "signature" in case]


def kind(case: Case) -> str:
    return str(case["kind"])


# --- by another route than our own code ----------------------------------------------------------------------------------


def canonical(plain: Any) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("case", OBJECTS, ids=kind)
def test_bytes_and_digest_are_those_of_plain_json_and_sha256(case: Case) -> None:
    assert canonical(json.loads(case["bytes"])) == case["bytes"].encode()
    assert hashlib.sha256(case["bytes"].encode()).hexdigest() == case["digest"]


@pytest.mark.parametrize("case", SIGNED, ids=kind)
def test_the_signature_covers_the_domain_and_all_other_fields(case: Case) -> None:
    plain = json.loads(case["bytes"])
    signature = plain.pop("signature")
    data = f"dfl-actors/{case['domain']}/1\n".encode() + canonical(plain)
    assert data == case["signing"].encode()
    assert signature == case["signature"]
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(plain["public_key"])).verify(bytes.fromhex(signature), data)
    seed = bytes.fromhex(KEYS[case["signer"]]["seed"])
    assert Ed25519PrivateKey.from_private_bytes(seed).sign(data).hex() == signature


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key["name"])
def test_an_address_is_the_sha256_of_the_public_key(key: Case) -> None:
    public = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["seed"])).public_key().public_bytes_raw()
    assert (public.hex(), hashlib.sha256(public).hexdigest()) == (key["public_key"], key["address"])


@pytest.mark.parametrize(
    ("what", "signer", "listener", "nonce"), [("welcome", "alice", "bob", "hello"), ("proof", "bob", "alice", "welcome")]
)
def test_a_handshake_signs_domain_genesis_speaker_listener_nonce(what: str, signer: str, listener: str, nonce: str) -> None:
    lines = [
        f"dfl-actors/{what}/1",
        HANDSHAKE["genesis"],
        KEYS[signer]["address"],
        KEYS[listener]["address"],
        json.loads(HANDSHAKE[nonce])["nonce"],
    ]
    assert HANDSHAKE[f"{what}_signing"] == "\n".join(lines)
    signature = HANDSHAKE[f"{what}_signature"]
    assert json.loads(HANDSHAKE[what])["signature"] == signature
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(KEYS[signer]["public_key"]))
    public.verify(bytes.fromhex(signature), HANDSHAKE[f"{what}_signing"].encode())


def test_every_kind_of_object_is_pinned() -> None:
    assert [case["kind"] for case in OBJECTS] == [
        "Genesis",
        "Transaction",
        "Receipt",
        "Draft",
        "Confirmation",
        "MemberList",
        "FinalBlock",
        "Pulse",
    ]
    assert {case["domain"] for case in SIGNED} == {kind.kind for kind in objects.Signed.__subclasses__()}


# --- our own code against the files --------------------------------------------------------------------------------------


def read(name: str, data: str) -> Any:
    """An object of a vector, which must be right by itself: the rule under test alone may refuse it."""
    return decode(KINDS[name], data.encode())


KINDS: dict[str, Any] = {
    **{case["kind"]: getattr(pulse if case["kind"] == "Pulse" else objects, case["kind"]) for case in OBJECTS},
    **{name: getattr(messages, name) for name in ("AnyNews", "Hello", "Welcome", "Proof")},
    "Request": messages.REQUEST,
    "Reply": messages.REPLY,
}


@pytest.mark.parametrize("case", OBJECTS, ids=kind)
def test_an_object_decodes_and_encodes_to_its_bytes(case: Case) -> None:
    value = read(case["kind"], case["bytes"])
    assert encode(value) == case["bytes"].encode()
    assert digest(value) == case["digest"]


@pytest.mark.parametrize("case", SIGNED, ids=kind)
def test_a_seed_signs_an_object_to_its_bytes(case: Case) -> None:
    key = KeyPair(bytes.fromhex(KEYS[case["signer"]]["seed"]))
    value = read(case["kind"], case["bytes"])
    assert objects.signing_bytes(value) == case["signing"].encode()
    assert objects.sign(value, key) == value
    assert objects.signer_of(value) == key.address == KEYS[case["signer"]]["address"]
    objects.check_signed(value, OBJECTS[0]["digest"])


def test_the_block_keeps_every_rule_of_a_chain() -> None:
    genesis = OBJECTS[0]["digest"]
    state = chain.extend(chain.empty(genesis), read("FinalBlock", FINAL["bytes"]), checks.Verifier(genesis))
    assert (state.height, state.head) == (1, FINAL["digest"])


def test_a_handshake_goes_through() -> None:
    alice, bob = (KeyPair(bytes.fromhex(KEYS[name]["seed"])) for name in ("alice", "bob"))
    genesis, hello = HANDSHAKE["genesis"], read("Hello", HANDSHAKE["hello"])
    link.check_hello(hello, genesis, (bob.address,))
    reply = read("Welcome", HANDSHAKE["welcome"])
    assert link.welcome(hello, alice, genesis, reply.nonce) == reply
    link.check_welcome(reply, alice.address, bob.address, genesis, hello.nonce)
    last = read("Proof", HANDSHAKE["proof"])
    assert link.proof(reply, bob, genesis) == last
    link.check_proof(last, bob.public, bob.address, alice.address, genesis, reply.nonce)


# --- what is wrong -------------------------------------------------------------------------------------------------------


def decoding(case: Case) -> None:
    data = bytes.fromhex(case["hex"]) * case["repeat"] if "hex" in case else case["bytes"].encode()
    decode(KINDS[case["kind"]], data, **({"limit": case["limit"]} if "limit" in case else {}))


def all_of(name: str, data: list[str]) -> list[Any]:
    return [read(name, one) for one in data]


def chained(case: Case) -> None:
    """All blocks but the last are right."""
    verifier = checks.Verifier(case["genesis"])
    *before, last = all_of("FinalBlock", case["blocks"])
    state = chain.empty(case["genesis"])
    for block in before:
        state = chain.extend(state, block, verifier)
    with pytest.raises(Refused) as found:
        chain.extend(state, last, verifier)
    raise found.value


def confirming(case: Case) -> None:
    draft, verifier = read("Draft", case["draft"]), checks.Verifier(case["genesis"])
    identity = checks.check_draft(draft, verifier)
    checks.check_confirmation(read("Confirmation", case["confirmation"]), identity, checks.receipts_of(draft), verifier)


RULES: dict[str, Callable[[Case], Any]] = {
    "decode": decoding,
    "signed": lambda case: checks.Verifier(case["genesis"], case.get("members")).check(read(case["kind"], case["bytes"])),
    "lifetime": lambda case: checks.check_lifetime(read("Transaction", case["transaction"]), case["now"], case["longest"], case["skew"]),
    "path": lambda case: checks.check_path(
        read("Transaction", case["transaction"]), all_of("Receipt", case["receipts"]), case["sender"], case["me"]
    ),
    "transaction": lambda case: checks.check_transaction(
        read("Transaction", case["transaction"]), all_of("Receipt", case["receipts"]), checks.Verifier(case["genesis"])
    ),
    "draft": lambda case: checks.check_draft(read("Draft", case["draft"]), checks.Verifier(case["genesis"])),
    "confirmation": confirming,
    "final": lambda case: checks.check_final(read("FinalBlock", case["block"]), checks.Verifier(case["genesis"])),
    "chain": chained,
    "hello": lambda case: link.check_hello(read("Hello", case["hello"]), case["genesis"], tuple(case["allowed"])),
    "welcome": lambda case: link.check_welcome(
        read("Welcome", case["welcome"]), case["neighbour"], case["me"], case["genesis"], case["nonce"]
    ),
    "proof": lambda case: link.check_proof(
        read("Proof", case["proof"]), case["public_key"], case["address"], case["me"], case["genesis"], case["nonce"]
    ),
}


@pytest.mark.parametrize(("rule", "case"), INVALID, ids=[f"{rule}: {case['code']}, {case['name']}" for rule, case in INVALID])
def test_what_is_wrong_is_refused_with_its_code(rule: str, case: Case) -> None:
    with pytest.raises(Refused) as found:
        RULES[rule](case)
    assert found.value.code == case["code"], found.value


# --- nothing is left out -------------------------------------------------------------------------------------------------


IN_THE_CORE = {"codec", "objects", "link", "checks", "chain"}


def documented() -> dict[str, set[str]]:
    """The codes in the table of refusals, and the modules that raise them."""
    return {
        code.strip("`"): set(by.split(", ")) for code, _, by, _ in rendered.documented("| code | broken rule | raised by | what follows |")
    }


def test_every_code_of_the_core_has_a_vector() -> None:
    assert {code for code, by in documented().items() if by & IN_THE_CORE} == {case["code"] for _, case in INVALID}


def test_the_document_lists_every_code_and_no_other() -> None:
    assert list(documented()) == list(get_args(Code))


@pytest.mark.parametrize("name", [case["kind"] for case in OBJECTS])
def test_the_document_describes_every_field_of_an_object_and_no_other(name: str) -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    chapter = re.search(rf"^### {name} \(.*?(?=^##)", text, re.MULTILINE | re.DOTALL)
    assert chapter is not None
    cells = re.findall(r"^\| (`.*?) \|", chapter[0], re.MULTILINE)
    kind = KINDS[name]
    common = objects.Signed.__struct_fields__ if issubclass(kind, objects.Signed) else ()
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(set(kind.__struct_fields__) - set(common))


def test_the_document_has_the_version_of_the_protocol() -> None:
    first = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8").splitlines()[0]
    assert re.search(r"\bprotocol (\d+)\b", first, re.IGNORECASE)[1] == str(objects.PROTOCOL)  # type: ignore[index]
