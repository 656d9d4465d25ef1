"""`dfl-actors chain`: what was done to a chain on the disk is found, and named by node, block and rule."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import msgspec
import orjson
import pytest

from dfl_actors.core import chain, codec
from dfl_actors.core.checks import Verifier
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.objects import FinalBlock, Genesis, sign
from dfl_actors.runtime.keyfiles import load_key
from tests.network.conftest import Finished
from tests.network.harness import ROOT, Command, one_line

Start = Callable[..., Command]

PAGE = 4096


@pytest.fixture
def copy(finished: Finished, place: Path) -> Path:
    """The finished run without its models, to do with as one likes."""
    shutil.copytree(finished.out, place / "run", ignore=shutil.ignore_patterns("models", "journal", "marks.json", "model.keras"))
    return place / "run"


@pytest.fixture
def verify(start: Start, copy: Path) -> Callable[[int], str]:
    """Runs `chain verify`, expects an exit code, returns what it says."""

    def run(code: int) -> str:
        command = start("chain", "verify", "run")
        command.ended(code)
        if code:
            assert command.stdout == ""
            return one_line(command.stderr)
        assert command.stderr == ""
        return command.stdout

    return run


class Chain:
    """The LMDB entries of a node's chain, open to change."""

    def __init__(self, run: Path, node: str = "0") -> None:
        self.path = run / "nodes" / node / "chain"
        self.key = load_key(run / "nodes" / node)

    def block(self, height: int) -> FinalBlock:
        with lmdb.open(str(self.path)) as environment, environment.begin() as transaction:
            return codec.decode(FinalBlock, transaction.get(name(height)) or b"", 1 << 30)

    def put(self, height: int, block: FinalBlock | bytes | None) -> None:
        with lmdb.open(str(self.path)) as environment, environment.begin(write=True) as transaction:
            if block is None:
                transaction.delete(name(height))
            else:
                transaction.put(name(height), block if isinstance(block, bytes) else codec.encode(block))


def name(height: int) -> bytes:
    return b"b" + height.to_bytes(8, "big")


def rewritten(block: FinalBlock, key: KeyPair) -> FinalBlock:
    """The block with a better accuracy in its first transaction, everything that `key` can sign signed anew."""
    first, *others = block.draft.entries
    transaction = sign(msgspec.structs.replace(first.transaction, correct=first.transaction.tested), key)
    entries = (msgspec.structs.replace(first, transaction=transaction), *others)
    return msgspec.structs.replace(block, draft=sign(msgspec.structs.replace(block.draft, entries=entries), key))


def remarked(block: FinalBlock, key: KeyPair) -> FinalBlock:
    """The block with another memo, its draft signed anew."""
    return msgspec.structs.replace(block, draft=sign(msgspec.structs.replace(block.draft, memo="other"), key))


def test_what_was_not_altered_verifies(verify: Callable[[int], str]) -> None:
    lines = verify(0).splitlines()
    assert [line.split(",")[0] for line in lines] == ["node 0: ok", "node 1: ok"]
    assert all("weights of 0 models" in line for line in lines)


def test_a_block_that_was_rewritten_is_named(copy: Path, verify: Callable[[int], str]) -> None:
    stored = Chain(copy)
    stored.put(1, rewritten(stored.block(1), stored.key))
    assert "node 0: block 1 breaks rule receipt_moved" in verify(8)


def test_a_draft_that_was_signed_again_loses_its_confirmations(copy: Path, verify: Callable[[int], str]) -> None:
    stored = Chain(copy, "1")
    stored.put(2, remarked(stored.block(2), stored.key))
    assert "node 1: block 2 breaks rule other_draft" in verify(8)


def test_a_block_that_lost_all_its_confirmations_breaks_the_next(copy: Path, verify: Callable[[int], str]) -> None:
    stored = Chain(copy)
    stored.put(1, msgspec.structs.replace(stored.block(1), confirmations=()))
    assert "node 0: block 2 breaks rule previous" in verify(8)


def test_a_block_that_lost_a_confirmation_breaks_the_next(copy: Path, verify: Callable[[int], str]) -> None:
    stored = Chain(copy)
    block = stored.block(1)
    assert len(block.confirmations) > 1
    stored.put(1, msgspec.structs.replace(block, confirmations=block.confirmations[1:]))
    assert "node 0: block 2 breaks rule previous" in verify(8)


