"""The server beside a run: there before the run is, gone when its command is, and no trouble of the run's."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dfl_actors.watch import beside
from dfl_actors.watch.beside import watched
from dfl_actors.watch.command import listening
from tests.report.made_run import lively
from tests.watch.serving import PATIENCE


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def asked(address: str, path: str = "/") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
    connection.request("GET", path)
    return connection.getresponse()


def gone(address: str) -> bool:
    try:
        asked(address).read()
    except OSError:
        return True
    return False


def test_a_page_is_there_before_the_run_and_ends_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "PORT", 0)
    told: list[str] = []
    with watched([tmp_path / "net"], told.append) as address:
        assert told == [address]
        assert "starting: nothing is written of the run yet" in asked(address).read().decode()
        stream = asked(address, "/events")
        lively(tmp_path / "net", ["a", "b"])
        until(lambda: "honest nodes: mean" in asked(address).read().decode())
    # Whoever watches is told the last state, and that this was it.
    assert b"event: end" in stream.read()
    until(lambda: gone(address))


def test_a_server_that_is_killed_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    started = subprocess.Popen

    def noted(*words: Any, **options: Any) -> Any:
        child = started(*words, **options)
        made.append(child.pid)
        return child

    monkeypatch.setattr(subprocess, "Popen", noted)
    told: list[str] = []
    with watched([tmp_path / "net"], told.append):
        assert asked(told[0]).status == 200
        os.kill(made[0], signal.SIGKILL)
        until(lambda: gone(told[0]))
        lively(tmp_path / "net", ["a", "b"])


def test_a_taken_port_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = listening("127.0.0.1", 0)
    monkeypatch.setattr(beside, "PORT", taken.getsockname()[1])
    told: list[str] = []
    with watched([tmp_path / "net"], told.append):
        assert f":{taken.getsockname()[1]}/" not in told[0] and asked(told[0]).status == 200
    taken.close()
