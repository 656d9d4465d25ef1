"""Every example runs, as its README says, in a folder of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    said = run(folder, "-m", "dfl_actors", "sdk", "check", name)
    assert all(line.startswith("holds") for line in said.splitlines())


def test_the_topology_is_fine(folder: Path) -> None:
    run(folder, "-m", "dfl_actors", "topo", "check", "stripes.toml")


def test_the_notebook_learns_the_data_and_draws_a_picture(folder: Path) -> None:
    said = run(folder, "notebook.py").splitlines()
    reached = {line.split()[0]: float(line.split()[1]) for line in said if line.endswith("at the end")}
    assert reached.keys() == {"nearest", "half_fedavg"}
    assert all(value > 0.5 for value in reached.values())
    assert "broken" not in "".join(said) and (folder / "stripes.png").stat().st_size > 5000
