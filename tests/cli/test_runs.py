"""`dfl-actors runs` as a person calls it: what is printed where, what is asked, and how every mistake ends."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from dfl_actors.runtime.rundir import RunDirectory
from tests.cli.conftest import Cli
from tests.report.made_run import ready, realistic, write_run

ROOT = Path(__file__).parents[2]
NAMES = ["0", "1", "2", "3"]
PATIENCE = 30.0

Call = Cli


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """We stand where `runs` holds two runs, and a directory that is none."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("first", "second")):
        path = tmp_path / "runs" / name
        write_run(path, NAMES, realistic(NAMES, seconds=20, seed=seed), command=["dfl-actors"], started=1_700_000_000_000 + seed)
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path


@pytest.fixture
def call(cli: Cli) -> Call:
    """`dfl-actors runs`."""
    return partial(cli, "runs")


class Terminal:
    """`dfl-actors runs` in a process of its own that has a terminal."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "60", "TERM": "xterm"}
        command = [sys.executable, "-m", "dfl_actors", "runs", *arguments]
        self.process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.text = ""

    def until(self, words: str) -> None:
        while words not in self.text:
            assert self._read(), f"no {words!r} in {self.text!r}"

    def _read(self) -> bool:
        assert select.select([self._ours], [], [], PATIENCE)[0], f"silent after {self.text!r}"
        with suppress(OSError):  # the other end is closed
            data = os.read(self._ours, 4096)
            self.text += data.decode()
            return bool(data)
        return False

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        while self._read():
            pass
        os.close(self._ours)
        return self.process.wait(PATIENCE)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("", ("--dir", "--json", "compare", "export", "rm")),
        ("rm", ("--dir", "--yes")),
        ("compare", ("--dir", "--plot", "--force", "--json")),
        ("export", ("--dir", "--format", "--out", "--force", "parquet, tensorboard, mlflow")),
    ],
)
def test_every_command_helps(command: str, options: tuple[str, ...], call: Call) -> None:
    code, out, err = call(*command.split(), "--help")
    assert (code, err) == (0, "") and out.lstrip().startswith("Usage: ")
    assert all(option in out for option in options)


# --- the list


def test_the_list(place: Path, call: Call) -> None:
    code, out, err = call()
    header, *rows = out.splitlines()
    assert code == 0
    assert header.split() == ["run", "state", "network", "nodes", "started", "ran", "worst", "mean", "blocks", "size"]
    assert [row.split()[0] for row in rows] == ["second", "first"]
    assert err == "not runs, and left out: notes\n"


def test_the_list_for_programs(place: Path, call: Call) -> None:
    code, out, _ = call("--json")
    rows = [json.loads(text) for text in out.splitlines()]
    assert code == 0
    assert [(row["directory"], row["nodes"], row["seconds"], row["blocks"]) for row in rows] == [
        ("runs/second", 4, 20.0, 4),
        ("runs/first", 4, 20.0, 4),
    ]
    assert 0 < rows[0]["lowest"] <= rows[0]["mean"] < 1


def test_a_damaged_run_is_one_line_more(place: Path, call: Call) -> None:
    (place / "runs" / "first" / "run.json").write_text("{")
    code, out, err = call("--dir", place / "runs")
    assert code == 0 and "damaged" in out.splitlines()[2]
    assert [text.split(":")[0] for text in err.splitlines()] == ["damaged", "not runs, and left out"]


def test_a_narrow_terminal_still_shows_names_states_and_accuracies(place: Path) -> None:
    terminal = Terminal()
    assert terminal.ended() == 0
    assert "first" in terminal.text and "worst" in terminal.text and "network" not in terminal.text


def test_a_reader_that_goes_away_hears_nothing_more(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "dfl_actors", "runs", "compare", "first", "second"]
    ended = subprocess.run(command, env=environment, check=False, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    os.close(writer)
    assert ended.returncode != 0 and ended.stderr == ""


# --- comparing and exporting


def test_two_runs_by_their_names(place: Path, call: Call) -> None:
    code, out, err = call("compare", "first", "runs/second", "--plot", "both.png")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines()[:4] if not line.startswith("   ")] == ["A  runs/first", "B  runs/second"]
    assert "honest nodes: mean" in out.splitlines()[1]
    assert "drawn to both.png" in out and (place / "both.png").stat().st_size > 10_000


def test_runs_of_several_seeds_are_compared_in_groups(place: Path, call: Call) -> None:
    third = write_run(place / "runs" / "third", NAMES, realistic(NAMES, seconds=20, seed=3), seed=3)
    for name, algorithm in {"first": "krum", "second": "krum", "third": "median"}.items():
        text = f'[network]\nseed = {len(name)}\n[update]\nalgorithm = "{algorithm}"\n'
        (place / "runs" / name / "config.toml").write_text(text)
    code, out, err = call("compare", "runs", "--plot", "fig", "--paper")
    rows = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "") and [row[:2] for row in rows if row and row[0] in ("krum", "median")] == [["krum", "2"], ["median", "1"]]
    assert sorted(path.name for path in place.glob("fig*")) == sorted(row[-1] for row in rows if row[:2] == ["drawn", "to"])
    code, out, err = call("compare", "first", "second", third, "--format", "csv", "--plot", "fig.png")
    assert code == 0 and out.startswith("update.algorithm,runs,") and err == "drawn to fig.png\n" and (place / "fig.png").exists()
    code, out, err = call("compare", "runs", "--json")
    assert code == 0 and [group["label"] for group in json.loads(out)["groups"]] == ["krum", "median"]
    code, out, err = call("compare", "first", "second", "--format", "markdown", "--goal", "0.5")
    assert code == 0 and "| learning: every node at 0.5 after |" in out and out.endswith("A: first, B: second\n")


def test_a_comparison_for_programs_is_one_object(place: Path, call: Call) -> None:
    for arguments in (("--dir", "runs", "compare", "first", "second", "--json"), ("compare", "--dir", "runs", "first", "second", "--json")):
        code, out, err = call(*arguments, "--plot", "both.svg", "--force")
        assert (code, err) == (0, "drawn to both.svg\n")
        assert {row["name"] for row in json.loads(out)["figures"]} >= {"blocks", "restarts", "accuracy of honest nodes, worst", "total"}


@pytest.mark.parametrize("format", ["csv", "jsonl", "tensorboard"])
def test_an_export_says_what_it_wrote(format: str, place: Path, call: Call) -> None:
    code, out, err = call("export", "first", "--format", format)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"runs/first/{format}"
    assert any((place / "runs" / "first" / format).rglob("*.*"))


# --- deleting


def test_runs_are_deleted_without_a_question_when_told_so(place: Path, call: Call) -> None:
    call("export", "first", "-f", "csv")
    assert call("rm", "first", "runs/second", "second", "--yes") == (0, "deleted runs/first\ndeleted runs/second\n", "")
    assert [path.name for path in (place / "runs").iterdir()] == ["notes"]


def test_nothing_is_deleted_when_one_of_them_may_not_be(place: Path, call: Call) -> None:
    with RunDirectory(place / "runs" / "second").lock():
        code, out, err = call("rm", "first", "second", "--yes")
    assert (code, out) == (6, "") and "runs/second is in use" in err
    assert (place / "runs" / "first" / "run.json").exists()


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, False), ("\n", 1, True), ("\x04", 1, True)])
def test_a_person_is_asked(answer: str, code: int, left: bool, place: Path) -> None:
    terminal = Terminal("rm", "first")
    terminal.until("delete runs/first, ")
    terminal.until("[y/N] ")
    terminal.type(answer)
    assert terminal.ended() == code, terminal.text
    assert ("nothing was deleted" in terminal.text) == left == (place / "runs" / "first").exists()


def test_ctrl_c_at_the_question_deletes_nothing(place: Path) -> None:
    terminal = Terminal("rm", "first", "second")
    terminal.until("delete 2 runs (runs/first, runs/second), ")
    terminal.until("[y/N] ")
    while terminal.process.poll() is None:  # one that comes before it listens is not heard
        terminal.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            terminal.process.wait(5)
    assert terminal.process.returncode == 130 and "Traceback" not in terminal.text
    assert (place / "runs" / "first" / "run.json").exists()


# --- mistakes


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--dir", "none"), 6, "no folder none"),
        (("--dir", "runs/notes"), 6, "no runs in runs/notes"),
        (("--dir", "file"), 6, "file cannot be read"),
        (("--json", "compare", "first", "second"), 2, "--json is for the list here"),
        (("compare", "first", "first"), 6, "are the same run"),
        (("compare", "first", "third"), 6, "third: no such run in runs"),
        (("compare", "first", "notes"), 6, "runs/notes is not the directory of a run"),
        (("compare", "first", "empty"), 6, "runs/empty has no metrics"),
        (("compare", "first", "second", "--plot", "both.eps"), 2, "give a name that ends in .png, .svg or .pdf"),
        (("compare", "first", "second", "--paper"), 2, "--paper says how a picture is drawn: give --plot FILE as well"),
        (("compare", "first", "second", "--plot", "both.png", "--paper"), 2, "end the name in .pdf or .svg, or give none for both"),
        (("compare", "first", "second", "--format", "word"), 2, "unknown format 'word': choose text, markdown, latex, csv"),
        (("compare", "first", "second", "--format", "csv", "--json"), 2, "two formats: give one of them"),
        (("compare", "first"), 6, "1 run to compare: name two or more, or a directory of several"),
        (("compare", "first", "second", "--plot", "taken.png"), 6, "taken.png is there already"),
        (("export", "first", "-f", "avro"), 2, "unknown format 'avro'"),
        (("export", "first", "-f", "csv", "-o", "http://127.0.0.1:9"), 2, "is an address, and csv is written into a directory: name one"),
        (("export", "empty", "-f", "csv"), 6, "runs/empty has no metrics"),
        (("export", "notes", "-f", "csv"), 6, "runs/notes is not the directory of a run"),
        (("export", "first", "-f", "csv", "-o", "file"), 6, "file is there and is no directory"),
        (("export", "first", "-f", "csv", "-o", "runs/second"), 6, "runs/second is there already"),
        (("export", "first", "-f", "csv", "-o", "runs/second", "--force"), 6, "which no export wrote"),
        (("rm", "first"), 2, "nobody is here to be asked"),
        (("rm", "third", "--yes"), 6, "third: no such run"),
        (("rm", "notes", "--yes"), 6, "there is no run.json"),
        (("rm", ".", "--yes"), 6, "there is no run.json"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    arguments: tuple[str, ...], code: int, words: str, place: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("file", "taken.png"):
        (place / name).touch()
    write_run(place / "runs" / "empty", ["a"], [], command=["dfl-actors"])
    before = sorted(place.rglob("*"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    found, out, err = call(*arguments)
    assert (found, out) == (code, "")
    *notes, error = err.splitlines()
    assert error.startswith("error: ") and words in error
    assert all(note.startswith("not runs") for note in notes)
    assert sorted(place.rglob("*")) == before


def test_the_list_needs_a_run_that_is_ready_or_not(place: Path, call: Call) -> None:
    write_run(place / "runs" / "third", ["a"], [ready()], command=["dfl-actors"], started=1)
    assert call()[1].splitlines()[3].split()[:2] == ["third", "died"]
