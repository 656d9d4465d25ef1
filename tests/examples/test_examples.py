"""Every example runs, as its README says, in a folder of its own."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.network.harness import Command

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, place, dirs_exist_ok=True)
    run(place, "stripes.py")
    return place


def run(folder: Path, *arguments: str) -> str:
    ended = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=500)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", ["nearest.py:build", "fading.py:build"])
def test_a_plug_in_keeps_its_contract(name: str, folder: Path) -> None:
    check = Command(folder, "sdk", "check", name)
    check.ended(0)
    assert check.stdout and all(line.startswith("holds") for line in check.stdout.splitlines())


def test_the_topology_is_fine(folder: Path) -> None:
    Command(folder, "topo", "check", "stripes.toml").ended(0)


def test_the_notebook_runs_in_a_kernel_shows_progress_frames_tables_and_pictures(folder: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("pandas")
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for output in outputs)
    shown = [output.get("data", {}) for output in outputs]
    assert sum("image/png" in one for one in shown) == 2, "two pictures"
    assert any("<progress" in one.get("text/html", "") and "1000 of 1000 ticks" in one["text/html"] for one in shown)
    assert any("honest nodes" in one.get("text/html", "") for one in shown) and "worst attack" in said
    assert "broken" not in said and len(list((folder / "study" / "cells").iterdir())) == 4
    with (folder / "study" / "results.csv").open(encoding="utf-8") as file:
        assert {row["state"] for row in csv.DictReader(file)} == {"over"}
    summary = json.loads((folder / "sims" / "nearest" / "summary.json").read_bytes())
    assert summary["accuracy"]["mean"] > 0.8
