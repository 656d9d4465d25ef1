"""Processes of a fork server: how they live, how they end, and what the death of anybody leaves behind."""

import os
import signal
import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dfl_actors.errors import ActorError, AlgorithmError, ConfigError, DflError
from dfl_actors.processes import faults
from dfl_actors.processes.forkserver import ForkServer, Process, fork_server
from tests.processes import work

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def ignored() -> None:
    """Nobody wants us to stop."""


@pytest.fixture
def server() -> Iterator[ForkServer]:
    with fork_server(["tests.processes.work"]) as server:
        yield server


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def running(server: ForkServer, count: int) -> list[Process]:
    """So many processes that work."""
    processes = [server.start(f"{number}/echo", work.echo) for number in range(count)]
    for process in processes:
        process.channel.send(b"there?")
        assert process.channel.next() == b"there?"
    server.hear()
    assert all(process.pid and process.exitcode is None for process in processes)
    return processes


def test_a_process_is_called_what_it_is(server: ForkServer) -> None:
    (process,) = running(server, 1)
    told = subprocess.run(["ps", "-o", "comm=,args=", "-p", str(process.pid)], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["dfl", "0/echo", "dfl", "0/echo"]
    assert psutil.Process(process.pid).parent().cmdline() == ["dfl", "fork", "server"]


@pytest.mark.parametrize(
    ("job", "code", "error", "words"),
    [
        (work.fail, 71, ConfigError, "nodes is 0: give at least one"),
        (work.leave, 71, AlgorithmError, r"work\.py, line \d+, ended the process \(SystemExit: enough\)"),
    ],
)
def test_an_error_is_the_last_word(server: ForkServer, job: Callable[..., None], code: int, error: type[DflError], words: str) -> None:
    process = server.start("job", job)
    server.wait(process, ignored)
    assert process.exitcode == code
    told = process.channel.next()
    assert told is not None
    with pytest.raises(error, match=words):
        raise faults.read(told)


def test_a_mistake_of_the_program_is_an_exit_code_and_a_traceback_in_the_log(server: ForkServer) -> None:
    process = server.start("job", work.crash)
    server.wait(process, ignored)
    assert process.how_it_ended() == "exit code 70" and process.channel.next() is None
    assert "ValueError: a mistake in the program" in (server.folder / "server.log").read_text()


def test_a_process_that_is_killed(server: ForkServer) -> None:
    one, other = running(server, 2)
    one.kill()
    server.wait(one, ignored)
    assert one.how_it_ended() == "killed by SIGKILL" and other.exitcode is None


def test_children_ignore_the_terminal_and_the_folder_where_the_user_stands(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = server.start("look", work.look)
    path, files, ignored = (literal_eval((process.channel.next() or b"").decode()) for _ in range(3))
    assert "" not in path
    assert files[:2] == ["/dev/null", "/dev/null"] and ignored == [True, True, True]


def test_nothing_is_started_again_before_what_a_dead_server_left_is_gone(server: ForkServer) -> None:
    old = running(server, 3)
    pids = [process.pid for process in old]
    os.kill(psutil.Process(pids[0]).ppid(), signal.SIGKILL)
    until(lambda: server.hear() or all(process.exitcode is not None for process in old))
    assert {process.how_it_ended() for process in old} == {"the fork server ended, killed by SIGKILL"}
    # A process closes its channel a moment before it is gone, and can do nothing in between.
    until(lambda: not any(map(alive, pids)))
    running(server, 2)


def test_what_a_killed_server_had_still_to_say_is_not_heard_from_its_successor(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a process begins between the look at who has begun and the end of the server."""
    late, kill = server.start("0/echo", work.echo), server._process.kill
    monkeypatch.setattr(server, "hear", lambda: None)
    monkeypatch.setattr(server._process, "kill", lambda: (server._told.wait(PATIENCE), monkeypatch.undo(), kill()))
    server.end([late])
    assert late.exitcode == -signal.SIGKILL
    running(server, 1)


def test_a_stop_is_heard_while_a_process_is_waited_for(server: ForkServer) -> None:
    process = server.start("sleep", work.sleep)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server.wait(process, stop)


def test_a_server_that_cannot_import_is_one_line() -> None:
    with fork_server(["tests.processes.no_such_module"]) as server:
        process = server.start("job", work.echo)
        with pytest.raises(ActorError, match="no process can be started: ModuleNotFoundError: No module named"):
            server.wait(process, ignored)


def test_the_end_leaves_nothing() -> None:
    with fork_server(["tests.processes.work"]) as server:
        processes, folder = running(server, 2), server.folder
        sleeper = server.start("sleep", work.sleep)
        until(lambda: server.hear() or sleeper.pid)
        pids = [process.pid for process in (*processes, sleeper)]
        assert folder.is_dir()
    assert not folder.exists()
    until(lambda: not any(map(alive, pids)))


PARENT = """
import time
from dfl_actors.processes.forkserver import ForkServer
from tests.processes import work
server = ForkServer(["tests.processes.work"])
server.start("sleep", work.sleep)
process = server.start("echo", work.echo)
process.channel.send(b"x")
process.channel.next()
print(server.folder, flush=True)
time.sleep(1000)
"""


def test_a_parent_that_is_killed_takes_everybody_with_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) == 3 and folder.is_dir()
        parent.kill()
        until(lambda: not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family))
        until(lambda: not folder.exists())


SLOW = """
import time
from dfl_actors.processes.forkserver import ForkServer
server = ForkServer(["tests.processes.slow"])
print(server.folder, flush=True)
time.sleep(1000)
"""


def test_a_parent_that_is_killed_while_the_server_imports_leaves_no_folder() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", SLOW], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        until(lambda: "importing" in (folder / "server.log").read_text())
        (server,) = psutil.Process(parent.pid).children()
        parent.kill()
        until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
        assert not folder.exists()


def test_what_keras_imports_only_where_it_is_installed_is_in_no_process() -> None:
    with fork_server(["dfl_actors.learning.framework"]) as server:
        process = server.start("look", work.imported, ("keras", "matplotlib", "pandas"))
        assert process.channel.next() == b"keras"
