"""What a run survives: `kill -9` of each of its actors, and of its supervisor. What it does not: an actor that always crashes."""

import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import orjson

from dfl_actors.core import codec
from dfl_actors.core.objects import FinalBlock
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import Verified, read_all, verify_all
from tests.network.harness import ACTORS, NOISE, ORPHANED_WITHIN, Command, metrics, one_line

Start = Callable[..., Command]


def verified(out: Path) -> dict[str, Verified]:
    return {chain.node: chain for chain in verify_all(RunDirectory(out), ("0", "1"))}


def blocks_of(out: Path) -> dict[str, list[FinalBlock]]:
    raw = read_all(RunDirectory(out), ("0", "1"))
    return {name: [codec.decode(FinalBlock, block.encode(), 1 << 30) for block in blocks] for name, blocks in raw.items()}


def values_by_key(pairs: Iterable[tuple[object, str]]) -> dict[object, set[str]]:
    grouped: dict[object, set[str]] = defaultdict(set)
    for key, value in pairs:
        grouped[key].add(value)
    return grouped


def check_promises(out: Path) -> None:
    """No witness issued two receipts for a transaction or confirmed one twice; no sequence number was used twice."""
    blocks = list(chain.from_iterable(blocks_of(out).values()))
    receipts = [receipt for block in blocks for entry in block.draft.entries for receipt in entry.receipts]
    confirmations = [confirmation for block in blocks for confirmation in block.confirmations]
    trained = [event for event in metrics(out) if event["event"] == "trained"]
    for promises in (
        values_by_key(((receipt.creator, receipt.transaction), codec.digest(receipt)) for receipt in receipts),
        values_by_key(((confirmation.creator, confirmation.receipt), codec.digest(confirmation)) for confirmation in confirmations),
        values_by_key(((event["node"], event["sequence"]), event["tx"]) for event in trained),
        values_by_key(((event["node"], event["height"]), event["block"]) for event in metrics(out) if event["event"] == "final"),
    ):
        assert promises
        assert {key: values for key, values in promises.items() if len(values) > 1} == {}


def test_a_run_survives_the_death_of_every_actor_and_of_itself(start: Start, place: Path) -> None:
    out = place / "run"
    run = start("run", "small.toml", "--out", "run", "-s", "data.rate=0", out=out)
    run.ready()
    for actor in ACTORS:
        victim = run.actor("0", actor)
        assert victim is not None
        victim.kill()
        run.until(lambda actor=actor: any(event["actor"] == actor for event in run.events("restarted", "0")), f"restart of {actor}")
        height = run.height("0")
        run.until(lambda height=height: run.height("0") >= height + 2, f"new blocks after {actor} was killed")
    assert [event["actor"] for event in run.events("restarted")] == list(ACTORS)
    for actor in ACTORS:
        assert f"{actor} of node 0 crashed (killed by SIGKILL) and was restarted" in run.stdout

    # Now the supervisor itself.
    run.signal(signal.SIGKILL)
    run.process.wait()
    assert run.gone(ORPHANED_WITHIN + NOISE) < ORPHANED_WITHIN + NOISE
    assert run.stderr == ""
    assert not list(run.temporary.glob("dfl-*"))
    before = verified(out)
    check_promises(out)

    resumed = start("run", "--resume", "run", "--duration", "2", out=out)
    resumed.ended(0)
    after = verified(out)
    for name in ("0", "1"):
        assert after[name].height > before[name].height
    assert orjson.loads((out / "run.json").read_bytes())["starts"] == 2
    check_promises(out)
    assert orjson.loads((out / "summary.json").read_bytes())["skipped_lines"] <= 1


def test_an_actor_that_always_crashes_ends_the_run(start: Start, place: Path) -> None:
    (place / "deadly.py").write_text(
        "import os, signal\n"
        "from dfl_actors.sdk.interface import Algorithm\n"
        "def make():\n"
        "    return Algorithm('deadly', lambda context: None, lambda *_: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    run = start("run", "small.toml", "--out", "run", "-s", "update.algorithm=deadly.py:make", out=place / "run")
    run.ended(9)
    error = one_line(run.stderr)
    assert "keeper of node" in error and "crashed 6 times (killed by SIGKILL)" in error and "keeper.log" in error
    assert len(run.events("restarted")) >= 5


def test_a_crash_leaves_its_traceback_in_the_log(start: Start, place: Path) -> None:
    """An algorithm that breaks its contract is its author's mistake: one line, and no restarts."""
    (place / "wrong.py").write_text(
        "import numpy\n"
        "from dfl_actors.sdk.interface import Algorithm, Result\n"
        "def make(power=1):\n"
        "    return Algorithm('wrong', lambda context: None, lambda state, own, received, known: Result(state, own * numpy.nan, {}, {}))\n"
    )
    run = start("run", "small.toml", "--out", "run", "-s", "update.algorithm=wrong.py:make", out=place / "run")
    run.ended(10)
    assert "algorithm 'wrong' broke its contract: weights must be finite" in one_line(run.stderr)
    assert run.events("restarted") == []


def test_time_to_be_gone_is_measured_from_the_death(start: Start, place: Path) -> None:
    """A supervisor that dies while its actors are still starting leaves nothing either."""
    run = start("run", "small.toml", "--out", "run", out=place / "run")
    run.until(lambda: run.actor("1", "trainer") is not None, "start of the last node")
    run.signal(signal.SIGKILL)
    run.process.wait()
    begun = time.monotonic()
    run.gone(ORPHANED_WITHIN + 2 * NOISE)
    assert time.monotonic() - begun < ORPHANED_WITHIN + 2 * NOISE
    assert not list(run.temporary.glob("dfl-*"))
