"""Keras models that train and are measured by one compiled function each.

A `Learner` is a model without weights: every call is given them as one flat float32 vector, because `fit`, `predict` and
`set_weights` cost several times what the arithmetic does. `network` says what becomes of the vector inside.

Pixels of type uint8 are scaled to 0..1 by 1/256 (Caffe's LeNet) before the model sees them. A custom model therefore is built for scaled
samples; it may return logits, or probabilities if the layer that makes its output is a softmax or has one as its activation. The loss is
the mean cross-entropy, plus the model's own regularisation losses.

Whatever a custom model does wrong, when it is built, traced, run or saved, is a `ModelError` of one line.
"""

import importlib
import tempfile
import warnings
from collections.abc import Callable
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np

from dfl_actors.config import Config
from dfl_actors.errors import ModelError
from dfl_actors.learning.data import LEVELS, Dataset, Samples
from dfl_actors.learning.foreign import guarded, load_file
from dfl_actors.learning.framework import keras, limit_threads, silenced, tf
from dfl_actors.learning.network import SCALE, Network, as_vector, by_chunk, by_dtype, is_float, train_function
from dfl_actors.learning.weights import LENET, Layer, Parameters, Recipe, TrainState, Vector, recipe_of

__all__ = ["LENET", "Learner", "Recipe", "TrainState", "limit_threads", "load_learner"]

Build = Callable[[tuple[int, ...], int], keras.Model]
T = TypeVar("T")


def load_learner(model: str, recipe: Recipe, input_shape: tuple[int, ...], labels: int) -> "Learner":
    """The learner of `model`: "lenet", "package.module:build" or "path/file.py:build", for samples of `input_shape`.

    `build(input_shape, labels)` returns a `keras.Model` from [n, *input_shape] to [n, labels], with float32 weights.
    Keras' global state is cleared first, so that every process finds the same names. Raises `ModelError` for all that is wrong.
    """
    build = _lenet if model == LENET else _load_build(model)
    return Learner(model, build, recipe, input_shape, labels)


def learner_of(config: Config, data: Dataset) -> "Learner":
    """The learner of a configuration for the samples of its data set, with one thread for TensorFlow. Raises `ModelError`."""
    limit_threads()
    return load_learner(config.training.model, recipe_of(config), data.input_shape, data.labels)


