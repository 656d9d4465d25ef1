"""The twelve kinds of data and models of `tools/kinds.py`: arrays with something to learn in them, from one seed, and their topologies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Arrays = Mapping[str, Array]
MODELS = Path(__file__).parent / "kinds_models.py"
TRAIN, TEST = 2000, 500


@dataclass(frozen=True)
class Kind:
    """`arrays` as an .npz has them; the score of a model that knows nothing; what else its topology says."""

    model: str
    arrays: Arrays
    chance: float
    task: str = "classification"
    labels: list[str] = field(default_factory=list)
    data: str = ""
    training: str = "learning_rate = 0.05\n"

    @property
    def test(self) -> Arrays:
        return {name: array for name, array in self.arrays.items() if "_test" in name}

    def write(self, folder: Path) -> Path:
        """Its files; the topology's path."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "data.npz", allow_pickle=False, **self.arrays)
        model = self.model if self.model == "lenet" else f"{MODELS}:{self.model}"
        topology = folder / "net.toml"
        topology.write_text(
            f'[network]\nnodes = 2\n[training]\nmodel = "{model}"\nbatch = 32\n{self.training}'
            f'[data]\nsource = "data.npz"\ntask = "{self.task}"\nrate = 200\n{self.data}'
            "[block]\ntransactions = 4\n[update]\nbuffer = 1\n[sim]\ninterval = [2]\ncheck_samples = 0\n"
        )
        return topology


def _split(x: Array, y: Array) -> Arrays:
    return {"x_train": x[:TRAIN], "y_train": y[:TRAIN], "x_test": x[TRAIN:], "y_test": y[TRAIN:]}


def _rng() -> np.random.Generator:
    return np.random.default_rng(12)


def _labels(rng: np.random.Generator, classes: int = 4) -> npt.NDArray[np.int64]:
    return rng.integers(0, classes, TRAIN + TEST)


def _around(rng: np.random.Generator, labels: npt.NDArray[np.int64], shape: tuple[int, ...], spread: float) -> npt.NDArray[np.float64]:
    """Samples around a centre for each label."""
    centres = rng.normal(size=(labels.max() + 1, *shape))
    return np.asarray(centres[labels] + rng.normal(scale=spread, size=(len(labels), *shape)))


def mnist() -> Kind:
    path = Path(__file__).parents[1] / "dfl_actors/learning/datasets/mnist.npz"
    with np.load(path) as file:
        arrays = {name: file[name][: TEST if "test" in name else 10_000] for name in ("x_train", "y_train", "x_test", "y_test")}
    arrays |= {name: arrays[name].reshape(-1, 28, 28, 1) for name in ("x_train", "x_test")}
    return Kind("lenet", arrays, 0.1, training="")


def colours() -> Kind:
    """32x32x3, a model with batch normalisation and dropout."""
    rng = _rng()
    y = _labels(rng)
    x = np.clip(128 + 40 * _around(rng, y, (32, 32, 3), 2.0), 0, 255).astype(np.uint8)
    return Kind("picture", _split(x, y), 0.25, training="learning_rate = 0.01\n")


def volumes() -> Kind:
    rng = _rng()
    y = _labels(rng)
    return Kind("volume", _split(_around(rng, y, (8, 8, 8), 2.0).astype(np.float32), y), 0.25)


def table() -> Kind:
    """Twenty columns of 0 to 1."""
    rng = _rng()
    y = _labels(rng)
    x = 1 / (1 + np.exp(-_around(rng, y, (20,), 1.0)))
    return Kind("dense", _split(x.astype(np.float32), y), 0.25)


def z_scores() -> Kind:
    rng = _rng()
    y = _labels(rng)
    return Kind("dense", _split(_around(rng, y, (20,), 1.0), y), 0.25)


def tokens() -> Kind:
    """Thirty token ids below 50; a label's texts prefer ten of them."""
    rng = _rng()
    y = _labels(rng)
    common = rng.integers(0, 50, (TRAIN + TEST, 30))
    own = y[:, None] * 10 + rng.integers(0, 10, common.shape)
    x = np.where(rng.random(common.shape) < 0.4, own, common)
    return Kind("words", _split(x, y), 0.25, training='optimizer = "adam"\nlearning_rate = 0.01\n')


def two_inputs() -> Kind:
    """A picture and a row of numbers, each of which tells half."""
    rng = _rng()
    y = _labels(rng)
    pixels = np.clip(128 + 40 * _around(rng, y // 2, (8, 8, 1), 1.0), 0, 255).astype(np.uint8)
    row = _around(rng, y % 2, (5,), 0.7).astype(np.float32)
    arrays = {f"x_{part}.{name}": array[at] for part, at in _parts() for name, array in (("pixels", pixels), ("row", row))}
    return Kind("both", arrays | {f"y_{part}": y[at] for part, at in _parts()}, 0.25)


def _parts() -> tuple[tuple[str, slice], ...]:
    return ("train", slice(TRAIN)), ("test", slice(TRAIN, None))


def names() -> Kind:
    """Labels that are words."""
    rng = _rng()
    y = _labels(rng)
    words = np.array(["cat", "dog", "eel", "fox"])
    return Kind("dense", _split(_around(rng, y, (12,), 1.0).astype(np.float32), words[y]), 0.25, labels=words.tolist())


def multilabel() -> Kind:
    rng = _rng()
    x = rng.normal(size=(TRAIN + TEST, 10)).astype(np.float32)
    y = (x @ rng.normal(size=(10, 3)) > 0).astype(np.uint8)
    return Kind("dense", _split(x, y), 0.2, task="multilabel", training="learning_rate = 0.1\n")


def regression() -> Kind:
    rng = _rng()
    x = rng.normal(size=(TRAIN + TEST, 8)).astype(np.float32)
    y = (x @ rng.normal(size=(8, 2)) + 0.1 * rng.normal(size=(len(x), 2))).astype(np.float32)
    return Kind("dense", _split(x, y), 0.0, task="regression", training="learning_rate = 0.01\n")


def unbalanced() -> Kind:
    """Nine of ten samples have one label; nodes draw samples alike."""
    rng = _rng()
    y = np.where(rng.random(TRAIN + TEST) < 0.9, 0, _labels(rng))
    return Kind("dense", _split(_around(rng, y, (12,), 0.8).astype(np.float32), y), 0.85, data='partition = "samples"\n')


def few() -> Kind:
    """A host of ten samples."""
    rng = _rng()
    y = rng.permutation(np.tile(np.arange(4), 2 + TEST // 4))[: 10 + TEST]
    x = _around(rng, y, (12,), 0.3).astype(np.float32)
    return Kind("dense", {"x_train": x[:10], "y_train": y[:10], "x_test": x[10:], "y_test": y[10:]}, 0.25)


KINDS: Mapping[str, Callable[[], Kind]] = {
    kind.__name__: kind
    for kind in (mnist, colours, volumes, table, z_scores, tokens, two_inputs, names, multilabel, regression, unbalanced, few)
}
