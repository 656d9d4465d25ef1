"""Chains on real LMDB files, read while they grow, killed in mid-write and shortened."""

import os
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import pytest

from dfl_actors.errors import StoreError
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.stores import ChainStore
from tests.runtime.spawned import SEED, SMALL_MAP, body, heard, kill, process


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
