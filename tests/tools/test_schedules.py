"""Whole schedules of faults, drawn from seeds: what they find, that they are the same again, and that a failing one is made small.

`tools/schedules.py` performs as many as asked; here are a few hundred.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import schedules as tool

from tests.simnet import parts
from tests.simnet.hours import hour
from tests.simnet.schedules import LONGEST, Schedule, drawn, read, written
from tests.simnet.shrinking import shrunk
from tests.simnet.sometimes import STATES
from tests.simnet.trials import perform

PIECE, PIECES = 36, 4
REPLAYS = Path(__file__).parents[1] / "simnet" / "replays.jsonl"


@pytest.mark.parametrize("part", range(PIECES))
def test_after_whatever_befalls_it_a_network_is_safe_and_works_again(part: int) -> None:
    reached: set[str] = set()
    for seed in range(part * PIECE, (part + 1) * PIECE):
        outcome = perform(drawn(seed))
        assert not outcome.failure, f"{outcome.failure}: python tools/schedules.py --shrink {seed}"
        reached |= outcome.reached
    assert len(reached) >= 40, f"only {sorted(reached)}"
    assert reached <= STATES.keys()


@pytest.mark.parametrize("line", REPLAYS.read_text(encoding="utf-8").splitlines())
def test_what_failed_once_does_not_fail_again(line: str) -> None:
    assert not perform(read(line)).failure


def test_a_spammer_is_shut_out_after_four_bad_messages_and_nobody_honest_is_whatever_the_weather_and_the_clocks() -> None:
    """The first minutes of `tools/schedules.py --hour`."""
    seen = hour(3, minutes=2)
    assert not seen.honest and seen.times == 3 and seen.most <= tool.MOST_BAD and seen.blocks > 10, seen


def test_a_schedule_is_the_same_again_in_another_process_whatever_its_hash_seed() -> None:
    schedule = drawn(11)
    assert read(written(schedule)) == schedule
    command = [sys.executable, tool.__file__, "--replay", written(schedule)]
    other = subprocess.run(command, env={"PYTHONHASHSEED": "77"}, capture_output=True, text=True, check=False)
    assert f"[{perform(schedule).trace}]" in other.stdout, other.stdout + other.stderr


def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault put in on purpose: what a validator journals of the receipts it has given is not written."""
    commit = parts.Journal.commit

    def forget(self: parts.Journal, writes: tuple[tuple[bytes, bytes | None], ...]) -> None:
        commit(self, [(key, value) for key, value in writes if not (key.startswith(b"r/") and key.count(b"/") == 1)])

    monkeypatch.setattr(parts.Journal, "commit", forget)


def failing() -> Schedule:
    """A schedule of twenty faults that fails."""
    return next(found for seed in range(7, 100) if perform(found := drawn(seed, LONGEST)).failure)


def test_twenty_faults_of_which_few_matter_are_shrunk_to_those(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    forgetful(monkeypatch)
    schedule = failing()
    small = shrunk(schedule)
    assert len(schedule.faults) == LONGEST and len(small.schedule.faults) <= 5
    assert tool.main(["--replay", written(small.schedule)]) == 1
    printed = capsys.readouterr().out
    assert written(small.schedule) in printed and small.failure in printed
    monkeypatch.undo()
    assert not perform(small.schedule).failure, "the fault was the only one"
