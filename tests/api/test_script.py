"""The package as a script uses it, in a fresh interpreter: without `if __name__ == "__main__"`, twice in one process, in any thread."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfl_actors import DflError, Result, Topology, load_run, simulate
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report import frames
from tests.sim.small import tables, written

ROOT = Path(__file__).parents[2]

SCRIPT = """
import sys, threading, time
begun = time.process_time()
import dfl_actors
assert time.process_time() - begun < 0.2 and "tensorflow" not in sys.modules and "numpy" not in sys.modules
from dfl_actors import DflError, load_run, simulate

with open("ran", "a") as file:
    file.write("once\\n")
results = [simulate("net.toml", seed=7, overrides={"update.algorithm": "fedavg", "node.3.attack": None}, out="first", jobs=1)]
thread = threading.Thread(target=lambda: results.append(simulate("net.toml", seed=7, out="second", jobs=1, progress="none")))
thread.start()
thread.join()
first, second = results
assert first.config.node("3").attack is None and second.config.node("3").attack == "random_model"
frame = first.accuracy
assert list(frame.columns) == ["tick", "node", "steps", "accuracy", "attack"], frame
assert len(frame) == 20 and frame.groupby("node").steps.max()["0"] > 8 and frame.groupby("node").steps.max()["2"] == 0
assert set(second.accuracy[second.accuracy.node == "3"].attack) == {"random_model"}
assert len(second.updates) and second.reputations.reputation.between(0, 1).all() and len(second.weight_difference)
assert second.plot()._repr_png_().startswith(b"\\x89PNG") and "honest nodes" in second._repr_html_()
assert "tensorflow" not in sys.modules
try:
    simulate("net.toml", overrides={"update.algoritm": "krum"})
except DflError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("script"), script=SCRIPT)


@pytest.fixture(scope="module")
def said(place: Path) -> str:
    pytest.importorskip("pandas")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "script.py"], cwd=place, env=environment, capture_output=True, text=True, timeout=240)  # noqa: PLW1510
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_script_without_a_guard_simulates_twice_and_reads_frames(place: Path, said: str) -> None:
    assert (place / "ran").read_text() == "once\n", "the script's own lines ran once: no child imports it"
    assert said.splitlines()[-1].endswith('did you mean "algorithm"?') and "41 of 41 ticks" in said


def test_its_results_are_directories_that_can_be_read_again(place: Path, said: str) -> None:
    again = load_run(place / "second")
    assert isinstance(again, Result) and again.simulated and again.reason == "ticks" and again.name == "net"
    summary = json.loads((place / "second" / "summary.json").read_bytes())
    assert json.loads(json.dumps(again.summary)) | {"directory": ""} == summary | {"over": True, "ticks": 41.0, "directory": ""}
    closing = summary["accuracy"]
    assert (closing["measurements"], closing["since"], closing["until"], closing["honest"]) == (5, 0, 40, 3)
    assert closing["mean"] == pytest.approx(sum(summary["nodes"][name]["accuracy"] for name in "012") / 3)
    assert summary["cpu_seconds"] > 0.1, "the worker's too"
    assert "peers" not in tables(place / "second")
    with pytest.raises(ConfigError, match="is a simulation, which has no chain"):
        _ = again.transactions


def test_what_is_wrong_is_an_error_of_ours_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for wrong in (lambda: Topology("nowhere"), lambda: simulate("nowhere"), lambda: load_run("nowhere"), simulate):
        with pytest.raises(DflError) as raised:
            wrong()
        assert "\n" not in str(raised.value)
    with pytest.raises(ConfigError, match=r"update.parameters: set has no place in a topology; give a number"):
        Topology("ring_6_noniid", {"update.parameters": {1, 2}})
    with pytest.raises(StoreError):
        load_run(tmp_path)
    with pytest.raises(ConfigError, match=r"^`overrides` update.algoritm=\"krum\": .* did you mean"):
        Topology("ring_6_noniid", {"update.algoritm": "krum"})
    assert list(tmp_path.iterdir()) == []


FAILS = """
from dfl_actors.sdk import Algorithm
def build():
    def init(context):
        raise ValueError("out of luck")
    return Algorithm("fails", init, lambda *given: None)
"""


def test_what_fails_before_its_first_tick_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory was in the way of the next try."""
    monkeypatch.chdir(written(tmp_path, fails=FAILS))
    with pytest.raises(DflError, match="out of luck"):
        simulate("net.toml", overrides={"update.algorithm": "fails.py:build"}, out="out", jobs=1, progress="none")
    assert not Path("out").exists()


def test_a_topology_is_also_a_text_and_an_override_of_none_takes_a_key_away() -> None:
    text = "[network]\nnodes = 3\n[node.1]\nattack = 'sign_flip'\n"
    given = Topology("mine", {"sim.ticks": 7, "training.momentum": 0.5}, text=text)
    assert (given.config.sim.ticks, given.config.network.name, given.config.node("1").attack) == (7, "mine", "sign_flip")
    honest = given.override({"node.1.attack": None, "sim.ticks": 8})
    assert (honest.config.node("1").attack, honest.config.sim.ticks, honest.config.training.momentum) == (None, 8, 0.5)
    assert Topology("again", text=honest.toml()).config == honest.config
    with pytest.raises(ConfigError, match=r"^mine:2: network.nodes: 1 does not fit"):
        Topology("mine", text="[network]\nnodes = 1")


def test_frames_are_arrow_tables_without_pandas_and_without_both_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    have = {"pyarrow"}
    monkeypatch.setattr(frames, "find_spec", lambda name: name in have or None)
    table = pytest.importorskip("pyarrow").table({"a": [1, 2]})
    assert frames.frame({"a": [1, 2]}) == table
    have.clear()
    with pytest.raises(ConfigError, match=r"pip install 'dfl-actors\[frames\]'"):
        frames.frame({"a": [1, 2]})
