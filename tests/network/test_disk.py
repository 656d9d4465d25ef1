"""A disk that is full, or fills up under a run."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import verify_all
from tests.network.conftest import Finished
from tests.network.harness import Command, one_line

Start = Callable[..., Command]


@pytest.fixture
def disk(place: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system of so many megabytes in `place`."""
    path = place / "disk"

    def make(megabytes: int) -> Path:
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("file systems cannot be mounted here")
        return path

    yield make
    if os.path.ismount(path):
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_small_disk_is_refused_at_once(start: Start, disk: Callable[[int], Path]) -> None:
    path = disk(50)
    run = start("run", "small.toml", "--out", "disk/run")
    run.ended(6)
    assert "200 MB are needed" in one_line(run.stderr)
    assert list(path.iterdir()) == []


def test_a_disk_that_fills_up_ends_the_run(start: Start, disk: Callable[[int], Path]) -> None:
    path = disk(260)
    run = start("run", "small.toml", "--out", "disk/run", out=path / "run")
    run.ready()
    ballast = path / "ballast"
    # Without a buffer: what a full disk did not take would be tried, and fail, once more when the file is closed.
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass
    run.ended(6)
    error = one_line(run.stderr)
    assert "disk/run" in error and ("space" in error or "full" in error)
    assert not list((path / "run").rglob("part-*"))
    ballast.unlink()
    resumed = start("run", "--resume", "disk/run", "--duration", "1", out=path / "run")
    resumed.ended(0)
    assert all(chain.height > 0 for chain in verify_all(RunDirectory(path / "run"), ("0", "1")))


def test_a_read_only_medium_is_read_and_what_cannot_be_written_is_one_line(
    finished: Finished, place: Path, start: Start, disk: Callable[[int], Path]
) -> None:
    path = disk(300)
    shutil.copytree(finished.out, path / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
    for reading in (
        "chain verify disk/run",
        "chain show disk/run",
        "chain export disk/run",
        "runs --dir disk",
        "report disk/run -o page.html",
    ):
        start(*reading.split()).ended(0)
    for writing in ("report disk/run", "runs export disk/run -f csv"):
        refused = start(*writing.split())
        refused.ended(6)
        error = one_line(refused.stderr)
        assert "Read-only file system" in error and "--out" in error
