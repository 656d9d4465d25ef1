"""A simulation whose training diverges says so, and what to do."""

from pathlib import Path

import orjson
import pytest

from tests.sim.conftest import Sim, refused
from tests.sim.small import SMALL

FRAGILE = """
import numpy as np
from dfl_actors.sdk import Algorithm, Result
def build():
    return Algorithm(init=lambda context: context.rng.random() < 0.2, apply=apply)
def apply(breaks, own, received, reputations):
    return Result(breaks, own * np.float32(1e30 if breaks else 1), reputations, {})
"""


@pytest.mark.parametrize(
    ("attack", "remedy"),
    [
        ("", "lower training.learning_rate"),
        ("[node.1]\nattack = 'sign_flip'\n", ", or choose an update.algorithm that withstands the attackers"),
    ],
)
def test_a_node_that_diverges_is_named_with_its_step(attack: str, remedy: str, tmp_path: Path, sim: Sim) -> None:
    (tmp_path / "small.py").write_text(SMALL)
    (tmp_path / "net.toml").write_text(
        f"[network]\nnodes = 2\n[training]\nmodel = 'small.py:build'\nbatch = 8\n"
        f"learning_rate = 1e6\nweight_decay = 1\n[update]\nbuffer = 1\n{attack}"
    )
    code, line = refused(sim(tmp_path, "net.toml", "--ticks", "60", "-j", "1", "--out", "out"))
    assert code == 12 and " diverged at step " in line and line.count("node ") == 1 and line.endswith(remedy)
    said = (tmp_path / "out" / "sim.json").read_bytes()
    code, again = refused(sim(tmp_path, "--resume", "out", "-j", "1"))
    assert code == 6 and line.removeprefix("error: ") in again and (tmp_path / "out" / "sim.json").read_bytes() == said


def test_attackers_that_diverge_by_themselves_end_nothing(tmp_path: Path, sim: Sim) -> None:
    """In tables of defences the cell of a defence was lost by models that no honest node had ever received."""
    (tmp_path / "small.py").write_text(SMALL.replace("Dense(labels)", "Dense(8), keras.layers.Dense(labels)"))
    attackers = "".join(f"[node.{node}]\nattack = 'scaled_model'\nattack_parameters = {{factor = 1e3}}\n" for node in (0, 1))
    (tmp_path / "net.toml").write_text(
        f"[network]\nnodes = 4\nlinks = ['0--1', '2--3', '2->0']\n[training]\nmodel = 'small.py:build'\nbatch = 8\n"
        f"[update]\nalgorithm = 'fedavg'\nbuffer = 1\n[sim]\ninterval = [1]\n{attackers}"
    )
    result = sim(tmp_path, "net.toml", "--ticks", "60", "-j", "1", "--out", "out")
    assert result.exit_code == 0, result.exception
    accuracy = orjson.loads((tmp_path / "out" / "summary.json").read_bytes())["accuracy"]
    assert accuracy["worst"] > 0.15, accuracy


def test_of_several_seeds_those_that_diverge_are_told_when_the_others_are_over(tmp_path: Path, sim: Sim) -> None:
    """The first that did ended them all, and was simulated again by each --resume."""
    (tmp_path / "small.py").write_text(SMALL)
    (tmp_path / "fragile.py").write_text(FRAGILE)
    (tmp_path / "net.toml").write_text(
        "[network]\nnodes = 2\n[training]\nmodel = 'small.py:build'\nbatch = 8\n[update]\nalgorithm = 'fragile.py:build'\nbuffer = 1\n"
    )
    code, line = refused(sim(tmp_path, "net.toml", "--ticks", "60", "-j", "1", "--repeat", "3", "--out", "out"))
    assert code == 12 and line.startswith("1 of 3 simulations in ") and " diverged; seed 1: tick " in line
    made = {place: place.stat().st_mtime_ns for place in (tmp_path / "out").rglob("sim.json")}
    states = [orjson.loads((tmp_path / "out" / f"seed-{seed}" / "sim.json").read_bytes()) for seed in range(3)]
    assert [bool(state["over"]) for state in states] == [True, False, True] and states[1]["diverged"] in line
    again = refused(sim(tmp_path, "--resume", "out", "-j", "1"))
    assert again[0] == code and again[1].partition(";")[2] == line.partition(";")[2]
    assert {place: place.stat().st_mtime_ns for place in made} == made, "nothing was simulated again"
