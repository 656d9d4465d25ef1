"""A place for each test's files, commands that never outlive their test, and one finished run that many tests read."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.network.harness import SMALL, TINY_MODEL, Command

Start = Callable[..., Command]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path (Unix sockets need that), holding `small.toml` and its model."""
    yield from made_place()


def made_place() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="net-"))
    (place / "tiny.py").write_text(TINY_MODEL)
    (place / "small.toml").write_text(SMALL)
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


@pytest.fixture(scope="session")
def shared_place() -> Iterator[Path]:
    yield from made_place()


@pytest.fixture(scope="session")
def finished(shared_place: Path) -> Iterator[Command]:
    """Two nodes that trained LeNet on MNIST until their duration ended; for reading only."""
    (shared_place / "small.toml").write_text(
        SMALL.replace('model = "tiny.py:build"\n', "").replace("rate = 160", "rate = 0").replace("evaluate_s = 0", "evaluate_samples = 500")
    )
    for begin in starter(shared_place):
        command = begin("run", "small.toml", "--out", "run", "--duration", "4", out=shared_place / "run")
        command.ended(0)
        yield command
