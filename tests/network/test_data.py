"""A run's own data set: found beside the topology, and the same one when the run is gone on with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from dfl_actors.config import load_topology
from tests.network.harness import Command, one_line

Start = Callable[..., Command]


def save(path: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    parts = {"train": 400, "test": 100}
    images = {f"x_{part}": chance.integers(0, 256, (many, 4, 4), np.uint8) for part, many in parts.items()}
    labels = {f"y_{part}": np.arange(many, dtype=np.uint8) % 3 for part, many in parts.items()}
    arrays: dict[str, Any] = {**images, **labels}
    np.savez(path, **arrays)


def test_a_run_does_not_go_on_with_another_data_set(place: Path, start: Start) -> None:
    small = (place / "small.toml").read_text().replace("[data]\n", '[data]\nsource = "data.npz"\n')
    (place / "net").mkdir()
    (place / "net" / "small.toml").write_text(small.replace("tiny.py", str(place / "tiny.py")))
    save(place / "net" / "data.npz", 1)
    run = start("run", "net/small.toml", "--out", "run", "--duration", "1")
    run.ended(0)
    assert orjson.loads((place / "run" / "run.json").read_bytes())["data"]
    save(place / "data.npz", 2)
    assert load_topology(place / "run" / "config.toml").data.source == str(place / "net" / "data.npz"), "wherever it is gone on with"
    save(place / "net" / "data.npz", 2)
    other = start("run", "--resume", "run", "--duration", "1")
    other.ended(4)
    assert "is not the one that this run began with" in one_line(other.stderr)
