"""What is known of each run under a directory, which run a name means, and that nothing but a run is ever deleted."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from dfl_actors.errors import StoreError
from dfl_actors.report.load import load_run
from dfl_actors.report.runs.listing import SHORT, check_removable, columns, duration_text, find, list_runs, look, remove, size_of
from dfl_actors.runtime.rundir import RunDirectory
from tests.report.made_run import START, Line, ready, realistic, write_run

NOW = START + 90_000


def line(seconds: float, event: str, node: str = "", **fields: Any) -> Line:
    return {"t": START + round(1000 * seconds), "node": node, "actor": "supervisor", "event": event, **fields}


def stopped(seconds: float, reason: str) -> Line:
    return line(seconds, "stopped", reason=reason)


def evaluated(seconds: float, node: str, correct: int, tested: int = 100) -> Line:
    return line(seconds, "evaluated", node, correct=correct, tested=tested)


def final(seconds: float, node: str, height: int) -> Line:
    return line(seconds, "final", node, height=height, block=f"{node}{height}", transactions=4, confirmations=4, expected=4)


def made(path: Path, lines: list[Line], **about: Any) -> Path:
    """A run with all that makes it one of ours."""
    write_run(path, ["a", "b"], lines, command=["dfl-actors", "run"], **about)
    (path / "nodes" / "a" / "chain").mkdir(parents=True)
    (path / "nodes" / "a" / "chain" / "data.mdb").write_bytes(b"x" * 100_000)
    return path


@contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """The run is held, since so many seconds after START."""
    with RunDirectory(path).lock():
        os.utime(path / "lock", (START / 1000 + seconds, START / 1000 + seconds))
        yield


# --- what is listed


@pytest.mark.parametrize(
    ("lines", "since", "state", "reason"),
    [
        ([ready(), stopped(9, "target")], None, "finished", "target"),
        ([ready(), stopped(9, "duration")], None, "finished", "duration"),
        ([ready(), stopped(9, "interrupted")], None, "interrupted", ""),
        ([ready(), stopped(9, "terminated")], None, "terminated", ""),
        ([ready(), stopped(9, "failed")], None, "failed", ""),
        ([ready(), stopped(9, "")], None, "stopped", ""),
        ([ready()], None, "died", ""),
        ([ready(), stopped(9, "duration"), ready(START + 20_000)], None, "died", ""),
        ([], None, "died", ""),
        ([stopped(1, "interrupted")], None, "interrupted", ""),
        ([ready()], -8, "running", ""),
        ([ready(), stopped(9, "duration"), ready(START + 20_000)], 12, "running", ""),
        ([ready(), stopped(9, "duration")], 12, "starting", ""),
        ([ready()], 12, "starting", ""),
        ([], -8, "starting", ""),
    ],
)
def test_the_state_of_a_run(lines: list[Line], since: float | None, state: str, reason: str, tmp_path: Path) -> None:
    path = made(tmp_path / "net", lines)
    with nullcontext() if since is None else held(path, since):
        found = look(path, NOW)
    assert found is not None
    assert (found.state, found.reason) == (state, reason)


def test_a_lock_that_nobody_holds_is_no_sign_of_life(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [ready()])
    (path / "lock").write_text("1\n")
    found = look(path, NOW)
    assert found is not None and found.state == "died"
    assert (path / "lock").read_text() == "1\n"


def test_a_directory_that_is_held_before_it_has_a_record_is_a_run_that_starts(tmp_path: Path) -> None:
    assert look(tmp_path, NOW) is None
    with RunDirectory(tmp_path).lock():
        found = look(tmp_path, NOW)
    assert found is not None and (found.state, found.nodes, found.started) == ("starting", None, None)


def test_the_figures_of_a_run(tmp_path: Path) -> None:
    lines = [
        ready(), evaluated(2, "a", 90), evaluated(3, "b", 50), final(4, "a", 0), final(4, "b", 0), evaluated(5, "a", 0, 0),
        evaluated(6, "a", 80), final(7, "a", 1), final(7, "a", 1), stopped(12.5, "duration"), line(13, "cpu", total=1.0),
    ]  # fmt: skip
    found = look(made(tmp_path / "my_run", lines, name="ring"), NOW)
    assert found is not None
    assert (found.directory, found.network, found.nodes, found.started) == (str(tmp_path / "my_run"), "ring", 2, START - 8000)
    assert (found.lowest, found.mean, found.blocks, found.seconds) == (0.5, 0.65, 3, 12.5)
    assert found.bytes >= 100_000


@pytest.mark.parametrize(("tail", "seconds"), [(b"", 9.0), (b'{"t": 17000', 9.0), (b"\n", 9.0)])
def test_a_run_that_died_lasted_until_its_last_whole_line(tail: bytes, seconds: float, tmp_path: Path) -> None:
    path = made(tmp_path / "net", [ready(), evaluated(2, "a", 90), line(9, "sent", "a", tx="t", to="b", bytes=1)])
    with (path / "metrics.jsonl").open("ab") as file:
        file.write(tail)
    found = look(path, NOW)
    assert found is not None and found.seconds == seconds


def test_a_run_that_goes_on_has_lasted_until_now_without_its_pauses(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [ready(), stopped(10, "interrupted"), ready(START + 60_000)])
    with held(path, 50):
        found = look(path, NOW)
    assert found is not None and found.seconds == 10 + 30


def test_a_run_that_starts_again_has_lasted_as_long_as_before(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [ready(), evaluated(6, "a", 90)])
    with held(path, 50):
        found = look(path, NOW)
    assert found is not None and (found.state, found.seconds) == ("starting", 6)


def test_a_run_without_metrics_has_no_figures(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [])
    (path / "metrics.jsonl").unlink()
    found = look(path, NOW)
    assert found is not None
    assert (found.state, found.lowest, found.mean, found.blocks, found.seconds) == ("died", None, None, 0, 0)


def test_reading_few_kinds_gives_what_reading_all_gives(tmp_path: Path) -> None:
    path = write_run(tmp_path / "net", ["0", "1", "2"], realistic(["0", "1", "2"], seconds=40))
    few, whole = load_run(path, SHORT), load_run(path)
    assert set(few.events) == set(SHORT)
    assert all(few.of(kind) == whole.of(kind) for kind in SHORT)
    assert few.elapsed == whole.elapsed


def test_the_newest_comes_first_and_what_is_no_run_is_named(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "new", "middle")):
        made(tmp_path / name, [ready()], started=START + (0, 2000, 1000)[number])
    (tmp_path / "notes").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file").touch()
    runs, foreign = list_runs([tmp_path], NOW)
    assert [Path(run.directory).name for run in runs] == ["new", "middle", "old"]
    assert foreign == ["notes"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"name": 3}', b"\xff", b"[]"])
def test_a_damaged_run_is_listed_as_such_and_the_others_are_too(content: bytes, tmp_path: Path) -> None:
    made(tmp_path / "good", [ready()])
    (made(tmp_path / "bad", [ready()]) / "run.json").write_bytes(content)
    runs, foreign = list_runs([tmp_path], NOW)
    assert [(Path(run.directory).name, run.state) for run in runs] == [("good", "died"), ("bad", "damaged")]
    assert "run.json" in runs[1].reason and "\n" not in runs[1].reason
    assert foreign == []


def test_metrics_that_are_no_file_are_damage(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [])
    (path / "metrics.jsonl").unlink()
    (path / "metrics.jsonl").mkdir()
    found = look(path, NOW)
    assert found is not None and found.state == "damaged" and "metrics.jsonl" in found.reason


@pytest.mark.parametrize("name", ["none", "file"])
def test_a_place_that_holds_no_directories_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=f"{tmp_path / name}.*--dir"):
        list_runs([tmp_path / name], NOW)


def test_the_size_is_what_the_disk_gives(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert size_of(tmp_path) < 1 << 20
    (tmp_path / "full").write_bytes(bytes(range(256)) * 4096)
    assert 1 << 20 <= size_of(tmp_path) < 1 << 21


# --- what is shown


def test_the_table_keeps_names_whole_and_says_why_a_run_finished(tmp_path: Path) -> None:
    name = "a_network_with_a_long_name-20260101-120000-2"
    made(tmp_path / name, [ready(), evaluated(2, "a", 90), evaluated(3, "b", 50), stopped(75, "target")])
    made(tmp_path / "odd", [ready()], started=10**17)
    runs, _ = list_runs([tmp_path], NOW)
    cells = {column.header: list(column.cells) for column in columns(runs)}
    assert cells["run"] == ["odd", name]
    assert cells["state"] == ["died", "finished (target)"]
    assert cells["started"][0] == f"{10**17} ms"
    assert (cells["ran"][1], cells["worst"][1], cells["mean"][1], cells["nodes"][1]) == ("0:01:15", "0.500", "0.700", "2")


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0, "0:00:00"), (59.4, "0:00:59"), (59.6, "0:01:00"), (3661, "1:01:01"), (360_000, "100:00:00")]
)
def test_a_duration_in_words(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


# --- which run a name means


def test_a_bare_name_is_a_run_of_the_directory_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "runs" / "net", [])
    made(tmp_path / "net", [])
    made(tmp_path / "here", [])
    assert find("net", [Path("runs")]) == Path("runs/net")
    assert find("./net", [Path("runs")]) == Path("net")
    assert find(str(tmp_path / "net"), [Path("runs")]) == tmp_path / "net"
    assert find("here", [Path("runs")]) == Path("here")


@pytest.mark.parametrize(
    ("name", "words"),
    [("none", "none: no such run in runs"), ("./none", "none does not exist"), ("..", "no run.json"), ("file", "file: no such run")],
)
def test_a_name_that_means_no_run_is_refused(name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=words):
        find(name, [Path("runs")])


# --- deleting


def test_a_run_is_deleted_with_all_that_it_left(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [ready()])
    for name in ("csv", "tensorboard", "part-x"):
        (path / name).mkdir()
    for name in ("config.toml", "genesis.json", "summary.json", "accuracy.png", "report.html"):
        (path / name).touch()
    made(tmp_path / "other", [])
    remove(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["other"]


def test_a_link_inside_is_deleted_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    path = made(tmp_path / "net", [])
    (path / "csv").symlink_to(tmp_path / "precious")
    remove(path)
    assert (tmp_path / "precious" / "file").exists() and not path.exists()


def refused(path: Path, words: str) -> None:
    """It is not deleted, and nothing of it is touched."""
    before = sorted(path.rglob("*"))
    for attempt in (check_removable, remove):
        with pytest.raises(StoreError, match=words) as caught:
            attempt(path)
        assert "\n" not in str(caught.value)
    assert sorted(path.rglob("*")) == before


def test_a_run_that_goes_on_is_not_deleted(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [ready()])
    with RunDirectory(path).lock():
        refused(path, "in use")
    remove(path)


@pytest.mark.parametrize("content", [None, b"", b'{"name": "a package", "version": "1"}', b'{"name": "net", "started": 1, "nodes": {}}'])
def test_what_is_no_run_of_ours_is_not_deleted(content: bytes | None, tmp_path: Path) -> None:
    path = made(tmp_path / "net", [])
    (path / "run.json").unlink()
    if content is not None:
        (path / "run.json").write_bytes(content)
    refused(path, r"run\.json")


def test_a_run_with_a_file_of_somebody_else_is_not_deleted(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [])
    (path / "thesis.tex").touch()
    refused(path, r"thesis\.tex, which no run leaves")


def test_a_link_to_a_run_is_not_deleted(tmp_path: Path) -> None:
    path = made(tmp_path / "net", [])
    (tmp_path / "link").symlink_to(path)
    refused(tmp_path / "link", f"is a link to {path}")


def test_an_attempt_that_failed_says_so_and_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "net", [ready()])

    def fail(victim: Path) -> None:
        raise PermissionError(13, "Permission denied", str(victim))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fail)
        with pytest.raises(StoreError, match=r"only partly deleted, .*nodes cannot be removed \(Permission denied\).*repeat"):
            remove(path)
    assert (path / "run.json").exists() and not (path / "lock").exists()
    remove(path)
    assert not path.exists()
