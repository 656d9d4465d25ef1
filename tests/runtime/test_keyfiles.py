"""Key files: what is written, what is refused, and that the secret is never shown."""

import os
from pathlib import Path
from stat import S_IMODE

import pytest
import zmq
from zmq.utils import z85

from dfl_actors.core.keys import KeyPair
from dfl_actors.errors import KeyFileError
from dfl_actors.runtime.keyfiles import curve_keys, load_key, new_key


def test_a_new_key_is_loaded_again(tmp_path: Path) -> None:
    directory = tmp_path / "nodes" / "0"
    pair = new_key(directory)
    again = load_key(directory)
    assert (again.seed, again.public, again.address) == (pair.seed, pair.public, pair.address)
    assert new_key(tmp_path / "nodes" / "1").address != pair.address


def test_only_the_owner_reads_the_secret(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        new_key(tmp_path / "node")
    finally:
        os.umask(old)
    assert S_IMODE((tmp_path / "node").stat().st_mode) == 0o700
    assert S_IMODE((tmp_path / "node" / "key").stat().st_mode) == 0o600
    assert S_IMODE((tmp_path / "node" / "key.pub").stat().st_mode) == 0o644


def test_the_public_file_holds_the_public_parts_only(tmp_path: Path) -> None:
    pair = new_key(tmp_path)
    public, secret = curve_keys(pair)
    text = (tmp_path / "key.pub").read_text()
    assert dict(line.split(" = ") for line in text.splitlines()) == {
        "address": f'"{pair.address}"', "public": f'"{pair.public}"', "curve": f'"{public.decode()}"',
    }  # fmt: skip
    assert pair.seed.hex() not in text and secret.decode() not in text


@pytest.mark.parametrize("present", ["key", "key.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, present: str) -> None:
    (tmp_path / present).write_text("here first")
    with pytest.raises(KeyFileError, match=f"^{tmp_path / present} exists and is not overwritten"):
        new_key(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(present, "here first")]


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="cannot be written"):
        new_key(tmp_path / "file" / "node")


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=f"^{tmp_path / 'key'} does not exist"):
        load_key(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    new_key(tmp_path)
    path = tmp_path / "key"
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}$"):
        load_key(tmp_path)
    path.chmod(0o600)
    load_key(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    new_key(tmp_path)
    os.chown(tmp_path / "key", 65534, 65534)
    with pytest.raises(KeyFileError, match="belongs to user 65534"):
        load_key(tmp_path)


def test_a_key_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)  # which to read would wait for ever
    with pytest.raises(KeyFileError, match="is not a file"):
        load_key(tmp_path)


def damages(text: str) -> list[str]:
    heading, seed = text.splitlines()
    seeds = ["", seed[:-1], f"{seed}00", f"{seed[:-1]}x"]
    return ["", seed, "\xff" * 40, "x" * 9999, *(f"{heading}\n{damaged}" for damaged in seeds)]


@pytest.mark.parametrize("which", range(8))
def test_a_damaged_key_is_refused_without_showing_it(tmp_path: Path, which: int) -> None:
    seed = new_key(tmp_path).seed.hex()
    path = tmp_path / "key"
    path.write_text(damages(path.read_text())[which])
    with pytest.raises(KeyFileError, match=f"^{path} is damaged") as caught:
        load_key(tmp_path)
    assert seed[:16] not in f"{caught.getrepr(chain=True, showlocals=False)}".replace(str(path), "")
    assert caught.value.__cause__ is None and "\n" not in str(caught.value)


def test_the_curve_key_follows_from_the_seed() -> None:
    pair = KeyPair(bytes(range(32)))
    public, secret = curve_keys(pair)
    assert public == zmq.curve_public(secret)
    assert (len(public), len(z85.decode(secret))) == (40, 32)
    assert curve_keys(KeyPair(bytes(range(32)))) == (public, secret)
    assert curve_keys(KeyPair(bytes(32)))[0] != public
    assert z85.decode(secret) != pair.seed
    # Pinned: a node that derives it otherwise could no longer be reached by those that know its curve key.
    assert public == b"F*0Z]8.Ty=2f]<IOF7t?/tp(o*{C)iIGBV1R.<lI"
