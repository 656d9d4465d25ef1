"""One fork server for all simulations that tests make in their own process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dfl_actors.api import simulation
from dfl_actors.api.crew import Crew
from dfl_actors.api.simulation import PRELOAD
from dfl_actors.cli import app
from dfl_actors.processes.forkserver import ForkServer
from dfl_actors.processes.signals import deferred
from tests.warm.commands import source

Sim = Callable[..., Result]


@pytest.fixture(scope="session")
def server() -> ForkServer:
    return source()


@pytest.fixture
def sim(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> Sim:
    """`dfl-actors sim` in a folder, without a process and a fork server of its own; an error is the result's `exception`."""

    @contextmanager
    def crew(modules: Sequence[str], impatient: bool = False) -> Iterator[Crew]:
        assert tuple(modules) == PRELOAD
        with deferred(impatient) as stop:
            yield Crew(server, stop)

    def run(place: Path, *arguments: str) -> Result:
        monkeypatch.chdir(place)
        paths = ("--out", "--resume")  # The server's children stand where the tests began.
        given = [str(place / one) if before in paths else one for before, one in pairwise(("", *arguments))]
        return CliRunner().invoke(app, ["sim", *given])

    monkeypatch.setattr(simulation, "crew", crew)
    return run


def refused(result: Result) -> tuple[int, str]:
    """The exit code that a command ended with, and its one line."""
    text = str(result.exception)
    assert "\n" not in text
    return getattr(result.exception, "exit_code", -1), text
