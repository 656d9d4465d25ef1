"""What cannot begin: one clear line on stderr, an exit code by kind, and everything as it was."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.runtime.keyfiles import new_key
from tests.network.conftest import Finished
from tests.network.harness import Command, free_ports, one_line

Start = Callable[..., Command]

MODELS = """
def broken(shape, labels):
    raise RuntimeError("no\\nsuch layer")
"""


def untouched(place: Path) -> bool:
    return not (place / "run").exists()


def refused(start: Start, code: int, *options: str) -> str:
    command = start("run", "small.toml", "--out", "run", *options)
    command.ended(code)
    return one_line(command.stderr)


def test_a_model_that_cannot_be_built(start: Start, place: Path) -> None:
    (place / "models.py").write_text(MODELS)
    (place / "run").mkdir()
    assert "models.py:broken' cannot be built" in refused(start, 5, "-s", "training.model=models.py:broken")
    assert list((place / "run").iterdir()) == []


def test_a_model_that_is_not_there(start: Start, place: Path) -> None:
    error = refused(start, 5, "-s", "training.model=none.py:build")
    assert "none.py" in error
    assert untouched(place)


def test_data_that_cannot_be_used(start: Start, place: Path) -> None:
    (place / "garbage.npz").write_bytes(b"PK\x03\x04" + bytes(range(256)))
    assert "garbage.npz" in refused(start, 4, "-s", f"data.source={place}/garbage.npz")
    assert untouched(place)
    images, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20) % 4
    np.savez(place / "short.npz", x_train=images, y_train=labels[:19], x_test=images, y_test=labels)
    assert "x_train has 20 samples but y_train has 19; " in refused(start, 4, "-s", f"data.source={place}/short.npz")
    assert untouched(place)


def test_an_algorithm_that_is_not_there(start: Start, place: Path) -> None:
    error = refused(start, 10, "-s", "update.algorithm=fedsum")
    assert "algorithm 'fedsum' is not known" in error
    assert untouched(place)


def test_a_port_in_use(start: Start, place: Path) -> None:
    port = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        error = refused(start, 7, "-s", f"transport.port={port}")
    assert f"tcp://127.0.0.1:{port} is in use by another program" in error
    assert untouched(place)


def test_a_chain_of_another_genesis(ended: Finished, start: Start, place: Path) -> None:
    out = place / "run"
    shutil.copytree(ended.out, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name not in ("lock.mdb", "data.mdb")}
    other = start("run", "--resume", "run", "-s", "network.seed=77")
    other.ended(6)
    error = one_line(other.stderr)
    assert "run/nodes/0/chain holds a chain of another genesis" in error and "begin anew in another (--out)" in error
    assert {path: path.read_bytes() for path in before} == before

    key = out / "nodes/1/key"
    key.chmod(0o644)
    readable = start("run", "--resume", "run")
    readable.ended(3)
    assert "nodes/1/key may be read by other users: chmod 600" in one_line(readable.stderr)


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [("listen", "node.0.listen is missing"), ("public_key", "node.0.public_key is missing"), ("curve_key", "node.0.curve_key is missing")],
)
def test_a_deployment_that_lacks_something(start: Start, place: Path, missing: str, wanted: str) -> None:
    new_key(place / "a")
    values = {"listen": "tcp://127.0.0.1:21000", "public_key": "0" * 64, "curve_key": "a" * 40}
    lines = "".join(f'{key} = "{value}"\n' for key, value in values.items() if key != missing)
    (place / "net.toml").write_text((place / "small.toml").read_text() + f'[transport]\ncurve = "on"\n[node.0]\n{lines}')
    node = start("node", "net.toml", "--name", "1", "--keys", "a", "--out", "run")
    node.ended(2)
    assert wanted in one_line(node.stderr)
    assert untouched(place)


def test_a_key_that_is_open_missing_or_anothers(start: Start, place: Path) -> None:
    new_key(place / "a")
    public = "".join(f'[node.{n}]\nlisten = "tcp://127.0.0.1:{21000 + 2 * n}"\npublic_key = "{n}{"0" * 63}"\n' for n in (0, 1))
    (place / "net.toml").write_text((place / "small.toml").read_text() + public)

    def node(keys: str, name: str, code: int) -> str:
        command = start("node", "net.toml", "--name", name, "--keys", keys, "--out", "run", "-s", "transport.curve=off")
        command.ended(code)
        assert untouched(place)
        return one_line(command.stderr)

    assert "node.1.public_key is 10000000..., the key file has" in node("a", "1", 2)
    assert 'no node "x"' in node("a", "x", 2)
    assert "b/key does not exist" in node("b", "1", 3)
    (place / "a/key").chmod(0o640)
    assert "a/key may be read by other users: chmod 600" in node("a", "1", 3)
