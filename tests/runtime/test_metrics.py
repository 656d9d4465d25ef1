"""The run's metrics.jsonl: whole lines, whatever became of the line before."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dfl_actors.core import events
from dfl_actors.errors import StoreError
from dfl_actors.runtime.metrics import Metrics
from dfl_actors.runtime.rundir import metrics_files


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """A file may have so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def announced(tx: str) -> events.Announced:
    return events.Announced(tx=tx)


def test_events_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    one, other = Metrics(path, "a", "gossiper"), Metrics(path, "b", "gossiper")
    for number, metrics in enumerate((one, other, one)):
        metrics.write(announced(f"{number}"), 10 + number)
    lines = [events.read(line) for line in path.read_bytes().splitlines()]
    assert lines == [events.Announced(t=10 + n, node=node, actor="gossiper", tx=f"{n}") for n, node in enumerate("aba")]


@pytest.mark.parametrize("same", [True, False], ids=["the same process goes on", "another goes on"])
def test_a_torn_line_costs_itself_only(tmp_path: Path, same: bool) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics, other = Metrics(path, "a", "gossiper"), Metrics(path, "a", "builder")
    metrics.write(announced("first"), 1)
    with room_for(path.stat().st_size + 9), pytest.raises(StoreError, match=r"metrics\.jsonl cannot be written .*--resume"):
        metrics.write(announced("torn"), 2)
    (metrics if same else other).write(announced("next"), 3)
    other.write(announced("last"), 4)
    first, torn, *rest = path.read_bytes().split(b"\n")
    assert len(torn) == 9 and b"first" in first
    assert [event.tx for line in rest if line and isinstance(event := events.read(line), events.Announced)] == ["next", "last"]


def test_a_line_that_another_program_left_torn_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"t":1,"node":')
    Metrics(path, "a", "gossiper").write(announced("whole"), 2)
    assert path.read_bytes().startswith(b'{"t":1,"node":\n{"t":2') and path.read_bytes().count(b"\n") == 2


def test_a_long_file_is_put_aside_and_everybody_goes_on_in_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    one, other = Metrics(path, "", "supervisor"), Metrics(path, "a", "gossiper")
    for number in range(3):
        other.write(announced(f"{number}"), 1 + number)
        one.write(announced(f"own {number}"), 1 + number)
        one.roll(largest=1)
        one.roll(largest=1)
    other.write(announced("last"), 9)
    files = metrics_files(tmp_path)
    assert [file.name for file in files] == ["metrics-0001.jsonl", "metrics-0002.jsonl", "metrics-0003.jsonl", "metrics.jsonl"]
    assert [len(file.read_bytes().splitlines()) for file in files] == [2, 2, 2, 1]
    one.roll()
    assert metrics_files(tmp_path) == files, "64 MiB, unless a test says otherwise"


def test_a_full_disk_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "metrics.jsonl", "a", "gossiper")
    with room_for(0), pytest.raises(StoreError, match="free some space"):
        metrics.write(announced("none"), 1)
    metrics.close()
    with pytest.raises(OSError):
        os.fstat(metrics._file)


def test_processes_that_write_at_once_leave_whole_lines_and_no_others(tmp_path: Path) -> None:
    """A file is longer already while the last write is still under way: a line that is seen so is not torn."""
    path, each = tmp_path / "metrics.jsonl", 1_000
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            metrics = Metrics(path, f"{number}", "gossiper")
            for count in range(each):
                metrics.write(announced("x" * ((count % 7) * 3_000)), 1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    lines = path.read_bytes().splitlines()
    assert len(lines) == 4 * each and all(events.read(line) is not None for line in lines)