def test_a_value_with_a_flipped_bit_is_named(copy: Path, verify: Callable[[int], str], start: Start) -> None:
    stored = Chain(copy)
    signature = stored.block(0).draft.signature
    raw = codec.encode(stored.block(0))
    stored.put(0, raw.replace(signature.encode(), signature[:-1].encode() + (b"0" if signature[-1] != "0" else b"1")))
    assert "node 0: block 0 breaks rule bad_signature" in verify(8)
    stored.put(0, raw.replace(b'"memo"', b'"mem\xff"'))
    for command in ("verify", "show", "export"):
        damaged = start("chain", command, "run")
        damaged.ended(8)
        assert "node 0: block 0 breaks rule" in one_line(damaged.stderr)


def test_a_flipped_byte_in_a_page_is_found(copy: Path, verify: Callable[[int], str]) -> None:
    file = copy / "nodes/1/chain/data.mdb"
    signature = Chain(copy, "1").block(0).draft.signature.encode()
    data = bytearray(file.read_bytes())
    assert signature in data
    while (place := data.find(signature)) >= 0:  # every page that holds it, old ones too
        data[place] ^= 1
    file.write_bytes(data)
    assert "node 1: block 0 breaks rule" in verify(8)


def test_a_dropped_block_is_missed(copy: Path, verify: Callable[[int], str]) -> None:
    Chain(copy).put(1, None)
    assert "node 0: block 1 is missing" in verify(8)


def test_an_older_chain_that_was_put_back_is_not_gone_on_with(finished: Finished, copy: Path, start: Start) -> None:
    shutil.copytree(finished.out / "nodes/0/journal", copy / "nodes/0/journal")
    stored = Chain(copy)
    with lmdb.open(str(stored.path), readonly=True) as environment:
        last = environment.stat()["entries"] - 2
    stored.put(last, None)
    for command in (("chain", "verify", "run"), ("run", "--resume", "run")):
        ended = start(*command)
        ended.ended(8)
        assert f"node 0: block {last} is missing: its journal pins height {last + 1}" in one_line(ended.stderr)


@pytest.mark.parametrize(("lost", "what"), [("journal/builder", "block 0"), ("journal", "transaction")])
def test_an_older_directory_that_was_put_back_is_named_by_the_witness(
    lost: str, what: str, ended: Finished, start: Start, place: Path
) -> None:
    shutil.copytree(ended.out, place / "run")
    shutil.rmtree(place / "run/nodes/0" / lost)
    for marks in ("run/marks.json", "run/nodes/0/marks.json"):
        (place / marks).unlink()
    stored = Chain(place / "run")
    with lmdb.open(str(stored.path), readonly=True) as environment:
        blocks = environment.stat()["entries"] - 1
    for height in range(blocks):
        stored.put(height, None)
    resumed = start("run", "--resume", "run", "--duration", "600", out=place / "run")
    resumed.until(lambda: "the directory of node 0 is older than the network knows" in resumed.stdout, "the witness's word")
    assert f"node 1 knows another {what}" in resumed.stdout
    resumed.signal(signal.SIGTERM)
    resumed.ended(143)


def test_exchanged_blocks_are_found(copy: Path, verify: Callable[[int], str]) -> None:
    stored = Chain(copy)
    first, second = stored.block(0), stored.block(1)
    stored.put(0, second)
    stored.put(1, first)
    assert "node 0: block 0 breaks rule height" in verify(8)


def test_the_chain_of_another_node_is_found(copy: Path, verify: Callable[[int], str]) -> None:
    shutil.rmtree(copy / "nodes/0/chain")
    shutil.copytree(copy / "nodes/1/chain", copy / "nodes/0/chain")
    assert "node 0: block 0 breaks rule other_generator" in verify(8)


def test_the_chain_of_another_network_is_found(copy: Path, verify: Callable[[int], str]) -> None:
    genesis = codec.decode(Genesis, (copy / "genesis.json").read_bytes())
    with lmdb.open(str(copy / "nodes/0/chain")) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"genesis", codec.encode(msgspec.structs.replace(genesis, network="other")))
    error = verify(8)
    assert "node 0: the chain in" in error and "genesis" in error


