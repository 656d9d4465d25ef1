"""`dfl-actors watch` as a person types it."""

import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.report.made_run import lively

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 6, "no run under runs/"),
        (("nothing",), 6, "nothing: no such run in runs or sims"),
        (("net", "--host", "0.0.0.0"), 2, "add --insecure"),
        (("net", "--host", "no.such.host.invalid", "--insecure"), 7, "no.such.host.invalid: no address to listen at"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, cli: Cli, words: tuple[str, ...], code: int, said: str) -> None:
    lively(tmp_path / "net", ["a", "b"], seconds=12)
    done = cli("watch", *words)
    assert done.code == code and said in done.err and done.err.count("\n") == 1 and not done.out


def test_a_port_in_use_is_one_line(tmp_path: Path, cli: Cli) -> None:
    lively(tmp_path / "net", ["a", "b"], seconds=12)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = cli("watch", "net", "--port", str(taken.getsockname()[1]))
    assert done.code == 7 and "cannot be listened at" in done.err and done.err.count("\n") == 1


def test_it_prints_where_it_is_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    lively(tmp_path / "runs" / "net", ["a", "b"], seconds=12)
    command = [sys.executable, "-m", "dfl_actors", "watch", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("runs/net: http://127.0.0.1:") and line.endswith("/  (Ctrl-C ends)\n")
        connection = HTTPConnection(line.split("//")[1].split("/")[0])
        connection.request("GET", "/events")
        stream = connection.getresponse()
        assert stream.readline() == b"retry: 2000\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130 and process.stderr.read() == ""
