"""The command over real worker processes: the same bytes from one worker and from two, what it leaves, and what goes wrong."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.small import SMALL

ROOT = Path(__file__).parents[2]

TOPOLOGY = """
[network]
nodes = 4
links = "ring"
seed = 5
[training]
model = "small.py:build"
batch = 16
init = "independent"
[data]
test_samples = 20
partition = "dirichlet"
[update]
algorithm = "reputation"
buffer = 2
[sim]
ticks = 41
interval = [3, 4, 5]
check_every = 10
compare_every = 20
share_test_models = true
[node.3]
attack = "random_model"
[node.2]
role = "observer"
"""
PLUGIN = """
from dfl_actors.sdk import Algorithm, Result
def build():
    def apply(state, own, received, reputations):
        return Result(state, own[:3], reputations, {})
    return Algorithm("short", lambda context: None, apply)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sim")
    (folder / "net.toml").write_text(TOPOLOGY)
    (folder / "small.py").write_text(SMALL)
    (folder / "plugin.py").write_text(PLUGIN)
    return folder


def sim(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return sim_command(place, "net.toml", *arguments)


def sim_command(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dfl_actors", "sim", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=place, env=environment, check=False, capture_output=True, text=True, timeout=240)


def tables(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.csv"))}


@pytest.fixture(scope="module")
def done(place: Path) -> subprocess.CompletedProcess[str]:
    return sim(place, "--out", "two", "--jobs", "2")


def test_it_leaves_tables_a_picture_and_its_configuration(place: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 honest nodes: mean" in done.stdout and "random_model" in done.stdout
    assert (place / "two" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((place / "two" / "accuracy.csv").open()))
    assert [int(row["tick"]) for row in rows] == [0, 10, 20, 30, 40] and list(rows[0]) == ["tick", "0", "1", "2", "3"]
    assert all(0 <= float(row[node]) <= 1 for row in rows for node in "0123")
    assert [int(row["tick"]) for row in csv.DictReader((place / "two" / "model_weight_diff.csv").open())] == [0, 20, 40]
    opinions = list(csv.DictReader((place / "two" / "reputation" / "0_reputation.csv").open()))
    assert list(opinions[0]) == ["tick", "1", "3"], "what node 0 thinks of its neighbours"
    assert float(opinions[-1]["1"]) + float(opinions[-1]["3"]) < 2, "somebody was the least accurate"


def test_one_worker_and_two_give_the_same_bytes_and_another_seed_gives_others(place: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert sim(place, "--out", "one", "--jobs", "1", "--quiet").stdout == ""
    assert tables(place / "one") == tables(place / "two")
    assert sim(place, "--out", "other", "--seed", "6", "--ticks", "1").returncode == 0
    first = tables(place / "other")["accuracy.csv"].splitlines()[1]
    assert first != tables(place / "two")["accuracy.csv"].splitlines()[1]


def test_an_algorithm_that_breaks_its_contract_is_named_with_tick_and_node_and_what_was_written_stays(place: Path) -> None:
    broken = sim(
        place, "--out", "broken", "-s", "update.algorithm=plugin.py:build", "-s", "node.0.algorithm=fedavg", "-s", "update.buffer=14"
    )
    assert broken.returncode == 10
    assert broken.stderr.count("\n") == 1 and "tick " in broken.stderr and "algorithm 'short'" in broken.stderr
    assert (place / "broken" / "accuracy.csv").read_text().startswith("tick,0,1,2,3\n0,")


def test_nothing_is_begun_with_a_mistake(place: Path) -> None:
    assert sim(place, "--out", "two").returncode == 6, "a directory that is not empty"
    for arguments, words in (
        (("-s", "sim.ticks=0"), "sim.ticks"),
        (("-s", "sim.interval=[]"), "sim.interval"),
        (("--jobs", "-1"), "--jobs is -1"),
        (("-s", "update.algorithm=unheard_of"), "unheard_of"),
    ):
        refused = sim(place, "--out", "never", *arguments)
        assert refused.returncode in (2, 10) and refused.stderr.count("\n") == 1 and words in refused.stderr
        assert not (place / "never").exists()


def test_a_repeat_runs_each_seed_in_its_directory_and_goes_on_with_those_that_are_not_over(place: Path) -> None:
    def repeat(*arguments: str) -> dict[str, bytes]:
        assert sim_command(place, *arguments, "--quiet", "--jobs", "1").returncode == 0
        return tables(place / "repeat")

    every = repeat("net.toml", "--out", "repeat", "--repeat", "2", "--ticks", "21", "--seed", "8")
    assert sim(place, "--out", "alone", "--ticks", "21", "--seed", "9").returncode == 0
    alone = tables(place / "alone")
    assert {name: every[f"seed-9/{name}"] for name in alone} == alone
    assert every["seed-8/accuracy.csv"] != alone["accuracy.csv"]
    # Seed 8 is over, 9 was killed before its first checkpoint.
    (place / "repeat" / "repeat.json").write_text('{"seeds":[8,9],"done":[8]}')
    (place / "repeat" / "seed-8" / "accuracy.csv").write_text("as it was")
    (place / "repeat" / "seed-9" / "accuracy.csv").write_text("tick,0,1,2,3\n0,0.5,0.5,")
    assert repeat("--resume", "repeat") == every | {"seed-8/accuracy.csv": b"as it was"}
    (place / "repeat" / "repeat.json").write_text('{"seeds":[8,9],"done":[8],"data":"00"}')
    other = sim_command(place, "--resume", "repeat")
    assert other.returncode == 4 and other.stderr.count("\n") == 1 and "not the one that this run began with" in other.stderr
    (place / "repeat" / "repeat.json").write_text("[8")
    damaged = sim_command(place, "--resume", "repeat")
    assert damaged.returncode == 6 and damaged.stderr.count("\n") == 1 and "repeat.json is damaged" in damaged.stderr
