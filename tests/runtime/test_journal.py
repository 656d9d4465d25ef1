"""Journals on real LMDB files, killed in mid-write or run out of space."""

import os
import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from stat import S_IMODE

import pytest

from dfl_actors.errors import StoreError
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.stores import Journal
from tests.runtime.spawned import SEED, SMALL_MAP, body, heard, kill, process


def test_a_journal_gives_back_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "node" / "journal"
    with Journal(path) as journal:
        assert journal.get(b"a") is None
        journal.commit([(b"a", b"1"), (b"b", b""), (b"c", b"3")])
        journal.commit([(b"a", b"one"), (b"c", None), (b"absent", None)])
        journal.commit([])
    with Journal(path) as journal:
        assert [journal.get(key) for key in (b"a", b"b", b"c")] == [b"one", b"", None]
    assert S_IMODE(path.stat().st_mode) == 0o700
    assert {S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}


def test_a_scan_gives_a_prefix_in_key_order(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        entries = [(b"t/%04d" % number, b"%d" % number) for number in range(700)]
        journal.commit([*reversed(entries), (b"s", b""), (b"u", b""), (b"t0", b"")])
        assert list(journal.scan(b"t/")) == entries
        assert list(journal.scan(b"t/01")) == entries[100:200]
        assert len(list(journal.scan(b""))) == 703
        assert list(journal.scan(b"x")) == []


def test_a_journal_may_be_written_during_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "map_size", SMALL_MAP)
    with Journal(tmp_path) as journal:
        journal.commit([(b"%04d" % number, b"x") for number in range(300)])
        for key, _ in journal.scan(b""):
            journal.commit([(key, None), (b"large", bytes(1 << 21))] if key == b"0000" else [(key, None)])
        assert list(journal.scan(b"")) == []


def test_a_full_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "map_size", SMALL_MAP)
    with Journal(tmp_path) as journal:
        journal.commit([(b"first", b"1")])
        journal.commit([(b"large", body("large", 9 * SMALL_MAP)), (b"after", b"2")])
    with Journal(tmp_path) as journal:  # whose map is too small for what the file holds
        assert journal.get(b"large") == body("large", 9 * SMALL_MAP)
        assert (journal.get(b"first"), journal.get(b"after")) == (b"1", b"2")


def commit_rounds(pipe: Connection, path: Path, begin: int) -> None:
    with Journal(path) as journal:
        for number in range(begin, begin + 100_000):
            journal.commit([(b"%08d/%d" % (number, part), body(f"{number}", 1000)) for part in range(7)])
            pipe.send(number)


def test_a_killed_journal_has_each_commit_whole_or_not_at_all(tmp_path: Path) -> None:
    chance, last = Random(SEED), -1
    for _ in range(3):
        with process(commit_rounds, tmp_path, last + 1) as (child, pipe):
            for _ in range(chance.randint(5, 40)):
                last = int(str(heard(pipe)))
            kill(child)
            with Journal(tmp_path) as journal:
                entries = dict(journal.scan(b""))
        assert len(entries) % 7 == 0
        assert len(entries) // 7 >= last + 1
        assert all(value == body(str(int(key[:8])), 1000) for key, value in entries.items())
        last = len(entries) // 7 - 1


def fill_until_refused(path: Path, limit: int) -> str:
    with Journal(path) as journal:
        journal.commit([(b"kept", b"1")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        for number in range(1000):
            journal.commit([(b"%04d/%d" % (number, part), bytes(20_000)) for part in range(2)])
    return "never full"


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"^{tmp_path} cannot be written, .*start again$"):
        in_child(fill_until_refused, tmp_path, 500_000)
    with Journal(tmp_path) as journal:
        entries = dict(journal.scan(b""))
        assert entries.pop(b"kept") == b"1"
        assert len(entries) > 0 and len(entries) % 2 == 0
        journal.commit([(b"more", bytes(1_000_000))])  # and goes on once there is room


def test_a_journal_has_one_owner_whose_death_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.commit([(b"key", b"value")])
        with pytest.raises(StoreError, match="is held by another process"):
            in_child(read_journal, path)
    with pytest.raises(StoreError, match="SIGKILL"):
        in_child(die_with_journal, path)
    assert in_child(read_journal, path) == b"value"


def read_journal(path: Path) -> bytes | None:
    with Journal(path) as journal:
        return journal.get(b"key")


def die_with_journal(path: Path) -> None:
    Journal(path).commit([(b"key", b"value")])
    os.kill(os.getpid(), signal.SIGKILL)
