"""A place for each test's files, commands that never outlive their test, and finished runs that many tests read or copy."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.network.harness import SMALL, TINY_MODEL, Command

Start = Callable[..., Command]

DECOYS = ("random", "copy", "socket", "queue", "numpy", "pickle")
"""Modules of Python and others after which files are called where the user stands; no process of ours may import them."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path (Unix sockets need that), holding `small.toml`, its model, and files that hurt nobody."""
    yield from made_place()


def made_place() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="net-"))
    (place / "tiny.py").write_text(TINY_MODEL)
    (place / "small.toml").write_text(SMALL)
    for name in DECOYS:
        (place / f"{name}.py").write_text("raise SystemExit('a file of the user')\n")
    yield place
    shutil.rmtree(place)


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Starts commands in `place`."""
    yield from starter(place)


def starter(place: Path) -> Iterator[Start]:
    commands: list[Command] = []

    def begin(*arguments: str | Path, **more: object) -> Command:
        commands.append(Command(place, *arguments, **more))  # type: ignore[arg-type]
        return commands[-1]

    yield begin
    for command in commands:
        command.destroy()


class Finished(NamedTuple):
    """A run that has ended: its directory, its topology beside it, and what it said."""

    out: Path
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Two nodes that trained LeNet on MNIST until their duration ended; for reading only."""
    topology = SMALL.replace('model = "tiny.py:build"\n', "").replace("rate = 64", "rate = 0")
    topology = topology.replace("evaluate_s = 0", "evaluate_samples = 500")
    yield from run_by_one(tmp_path_factory, "finished", topology, "4", cold=True)


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Two nodes with the small model that worked for two seconds; to be copied, and the copy gone on with."""
    yield from run_by_one(tmp_path_factory, "ended", SMALL, "2")


def run_by_one(factory: pytest.TempPathFactory, name: str, topology: str, duration: str, cold: bool = False) -> Iterator[Finished]:
    """A run that is made once for all processes that tests are spread over, and is gone with the last of them that used it."""

    def make(folder: Path) -> None:
        (folder / "tiny.py").write_text(TINY_MODEL)
        for place in made_place():
            (place / "small.toml").write_text(topology.replace("tiny.py", f"{folder}/tiny.py"))
            for begin in starter(place):
                command = begin("run", "small.toml", "--out", "run", "--duration", duration, out=place / "run", cold=cold)
                command.ended(0)
                for said, text in (("stdout", command.stdout), ("stderr", command.stderr)):
                    (folder / said).write_text(text)
            for kept in ("run", "small.toml"):
                shutil.move(place / kept, folder / kept)

    with shared(factory.getbasetemp().resolve().parent / f"dfl-{name}", make) as folder:
        yield Finished(folder / "run", *((folder / said).read_text() for said in ("stdout", "stderr")))


@contextmanager
def shared(folder: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """A folder that whoever comes first makes and fills, and whoever leaves last removes."""
    users = folder / "users"
    with locked(folder):
        if not users.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
        users.write_text(f"{int(users.read_text() if users.exists() else 0) + 1}")
    yield folder
    with locked(folder):
        users.write_text(f"{int(users.read_text()) - 1}")
        if users.read_text() == "0":
            shutil.rmtree(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
