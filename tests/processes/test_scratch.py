"""The folders that commands share with their processes: whose are left alone, and whose are taken away."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from dfl_actors.processes.forkserver import ForkServer
from dfl_actors.processes.scratch import LOCK, Scratch


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def let_go(scratch: Scratch) -> None:
    """As the death of its process does."""
    os.close(scratch._held)


def test_what_a_killed_command_left_is_taken_away_by_the_next(place: Path) -> None:
    dead, living = Scratch(), Scratch()
    (dead.path / "cell").mkdir()
    (dead.path / "cell" / "data").write_bytes(b"data")
    let_go(dead)
    other = Scratch()
    assert sorted(place.iterdir()) == sorted([living.path, other.path])
    for scratch in (living, other):
        scratch.remove()
    assert not list(place.iterdir())


def test_a_folder_is_its_servers_too_as_long_as_that_lives() -> None:
    server = ForkServer(["tests.processes.work"])
    server.wait(server.start("echo", print), lambda: None)
    let_go(server._scratch)
    Scratch().remove()
    assert (server.folder / LOCK).exists()
    os.kill(server._process.pid, signal.SIGKILL)
    server._process.wait()
    Scratch().remove()
    assert not server.folder.exists()
    server._scratch._held = os.open(os.devnull, os.O_RDONLY)
    server.close()


def test_folders_and_links_that_are_nobodys_of_ours_stay(place: Path) -> None:
    (place / "dfl-other").mkdir()
    (place / "dfl-link").mkdir()
    (place / "file").write_bytes(b"mine")
    (place / "dfl-link" / LOCK).symlink_to(place / "file")
    Scratch().remove()
    assert sorted(path.name for path in place.iterdir()) == ["dfl-link", "dfl-other", "file"]
