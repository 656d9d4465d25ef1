"""Chains as a report reads them: the newest blocks, whether the whole verifies, and what is wrong first."""

from pathlib import Path

import pytest

from dfl_actors.runtime.examined import RATE, Examined, examine_all, has_chains
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import ChainStore
from tests.runtime.test_verify import cut, made


def examined(run: RunDirectory, most: int = 10, seconds: float = 60) -> Examined:
    (found,) = examine_all(run, ("a",), most, seconds)
    return found


def test_the_newest_blocks_and_the_verdict_on_all(tmp_path: Path) -> None:
    run = made(tmp_path)
    found = examined(run, most=3)
    with ChainStore(run.node("a").chain, readonly=True) as store:
        assert found.blocks == tuple(store.block(height) for height in (1, 2, 3))
    assert found.verified is not None and (found.height, found.verified.height, found.wrong) == (4, 4, "")
    assert has_chains(run, ["a"]) and not has_chains(run, ["b"])


def test_what_is_wrong_first_is_told(tmp_path: Path) -> None:
    run = made(tmp_path)
    cut(run, 3)
    found = examined(run)
    assert found.verified is None and found.wrong.startswith("block 3 is missing: its journal pins height 4, its chain has 3")
    assert len(found.blocks) == 3
    assert examined(RunDirectory(tmp_path / "nowhere")).wrong == "there is no chain in the run's directory"


def test_a_chain_that_is_too_large_for_the_time_is_shown_unverified(tmp_path: Path) -> None:
    run = made(tmp_path)
    size = (run.node("a").chain / "data.mdb").stat().st_size
    found = examined(run, seconds=0.9 * size / RATE)
    assert (found.verified, found.wrong, len(found.blocks)) == (None, "", 4)


@pytest.mark.parametrize("place", [0, 4096])
def test_a_damaged_store_ends_no_report(tmp_path: Path, place: int) -> None:
    run = made(tmp_path)
    data = run.node("a").chain / "data.mdb"
    raw = data.read_bytes()
    data.write_bytes(raw[:place] + b"\xff" * 4096 + raw[place + 4096 :])
    found = examined(run)
    assert found.wrong or found.verified is not None
