"""Every way a run ends: its exit code, and nothing left behind."""

import resource
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson
import pytest

from tests.network.harness import GONE_WITHIN, NOISE, Command, one_line

Start = Callable[..., Command]


def test_ctrl_c_stops_a_run_and_a_second_run_is_kept_out_meanwhile(start: Start, place: Path) -> None:
    out = place / "run"
    run = start("run", "small.toml", "--out", "run", "--quiet", out=out)
    run.ready()
    for arguments in (("run", "--resume", "run"), ("chain", "prune", "run")):
        second = start(*arguments)
        second.ended(6)
        assert f"is held by process {run.process.pid}" in one_line(second.stderr)
    third = start("run", "small.toml", "--out", "run")
    third.ended(6)
    assert "is not empty" in one_line(third.stderr)
    verify = start("chain", "verify", "run")
    verify.ended(0)
    run.signal(signal.SIGINT, group=True)
    run.ended(130, GONE_WITHIN + NOISE)
    assert run.stdout == run.stderr == ""
    assert [event["reason"] for event in run.events("stopped")] == ["interrupted"]
    assert (out / "summary.json").exists() and (out / "nodes/0/model.keras").exists()


def test_a_run_stopped_before_it_is_ready_can_be_resumed_and_sigterm_stops_it_again(start: Start, place: Path) -> None:
    run = start("run", "small.toml", "--out", "run", out=place / "run")
    run.until(lambda: run.actor("1", "keeper") is not None, "start of the actors")
    run.signal(signal.SIGINT, group=True)
    run.ended(130, GONE_WITHIN + NOISE)
    assert run.stderr == ""
    run = start("run", "--resume", "run", "--json", out=place / "run")
    run.ready()
    run.signal(signal.SIGTERM)
    run.ended(143, GONE_WITHIN + NOISE)
    assert run.stderr == ""
    lines = [orjson.loads(line) for line in run.stdout.splitlines()]
    assert {line["event"] for line in lines[:-1]} == {"notice", "status"}
    assert lines[-1] == orjson.loads((place / "run/summary.json").read_bytes())
    assert lines[-1]["stopped"] == "terminated"


def has(run: Command, count: int) -> bool:
    return len(run.family()) >= count


@pytest.mark.parametrize("command", [("run", "small.toml", "--out", "out"), ("sim", "small.toml", "--out", "out")])
def test_a_signal_at_any_moment_of_the_start_is_one_line_and_leaves_nothing(start: Start, place: Path, command: tuple[str, ...]) -> None:
    """Moments are counted in processes: the command with its fork server, with a child of that. The whole group hears it, as from a
    terminal or a service manager: its children are not to die of it before it has seen it."""
    for count, number, code in ((2, signal.SIGTERM, 143), (2, signal.SIGINT, 130), (3, signal.SIGTERM, 143)):
        run = start(*command, cold=True)
        run.until(partial(has, run, count), "start of another process")
        run.signal(number, group=True)
        run.ended(code, 2 * GONE_WITHIN + NOISE)
        assert len(run.stderr.splitlines()) == 1 and "Traceback" not in run.stderr and "Aborted" not in run.stderr, run.stderr
        assert run.stderr == "stopped before it had begun\n" or command[0] == "sim"
        assert command[0] == "sim" or not (place / "out").exists()
        shutil.rmtree(place / "out", ignore_errors=True)


def test_a_target_that_was_missed_is_an_error(start: Start, place: Path) -> None:
    speed = ("--speed", "10", "--duration", "10", "-s", "data.rate=16")
    run = start("run", "small.toml", "--out", "run", "--target", "1", "-s", "run.evaluate_s=1", *speed, out=place / "run")
    run.ended(11)
    error = one_line(run.stderr)
    assert "not every node reached 1 within 1 s" in error and "--resume" in error


def test_open_files_that_will_not_do_are_told_beforehand(start: Start, place: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    run = start("run", "small.toml", "-s", "network.nodes=5", "--out", "run", limit=limit)
    run.ended(9)
    assert "a run of 5 nodes needs 110 open files in one process, and 100 are allowed" in one_line(run.stderr)
    assert not (place / "run").exists()
