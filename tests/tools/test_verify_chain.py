"""The second verifier against ours: each says of every chain what the other says, right, damaged or forged.

Where a block breaks several rules, which of them is named first is each one's own affair.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import verify_chain
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dfl_actors.core import chain, codec
from dfl_actors.core.checks import Verifier
from dfl_actors.core.members import Roll
from dfl_actors.core.objects import Draft, FinalBlock, MemberList, issue
from dfl_actors.errors import Refused
from tests import objects
from tests.runtime.test_verify import GENESIS, NET

VECTORS = Path(__file__).parents[1] / "vectors"
KEYS = {key.public: key for key in (objects.ALICE, objects.BOB, objects.CAROL, objects.DAVE)}
Path_ = tuple[Any, ...]


def ours(blocks: list[bytes], genesis: str) -> str | None:
    """The code of the rule that these blocks break, as the program says."""
    state, verifier = chain.empty(genesis), Verifier(genesis)
    try:
        for raw in blocks:
            state = chain.extend(state, codec.decode(FinalBlock, raw, chain.LARGEST_BLOCK), verifier)
    except Refused as error:
        return error.code
    return None


def theirs(blocks: list[bytes], genesis: str) -> str | None:
    """The same by the tool, which is told what the genesis is by a digest, as the vectors have no more."""
    state = verify_chain.Chain(genesis, 0)
    try:
        for raw in blocks:
            block = verify_chain.parsed(raw)
            verify_chain.FINAL_BLOCK(block, "block")
            assert isinstance(block, dict)
            if verify_chain.canonical(block) != raw:
                return "not_canonical"
            state.add(block)
    except verify_chain.Broken as error:
        return error.code
    return None


def line(blocks: list[bytes]) -> bytes:
    return b'{"node":"a","genesis":%b,"blocks":[%b]}' % (codec.encode(GENESIS), b",".join(blocks))


def made() -> list[bytes]:
    """A chain of three blocks of Alice's: two transactions each, witnessed by two, confirmed by one or both."""
    state, raws, verifier = chain.empty(NET), list[bytes](), Verifier(NET)
    for height in range(3):
        transactions = [objects.transaction(genesis=NET, sequence=2 * height + number) for number in (0, 1)]
        receipts = [[objects.receipt(one, key) for key in (objects.BOB, objects.CAROL)] for one in transactions]
        draft = objects.draft(
            *((one, tuple(its)) for one, its in zip(transactions, receipts, strict=True)),
            genesis=NET,
            height=height,
            previous=state.head,
            created=objects.NOW + 1_000 + height,
        )
        confirmations = [objects.confirmation(draft, receipts[0][0]), objects.confirmation(draft, receipts[1][1], objects.CAROL)]
        block = objects.final(draft, *confirmations[: 1 + height % 2])
        raws.append(codec.encode(block))
        state = chain.extend(state, block, verifier)
    return raws


CHAIN = made()


def cases(name: str) -> list[dict[str, str]]:
    loaded: list[dict[str, str]] = json.loads((VECTORS / "invalid" / f"{name}.json").read_bytes())
    return loaded


def test_a_right_chain_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "chains.jsonl"
    file.write_bytes(line(CHAIN) + b"\n" + line([]) + b"\n")
    monkeypatch.setattr("sys.argv", ["verify_chain.py", str(file)])
    assert verify_chain.main() == 0
    head, genesis = codec.sha256(CHAIN[-1]), NET
    assert capsys.readouterr().out.splitlines() == [
        f"node a: 3 blocks, 6 transactions, 12 receipts, 4 confirmations, head {head:.8}, genesis {genesis:.8}",
        f"node a: 0 blocks, 0 transactions, 0 receipts, 0 confirmations, head {genesis:.8}, genesis {genesis:.8}",
    ]
    file.write_bytes(line(CHAIN[1:]) + b"\n")
    assert verify_chain.main() == 8
    assert capsys.readouterr().err == "line 1, node a, block 0 breaks rule height: 1, expected 0\n"
    monkeypatch.setattr("sys.argv", ["verify_chain.py", str(file), "--begins", "a=1"])
    assert verify_chain.main() == 0


