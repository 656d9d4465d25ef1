"""Stores on real LMDB files: what opening one refuses, and models that processes share, some of which are killed."""

import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import numpy as np
import pytest

from dfl_actors.errors import StoreError
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.stores import ChainStore, Journal, ModelStore
from tests.runtime.spawned import SEED, SMALL_MAP, body, heard, kill, process


def model(store: ModelStore, key: str) -> bytes | None:
    """A copy of a model."""
    with store.view(key) as view:
        return None if view is None else bytes(view)


def key_of(number: int) -> str:
    return f"{number:064x}"


def test_the_names_of_the_figures_of_lmdb_outlive_an_answer(tmp_path: Path) -> None:
    """Interned anew with each answer they would fill a table that never shrinks."""
    with Journal(tmp_path) as store:
        assert store.commits == 0
        for words in ("branch pages", "last pgno"):
            name = words.replace(" ", "_")
            assert sys.intern(name) is not name


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
        assert (model(store, "a"), store.size("a")) == (data, 10_000)
        assert model(store, "b") == np.arange(3, dtype="<f4").tobytes()
        assert (model(store, "c"), store.size("c"), store.touch("c")) == (None, None, False)
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
        assert (store.keys(), model(store, "b")) == (["c", "a", "b"], b"model b")
        store.put("d", b"model d")
        assert (store.keys(), model(store, "c")) == (["a", "b", "d"], None)
    with ModelStore(tmp_path, 1) as store:
        assert store.keys() == ["a", "b", "d"]
        store.put("e", b"")
        assert (store.keys(), model(store, "e")) == (["e"], b"")


def test_what_is_held_stays_until_two_newer_ones_are(tmp_path: Path) -> None:
    """However much others put before a node's trainer has begun again, its model is there."""
    first, second, third = (key_of(100 + number) for number in range(3))
    with ModelStore(tmp_path, 4) as store:
        for held, there in ((first, [first]), (second, [second, first]), (third, [third, second]), (third, [third, second])):
            store.put(held, held.encode(), held=True)
            for number in range(8):
                store.put(key_of(number), b"another")
            assert store.held() == there and len(store.keys()) == 4
            assert all(model(store, key) == key.encode() for key in there)
            assert set(store.keys()) & {first, second, third} == set(there)
    with ModelStore(tmp_path, 1) as store:
        store.put(key_of(9), b"another")
        assert set(store.keys()) == {second, third}


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
        assert (model(store, "a"), model(store, "b")) == (body("a", 600_000), body("b", 600_000))


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
        assert model(store, key_of(7)) == body(key_of(7), 600_000)


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
        assert model(store, "a") == b"model" and store.keys() == ["a"]
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
                assert model(store, kept) in (None, body(kept, 300_000))
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
    # 600 were put, and took the places of those before; not while a reader waited for a processor, which may take long.
    size = (tmp_path / "data.mdb").stat().st_size
    assert size < 300 * 300_000
    with ModelStore(tmp_path, 8) as store:
        assert len(store.keys()) == 8
        assert all(model(store, key) == body(key, 300_000) for key in list(store.keys()))
        for number in range(100):
            store.put(key_of(number), body(key_of(number), 300_000))
    assert (tmp_path / "data.mdb").stat().st_size <= max(size, 5 * 8 * 300_000), "what readers held up is used again"


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
