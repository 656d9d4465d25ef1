"""`dfl-actors chain` of one node of a network: its neighbours run elsewhere, and are called by their names."""

from pathlib import Path

import msgspec
import pytest

from dfl_actors.core.codec import encode
from dfl_actors.core.evidence import KEPT, evidence
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import Journal
from tests import objects
from tests.cli.conftest import Cli
from tests.runtime.test_verify import GENESIS, NET, made, of


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    found = made(tmp_path / "run")
    keys = f'[node.a]\npublic_key = "{objects.ALICE.public}"\n[node.ben]\npublic_key = "{objects.BOB.public}"\n'
    (found.path / "genesis.json").write_bytes(encode(GENESIS))
    found.config.write_text(f'[network]\nnodes = ["a", "ben"]\n{keys}')
    return found


def test_verify_and_show_name_nodes_of_other_hosts(run: RunDirectory, cli: Cli) -> None:
    one, other = (objects.transaction(objects.BOB, genesis=NET, sequence=3, created=created) for created in (1, 2))
    with Journal(run.node("a").journal("gossiper")) as journal:
        journal.commit([(KEPT + b"transaction/any", encode(evidence(one, other)))])
    ended = cli("chain", "verify", run.path)
    assert (
        ended.code == 0 and "node a: holds evidence that node ben signed two transactions with sequence number 3" in ended.out.splitlines()
    )
    shown = cli("chain", "show", run.path)
    assert shown.out.splitlines()[0] == "chain of node a: 4 blocks, 4 transactions" and "  witnesses: ben 4" in shown.out.splitlines()
    run.config.unlink()
    assert objects.BOB.address[:16] in cli("chain", "verify", run.path).out, "without a topology it is called by its address"


def test_one_block_is_shown_whole_as_text_and_as_json(run: RunDirectory, cli: Cli) -> None:
    text, raw = cli("chain", "show", run.path, "2"), cli("chain", "show", run.path, "2", "--json")
    assert text.out.startswith("block 2 of node a: 1 transaction, 1 of 1 receipts confirmed\n") and "witness ben: " in text.out
    assert [msgspec.json.decode(line)["draft"]["height"] for line in raw.out.splitlines()] == [2]
    for height in ("4", "-1"):
        refused = cli("chain", "show", run.path, height)
        assert refused.code == 2 and refused.out == ""
    assert "there is no block 4: node a has blocks 0 to 3" in cli("chain", "show", run.path, "4").err


@pytest.mark.parametrize("command", ["show", "export"])
def test_the_chain_of_another_node_is_not_shown_as_ones_own(run: RunDirectory, cli: Cli, command: str) -> None:
    of(run, nodes={"ben": objects.BOB.address})
    run.node("a").path.rename(run.node("ben").path)
    refused = cli("chain", command, run.path)
    assert refused.code == 8 and refused.out == ""
    assert refused.err == f"error: node ben: the chain in {run.node('ben').chain} is one of node a: put back that of ben\n"


@pytest.mark.parametrize("command", ["show", "export", "verify"])
def test_a_chain_that_ends_its_reader_is_named(run: RunDirectory, cli: Cli, command: str) -> None:
    data = run.node("a").chain / "data.mdb"
    with data.open("r+b") as file:
        file.truncate(data.stat().st_size // 2)
    refused = cli("chain", command, run.path)
    assert refused.code == 6 and str(run.node("a").chain) in refused.err and refused.out == ""


@pytest.mark.parametrize("command", ["export", "verify"])
@pytest.mark.parametrize("text", ["{}", None], ids=["no genesis", "another"])
def test_an_altered_genesis_file_is_found(run: RunDirectory, cli: Cli, command: str, text: str | None) -> None:
    """What is exported is what was verified."""
    place = run.path / "genesis.json"
    place.write_bytes(encode(msgspec.structs.replace(GENESIS, labels=11)) if text is None else text.encode())
    refused = cli("chain", command, run.path)
    assert refused.code == 8 and refused.out == "" and refused.err.startswith(f"error: {place} ") and "put a copy" in refused.err
