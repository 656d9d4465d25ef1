"""A start that fails leaves its directory as it was, and says why in one error."""

from pathlib import Path

import msgspec
import pytest

from dfl_actors.core.codec import encode
from dfl_actors.core.keys import KeyPair
from dfl_actors.errors import ConfigError, DataError, KeyFileError, StoreError
from dfl_actors.runtime import launch
from dfl_actors.runtime.policies import check_secure
from dfl_actors.runtime.rundir import About, RunDirectory
from tests.config.made import parse
from tests.runtime.test_verify import GENESIS

NAMED = msgspec.structs.replace(GENESIS, members=("11" * 32,))


def test_a_directory_that_somebody_else_removed_or_fills_does_not_hide_why_a_start_failed(tmp_path: Path) -> None:
    def fail(out: Path) -> None:
        with launch.new_run(out) as run:
            run.config.touch()
            run.lock_file.unlink()
            if out.name == "gone":
                run.config.unlink()
                out.rmdir()
            else:
                (out / "of-somebody-else").touch()
            raise DataError("no data")

    for name in ("gone", "filled"):
        with pytest.raises(DataError, match="no data"):
            fail(tmp_path / name)
    assert [path.name for path in (tmp_path / "filled").iterdir()] == ["of-somebody-else"]


def test_what_cannot_be_removed_is_told_beside_why_the_start_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(run: RunDirectory, _: tuple[str, ...]) -> None:
        raise StoreError(f"{run.path} cannot be removed (Directory not empty): choose another --out")

    with pytest.raises(StoreError, match=r"^no data; and .* cannot be removed \(Directory not empty\)"), launch.new_run(tmp_path / "out"):
        monkeypatch.setattr(RunDirectory, "forget", forget)
        raise DataError("no data")


def test_a_network_that_other_members_began_says_who_is_new_and_how_it_goes_on(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    launch.check_founders(run, NAMED, {})
    (tmp_path / "genesis.json").write_bytes(encode(NAMED))
    launch.check_founders(run, NAMED, {"a": "11" * 32})
    launch.check_founders(run, msgspec.structs.replace(NAMED, network="other", members=("22" * 32,)), {"a": "22" * 32})
    with pytest.raises(ConfigError, match=r"\(node b is new, or has another key\): in every topology make network.founders the"):
        launch.check_founders(run, msgspec.structs.replace(NAMED, members=("11" * 32, "22" * 32)), {"a": "11" * 32, "b": "22" * 32})


def test_a_directory_that_wasnew_run_with_another_key_is_called_that(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    old, new = KeyPair(b"\1" * 32), KeyPair(b"\2" * 32)
    run.run.write_bytes(msgspec.json.encode(About(name="far", started=1, nodes={"b": old.address})))
    launch._check_owner(run, "b", old)
    launch._check_owner(run, "c", new)  # a name that it does not know is told by who looks for its chain
    with pytest.raises(KeyFileError, match=f"begun by node b with the key of address {old.address[:8]}.*now has {new.address[:8]}"):
        launch._check_owner(run, "b", new)


EXPOSED = '[network]\nnodes = 2\n[transport]\ncurve = "off"\n[node.1]\nlisten = "tcp://10.0.0.7:7000"'


def test_links_that_leave_the_machine_unencrypted_are_refused_unless_they_are_asked_for() -> None:
    config = parse(EXPOSED)
    with pytest.raises(ConfigError, match=r": links are not encrypted .* node 1 listens beyond this machine: .* or give --insecure$"):
        check_secure(config, insecure=False)
    check_secure(config, insecure=True)
    both = parse(EXPOSED + '\n[node.0]\nlisten = "tcp://10.0.0.6:7000"')
    assert "nodes 0, 1 listen beyond this machine" in both.exposed
