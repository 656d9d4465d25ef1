"""What a run survives: `kill -9` of an actor, and of its supervisor. What it does not: an actor that always crashes."""

import signal
from collections.abc import Callable
from pathlib import Path

import orjson

from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import Verified, verify_all
from tests.network.harness import ACTORS, NOISE, ORPHANED_WITHIN, Command, one_line

Start = Callable[..., Command]


def verified(out: Path) -> dict[str, Verified]:
    return {chain.node: chain for chain in verify_all(RunDirectory(out), ("0", "1"))}


def test_a_run_at_full_speed_survives_the_death_of_an_actor_and_of_itself(start: Start, place: Path) -> None:
    """The deaths of all its actors, one after the other: `tests/scenarios/test_over_processes.py`."""
    out = place / "run"
    run = start("run", "small.toml", "--out", "run", "-s", "data.rate=0", out=out)
    run.ready()
    victim = run.actor("0", "trainer")
    assert victim is not None
    victim.kill()
    run.until(lambda: run.events("restarted"), "restart of the trainer")
    height = run.height("0")
    run.until(lambda: run.height("0") >= height + 2, "new blocks after the trainer was killed")
    assert [(event["node"], event["actor"]) for event in run.events("restarted")] == [("0", "trainer")]
    assert "trainer of node 0 crashed (killed by SIGKILL) and was restarted" in run.stdout

    # Now the supervisor itself.
    run.signal(signal.SIGKILL)
    run.process.wait()
    run.gone(ORPHANED_WITHIN + NOISE)
    assert run.stderr == ""
    assert not list(run.temporary.glob("dfl-*"))
    before = verified(out)

    resumed = start("run", "--resume", "run", "--duration", "2", out=out)
    resumed.ended(0)
    after = verified(out)
    for name in ("0", "1"):
        assert after[name].height > before[name].height
    assert orjson.loads((out / "run.json").read_bytes())["starts"] == 2
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
    run.gone(ORPHANED_WITHIN + 2 * NOISE)
    assert not list(run.temporary.glob("dfl-*"))


def test_who_hangs_and_who_loses_its_fork_server_is_started_again(start: Start, place: Path) -> None:
    """The evaluator too; and before anything is started in the place of what a dead fork server left, that is gone."""
    run = start("run", "small.toml", "--out", "run", "-s", "run.evaluate_s=1", out=place / "run", cold=True)
    run.ready()
    gossiper = run.actor("1", "gossiper")
    assert gossiper is not None
    gossiper.suspend()
    run.until(lambda: run.events("restarted", "1"), "restart of the gossiper that hangs")
    assert [(event["actor"], event["reason"]) for event in run.events("restarted")] == [("gossiper", "it hung")]
    assert "gossiper of node 1 says nothing any more and is killed" in run.stdout
    height = run.height("1")
    run.until(lambda: run.height("1") > height, "new block after the gossiper hung")

    run.until(lambda: run.events("evaluated"), "first evaluation")
    evaluator = next(process for process in run.family() if process.cmdline() == ["dfl", "evaluator"])
    evaluator.kill()
    run.until(lambda: run.events("restarted", ""), "restart of the evaluator")
    evaluated = len(run.events("evaluated"))
    run.until(lambda: len(run.events("evaluated")) > evaluated, "evaluation after the evaluator was killed")

    old = {process.pid for process in run.family()} - {run.process.pid}
    (server,) = [process for process in run.family() if process.cmdline() == ["dfl", "fork", "server"]]
    server.kill()
    run.until(lambda: len(run.events("restarted")) == 2 + 2 * len(ACTORS) + 1, "restart of everybody")
    run.until(lambda: not old & {process.pid for process in run.family()}, "end of what was there before", 1.0)
    height = run.height("0")
    run.until(lambda: run.height("0") > height, "new block after the fork server was killed")
    run.signal(signal.SIGTERM)
    run.ended(143)