class Learner:
    """Trains and measures one architecture. Holds no weights; every vector it takes may be read-only, and is copied if kept."""

    def __init__(self, name: str, build: Build, recipe: Recipe, input_shape: tuple[int, ...], labels: int) -> None:
        self.name = name
        self._build, self._shape, self._labels = build, input_shape, labels
        with silenced():
            tf.constant(0)  # starts TensorFlow, which prints more then
        self._model = self._built(seed=0)
        self.parameters = _parameters(name, self._model)
        self._size = self.parameters.size
        network, flat = Network(self._model), tf.TensorSpec([self._size])
        one, many, table = (tf.TensorSpec(shape, tf.int64) for shape in ([], [None], [None, None]))
        self._train = by_dtype(
            train_function(network, recipe), lambda dtype: [flat, flat, one, tf.TensorSpec([None, None, *input_shape], dtype), table]
        )
        self._measure = by_dtype(network.right, lambda dtype: [flat, tf.TensorSpec([None, *input_shape], dtype), many])
        self._probable = by_dtype(network.probabilities, lambda dtype: [flat, tf.TensorSpec([None, *input_shape], dtype)])

    def initial(self, seed: int) -> Vector:
        """Initial weights [P], own memory. The same seed gives the same bytes; LeNet's do not depend on Keras or the host.

        A custom model is built again after `keras.utils.set_random_seed(seed)`, which also seeds Python's and numpy's global generators.
        """
        if self._build is _lenet:
            return _xavier(self.parameters, seed)
        return np.concatenate([variable.numpy().ravel() for variable in _vector_variables(self._built(seed))])

    def start(self, weights: Vector) -> TrainState:
        """A state with these weights [P], not copied, at rest and at iteration 0. Raises `ValueError` for another size."""
        if weights.shape != (self._size,):
            raise ValueError(f"weights of shape {weights.shape} where a vector of {self._size} is needed")
        return TrainState(weights, np.zeros(self._size, np.float32), 0)

    def train(self, state: TrainState, x: np.ndarray, y: np.ndarray) -> tuple[TrainState, float]:
        """k steps of SGD, k >= 1: x uint8 or float32 [k, batch, *input_shape], y integers [k, batch]; k and batch may vary.

        The new state's vectors are read-only views of TensorFlow's memory; the loss is the mean over the steps.
        """
        if not x.size:
            raise ValueError("training needs at least one step and one sample")
        given = state.weights, state.momentum, np.int64(state.iteration), x, y.astype(np.int64)
        weights, momentum, loss = self._try("trained", lambda: self._train(x.dtype)(*map(tf.convert_to_tensor, given)))
        return TrainState(as_vector(weights), as_vector(momentum), state.iteration + len(x)), float(loss)

    def measure(self, weights: Vector, x: np.ndarray, y: np.ndarray) -> int:
        """How many of the n samples get their own label: x uint8 or float32 [n, *input_shape], y integers [n]; any n."""
        labels = y.astype(np.int64)
        return self._try("measured", lambda: sum(map(int, by_chunk(self._measure, weights, x, labels))))

    def probabilities(self, weights: Vector, x: np.ndarray) -> np.ndarray:
        """What the model gives each label of n samples x uint8 or float32 [n, *input_shape]: float32 [n, labels], rows of sum 1."""
        return self._try("measured", lambda: np.concatenate([one.numpy() for one in by_chunk(self._probable, weights, x)]))

    def warm(self, batch: int, k: int, measure_n: int) -> None:
        """Traces what uint8 messages will need, by k steps of `batch` and a measure of `measure_n`; 0 leaves either out.

        k = 1 is enough: the traced function serves every k.
        """
        weights = np.zeros(self._size, np.float32)
        if k and batch:
            self.train(self.start(weights), np.zeros((k, batch, *self._shape), np.uint8), np.zeros((k, batch), np.int64))
        self.measure(weights, np.zeros((measure_n, *self._shape), np.uint8), np.zeros(measure_n, np.int64))

    def rehearse(self, batch: int, measure_n: int) -> None:
        """Everything that a run will ask of the model, once: a step, a measurement, and a file of it. Raises `ModelError`."""
        self.warm(batch, 1, measure_n)
        with tempfile.TemporaryDirectory(prefix="dfl-model-") as folder:
            self.save(np.zeros(self._size, np.float32), Path(folder, "model.keras"), Samples(self._shape, floats=False))

    def save(self, weights: Vector, path: Path, samples: Samples) -> None:
        """Writes a .keras file for `keras.saving.load_model`, which needs nothing of ours; it takes `samples` as their source holds them.

        Raises `ModelError` if the model or the path (which must end in .keras) cannot be saved.
        """
        views = self.parameters.views(weights)
        for variable, layer in zip(_vector_variables(self._model), self.parameters.layers, strict=True):
            variable.assign(views[layer.name])
        with warnings.catch_warnings(action="ignore"):
            self._try(f"saved to {path}", lambda: self._taking(samples).save(path))

    def _taking(self, samples: Samples) -> keras.Model:
        """The model with what `learning.data` and training do to a sample in front of it."""
        given = keras.Input(samples.shape if len(samples.shape) == 1 else self._shape)
        pixels = keras.layers.Reshape(self._shape)(given) if len(samples.shape) == 1 else given
        if samples.floats:
            pixels = keras.ops.round(keras.layers.Rescaling(LEVELS)(pixels))
        return keras.Model(given, self._model(keras.layers.Rescaling(SCALE)(pixels)))

    def _try(self, what: str, action: Callable[[], T]) -> T:
        return guarded(f"model {self.name!r} cannot be {what}", action, ModelError)

    def _built(self, seed: int) -> keras.Model:
        # Keras numbers the names of layers through the process; every host must find the same names.
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        what = f"built for samples {self._shape}"
        with warnings.catch_warnings(action="ignore"):
            model = self._try(what, lambda: self._build(self._shape, self._labels))
            _check_model(self.name, model, self._shape, self._labels)
        return model


