"""The run directory, its lock between real processes, and reading in a child process."""

import fcntl
import os
import re
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

from dfl_actors.errors import StoreError
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.rundir import BEGUN, About, RunDirectory, check_space, default_path, free_space, read_about
from tests.runtime.spawned import PATIENCE, heard, process

# --- files


def test_the_files_have_their_places() -> None:
    run = RunDirectory(Path("r"))
    node = run.node("a-1")
    assert [str(path) for path in (run.config, run.run, run.metrics, run.accuracy, run.summary, run.lock_file, run.nodes)] == [
        "r/config.toml", "r/run.json", "r/metrics.jsonl", "r/accuracy.png", "r/summary.json", "r/lock", "r/nodes",
    ]  # fmt: skip
    assert [str(path) for path in (node.path, node.chain, node.models, node.journal("builder"), node.model)] == [
        "r/nodes/a-1", "r/nodes/a-1/chain", "r/nodes/a-1/models", "r/nodes/a-1/journal/builder", "r/nodes/a-1/model.keras",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\0"])
def test_a_node_stays_in_its_directory(name: str) -> None:
    with pytest.raises(StoreError, match="cannot hold a node named"):
        RunDirectory(Path("r")).node(name)


def test_a_run_directory_is_new(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "first"
    run = RunDirectory.create(path)
    RunDirectory.create(path)  # still empty
    run.lock_file.touch()
    RunDirectory.create(path)  # what a run leaves that was killed at its start
    run.metrics.touch()
    with pytest.raises(StoreError, match=f"^{path} is not empty: .*--resume.*--out"):
        RunDirectory.create(path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=f"^{path} cannot be made a run directory .*--out"):
            RunDirectory.create(path)


def create_as_other(path: Path) -> str:
    if os.geteuid() == 0:
        os.setuid(65534)
    RunDirectory.create(path)
    return "created"


def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StoreError, match=r"Permission denied.*--out"):
        in_child(create_as_other, tmp_path / "closed" / "run")


def test_an_earlier_run_is_known_by_its_record(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        RunDirectory.open(tmp_path / "none")
    with pytest.raises(StoreError, match=re.escape("is not the directory of a run (there is no run.json)")):
        RunDirectory.open(tmp_path)
    (tmp_path / "run.json").touch()
    assert RunDirectory.open(tmp_path).path == tmp_path


def test_a_start_that_was_killed_is_told_from_what_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()
    with pytest.raises(StoreError, match=re.escape("(there is no run.json)")):
        RunDirectory.open(tmp_path / "run")
    RunDirectory(tmp_path / "run").lock_file.touch()
    with pytest.raises(StoreError, match=r"was cut off while it began, .*: give the command that began it again"):
        RunDirectory.open(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").touch()
    with pytest.raises(StoreError, match=re.escape("(there is no run.json)")):
        RunDirectory.open(tmp_path / "run")


def test_a_default_path_is_unique(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    now = 1_718_000_000_123
    first = default_path("ring", now)
    assert re.fullmatch(r"runs/ring-\d{8}-\d{6}", str(first))
    for suffix in ("-2", "-3"):
        default_path("ring", now).mkdir(parents=True)
        assert str(default_path("ring", now)) == f"{first}{suffix}"
    assert default_path("ring", now + 1000) != first


def test_too_little_space_is_refused(tmp_path: Path) -> None:
    below = tmp_path / "not" / "yet"
    free = free_space(below)
    assert free > 0
    check_space(below, 1)
    with pytest.raises(StoreError, match=f"^{below} has .* MB left, .* MB are needed"):
        check_space(below, free + (1 << 40))


# --- lock


def hold(pipe: Connection, path: Path) -> None:
    with RunDirectory(path).lock():
        pipe.send("held")
        pipe.recv()
    pipe.send("freed")


def test_a_held_directory_names_its_holder(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with process(hold, tmp_path) as (child, pipe):
        assert heard(pipe) == "held"
        with pytest.raises(StoreError, match=f"^{tmp_path} is held by process {child.pid}: stop it or choose another --out$"), run.lock():
            pass
        assert run.lock_file.exists()  # the refused one has not removed it
        pipe.send("free it")
        assert heard(pipe) == "freed"
        assert not run.lock_file.exists()
        with run.lock():
            assert run.lock_file.read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_crash_frees_the_directory(tmp_path: Path) -> None:
    with process(hold, tmp_path) as (child, pipe):
        assert heard(pipe) == "held"
        child.kill()
        child.join(PATIENCE)
    run = RunDirectory(tmp_path)
    assert run.lock_file.exists()
    with run.lock():
        assert run.lock_file.read_text() == f"{os.getpid()}\n"
    assert not run.lock_file.exists()


def test_who_looks_at_the_lock_sees_whether_it_is_held_and_changes_nothing(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert not run.held() and list(tmp_path.iterdir()) == []
    with process(hold, tmp_path) as (child, pipe):
        assert heard(pipe) == "held"
        assert run.held() and run.held()
        with pytest.raises(StoreError, match=f"held by process {child.pid}"), run.lock():
            pass
        child.kill()
        child.join(PATIENCE)
    assert not run.held() and run.lock_file.read_text() == f"{child.pid}\n"


def test_who_looks_at_the_lock_never_keeps_a_run_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path)
    run.lock_file.touch()
    glance = os.open(run.lock_file, os.O_RDONLY)
    fcntl.flock(glance, fcntl.LOCK_SH)
    flock, tries = fcntl.flock, []

    def counted(descriptor: int, kind: int) -> None:
        tries.append(kind)
        if len(tries) == 6:
            os.close(glance)
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", counted)
    with run.lock():
        assert len(tries) >= 6 and run.held()


def test_an_error_frees_the_directory(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with pytest.raises(ZeroDivisionError), run.lock():
        raise ZeroDivisionError
    with run.lock():
        pass


def test_a_directory_that_is_gone_cannot_be_locked(tmp_path: Path) -> None:
    lock = tmp_path / "gone" / "lock"
    text = rf"^{lock} cannot be written \(No such file or directory\): correct its permissions$"
    with pytest.raises(StoreError, match=text), RunDirectory(lock.parent).lock():
        pass
    (tmp_path / "file").touch()
    lock = tmp_path / "file" / "lock"
    with pytest.raises(StoreError, match=rf"^{lock} cannot be read \(Not a directory\): correct its permissions$"):
        RunDirectory(lock.parent).held()


def count_in(pipe: Connection, path: Path) -> None:
    """Add one to a file 100 times, each under a lock of its own: two at once would lose a step."""
    done = 0
    while done < 100:
        try:
            with RunDirectory(path).lock():
                number = int((path / "count").read_text())
                (path / "count").write_text(f"{number + 1}")
            done += 1
        except StoreError:
            continue
    pipe.send("done")


def test_two_processes_never_hold_it_at_once_though_the_file_comes_and_goes(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    with process(count_in, tmp_path) as (_, one), process(count_in, tmp_path) as (_, two):
        assert (heard(one), heard(two)) == ("done", "done")
    assert (tmp_path / "count").read_text() == "200"


def begun(path: Path, *more: str) -> RunDirectory:
    for name in ("lock", "config.toml", "part-genesis.json", "nodes/0/key", "nodes/0/chain/data.mdb", *more):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    return RunDirectory(path)


def test_what_a_start_left_that_was_killed_is_begun_anew(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    assert run.only_begun() and RunDirectory.create(run.path).path == run.path
    run.forget(BEGUN)
    assert [path.name for path in run.path.iterdir()] == ["lock"]


FOREIGN = ("notes.txt", "nodes/0/notes.txt", "run.json", "metrics.jsonl", "nodes/0/journal/builder/data.mdb", "other/key")


@pytest.mark.parametrize("name", FOREIGN)
def test_whatever_else_is_there_is_kept(tmp_path: Path, name: str) -> None:
    run = begun(tmp_path / "run", name)
    assert not run.only_begun()
    with pytest.raises(StoreError, match="is not empty"):
        RunDirectory.create(run.path)
    run.forget(BEGUN)
    assert (run.path / name).exists()


def test_keys_that_a_person_put_there_are_not_what_we_began(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    run.lock_file.unlink()
    assert not run.only_begun()


@pytest.mark.parametrize("name", ["a\x1b]0;owned\x07", "a\nb", "a\x9b1m"])
def test_a_name_that_no_topology_gives_is_a_damaged_file(name: str, tmp_path: Path) -> None:
    """A run directory may come from anybody, and names are printed."""
    run = RunDirectory(tmp_path)
    run.run.write_bytes(msgspec.json.encode(About(name="net", started=1, nodes={name: "ab" * 32})))
    with pytest.raises(StoreError, match=r"run\.json is damaged"):
        read_about(run)
