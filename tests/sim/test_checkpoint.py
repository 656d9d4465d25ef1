"""What a checkpoint holds comes back as it was; what it cannot hold is said; a damaged one is refused."""

from pathlib import Path

import numpy as np
import pytest

from dfl_actors.errors import StoreError
from dfl_actors.learning.plain import Unkept
from dfl_actors.sim import checkpoint
from dfl_actors.sim.checkpoint import Kept
from dfl_actors.sim.timeline import TimelineState

TIMELINE: TimelineState = {
    "due": [1, 2],
    "models": 3,
    "steps": [2, 1],
    "buffers": [[], []],
    "coming": [],
    "peers": {"receivers": [[1], [0]], "buffers": [1, 1], "changed": [0, 0], "measured": [0, 0], "accuracy": [0.5, 0.25]},
    "conditions": 0,
    "rngs": [{"state": 2**127 + 1}],
    "draws": [],
}
KEPT = Kept(7, TIMELINE, {"accuracy.csv": 40}, {3: np.arange(4, dtype=np.float32)})


def test_values_of_a_node_come_back_with_their_types(tmp_path: Path) -> None:
    values = {
        "plain": [None, True, 3, 2.5, "x", (1, (2,)), {"a": 1, 2: "b"}],
        "array": np.eye(2, dtype=np.float32),
        "scalar": np.float32(0.1),
        "rng": np.random.default_rng(4),
    }
    place = checkpoint.begin(tmp_path)
    checkpoint.save_node(place, 3, {"weights": np.ones(2, np.float32)}, values)
    arrays, found = checkpoint.load_node(place, 3)
    assert arrays["weights"].tolist() == [1, 1] and found["plain"] == values["plain"]
    assert found["array"].tolist() == [[1, 0], [0, 1]] and found["array"].dtype == np.float32
    assert type(found["scalar"]) is np.float32 and found["scalar"] == np.float32(0.1)
    assert found["rng"].random(3).tolist() == np.random.default_rng(4).random(3).tolist()


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), lambda: 0])
def test_what_cannot_be_written_is_said(tmp_path: Path, value: object) -> None:
    with pytest.raises(Unkept, match="an object of type"):
        checkpoint.save_node(checkpoint.begin(tmp_path), 0, {}, {"memory": [value]})


def test_a_checkpoint_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for tick in (7, 9):
        checkpoint.commit(checkpoint.begin(tmp_path), KEPT._replace(tick=tick))
    found = checkpoint.load(checkpoint.find(tmp_path))
    assert (found.tick, found.timeline, found.tables) == (9, KEPT.timeline, KEPT.tables)
    assert found.models[3].tolist() == [0, 1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    checkpoint.remove(tmp_path)
    with pytest.raises(StoreError, match="no checkpoint"):
        checkpoint.find(tmp_path)


def test_an_interrupted_checkpoint_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoint.commit(checkpoint.begin(tmp_path), KEPT)
    checkpoint.begin(tmp_path)
    assert checkpoint.load(checkpoint.find(tmp_path)).tick == 7
    (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.old")
    assert checkpoint.load(checkpoint.find(tmp_path)).tick == 7, "killed between the two renames"


@pytest.mark.parametrize("name", ["state.json", "models.npz"])
def test_a_damaged_one_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    checkpoint.commit(checkpoint.begin(tmp_path), KEPT)
    path = tmp_path / "checkpoint" / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(StoreError, match="is damaged") as refused:
        checkpoint.load(checkpoint.find(tmp_path))
    assert "\n" not in str(refused.value)
    with pytest.raises(StoreError, match="is damaged"):
        checkpoint.load_node(tmp_path / "checkpoint", 5)


def test_one_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "__version__", "0.0.1")
    checkpoint.commit(checkpoint.begin(tmp_path), KEPT)
    monkeypatch.undo()
    with pytest.raises(StoreError, match=r"of dfl-actors 0\.0\.1"):
        checkpoint.load(checkpoint.find(tmp_path))
