"""The three stores on real LMDB files, with real processes that share them, are killed in mid-write or run out of space."""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from stat import S_IMODE

import numpy as np
import pytest

from dfl_actors.errors import StoreError
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.stores import ChainStore, Journal, ModelStore

PATIENCE = 30.0  # seconds that a test waits for another process before it fails
SMALL_MAP = 1 << 20
SEED = 20240611


@contextmanager
def process(target: Callable[..., None], *args: object) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process that runs `target(pipe, *args)`, and our end of its pipe. It does not outlive the `with`."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *args), daemon=True)
    child.start()
    theirs.close()
    try:
        yield child, ours
    finally:
        child.kill()
        child.join(PATIENCE)
        ours.close()


def heard(pipe: Connection) -> object:
    assert pipe.poll(PATIENCE), "the other process is silent"
    return pipe.recv()


def kill(child: BaseProcess) -> None:
    child.kill()
    child.join(PATIENCE)
    assert child.exitcode is not None


def body(key: str, length: int) -> bytes:
    """Bytes that follow from `key`, so that a reader can tell a whole value from a mixed one."""
    return (sha256(key.encode()).digest() * (length // 32 + 1))[:length]


def key_of(number: int) -> str:
    return f"{number:064x}"


# --- journal


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


# --- what opening refuses


@pytest.mark.parametrize("store", [Journal, ChainStore, lambda path: ModelStore(path, 4)])
def test_a_path_that_is_no_directory_is_refused(tmp_path: Path, store: Callable[[Path], object]) -> None:
    (tmp_path / "file").write_text("here first")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=f"^{path} is not a directory: choose another path$"):
            store(path)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreError, match="is not a store, or is damaged"):
        ChainStore(tmp_path)


def open_as_other(path: Path) -> str:
    if os.geteuid() == 0:
        os.setuid(65534)
    with Journal(path) as journal:
        journal.commit([(b"key", b"value")])
    return "opened"


def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="may not be used by this user: correct its owner or its permissions"):
        in_child(open_as_other, closed / "journal")


# --- models


def test_a_model_is_kept_whole(tmp_path: Path) -> None:
    data = body("model", 10_000)
    with ModelStore(tmp_path, 4) as store:
        store.put("a", data)
        store.put("b", np.arange(3, dtype="<f4").data)
        assert (store.get("a"), store.size("a")) == (data, 10_000)
        assert store.get("b") == np.arange(3, dtype="<f4").tobytes()
        assert (store.get("c"), store.size("c"), store.touch("c")) == (None, None, False)
        with store.view("c") as view:
            assert view is None


@pytest.mark.parametrize("floats", [0, 1, 13, 500, 505, 1020, 1024, 1025, 431_080])
def test_a_view_is_an_aligned_read_only_vector(tmp_path: Path, floats: int) -> None:
    weights = np.arange(floats, dtype="<f4")
    with ModelStore(tmp_path, 8) as store:
        for key in ("a", "bb", "ccc", key_of(1)):  # keys of several lengths shift what follows them
            store.put(key, weights.data)
            with store.view(key) as view:
                assert view is not None and view.readonly
                vector = np.frombuffer(view, "<f4")
                assert vector.flags.aligned and not vector.flags.writeable
                assert np.array_equal(vector, weights)


def test_the_least_recently_used_model_goes_first(tmp_path: Path) -> None:
    with ModelStore(tmp_path, 3) as store:
        for key in "abc":
            store.put(key, b"model " + key.encode())
        assert store.touch("a")
        store.put("b", b"not looked at: the key is the content's digest")
        assert (store.keys(), store.get("b")) == (["c", "a", "b"], b"model b")
        store.put("d", b"model d")
        assert (store.keys(), store.get("c")) == (["a", "b", "d"], None)
        store.remove("b")
        store.remove("never there")
        assert store.keys() == ["a", "d"]
    with ModelStore(tmp_path, 3) as store:
        assert store.keys() == ["a", "d"]
        for key in "ad":
            store.remove(key)
        store.put("e", b"")
        assert (store.keys(), store.get("e")) == (["e"], b"")


def test_a_smaller_capacity_evicts_at_the_next_put(tmp_path: Path) -> None:
    with ModelStore(tmp_path, 5) as store:
        for key in "abcde":
            store.put(key, b"model")
    with ModelStore(tmp_path, 2) as store:
        store.put("f", b"model")
        assert store.keys() == ["e", "f"]
    with pytest.raises(ValueError, match="at least 1"):
        ModelStore(tmp_path, 0)


