"""Sweeps and runs over a Ray cluster of two nodes on this machine (`make test-ray`): cut down in the middle, nothing is lost or doubled."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dfl_actors import load_sweep
from dfl_actors.config import load_topology
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.runtime.verify import verify_all
from tests.sim.small import SMALL, TOPOLOGY, tables

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[2]
SWEEP = ("sweep", "net.toml", "--vary", "update.algorithm=fedavg,median", "--seeds", "1-2", "--set", "sim.ticks=401")
RUN = """
[network]
nodes = 3
links = "ring"
[training]
model = "small.py:build"
[data]
source = "digits"
rate = 64
[run]
target = 0.99
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ray")
    (folder / "net.toml").write_text(TOPOLOGY)
    (folder / "run.toml").write_text(RUN)
    (folder / "small.py").write_text(SMALL)
    return folder


@pytest.fixture(scope="module")
def there() -> Iterator[Path]:
    """Where processes of the cluster put their files. Ray's sockets lie in it, whose names must be short."""
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def address(there: Path) -> Iterator[str]:
    """That of a cluster of two nodes."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("TMPDIR", str(there))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            cluster.add_node(num_cpus=1)
            patch.undo()
            yield cluster.address
        finally:
            cluster.shutdown()


def started(place: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dfl_actors", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def below_us(word: str) -> list[psutil.Process]:
    """Processes of ours, or of our cluster, of that name."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if word in " ".join([process.name(), *process.cmdline()]):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_a_moment(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return


def test_workers_killed_in_the_middle_and_a_killed_driver_leave_every_cell_once_with_the_same_bytes(place: Path, address: str) -> None:
    over_ray = (*SWEEP, "-o", "far", "--engine", "ray", "--address", address)
    sweep = started(place, *over_ray)
    for word in ("dfl cell", "ray::Relay"):  # the process of a cell, then Ray's own
        while not (struck := below_us(word)):
            assert sweep.poll() is None, sweep.communicate()
            wait_a_moment(sweep)
        struck[0].kill()
    while not any((place / "far" / "cells").glob("*")):
        assert sweep.poll() is None, sweep.communicate()
        wait_a_moment(sweep)
    sweep.kill()
    sweep.communicate()
    first = {path.name: path.stat().st_ino for path in (place / "far" / "cells").iterdir()}
    again = started(place, *over_ray)
    said, problems = again.communicate(timeout=400)
    assert again.returncode == 0, said + problems
    near = started(place, *SWEEP, "-o", "near")
    assert near.wait(400) == 0, near.communicate()
    far, here = load_sweep(place / "far"), load_sweep(place / "near")
    assert [cell.name for cell in far.cells] == [cell.name for cell in here.cells]
    assert first.items() <= {path.name: path.stat().st_ino for path in (place / "far" / "cells").iterdir()}.items(), "none was done again"
    assert tables(place / "far" / "cells") == tables(place / "near" / "cells")
    measured = ("cpu_seconds", "seconds")
    assert [{key: row[key] for key in row if key not in measured} for row in far.rows] == [
        {key: row[key] for key in row if key not in measured} for row in here.rows
    ]


def test_a_run_is_placed_on_the_cluster_and_gathered_without_its_keys(place: Path, there: Path, address: str) -> None:
    run = started(place, "run", "run.toml", "--duration", "5", "-o", "run", "--engine", "ray", "--address", address)
    said, problems = run.communicate(timeout=400)
    assert run.returncode == 0, said + problems
    assert "placed: 0 on " in said
    directory = RunDirectory(place / "run")
    assert list(read_about(directory).nodes) == ["0", "1", "2"]
    verify_all(directory, ("0", "1", "2"))
    config = load_topology(directory.config, deployed=True)
    assert config.curve and config.run.target == 0.99, "they listen beyond loopback"
    assert not list((place / "run").rglob("key"))
    assert not list(there.glob("dfl-*")), "nothing stays there"


def test_a_lost_node_ends_the_run_in_one_line_with_what_there_is_of_the_others(place: Path, address: str) -> None:
    run = started(place, "run", "run.toml", "-o", "torn", "--engine", "ray", "--address", address)
    while not (place / "torn" / "run.json").exists():
        assert run.poll() is None, run.communicate()
        wait_a_moment(run)
    below_us("ray::Relay")[0].kill()
    _, problems = run.communicate(timeout=400)
    assert run.returncode == 9 and len(problems.splitlines()) == 1, problems
    assert "was lost" in problems and "nothing could be gathered; what there is lies in torn" in problems
    assert len(list((place / "torn" / "nodes").glob("[012]"))) == 2


def test_where_no_cluster_is_one_line_says_so(place: Path) -> None:
    pytest.importorskip("ray")
    sweep = started(place, *SWEEP, "-o", "nowhere", "--engine", "ray", "--address", "127.0.0.1:9")
    _, problems = sweep.communicate(timeout=100)
    assert sweep.returncode == 7 and len(problems.splitlines()) == 1 and "no Ray cluster at 127.0.0.1:9" in problems


def test_a_cluster_that_dies_is_told_in_one_line_and_the_sweep_goes_on_here(place: Path) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        sweep = started(place, *SWEEP, "-o", "dies", "--engine", "ray", "--address", cluster.address)
        while not below_us("dfl cell"):
            assert sweep.poll() is None, sweep.communicate()
            wait_a_moment(sweep)
    finally:
        cluster.shutdown()
    _, problems = sweep.communicate(timeout=200)
    assert sweep.returncode == 9 and len(problems.splitlines()) == 1 and "the Ray cluster was lost" in problems, problems
    here = started(place, *SWEEP, "-o", "dies")
    assert here.wait(400) == 0, here.communicate()
    assert len(load_sweep(place / "dies").rows) == 4
