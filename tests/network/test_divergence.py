"""A run whose training diverges says so in one line."""

from collections.abc import Callable
from pathlib import Path

from tests.network.harness import Command, one_line

Start = Callable[..., Command]


def test_a_node_that_diverges_ends_the_run_with_its_name_and_step(start: Start, place: Path) -> None:
    run = start("run", "small.toml", "--out", "run", "-s", "training.learning_rate=1e6", "-s", "training.weight_decay=1", out=place / "run")
    run.ended(12)
    assert " diverged at step " in one_line(run.stderr) and "lower training.learning_rate" in run.stderr
    assert run.events("restarted") == []
