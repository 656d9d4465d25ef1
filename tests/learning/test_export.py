"""Exports of every kind of data and model, used by a process that has Keras and TensorFlow and not this program."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors import safe_open

from dfl_actors.config.sections import Data
from dfl_actors.errors import DataError, ModelError
from dfl_actors.learning.data import load_dataset
from dfl_actors.learning.evaluate import measured
from dfl_actors.learning.export import contract_of
from dfl_actors.learning.form import arrays_of
from dfl_actors.learning.models import Recipe, load_learner

Arrays = dict[str, np.ndarray]
N, TRAIN = 700, 500

BUILDERS = """
import keras
from keras import layers
def conv(shape, labels):
    return keras.Sequential([keras.Input(shape), layers.Conv2D(4, 5, 4), layers.BatchNormalization(), layers.ReLU(), layers.Flatten(),
                             layers.Dropout(0.2), layers.Dense(labels, activation="softmax")])
def volume(shape, labels):
    return keras.Sequential([keras.Input(shape), layers.Reshape((*shape, 1)), layers.Conv3D(3, 2), layers.Flatten(), layers.Dense(labels)])
def dense(shape, labels):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(labels)])
def tokens(shape, labels):
    return keras.Sequential([keras.Input(shape, dtype="int32"), layers.Embedding(30, 8), layers.GlobalAveragePooling1D(),
                             layers.Dense(labels)])
def two(shape, labels):
    given = {name: keras.Input(one, name=name) for name, one in shape.items()}
    parts = [layers.Flatten()(one) for one in given.values()]
    return keras.Model(given, layers.Dense(labels)(layers.Concatenate()(parts)))
def single(shape):
    return keras.Sequential([keras.Input(shape), layers.Dense(1)])
def sigmoid(shape, labels):
    return keras.Sequential([keras.Input(shape), layers.Dense(labels, activation="sigmoid")])
"""


class Kind(NamedTuple):
    """A kind of data and a model for it."""

    model: str
    make: Callable[[np.random.Generator, np.ndarray], Any]
    y: Callable[[np.ndarray], np.ndarray] = lambda y: y
    task: str = "classification"
    classes: int = 3


def near(shape: tuple[int, ...], dtype: str = "float32", scale: float = 1.0) -> Callable[[np.random.Generator, np.ndarray], np.ndarray]:
    """Samples that lie about a point of their class."""
    return lambda rng, y: (rng.normal(size=(3, *shape))[y] * 2 * scale + rng.normal(size=(len(y), *shape)) * scale).astype(dtype)


def image(shape: tuple[int, ...]) -> Callable[[np.random.Generator, np.ndarray], np.ndarray]:
    return lambda rng, y: np.clip(near(shape)(rng, y) * 30 + 128, 0, 255).astype(np.uint8)


def words(y: np.ndarray) -> np.ndarray:
    return np.asarray(np.array(["otter", "cat", "a hen"])[y])


def bits(y: np.ndarray) -> np.ndarray:
    return np.asarray(np.array([[0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 0]], np.uint8)[y])


def numbers(y: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=(len(y), 2)).astype(np.float32)
    return np.asarray(np.array([[0.5, -1], [2, 0], [-1, 3]], np.float32)[y] + noise / 4)


SERVED = {"image", "tokens", "two inputs", "one number", "multilabel", "regression"}
"""Kinds that are served too: every task, type and number of inputs. To write and read a SavedModel costs as much as all else."""

KINDS = {
    "image": Kind("lenet", image((28, 28, 1))),
    "colour": Kind("conv", image((32, 32, 3)), words),
    "volume": Kind("volume", near((5, 6, 7))),
    "table": Kind("dense", near((20,), scale=50)),
    "z-scores": Kind("dense", near((9, 4), "float64")),
    "bytes that are no image": Kind("dense", lambda rng, y: (rng.integers(0, 3, (len(y), 12)) + y[:, None]).astype(np.uint8)),
    "tokens": Kind("tokens", lambda rng, y: (rng.integers(0, 12, (len(y), 15)) + 8 * y[:, None]).astype(np.int32)),
    "two inputs": Kind("two", lambda rng, y: {"scale": near((3,))(rng, y), "picture": image((6, 6))(rng, y)}, words),
    "one number": Kind("single", near((6,)), classes=2),
    "multilabel": Kind("dense", near((8,)), bits, "multilabel"),
    "multilabel by sigmoid": Kind("sigmoid", near((8,)), bits, "multilabel"),
    "regression": Kind("dense", near((8,)), numbers, "regression"),
    "a saved model": Kind("saved", near((8,))),
}

PLAIN = """
import sys
sys.modules["dfl_actors"] = None  # a process that has only Keras
import json, pathlib, zipfile, keras, numpy as np, tensorflow as tf
for place in map(pathlib.Path, sys.argv[1:]):
    data = dict(np.load(place / "data.npz"))
    named = {name.partition(".")[2]: array for name, array in data.items() if name.startswith("x_test.")}
    x, y = named or data["x_test"], data["y_test"]
    contract = json.loads(zipfile.ZipFile(place / "model.keras").read("contract.json"))
    model = keras.saving.load_model(place / "model.keras")
    answers, labels = model.predict(x, verbose=0), np.array(contract["labels"])
    task, unit = contract["task"], len(y)
    if task == "classification":
        right = (labels[answers.argmax(axis=1)] == y.astype(str)).sum()
    elif task == "multilabel":
        right = ((answers > 0.5) == (y > 0)).all(axis=1).sum()
    else:
        right = 1 - (((answers - y) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)).mean()
    if (place / "saved").exists():
        loaded = tf.saved_model.load(str(place / "saved"))
        kinds = {one["name"]: one["dtype"] for one in contract["inputs"]}
        served = loaded.serve({name: tf.constant(x[name], kinds[name]) for name in x} if named else tf.constant(x, kinds[""]))
        np.testing.assert_allclose(served[contract["output"]], answers, atol=1e-5)
        if task == "classification":
            right_too = (served["label"].numpy().astype(str) == y.astype(str)).sum()
            assert right_too == right, (right_too, right)
    print(float(right), flush=True)
    np.save(place / "answers.npy", answers)