@pytest.mark.parametrize(("parts", "spare"), [((1,), 4), ((1, 2), 5)])
def test_the_file_stays_within_its_capacity(tmp_path: Path, parts: tuple[int, ...], spare: int) -> None:
    length, chance = 400_000, Random(SEED)
    with ModelStore(tmp_path, 6) as store:
        for number in range(300):
            store.put(key_of(number), body(key_of(number), length // chance.choice(parts)))
            store.touch(key_of(number - chance.randint(0, 5)))
        assert len(store.keys()) == 6
    assert (tmp_path / "data.mdb").stat().st_size < (6 + spare) * length


def test_a_store_does_not_move_its_map_under_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelStore, "map_size", SMALL_MAP)
    with ModelStore(tmp_path, 4) as store:
        store.put("a", body("a", 600_000))
        with store.view("a") as view:
            with pytest.raises(StoreError, match="close the view before writing"):
                store.put("b", body("b", 600_000))
            assert view is not None and bytes(view) == body("a", 600_000)
        store.put("b", body("b", 600_000))
        assert (store.get("a"), store.get("b")) == (body("a", 600_000), body("b", 600_000))


def grow(pipe: Connection, path: Path) -> None:
    ModelStore.map_size = SMALL_MAP
    with ModelStore(path, 8) as store:
        for number in range(8):
            store.put(key_of(number), body(key_of(number), 600_000))
        pipe.send("grown")


def test_a_store_that_another_process_lets_grow_can_be_read_under_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keeper has the views of a whole buffer open; the map must not have to move for the second."""
    monkeypatch.setattr(ModelStore, "map_size", SMALL_MAP)
    with ModelStore(tmp_path, 8) as store:
        store.put("a", body("a", 300_000))
        store.put("b", body("b", 300_000))
        with store.view("a") as one:
            with process(grow, tmp_path) as (_, pipe):
                assert heard(pipe) == "grown"
            with store.view("b") as other:
                assert one is not None and other is not None
                assert (bytes(one), bytes(other)) == (body("a", 300_000), body("b", 300_000))
            assert store.size("a") == 300_000
        assert store.get(key_of(7)) == body(key_of(7), 600_000)


def test_a_map_has_room_for_the_capacity_and_what_is_put_under_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelStore, "map_size", SMALL_MAP)
    with ModelStore(tmp_path, 4, largest=600_000) as store:
        store.put("a", body("a", 600_000))
        with store.view("a") as view:
            for number in range(12):
                store.put(key_of(number), body(key_of(number), 600_000))
            assert view is not None and bytes(view) == body("a", 600_000)


def test_a_model_store_without_a_capacity_is_read_only(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        ModelStore(tmp_path / "none")
    with ModelStore(tmp_path, 4) as store:
        store.put("a", b"model")
    with ModelStore(tmp_path) as store:
        assert store.get("a") == b"model" and store.keys() == ["a"]
        with pytest.raises(StoreError, match="reading only"):
            store.put("b", b"model")


def use_models(pipe: Connection, path: Path, capacity: int, seed: int) -> None:
    """Put and read until told to end; each model must follow from its key."""
    ModelStore.map_size = SMALL_MAP
    chance = Random(seed)
    with ModelStore(path, capacity) as store:
        pipe.send("open")
        for turn in range(100_000):
            key = key_of(chance.randrange(40))
            store.put(key, body(key, 300_000))
            other = key_of(chance.randrange(40))
            with store.view(other) as view:
                assert view is None or bytes(view) == body(other, 300_000)
            for kept in store.keys()[:2]:
                assert store.get(kept) in (None, body(kept, 300_000))
            if turn == 150:
                pipe.send("turns done")
            if pipe.poll():
                break
        pipe.send("good")


def test_processes_share_a_store_that_grows_and_evicts_while_one_is_killed(tmp_path: Path) -> None:
    with process(use_models, tmp_path, 8, 1) as (_, one), process(use_models, tmp_path, 8, 2) as (_, two):
        with process(use_models, tmp_path, 8, 3) as (third, three):
            for pipe in (one, two, three):
                assert (heard(pipe), heard(pipe)) == ("open", "turns done")
            kill(third)
        with process(use_models, tmp_path, 8, 4) as (_, four):  # and a fourth joins
            assert (heard(four), heard(four)) == ("open", "turns done")
            for pipe in (one, two, four):
                pipe.send("end")
                assert heard(pipe) == "good"
    with ModelStore(tmp_path, 8) as store:
        assert len(store.keys()) == 8
        assert all(store.get(key) == body(key, 300_000) for key in list(store.keys()))
    # What is put while a reader waits for a processor cannot take the place of what it may see: hundreds were put.
    assert (tmp_path / "data.mdb").stat().st_size < 5 * 8 * 300_000


def hold_view(pipe: Connection, path: Path) -> None:
    with ModelStore(path, 4) as store, store.view(key_of(0)) as view:
        assert view is not None
        pipe.send("held")
        pipe.recv()


def test_the_pages_of_a_killed_reader_are_used_again(tmp_path: Path) -> None:
    with ModelStore(tmp_path, 4) as store:
        store.put(key_of(0), body(key_of(0), 300_000))
    with process(hold_view, tmp_path) as (child, pipe):
        assert heard(pipe) == "held"
        kill(child)
    with ModelStore(tmp_path, 4) as store:
        for number in range(50):
            store.put(key_of(number), body(key_of(number), 300_000))
    assert (tmp_path / "data.mdb").stat().st_size < (4 + 4) * 300_000


def test_a_full_map_is_freed_of_a_reader_killed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelStore, "map_size", 10 * 300_000 // 4096 * 4096)
    with ModelStore(tmp_path, 4) as store:
        store.put(key_of(0), body(key_of(0), 300_000))
        with process(hold_view, tmp_path) as (child, pipe):
            assert heard(pipe) == "held"
            kill(child)
        for number in range(50):
            store.put(key_of(number), body(key_of(number), 300_000))
    assert (tmp_path / "data.mdb").stat().st_size <= 10 * 300_000


# --- chain


def test_a_chain_is_appended_in_order(tmp_path: Path) -> None:
    with ChainStore(tmp_path) as chain:
        assert (chain.genesis, chain.height, list(chain.blocks())) == (None, 0, [])
        with pytest.raises(StoreError, match="no genesis"):
            chain.append(0, b"block 0")
        chain.create(b"genesis")
        chain.create(b"genesis")
        for height in range(3):
            assert chain.height == height
            chain.append(height, b"block %d" % height)
        for height in (-1, 0, 2, 4):
            with pytest.raises(StoreError, match=f"takes block 3 next, not {height}"):
                chain.append(height, b"another")
    with ChainStore(tmp_path) as chain:
        assert (chain.genesis, chain.height) == (b"genesis", 3)
        assert list(chain.blocks()) == [b"block 0", b"block 1", b"block 2"]
        assert (chain.block(1), chain.block(3), chain.block(-1)) == (b"block 1", None, None)


def test_a_chain_keeps_its_genesis(tmp_path: Path) -> None:
    with ChainStore(tmp_path) as chain:
        chain.create(b"one")
        with pytest.raises(StoreError, match=f"{sha256(b'one').hexdigest()}.*{sha256(b'two').hexdigest()}"):
            chain.create(b"two")
        assert chain.genesis == b"one"


def test_a_read_only_chain_must_exist_and_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"^{tmp_path / 'none'} does not exist"):
        ChainStore(tmp_path / "none", readonly=True)
    assert not (tmp_path / "none").exists()
    with ChainStore(tmp_path) as chain:
        chain.create(b"genesis")
    with ChainStore(tmp_path, readonly=True) as chain:
        assert chain.genesis == b"genesis"
        with pytest.raises(StoreError, match="reading only"):
            chain.append(0, b"block")


def append_blocks(pipe: Connection, path: Path) -> None:
    ChainStore.map_size = SMALL_MAP
    with ChainStore(path) as chain:
        chain.create(b"genesis")
        for height in range(chain.height, chain.height + 100_000):
            chain.append(height, body(f"{height}", 20_000))
            pipe.send(height)


def test_a_killed_chain_has_every_block_it_reported_and_none_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChainStore, "map_size", SMALL_MAP)
    chance, last = Random(SEED), -1
    for _ in range(4):
        with process(append_blocks, tmp_path) as (child, pipe):
            for _ in range(chance.randint(10, 40)):
                last = int(str(heard(pipe)))
            kill(child)
            while pipe.poll():  # what it had said and we had not yet heard
                try:
                    last = int(str(pipe.recv()))
                except EOFError:
                    break
        with ChainStore(tmp_path) as chain:
            assert chain.height in (last + 1, last + 2)
            assert list(chain.blocks()) == [body(f"{height}", 20_000) for height in range(chain.height)]


def test_a_chain_is_read_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChainStore, "map_size", SMALL_MAP)
    with process(append_blocks, tmp_path) as (_, pipe):
        assert heard(pipe) == 0
        with ChainStore(tmp_path, readonly=True) as chain:
            for _ in range(200):  # 4 MB: the reader's map must grow with the file
                height = int(str(heard(pipe)))
                assert chain.block(height) == body(f"{height}", 20_000)
            assert chain.height > 200


def read_chain(path: Path) -> str:
    with ChainStore(path, readonly=True) as chain:
        return sha256(b"".join(chain.blocks())).hexdigest()


def test_a_shortened_chain_is_an_error_of_the_child_only(tmp_path: Path) -> None:
    with ChainStore(tmp_path) as chain:
        chain.create(b"genesis")
        for height in range(40):
            chain.append(height, body(f"{height}", 5000))
    whole = sha256(b"".join(body(f"{height}", 5000) for height in range(40))).hexdigest()
    assert in_child(read_chain, tmp_path) == whole
    os.truncate(tmp_path / "data.mdb", 5 * 4096)
    with pytest.raises(StoreError, match=f"^{tmp_path} is damaged"):
        in_child(read_chain, tmp_path)


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
