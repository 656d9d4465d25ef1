"""The default algorithm beside an attacker whose models no distance gives away, and where honest neighbours look like one."""

import tomllib
from pathlib import Path

import orjson
import pytest

from tests.sim.conftest import Sim

PAPER = Path(__file__).parents[2] / "topologies" / "paper"
DIGITS = (
    *("--set", "data.source=digits", "--set", f"training.model={PAPER / 'dense.py'}:build", "--set", "data.partition=labels"),
    *("--set", "update.algorithm=steady", "--set", "sim.exchange=all", "--set", "sim.measure_biases=true", "--set", "sim.check_every=40"),
    *("--set", "sim.compare_every=0", "--set", "sim.ticks=1201", "--seed", "2", "-j", "1"),
)
LOOSE = tomllib.loads((PAPER / "steady_ablation.toml").read_text())["vary"]["cell"]["loose_groups"]["network.links"]


def mean_of(sim: Sim, place: Path, *options: str) -> float:
    """Of the honest nodes, over the last fifth."""
    sim(place, str(PAPER / "figure_9.toml"), *DIGITS, *options, "--out", "out")
    return float(orjson.loads((place / "out" / "summary.json").read_bytes())["accuracy"]["mean"])


def test_a_little_is_enough_does_not_drag_the_network_along(tmp_path: Path, sim: Sim) -> None:
    """.74 of the .86 that the honest nodes have beside a silent attacker; .65 where nobody counts less for being ahead."""
    attack = ("--set", "node.0.attack=a_little_is_enough", "--set", "node.0.attack_parameters={z=1.5}")
    assert mean_of(sim, tmp_path, *attack) > 0.69


def test_an_attacker_that_sends_five_times_as_often_has_no_five_voices(tmp_path: Path, sim: Sim) -> None:
    """.85; .45 where whoever sends often fills buffers alone."""
    attack = ("node.0.attack=a_little_is_enough", "node.0.attack_parameters={z=1.5}", "node.0.interval=[2]", "training.init=shared")
    assert mean_of(sim, tmp_path, *(word for option in attack for word in ("--set", option))) > 0.75


@pytest.mark.parametrize("delay", [0, 3])
def test_two_honest_nodes_withstand_two_attackers(tmp_path: Path, sim: Sim, delay: int) -> None:
    """.8 and more; .09 where the bound follows the attacker while each is on the other's way."""
    keys = ("network.nodes=4", "network.links=full", "data.partition=dirichlet", "node.0.attack=sign_flip", "node.1.attack=biased_model")
    more = ("training.init=shared", f"sim.delay=[{delay}]", "data.alpha=0.5")
    assert mean_of(sim, tmp_path, "--seed", "1", *(word for key in (*keys, *more) for word in ("--set", key))) > 0.6


def test_of_twenty_nodes_of_one_speed_with_a_buffer_of_one_nobody_is_called_loud(tmp_path: Path, sim: Sim) -> None:
    """One message in four was, of a sender that had just spoken: judged by the last ten averages, nineteen between two of its messages."""
    dense = ("network.links=full", "network.nodes=20", "update.buffer=1", "node.0.attack=none", "sim.ticks=100")
    mean_of(sim, tmp_path, *(word for option in dense for word in ("--set", option)))
    said = [table.read_text() for table in (tmp_path / "out" / "reasons").glob("*.csv")]
    assert len(said) == 20 and not any("times as often" in text for text in said)


@pytest.mark.parametrize(("attack", "given", "seed", "least"), [("mimic", "{together=true}", 3, 0.6), ("delayed", "{}", 2, 0.79)])
def test_three_of_ten_that_repeat_what_is_old_hold_nobody_up(
    tmp_path: Path, sim: Sim, attack: str, given: str, seed: int, least: float
) -> None:
    """.78 beside three mimics and .80 beside three delayed ones; .16 and .72 where nobody is tardy."""
    keys = [f"node.{node}.{key}" for node in (0, 3, 6) for key in (f"attack={attack}", f"attack_parameters={given}")]
    words = (word for key in keys for word in ("--set", key))
    assert mean_of(sim, tmp_path, "--set", "training.init=shared", "--seed", str(seed), *words) > least


@pytest.mark.parametrize(
    "options",
    [("network.links=full", "update.buffer=1"), ("network.links=full", "network.nodes=20", "data.partition=dirichlet", "data.alpha=0.1")],
)
def test_models_that_go_round_many_times_between_two_steps_do_not_run_away(tmp_path: Path, sim: Sim, options: tuple[str, ...]) -> None:
    """.89 and .88; .47 and .72 where momentum takes all that comes in between two steps of a node for one step of the network."""
    assert mean_of(sim, tmp_path, *(word for option in options for word in ("--set", option))) > 0.8


def test_groups_that_hang_together_by_single_links_learn_from_each_other(tmp_path: Path, sim: Sim) -> None:
    """.75; .45 where whoever alone brings other labels counts less for being ahead from the first updates on."""
    assert mean_of(sim, tmp_path, "--set", f"network.links={orjson.dumps(LOOSE).decode()}") > 0.65