"""


def make(place: Path, kind: Kind) -> None:
    """The source of a kind, as somebody has it."""
    place.mkdir()
    rng = np.random.default_rng(5)
    y = rng.integers(0, kind.classes, N)
    x, known = kind.make(rng, y), kind.y(y)
    parts = {f".{name}": array for name, array in x.items()} if isinstance(x, dict) else {"": x}
    said: Arrays = {"y_train": known[:TRAIN], "y_test": known[TRAIN:]}
    for name, array in parts.items():
        said |= {f"x_train{name}": array[:TRAIN], f"x_test{name}": array[TRAIN:]}
    np.savez(place / "data.npz", allow_pickle=False, **said)


def model_of(place: Path, kind: Kind) -> str:
    if kind.model == "lenet":
        return "lenet"
    (place / "mine.py").write_text(BUILDERS)
    if kind.model != "saved":
        return f"{place}/mine.py:{kind.model}"
    from dfl_actors.learning.framework import keras

    keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation="softmax")]).save(place / "given.keras")
    return f"{place}/given.keras"


def exported(place: Path, kind: Kind, served: bool = False) -> tuple[int, int, np.ndarray]:
    """Train a model and write it in all ways, one to be `served` among them. Returns its score on the test samples, and its answers."""
    said = Data(source=str(place / "data.npz"), task=kind.task)  # type: ignore[arg-type]
    data = load_dataset(said)
    recipe = Recipe(optimizer="adam", learning_rate=0.001 if kind.model == "lenet" else 0.01)
    learner = load_learner(model_of(place, kind), recipe, data.form)
    state, rng = learner.start(learner.initial(0)), np.random.default_rng(0)
    chosen = rng.integers(0, TRAIN, (10 if kind.model == "lenet" else 120, 32))
    state, _ = learner.train(state, data.x_train[chosen], data.y_train[chosen])
    contract = contract_of(data.form, said, {"node": "0"})
    for name, ending in (("model.keras", ".keras"), ("model.safetensors", ".safetensors"), *[("saved", "")] * served):
        learner.save(state.weights, place / name, contract, ending)
    with safe_open(place / "model.safetensors", "numpy") as file:
        assert tuple(json.loads(file.metadata()["labels"])) == data.form.labels
        views = learner.parameters.views(state.weights)
        assert set(file.keys()) == set(views)
        for name, view in views.items():
            np.testing.assert_array_equal(file.get_tensor(name), view)
    return *learner.measure(state.weights, data.x_test, data.y_test), learner.answers(state.weights, data.x_test)


def test_every_export_answers_as_the_node_did_in_a_process_without_this_program(tmp_path: Path) -> None:
    places = {name: tmp_path / name.replace(" ", "-") for name in KINDS}
    scores = {}
    for name, kind in KINDS.items():
        make(places[name], kind)
        scores[name] = exported(places[name], kind, name in SERVED)
    process = subprocess.run([sys.executable, "-c", PLAIN, *map(str, places.values())], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-2000:]
    counted = dict(zip(KINDS, map(float, process.stdout.split()), strict=True))
    for name, (correct, tested, answers) in scores.items():
        assert correct / tested > (0.5 if KINDS[name].classes == 3 else 0.7), name
        np.testing.assert_allclose(np.load(places[name] / "answers.npy"), answers, atol=1e-5, err_msg=name)
        told = measured(places[name] / "model.keras", str(places[name] / "data.npz"))
        if KINDS[name].task == "regression":
            assert counted[name] == pytest.approx(correct / tested, abs=1e-5) == told.value
        else:
            assert (counted[name], tested) == (correct, N - TRAIN) == (told.correct, told.samples), name


def test_what_cannot_be_measured_is_said_in_one_line(tmp_path: Path) -> None:
    make(place := tmp_path / "one", KINDS["a saved model"])
    exported(place, KINDS["a saved model"])
    make(other := tmp_path / "other", KINDS["table"])
    for file, source, kind, text in (
        (place / "given.keras", place / "data.npz", ModelError, "holds no contract.json that says what its labels are"),
        (place / "none.keras", place / "data.npz", ModelError, "cannot be read (No such file or directory)"),
        (place / "model.keras", other / "data.npz", DataError, "its inputs are float32[20], the model's float32[8]"),
    ):
        with pytest.raises(kind, match="") as wrong:
            measured(file, str(source))
        assert text in str(wrong.value) and "\n" not in str(wrong.value)
    with zipfile.ZipFile(place / "model.keras") as archive:
        assert json.loads(archive.read("contract.json"))["origin"] == {"node": "0"}
    assert arrays_of(load_dataset(Data(source=str(place / "data.npz"))).x_test)[0].dtype == np.float32
