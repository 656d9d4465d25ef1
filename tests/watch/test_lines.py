"""Reading on: whole lines only, each once, across the renaming of a long file."""

import os
from pathlib import Path

import pytest

from dfl_actors.errors import StoreError
from dfl_actors.runtime.rundir import metrics_files
from dfl_actors.watch import lines as module
from dfl_actors.watch.lines import Lines, Shrunk


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_each_line_comes_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    path, lines = tmp_path / "a", Lines()
    assert list(lines.new(path)) == []
    append(path, b"one\ntwo\nth")
    assert list(lines.new(path)) == [b"one", b"two"]
    assert list(lines.new(path)) == []
    append(path, b"ree\n")
    assert list(lines.new(path)) == [b"three"]


def test_a_file_that_is_put_aside_is_read_to_its_end(tmp_path: Path) -> None:
    path, lines = tmp_path / "metrics.jsonl", Lines()
    append(path, b"1\n")
    assert list(lines.new_in(metrics_files(tmp_path))) == [b"1"]
    append(path, b"2\n")
    path.rename(tmp_path / "metrics-0001.jsonl")
    append(path, b"4\n")
    append(tmp_path / "metrics-0001.jsonl", b"3\n")  # by a writer that had not noticed yet
    assert list(lines.new_in(metrics_files(tmp_path))) == [b"2", b"3", b"4"]
    assert list(lines.new_in(metrics_files(tmp_path))) == []


def test_lines_longer_than_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 4)
    append(tmp_path / "a", b"123456789\n12\n12345\n")
    assert list(Lines().new(tmp_path / "a")) == [b"123456789", b"12", b"12345"]


def test_a_line_without_end_takes_no_memory_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 4)
    monkeypatch.setattr(module, "LONGEST", 8)
    append(tmp_path / "a", b"1" * 50 + b"\nnext\n")
    assert list(Lines().new(tmp_path / "a"))[-1] == b"next"


def test_a_file_that_has_less_in_it_is_another(tmp_path: Path) -> None:
    path, lines = tmp_path / "a", Lines()
    append(path, b"one\ntwo\n")
    assert len(list(lines.new(path))) == 2
    path.write_bytes(b"x\n")
    with pytest.raises(Shrunk):
        list(lines.new(path))


def test_a_pipe_in_the_place_of_a_file_is_refused_and_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(StoreError, match="is no regular file"):
        list(Lines().new(tmp_path / "metrics.jsonl"))
