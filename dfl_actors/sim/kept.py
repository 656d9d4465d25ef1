"""The model of a node as a simulation keeps it."""

from pathlib import Path

import numpy as np

from dfl_actors.core.codec import model_digest
from dfl_actors.errors import StoreError
from dfl_actors.files import explained
from dfl_actors.learning.weights import LAST, Kept, encode_model
from dfl_actors.sim.about import MODELS


def kept_model(out: Path, name: str, at: int | None) -> Kept:
    """The model as it was measured last. Raises `StoreError`."""
    if at is not None:
        raise StoreError(f"{out} is a simulation, which has no blocks: leave --at out")
    path = out / MODELS / f"{name}.npy"
    if not path.exists():
        raise StoreError(f"{path} is not there: it is written with the last row of accuracy.csv, unless sim.models = false")
    try:
        with explained(f"{path} cannot be read", "correct its permissions"):
            weights = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise StoreError(f"{path} is damaged ({error}): simulate it again") from error
    return Kept(weights, model_digest(encode_model(weights, "float32")), LAST)
