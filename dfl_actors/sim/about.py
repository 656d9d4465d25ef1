"""What a simulation says of itself beside its tables: `sim.json` in its directory, written when it begins and when it ends."""

from pathlib import Path
from typing import Literal

import msgspec

from dfl_actors.core.events import Noised
from dfl_actors.errors import StoreError
from dfl_actors.files import explained, read_bytes, whole
from dfl_actors.learning.form import Form

FILE = "sim.json"
TABLES = ("*.csv", "reputation/*.csv", "reasons/*.csv")  # Where its tables are.
MODELS = "models"  # The folder of models: NAME.npy, the weights of a node as they were measured last, float32 [P].


class About(msgspec.Struct, kw_only=True):
    """`started` in ms since the epoch; `seconds` that it ran and `cpu` seconds that it took, resumes included. `over`: all ticks are
    done; `diverged`: why there are no more; `broken`: what else has ended it. `data` is the digest of the data set, `form` what it gives a
    model; `noised` is what nodes say of their noise.

    `version` is the program's; in a directory from before all this was recorded everything is as here.
    """

    started: int = 0
    version: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    data: str = ""
    over: bool = False
    diverged: str = ""
    broken: Literal["", "failed", "interrupted"] = ""
    form: Form | None = None
    noised: list[Noised] = []


def tables_in(path: Path) -> list[Path]:
    """The tables of a simulation that are there."""
    return [table for pattern in TABLES for table in path.glob(pattern)]


def save_about(path: Path, about: About) -> None:
    """Into the directory of a simulation, whole or not at all. Raises `StoreError`."""
    with whole(path / FILE) as draft:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=2))


def load_about(path: Path) -> About:
    """What the directory of a simulation says; of an older one only what its files tell. Raises `StoreError`."""
    place = path / FILE
    try:
        with explained(f"{place} cannot be read", "correct its permissions"):
            return msgspec.json.decode(read_bytes(place), type=About)
    except msgspec.MsgspecError as error:
        raise StoreError(f"{place} is damaged ({error}): restore the file, or simulate it again") from error
    except StoreError:
        if place.exists():
            raise
        with explained(f"{path} is not the directory of a simulation", "name one that is"):
            made = int(1000 * (path / "config.toml").stat().st_mtime)
        return About(started=made, over=(path / "accuracy.png").exists())


def is_simulation(path: Path) -> bool:
    """Whether a directory is one of a simulation, which may be under way."""
    names = "config.toml", FILE, "accuracy.csv", "run.json"
    config, about, table, run = ((path / name).is_file() for name in names)
    return config and (about or table) and not run