def _lenet(input_shape: tuple[int, ...], labels: int) -> keras.Model:
    """LeNet as in Caffe's example for MNIST: 431,080 weights for 28x28x1 and 10 labels; the output is logits."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(20, 5, name="conv1", data_format="channels_last", dtype="float32"),
            layers.MaxPooling2D(2, name="pool1", data_format="channels_last", dtype="float32"),
            layers.Conv2D(50, 5, name="conv2", data_format="channels_last", dtype="float32"),
            layers.MaxPooling2D(2, name="pool2", data_format="channels_last", dtype="float32"),
            layers.Flatten(name="flat", data_format="channels_last", dtype="float32"),
            layers.Dense(500, activation="relu", name="ip1", dtype="float32"),
            layers.Dense(labels, name="ip2", dtype="float32"),
        ],
        name=LENET,
    )


def _xavier(parameters: Parameters, seed: int) -> Vector:
    """Caffe's Xavier filler: uniform within +-sqrt(3 / fan_in), biases zero; one generator draws layer after layer."""
    rng, flat = np.random.default_rng(seed), np.zeros(parameters.size, np.float32)
    for view in parameters.views(flat).values():
        if view.ndim > 1:
            bound = np.float32(np.sqrt(3 / prod(view.shape[:-1])))
            view[...] = (2 * rng.random(view.shape, np.float32) - 1) * bound
    return flat


def _vector_variables(model: keras.Model) -> list[keras.Variable]:
    """The variables of the flat vector, in its order."""
    return [*model.trainable_variables, *filter(is_float, model.non_trainable_variables)]


def _parameters(name: str, model: keras.Model) -> Parameters:
    layers = tuple(Layer(name=variable.path, shape=tuple(variable.shape)) for variable in _vector_variables(model))
    names = [layer.name for layer in layers]
    for twice in {one for one in names if names.count(one) > 1}:
        raise ModelError(f"model {name!r}: two arrays are called {twice!r}; give its layers different names")
    return Parameters(layers)


def _check_model(name: str, model: keras.Model, input_shape: tuple[int, ...], labels: int) -> None:
    """Raises `ModelError` unless `model` is a Keras model for these samples and labels, with float32 weights to train."""
    if not isinstance(model, keras.Model):
        raise ModelError(f"model {name!r}: build must return a keras.Model, not {type(model).__name__}")
    samples = np.zeros((2, *input_shape), np.float32)
    output = guarded(f"model {name!r} does not accept samples {input_shape}", lambda: model(samples, training=False), ModelError)
    if not tf.is_tensor(output) or tuple(output.shape) != (2, labels):
        found = tuple(output.shape[1:]) if tf.is_tensor(output) else type(output).__name__
        raise ModelError(f"model {name!r}: the output for a sample must be ({labels},), one number a label, not {found}")
    if not model.trainable_variables:
        raise ModelError(f"model {name!r} has no weights to train")
    for variable in _vector_variables(model):
        if variable.dtype != "float32":
            raise ModelError(f"model {name!r}: {variable.path} is {variable.dtype}; build the model with float32 weights")


def _load_build(model: str) -> Build:
    place, _, attribute = model.rpartition(":")
    if not place or not attribute:
        raise ModelError(f"model {model!r} is not known; give 'lenet', 'package.module:build' or 'path/file.py:build'")
    build: Build | None = guarded(
        f"model {model!r}: {place} cannot be imported", lambda: getattr(_module(place), attribute, None), ModelError
    )
    if not callable(build):
        raise ModelError(f"model {model!r}: {place} has no function {attribute!r}")
    return build


def _module(place: str) -> ModuleType:
    return load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