def test_members_are_held_against_the_genesis_and_later_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a chain whose witness Carol joined later, by both verifiers."""
    began = msgspec.structs.replace(GENESIS, members=tuple(sorted((objects.ALICE.public, objects.BOB.public))))
    net, keys = codec.digest(began), sorted(key.public for key in KEYS.values())
    transaction = objects.transaction(genesis=net)
    receipts = tuple(objects.receipt(transaction, key) for key in (objects.BOB, objects.CAROL))
    draft = objects.draft((transaction, receipts), genesis=net, previous=net)
    block = codec.encode(objects.final(draft, objects.confirmation(draft, receipts[1], objects.CAROL)))
    later = [issue(MemberList, objects.ALICE, net, number=number, created=objects.NOW, keys=keys) for number in (1, 2)]
    file = tmp_path / "chain.jsonl"
    monkeypatch.setattr("sys.argv", ["verify_chain.py", str(file)])
    for lists, code in (([later[0]], ""), (later, ""), ([], "not_a_member"), (later[::-1], "list_order"), (later[1:], "list_order")):
        members = b'"members":[%b],' % b",".join(map(codec.encode, lists)) if lists else b""
        file.write_bytes(b'{"node":"a","genesis":%b,%b"blocks":[%b]}\n' % (codec.encode(began), members, block))
        assert verify_chain.main() == (8 if code else 0), code
        assert f"breaks rule {code}" in capsys.readouterr().err or not code
        assert rolled(Roll(began), lists, draft) == code


def rolled(roll: Roll, lists: list[MemberList], draft: Draft) -> str:
    """The code of the rule that our own verifier finds broken."""
    try:
        for one in lists:
            roll.add(one, objects.ALICE.address, Verifier(draft.genesis))
        roll.check(draft)
    except Refused as error:
        return error.code
    return ""


@pytest.mark.parametrize("case", cases("chain"), ids=lambda case: case["name"])
def test_the_vectors_of_chains(case: dict[str, str]) -> None:
    assert theirs([raw.encode() for raw in case["blocks"]], case["genesis"]) == case["code"]


@pytest.mark.parametrize("case", cases("final"), ids=lambda case: case["name"])
def test_the_vectors_of_final_blocks(case: dict[str, str]) -> None:
    block = verify_chain.parsed(case["block"].encode())
    verify_chain.FINAL_BLOCK(block, "block")
    state = verify_chain.Chain(case["genesis"], 0)
    assert isinstance(block, dict)
    with pytest.raises(verify_chain.Broken) as broken:
        state.add(block)
    assert broken.value.code == case["code"]


@pytest.mark.parametrize("case", cases("draft"), ids=lambda case: case["name"])
def test_the_vectors_of_drafts(case: dict[str, str]) -> None:
    draft = verify_chain.parsed(case["draft"].encode())
    verify_chain.DRAFT(draft, "draft")
    assert isinstance(draft, dict)
    with pytest.raises(verify_chain.Broken) as broken:
        verify_chain.check_draft(draft, case["genesis"])
    assert broken.value.code == case["code"]


# --- any change of a right chain, by a clumsy forger and by one who holds every key ------------------------------------------------


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Where in a value something stands."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def at(value: Any, path: Path_) -> Any:
    for key in path:
        value = value[key]
    return value


BLOCKS = [json.loads(raw) for raw in CHAIN]
PLACES = list(places(BLOCKS))
VALUES = [0, 1, -1, 2**53 - 1, 2**53, True, "", "ab" * 32, "AB" * 32, "\u2028é", [], {}, objects.DAVE.public, objects.DAVE.address]


def replacements(path: Path_) -> st.SearchStrategy[Any]:
    """What may stand in a place: as a rule what stands elsewhere under the same name, or a number near by."""
    near = [at(BLOCKS, other) for other in PLACES if other[-1] == path[-1] or (isinstance(other[-1], int) and isinstance(path[-1], int))]
    if isinstance(number := at(BLOCKS, path), int):
        near += [number - 1, number + 1, 100 * number]
    return st.one_of(st.sampled_from(near), st.sampled_from(near), st.sampled_from(VALUES), st.none())


changes = st.sampled_from(PLACES).flatmap(lambda path: st.tuples(st.just(path), replacements(path)))


def change(blocks: Any, path: Path_, value: Any) -> None:
    """Put a value into a place; None takes away what is there, and of a list puts it there twice."""
    holder, key = at(blocks, path[:-1]), path[-1]
    if value is not None:
        holder[key] = copy.deepcopy(value)
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        del holder[key]


def forge(blocks: Any) -> None:
    """Name and sign anew whatever names or signs something that was changed, as far as the shape and the keys are still there."""
    previous = NET
    for block in blocks:
        renamed, draft = dict[str, str](), block["draft"]
        for entry in draft["entries"]:
            sign("transaction", entry["transaction"], renamed)
            for receipt in entry["receipts"]:
                receipt["transaction"] = renamed.get(receipt["transaction"], receipt["transaction"])
                sign("receipt", receipt, renamed)
        draft["previous"] = previous
        sign("draft", draft, renamed)
        for confirmation in block["confirmations"]:
            for field in ("draft", "transaction", "receipt"):
                confirmation[field] = renamed.get(confirmation[field], confirmation[field])
            sign("confirmation", confirmation, renamed)
        previous = verify_chain.digest(block)


def sign(kind: str, value: Any, renamed: dict[str, str]) -> None:
    before, key = verify_chain.digest(value), KEYS[value["public_key"]]
    rest = {name: inner for name, inner in value.items() if name != "signature"}
    value["signature"] = key.sign(f"dfl-actors/{kind}/1\n".encode() + verify_chain.canonical(rest))
    renamed[before] = verify_chain.digest(value)


@settings(max_examples=400)
@given(st.lists(changes, min_size=1, max_size=2), st.booleans())
def test_of_a_changed_chain_both_say_the_same(made: list[tuple[Path_, Any]], forging: bool) -> None:
    blocks = copy.deepcopy(BLOCKS)
    with suppress(KeyError, IndexError, TypeError, AttributeError):  # what the first change took away
        for path, value in made:
            change(blocks, path, value)
    with suppress(KeyError, TypeError, AttributeError):
        if forging:
            forge(blocks)
    raws = [verify_chain.canonical(block) for block in blocks]
    event(found := theirs(raws, NET) or "right")
    assert (found == "right") == (ours(raws, NET) is None)


@settings(max_examples=200)
@given(st.integers(0, 2), st.data())
def test_of_a_damaged_byte_both_say_the_same(which: int, data: st.DataObject) -> None:
    raw = bytearray(CHAIN[which])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    raws = [bytes(raw) if which == number else one for number, one in enumerate(CHAIN)]
    assert (ours(raws, NET) is None) == (theirs(raws, NET) is None) == (bytes(raw) == CHAIN[which])


def test_what_is_not_spelled_canonically_is_refused() -> None:
    for spelled in (line(CHAIN).replace(b'"node":"a"', b'"node": "a"'), line(CHAIN).replace(b'"memo":""', b'"memo":"","memo":""', 1)):
        with pytest.raises(verify_chain.Broken, match="not_canonical"):
            verify_chain.verify(spelled, {})


def test_it_imports_nothing_of_the_package() -> None:
    tool = Path(verify_chain.__file__)
    code = f"import runpy, sys; runpy.run_path({str(tool)!r}); sys.exit(any(name.startswith('dfl_actors') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert len(tool.read_text().splitlines()) < 500
