"""The command line within this process, which has imported it already: what it prints, and its exit code."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dfl_actors.cli import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ended]
Refused = Callable[..., str]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """`dfl-actors` from an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    before = signal.getsignal(signal.SIGTERM)

    def called(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["dfl-actors", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    yield called
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def refused(cli: Cli) -> Refused:
    """A command that ends with an exit code and one line."""

    def called(code: int, *arguments: str | Path) -> str:
        ended = cli(*arguments)
        assert (ended.code, ended.out) == (code, "") and ended.err.count("\n") == 1 and ended.err.startswith("error: "), ended
        return ended.err

    return called
