"""The default algorithm beside an attacker whose models no distance gives away."""

from pathlib import Path

import orjson

from tests.sim.conftest import Sim

PAPER = Path(__file__).parents[2] / "topologies" / "paper"
DIGITS = (
    *("--set", "data.source=digits", "--set", f"training.model={PAPER / 'dense.py'}:build", "--set", "data.partition=labels"),
    *("--set", "update.algorithm=steady", "--set", "sim.exchange=all", "--set", "sim.measure_biases=true", "--set", "sim.check_every=40"),
    *("--set", "sim.compare_every=0", "--ticks", "1201", "--seed", "2", "-j", "1"),
)


def test_a_little_is_enough_does_not_drag_the_network_along(tmp_path: Path, sim: Sim) -> None:
    """.80 of the .87 that the honest nodes have beside a silent attacker; .55 where nobody counted less for being ahead."""
    attack = ("--set", "node.0.attack=a_little_is_enough", "--set", "node.0.attack_parameters={z=1.5}")
    sim(tmp_path, str(PAPER / "figure_9.toml"), *DIGITS, *attack, "--out", "out")
    summary = orjson.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert summary["accuracy"]["mean"] > 0.7, summary["accuracy"]
    standing = [judged["0"] for judged in (one["judged"] for one in summary["nodes"].values()) if "0" in judged]
    assert any("ahead" in one["last"] or one["in_part"] > one["updates"] / 2 for one in standing), standing