@pytest.mark.parametrize("quarters", [0, 1, 3])
def test_a_truncated_store_is_named(copy: Path, verify: Callable[[int], str], quarters: int) -> None:
    file = copy / "nodes/0/chain/data.mdb"
    with file.open("r+b") as store:
        store.truncate(quarters * file.stat().st_size // 4 // PAGE * PAGE)
    error = verify(6)
    assert "run" in error and "is damaged" in error


def test_a_missing_store_is_named(copy: Path, verify: Callable[[int], str]) -> None:
    shutil.rmtree(copy / "nodes/0/chain")
    assert "nodes/0/chain" in verify(6)


def test_blocks_are_shown(copy: Path, start: Start) -> None:
    command = start("chain", "show", "run", "--node", "1")
    command.ended(0)
    lines = command.stdout.splitlines()
    blocks = [line for line in lines if line.startswith("  block ")]
    assert [int(line.split()[1]) for line in blocks] == list(range(len(blocks)))
    assert lines[0] == f"chain of node 1: {len(blocks)} blocks, {2 * len(blocks)} transactions"
    assert "2 transactions, 2 of 2 receipts confirmed" in blocks[0]
    one, none = start("chain", "show", "run", "1", "--node", "1"), start("chain", "show", "run", "99999")
    one.ended(0)
    assert one.stdout.splitlines()[0] == "block 1 of node 1: 2 transactions, 2 of 2 receipts confirmed" and "block 0" not in one.stdout
    none.ended(2)
    assert "there is no block 99999: node 0 has blocks 0 to " in one_line(none.stderr)
    assert sum("witness 0: accuracy" in line and line.endswith(", confirmed") for line in lines) == 2 * len(blocks)


def test_json_is_json(copy: Path, start: Start) -> None:
    show, verify = start("chain", "show", "run", "--json"), start("chain", "verify", "run", "--json")
    show.ended(0)
    verify.ended(0)
    verified = [orjson.loads(line) for line in verify.stdout.splitlines()]
    assert {chain["node"] for chain in verified} == {"0", "1"}
    blocks = [orjson.loads(line) for line in show.stdout.splitlines()]
    assert len(blocks) == sum(chain["height"] for chain in verified)


def test_an_exported_chain_verifies_by_itself(copy: Path, start: Start) -> None:
    command = start("chain", "export", "run")
    command.ended(0)
    for line in command.stdout.splitlines():
        exported = orjson.loads(line)
        genesis = codec.digest(codec.convert(Genesis, exported["genesis"]))
        state, verifier = chain.empty(genesis), Verifier(genesis)
        for block in exported["blocks"]:
            state = chain.extend(state, codec.convert(FinalBlock, block), verifier)
        assert state.height == len(exported["blocks"]) >= 3


def test_a_pruned_chain_verifies(finished: Finished, copy: Path, start: Start, verify: Callable[[int], str]) -> None:
    for node in "01":
        shutil.copytree(finished.out / "nodes" / node / "models", copy / "nodes" / node / "models")
    assert "weights of 0 models" not in verify(0)
    one = start("chain", "prune", "run", "--node", "1")
    one.ended(0)
    assert one.stdout.startswith("node 1: ") and one.stdout.endswith(" models removed\n")
    start("chain", "prune", "run").ended(0)
    assert not list(copy.glob("nodes/*/models"))
    assert verify(0).count("weights of 0 models") == 2
    again = start("chain", "prune", "run")
    again.ended(0)
    assert again.stdout == "node 0: 0 models removed\nnode 1: 0 models removed\n"


def test_weights_that_are_not_what_the_chain_says_are_found(finished: Finished, copy: Path, verify: Callable[[int], str]) -> None:
    shutil.copytree(finished.out / "nodes/0/models", copy / "nodes/0/models")
    with lmdb.open(str(copy / "nodes/0/models"), map_size=1 << 30) as environment, environment.begin(write=True) as transaction:
        for key, value in [(bytes(key), bytes(value)) for key, value in transaction.cursor() if key[:1] == b"m"]:
            transaction.put(key, value[:-1] + bytes([value[-1] ^ 1]))
    assert "do not have their digest" in verify(8)


def test_an_unknown_node_and_a_directory_that_is_no_run(copy: Path, start: Start) -> None:
    unknown = start("chain", "verify", "run", "--node", "7")
    unknown.ended(2)
    assert "no node '7'; this run has 0, 1" in one_line(unknown.stderr)
    nowhere = start("chain", "show", "nodes")
    nowhere.ended(6)
    assert "does not exist" in one_line(nowhere.stderr)


def test_a_closed_pipe_ends_quietly(copy: Path) -> None:
    """`dfl-actors chain export | head -1`, with a reader that goes at once."""
    for command in ("show", "export"):
        shell = f"{sys.executable} -m dfl_actors chain {command} {copy} | true; echo ${{PIPESTATUS[0]}}"
        result = subprocess.run(["bash", "-c", shell], cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
        assert (result.stderr, result.stdout) == ("", "141\n")
