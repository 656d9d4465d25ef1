"""Where a command prints: closed, full or ASCII streams, and a place for temporary files whose path is long."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from dfl_actors.cli.streams import Output

COMMAND = f"{sys.executable} -m dfl_actors"


def shell(line: str, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line.replace("dfl-actors", COMMAND)],
        cwd=place,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("dfl-actors sdk list > /dev/full", 6, "error: standard output cannot be written (No space left on device): free some space, or"),
        ("dfl-actors sdk list --json > /dev/full", 6, "error: standard output cannot be written"),
        ("dfl-actors topo check none.toml > /dev/full", 2, "error: none.toml: no such topology"),
        ("dfl-actors sdk list >&-", 0, ""),
        ("dfl-actors topo check none.toml 2>&-", 2, ""),
        ("dfl-actors topo check none.toml 2> /dev/full", 2, ""),
        ("dfl-actors topo show fully_connected_4 >&- 2>&- <&-", 0, ""),
    ],
)
def test_a_stream_that_cannot_be_written_is_one_line(tmp_path: Path, line: str, code: int, error: str) -> None:
    done = shell(line, tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith(error) and len(done.stderr.splitlines()) == bool(error)


def test_what_was_to_be_written_is_not_lost_to_what_cannot_be_printed(tmp_path: Path) -> None:
    done = shell("dfl-actors topo show fully_connected_4 --plot net.svg > /dev/full; dfl-actors topo gen -n 4 > /dev/full", tmp_path)
    assert done.returncode == 6 and (tmp_path / "net.svg").read_text().rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PYTHONIOENCODING": "ascii"}, ("show", "check")),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ("show",)),  # a check imports TensorFlow: once is enough
    ],
)
def test_an_ascii_terminal_shows_a_path_that_is_none(tmp_path: Path, environment: dict[str, str], words: tuple[str, ...]) -> None:
    folder = tmp_path / "Überblick—📈"
    folder.mkdir()
    assert shell("dfl-actors topo gen -n 4 -o net.toml", folder, **environment).returncode == 0
    for line in (*(f"dfl-actors topo {word} $PWD/net.toml" for word in words), "dfl-actors topo check $PWD/none.toml"):
        done = shell(line, folder, **environment)
        assert done.returncode == 2 * ("none" in line) and "Traceback" not in done.stderr


def test_colour_that_is_forced_into_a_file_of_a_dumb_terminal(tmp_path: Path) -> None:
    done = shell("dfl-actors topo show fully_connected_4 > shown", tmp_path, FORCE_COLOR="1", TERM="dumb")
    assert (done.returncode, done.stderr) == (0, "") and "fully_connected_4" in (tmp_path / "shown").read_text()


def test_what_is_interrupted_is_written_once() -> None:
    """Whoever reads a line and sends Ctrl-C at once may do so before the writer knows that the line is out."""
    ours, theirs = os.pipe()
    lines = []

    def interrupt() -> None:
        with os.fdopen(ours, "rb") as reader:
            for line in reader:
                lines.append(line)
                if not line.startswith(b"again"):
                    os.kill(os.getpid(), signal.SIGINT)

    reader = threading.Thread(target=interrupt)
    reader.start()
    output = Output(theirs)
    for number in range(100):
        with suppress(KeyboardInterrupt):
            output.write(b"%d\n" % number)
            output.flush()
            threading.Event().wait()
        output.write(b"again %d\n" % number)
        output.flush()
    os.close(theirs)
    reader.join()
    assert lines == [b"%s%d\n" % (word, number) for number in range(100) for word in (b"", b"again ")]
