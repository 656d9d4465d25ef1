"""Sweeps over real processes: killed and called again, no cell is lost, none doubled, and each has the bytes of `dfl-actors sim`."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dfl_actors import load_sweep, simulate, sweep
from dfl_actors.api.sweeps.table import FIGURES
from dfl_actors.errors import StoreError
from tests.sim.small import tables, written

ROOT = Path(__file__).parents[2]
SWEEP = (
    "net.toml",
    "--vary",
    "update.algorithm=fedavg,breaks.py:build",
    "--vary",
    "node.3.attack=none,sign_flip",
    "--seeds",
    "1-2",
    "--out",
    "out",
)
BREAKS = """
from dfl_actors.sdk import Algorithm, Result
def build():
    def apply(state, own, received, reputations):
        return Result(state, own[:3], reputations, {})
    return Algorithm("breaks", lambda context: None, apply)
"""


def started(place: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dfl_actors", "sweep", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def cell_processes(sweep: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that simulate cells."""
    children = psutil.Process(sweep.pid).children(recursive=True)
    return [child for child in children if child.is_running() and child.name() == "dfl cell"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("sweep"), breaks=BREAKS)


def test_killed_and_called_again_every_cell_is_there_once_with_the_bytes_of_a_simulation(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = started(place, *SWEEP, "--jobs", "1")
    cells, part = place / "out" / "cells", place / "out" / "part"
    held: list[psutil.Process] = []
    while not held:
        assert killed.poll() is None, killed.communicate()
        select_a_moment(killed)
        held = held_between(killed, cells, part)
    killed.kill()
    for process in held:
        process.kill()
    killed.communicate()
    first, under_way = {path.name: path.stat().st_ino for path in cells.iterdir()}, [path.name for path in part.iterdir()]
    assert first and under_way and not first.keys() & set(under_way)
    again = started(place, *SWEEP, "--jobs", "1")
    struck = False
    while again.poll() is None and not struck:
        for process in cell_processes(again):
            process.send_signal(signal.SIGKILL)
            struck = True
        select_a_moment(again)
    said, problems = again.communicate(timeout=240)
    assert struck and again.returncode == 1, problems
    assert problems.count("failed: breaks") == 4 and "error: 4 cells failed; the same command tries them again" in problems
    assert "fedavg" in said and "worst attack" in said
    names = {path.name: path.stat().st_ino for path in cells.iterdir()}
    assert len(names) == 4 and first.items() <= names.items(), "what was over was not done again"
    rows = read(place / "out")
    assert len(rows) == 8 == len({row["cell"] for row in rows})
    assert {row["state"] for row in rows if row["update.algorithm"] == "fedavg"} == {"over"}
    assert all("tick " in row["error"] for row in rows if row["state"] == "failed")
    monkeypatch.chdir(place)
    alone = simulate(
        "net.toml", seed=2, overrides={"update.algorithm": "fedavg", "node.3.attack": None}, out="alone", jobs=2, progress="none"
    )
    swept = load_sweep("out").simulation(**{"update.algorithm": "fedavg", "node.3.attack": "none", "seed": 2})
    assert tables(swept.path) == tables(alone.path) and swept.summary["over"]
    (row,) = [row for row in rows if row["cell"] == swept.path.name]
    assert {key: float(row[key]) for key in FIGURES[:5]} == {key: alone.summary["accuracy"][key] for key in FIGURES[:5]}
    for name in ("results.png", "heat.png"):
        assert (place / "out" / name).read_bytes().startswith(b"\x89PNG")
    before = (place / "out" / "sweep.json").read_bytes()
    some = sweep("out", only={"update.algorithm": ["fedavg"], "seed": [1]}, show=True)
    assert [row["state"] for row in some.rows] == ["over"] * 2 and (place / "out" / "sweep.json").read_bytes() == before
    with pytest.raises(StoreError, match="nowhere is not the directory of a sweep"):
        sweep("net.toml", {"update.buffer": [1, 2]}, out="nowhere", show=True)


def held_between(sweep: subprocess.Popen[str], cells: Path, part: Path) -> list[psutil.Process]:
    """The processes of a sweep of which a cell is over and another under way, stopped; none while that is not so."""
    if not any(cells.glob("*")) or not any(part.glob("*/*.csv")):
        return []
    held = cell_processes(sweep)
    for process in held:
        process.suspend()
    if any(part.glob("*/*.csv")):
        return held
    for process in held:
        process.resume()
    return []


def read(sweep: Path) -> list[dict[str, str]]:
    """The rows of its results."""
    return list(csv.DictReader((sweep / "results.csv").open(encoding="utf-8")))


def select_a_moment(process: subprocess.Popen[str]) -> None:
    """Wait until it ends, a moment at most."""
    try:
        process.wait(0.02)
    except subprocess.TimeoutExpired:
        return


def test_another_sweep_is_refused_and_an_extension_is_not(place: Path) -> None:
    from dfl_actors.api.sweeps.folder import Folder
    from dfl_actors.api.sweeps.plan import axes_of_texts, plan_of

    net = str(place / "net.toml")
    folder = Folder(place / "grows")
    few, more = (plan_of(net, axes_of_texts(["update.buffer=1,2"]), seeds) for seeds in ("1-2", "1-3"))
    folder.prepare(few)
    folder.prepare(more)
    with pytest.raises(StoreError, match="holds another sweep"):
        folder.prepare(few)
    (place / "full").mkdir()
    (place / "full" / "notes").touch()
    with pytest.raises(StoreError, match="holds notes and no sweep"):
        Folder(place / "full").prepare(few)
