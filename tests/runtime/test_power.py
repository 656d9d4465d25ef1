"""A model store after the power was cut: what is not whole goes, what is whole stays, and without a power cut nothing is touched."""

from pathlib import Path

import pytest

from dfl_actors.core.codec import model_digest
from dfl_actors.runtime import power
from dfl_actors.runtime.rundir import NodeDirectory
from dfl_actors.runtime.stores import ModelStore

MODELS = [bytes([number]) * 20_000 for number in range(1, 4)]
KEYS = [model_digest(data) for data in MODELS]


@pytest.fixture
def node(tmp_path: Path) -> NodeDirectory:
    """A node of this start of the machine, with three models and a difference on its way, whose key is no digest."""
    node = NodeDirectory(tmp_path / "0")
    assert power.put_right(node, 8, 20_000) == ""
    with ModelStore(node.models, 8, 20_000) as store:
        for key, data in zip(KEYS, MODELS, strict=True):
            store.put(key, data)
        store.put("e" * 64, b"a difference")
    return node


def held(node: NodeDirectory) -> list[str]:
    with ModelStore(node.models) as store:
        return store.keys()


def tear(node: NodeDirectory) -> None:
    """The second model's pages were not all written."""
    file = node.models / "data.mdb"
    whole = file.read_bytes()
    at = whole.index(MODELS[1][:5_000])
    file.write_bytes(whole[: at + 4_096] + bytes(4_096) + whole[at + 8_192 :])


def restarted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(power, "BOOT", tmp_path / "boot_id")


def test_only_whole_models_are_kept_when_the_machine_was_started_anew(
    node: NodeDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tear(node)
    assert power.put_right(node, 8, 20_000) == "" and len(held(node)) == 4, "the machine runs as before"
    restarted(monkeypatch, tmp_path)
    assert "2 whole models stayed; 2 others went" in power.put_right(node, 8, 20_000)
    assert sorted(held(node)) == sorted((KEYS[0], KEYS[2]))
    assert power.put_right(node, 8, 20_000) == ""


def test_a_store_that_cannot_be_read_begins_anew(node: NodeDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (node.models / "data.mdb").write_bytes(bytes(8_192))
    restarted(monkeypatch, tmp_path)
    assert "begins anew" in power.put_right(node, 8, 20_000)
    with ModelStore(node.models, 8, 20_000) as store:
        assert not store.keys()
