"""What a simulation keeps to go on after an interruption, and give the bytes that it would have given without one.

    checkpoint/mark              a name that its nodes bear, so that none of another checkpoint is taken for one
    checkpoint/state.json        the tick, the timeline with all its generators, how long each table was, digests of the data set and of the
                                 configuration but for its last tick
    checkpoint/models.npz        the models on their way, by their number
    checkpoint/nodes/NUMBER.npz  one node: weights, slots, and the rest of it as JSON

It is taken between two ticks, when nothing is under way, and appears by one rename once it is on the disk; the one before is then
removed. Only plain values and arrays are written and read, so that a directory of somebody else's cannot run code here. What an algorithm
remembers (its state) must therefore be made of numbers, texts, arrays, lists, tuples, dictionaries and numpy generators.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from dfl_actors import __version__
from dfl_actors.config import Config
from dfl_actors.errors import StoreError
from dfl_actors.files import sync, sync_tree
from dfl_actors.learning.plain import UNREADABLE, Arrays, read_plain, write_plain

if TYPE_CHECKING:
    from dfl_actors.sim.timeline import TimelineState

FOLDER, MARK = "checkpoint", "mark"
FORMAT = 7
ROOM = "free some space and go on with --resume"  # What helps when a simulation cannot write.


class Kept(NamedTuple):
    """A checkpoint: the next tick, the state of the timeline, the bytes of each table, the models on their way, the digests of the data set
    and of the configuration."""

    tick: int
    timeline: "TimelineState | None"
    tables: dict[str, int]
    models: dict[int, np.ndarray]
    data: str = ""
    config: str = ""


def digest_of(config: Config) -> str:
    """Of all that decides what is simulated before the last tick."""
    endless = msgspec.structs.replace(config, sim=msgspec.structs.replace(config.sim, ticks=1))
    return hashlib.sha256(endless.resolved().encode()).hexdigest()


def begin(out: Path) -> Path:
    """An empty place for the next checkpoint of the simulation in `out`. Raises `OSError`."""
    place = out / f"{FOLDER}.new"
    shutil.rmtree(place, ignore_errors=True)
    (place / "nodes").mkdir(parents=True)
    (place / MARK).write_text(os.urandom(8).hex(), encoding="ascii")
    return place


def commit(place: Path, kept: Kept) -> None:
    """Write the rest of a checkpoint whose nodes are in `place`, and let it take the place of the one before. Raises `OSError`."""
    np.savez(place / "models.npz", **{str(number): model for number, model in kept.models.items()})  # type: ignore[arg-type]
    state = {
        "format": FORMAT,
        "version": __version__,
        **{name: getattr(kept, name) for name in ("tick", "timeline", "tables", "data", "config")},
    }
    (place / "state.json").write_text(json.dumps(state), encoding="utf-8")
    sync_tree(place)
    current, old = place.with_name(FOLDER), place.with_name(f"{FOLDER}.old")
    shutil.rmtree(old, ignore_errors=True)
    if current.exists():
        current.rename(old)
    place.rename(current)
    sync(current.parent)
    shutil.rmtree(old, ignore_errors=True)


def find(out: Path) -> Path:
    """The newest whole checkpoint of the simulation in `out`. Raises `StoreError`."""
    for name in (FOLDER, f"{FOLDER}.old"):
        if (out / name / "state.json").is_file():
            return out / name
    raise StoreError(f"{out} holds no checkpoint to go on from: it has ended, or was stopped before its first; simulate it again")


def load(place: Path) -> Kept:
    """What `commit` wrote. Raises `StoreError` for a checkpoint that is damaged or of another version."""
    try:
        state = json.loads((place / "state.json").read_text(encoding="utf-8"))
        made = (state["format"], state["version"])
        if made != (FORMAT, __version__):
            raise StoreError(f"{place} is of dfl-actors {made[1]}, this is {__version__}, which may compute other bytes: simulate it again")
        with np.load(place / "models.npz", allow_pickle=False) as models:
            held = {int(number): models[number] for number in models.files}
            return Kept(state["tick"], state["timeline"], state["tables"], held, state["data"], state["config"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise StoreError(f"{place} is damaged ({error}): simulate it again") from error


def remove(out: Path) -> None:
    """Forget all checkpoints of a simulation that has ended."""
    for name in (FOLDER, f"{FOLDER}.old", f"{FOLDER}.new"):
        shutil.rmtree(out / name, ignore_errors=True)


def save_node(place: Path, number: int, arrays: Mapping[str, np.ndarray], values: Mapping[str, object]) -> None:
    """Write one node: its arrays, and its values, in which arrays may be too. Raises `Unkept` or `OSError`."""
    with (place / "nodes" / f"{number}.npz").open("wb") as file:
        write_plain(file, arrays, {**values, MARK: (place / MARK).read_text("ascii")})


def load_node(place: Path, number: int) -> tuple[Arrays, dict[str, Any]]:
    """What `save_node` wrote. Raises `StoreError`."""
    path = place / "nodes" / f"{number}.npz"
    try:
        with path.open("rb") as file:
            arrays, values = read_plain(file)
        mine = (place / MARK).read_text("ascii")
    except (OSError, *UNREADABLE) as error:
        raise StoreError(f"{path} is damaged ({error}): simulate it again") from error
    if values.pop(MARK, "") != mine:
        raise StoreError(f"{path} is none of this checkpoint: put its own back, or simulate it again")
    return arrays, values
