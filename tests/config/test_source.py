"""Where the file of a data set is looked for."""

from pathlib import Path

import pytest

from dfl_actors.config import load_topology


def test_a_data_set_is_looked_for_beside_the_topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net").mkdir()
    path = tmp_path / "net" / "net.toml"
    path.write_text('[data]\nsource = "data.npz"\n')
    monkeypatch.chdir(tmp_path)
    config = load_topology("net/net.toml")
    assert config.data.source == str(tmp_path / "net" / "data.npz")
    (tmp_path / "config.toml").write_text(config.resolved())
    monkeypatch.chdir("/")
    assert load_topology(tmp_path / "config.toml").data.source == config.data.source


def test_a_data_set_in_an_option_is_looked_for_from_where_we_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_topology("fully_connected_4", ["data.source=data.npz"]).data.source == str(tmp_path / "data.npz")
    assert load_topology("fully_connected_4").data.source == "mnist"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load_topology("fully_connected_4", ["data.source=~/data.npz"]).data.source == str(tmp_path / "home" / "data.npz")
