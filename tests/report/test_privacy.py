"""What a run with noise says at its end."""

from pathlib import Path
from typing import Any

import pytest

from dfl_actors.learning.privacy import can_account, epsilon
from dfl_actors.report import privacy
from dfl_actors.report.load import load_run
from dfl_actors.report.summary import summarise
from tests.report.made_run import START, Line, ready, write_run


def noised(node: str, **fields: Any) -> Line:
    said = {"noise": 1.0, "clip": 0.5, "chance": 0.01, "samples": 100} | fields
    return {"t": START, "node": node, "actor": "trainer", "event": "noised", **said}


def trained(node: str, steps: int) -> Line:
    return {"t": START + steps, "node": node, "actor": "trainer", "event": "trained", "tx": f"{steps:064x}", "steps": steps}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    lines = [ready(), noised("a"), noised("b", chance=0.02), noised("c"), noised("c", unclaimed="samples were fed to it")]
    steps = [trained(name, count) for name in "abc" for count in (200, 400)]
    return write_run(tmp_path / "run", "abc", [*lines, *steps])


@pytest.mark.skipif(not can_account(), reason="needs dp-accounting")
def test_each_node_has_the_epsilon_of_its_own_steps_and_the_worst_is_told_with_what_it_holds_under(run: Path) -> None:
    summary = summarise(load_run(run))
    found = {name: its["epsilon"] for name, its in summary["privacy"].items()}
    assert found == {"a": epsilon(1.0, 0.01, 400, 1e-6), "b": epsilon(1.0, 0.02, 400, 1e-6), "c": None}
    worst, nothing = summary["remarks"]
    assert f"epsilon {found['b']:.3g} at delta 1e-06, the most of 2 nodes, at node b (400 steps, noise 1, clip 0.5" in worst
    assert "not of the accuracies" in worst and nothing == "privacy: nothing is claimed of node c: samples were fed to it"


def test_without_the_accountant_nothing_is_claimed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "can_account", lambda: False)
    summary = summarise(load_run(run))
    assert {its["epsilon"] for its in summary["privacy"].values()} == {None}
    assert summary["remarks"][0] == f"privacy: nothing is claimed of node a, b: {privacy.NO_ACCOUNTANT}"
