"""`dfl-actors tail` as a process beside a network: its lines, its ends, and what it leaves behind.

The network is as much of one as a watcher can see: a run directory whose lock is held, and taps that this process speaks through.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from dfl_actors.cli.tail import tail
from dfl_actors.errors import ConfigError
from dfl_actors.runtime.header import Record
from dfl_actors.runtime.recording import Recording
from dfl_actors.runtime.tap import Tap
from tests.cli.conftest import Cli, Refused
from tests.report.made_run import ready, write_run
from tests.report.test_trace import TX, whole_life
from tests.runtime.test_tail import network, say

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tail-") as path:
        yield Path(path)


@pytest.fixture
def live(place: Path) -> Iterator[tuple[Path, Tap]]:
    """The directory of a running network, and the tap of one of its actors."""
    with network(place) as (run, _, tap):
        yield run.path, tap()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `tail`; nothing of it outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str | Path, **more: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        command = [sys.executable, "-m", "dfl_actors", "tail", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, env=environment, text=True, **(pipes | more)))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def attended(tap: Tap) -> None:
    """Wait until somebody watches."""
    until(lambda: not any(tap.watchers()) and tap.watched)


def ended(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, (out, err)
    return out, err


def test_it_shows_what_moves_until_the_network_ends(live: tuple[Path, Tap], start: Callable[..., Any]) -> None:
    run, tap = live
    process = start(run)
    attended(tap)
    say(tap, 3)
    shutil.rmtree(run.parent / "s")
    out, err = ended(process, 0)
    assert out.count("trainer -> injector") == 3 and err == "the network has ended\n"


def test_it_ends_when_enough_was_shown(live: tuple[Path, Tap], start: Callable[..., Any]) -> None:
    run, tap = live
    process = start(run, "--count", "2", "--json")
    attended(tap)
    say(tap, 5)
    out, err = ended(process, 0)
    assert [orjson.loads(line)["n"] for line in out.splitlines()] == [1, 2] and err == ""


def test_it_ends_when_the_time_is_over(live: tuple[Path, Tap], start: Callable[..., Any]) -> None:
    assert ended(start(live[0], "--for", "0.1"), 0) == ("", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_quietly_and_completes_the_recording(
    number: int, code: int, live: tuple[Path, Tap], place: Path, start: Callable[..., Any]
) -> None:
    run, tap = live
    process = start(run, "--save", place / "file")
    attended(tap)
    say(tap)
    assert "Pull" in process.stdout.readline()
    process.send_signal(number)
    assert ended(process, code) == ("", "")
    recording = Recording(place / "file")
    assert [record.type for _, record in recording.records()] == ["Pull"] and not recording.cut_short


def test_a_killed_one_leaves_a_recording_that_can_be_read(live: tuple[Path, Tap], place: Path, start: Callable[..., Any], cli: Cli) -> None:
    run, tap = live
    process = start(run, "--save", place / "file")
    attended(tap)
    say(tap, 3)
    until(lambda: (place / "file").read_bytes().count(b"Pull") == 3)
    process.kill()
    ended(process, -signal.SIGKILL)
    replayed = cli("tail", "--file", place / "file")
    assert replayed.code == 0 and replayed.out.count("Pull") == 3
    assert replayed.err == "the recording was cut short: it is whole up to record 3\n"


def test_a_reader_that_goes_away_ends_it_though_nothing_moves(live: tuple[Path, Tap], start: Callable[..., Any]) -> None:
    run, tap = live
    process = start(run)
    attended(tap)
    process.stdout.close()
    assert process.wait(PATIENCE) == 141
    assert process.stderr.read() == ""


def test_a_stopped_one_disturbs_nobody_and_then_shows_the_gap(live: tuple[Path, Tap], place: Path, start: Callable[..., Any]) -> None:
    run, tap = live
    process = start(run, "--stats", "--json", "--save", place / "file")
    attended(tap)
    process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    say(tap, 50_000)
    assert time.monotonic() - begun < 10
    process.send_signal(signal.SIGCONT)

    def again() -> bool:
        say(tap)
        return re.search(rb'"n":5\d{4},', (place / "file").read_bytes()) is not None

    until(again)
    shutil.rmtree(run.parent / "s")
    summary = orjson.loads(ended(process, 0)[0])
    last = [record.n for _, record in Recording(place / "file").records()][-1]
    assert summary["missed"] > 40_000 and summary["missed"] + summary["types"][0]["messages"] == last > 50_000


def test_a_full_disk_ends_it_with_one_line(live: tuple[Path, Tap], start: Callable[..., Any]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    out, err = ended(start(live[0], "--save", "/dev/full", "--force"), 6)
    assert out == "" and err.startswith("error: /dev/full cannot be written") and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 6, "no network is running under runs/"),
        (("over",), 6, "over is over: read it with `dfl-actors report over`"),
        (("over", "--follow", "1234"), 2, "no transaction of over begins so; it has 1"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], code: int, words: str, tmp_path: Path, refused: Refused) -> None:
    write_run(tmp_path / "over", ["0", "1", "2"], [ready(), *whole_life()], command=[])
    assert words in refused(code, "tail", *arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"directory": Path("x"), "file": Path("y")}, "leave the run directory and --save away"),
        ({"save": Path("x"), "file": Path("y")}, "leave the run directory and --save away"),
        ({"follow": TX, "stats": True}, "--follow shows one transaction"),
        ({"follow": TX, "nodes": ["0"]}, "--follow shows one transaction"),
        ({"follow": TX, "count": 3}, "--follow shows one transaction"),
        ({"stats": True, "bodies": True}, "leave one of them away"),
    ],
)
def test_options_that_do_not_go_together_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tail(**options)


def test_figures_that_make_no_sense_are_mistakes_of_use(cli: Cli) -> None:
    result = cli("tail", "--count", "0")
    assert result.code == 2 and "--count" in result.err and "Traceback" not in result.err


def test_the_page_names_every_option_and_every_field_of_a_record(cli: Cli) -> None:
    page = (ROOT / "docs" / "tail.md").read_text()
    options = set(re.findall(r"--[a-z]+", cli("tail", "--help").out)) - {"--help"}
    assert options and {one for one in options if f"`{one}" not in page} == set()
    assert {one for one in Record.__struct_fields__ if f"`{one}`" not in page} == set()
