"""Keras models that train and are measured by one compiled function each. The only importer of Keras and TensorFlow.

A `Learner` is a model without weights: every call is given them as one flat float32 vector, because `fit`, `predict` and
`set_weights` cost several times what the arithmetic does. Inside the compiled function the vector is cut into the model's
variables, Keras' `stateless_call` computes with them, and the results are joined again. The vector holds first what SGD
trains, then the other float variables (the running statistics of batch normalisation), which training moves too.

k steps run as one `tf.while_loop`: per step as fast as k unrolled steps, traced in the time of one step, and once for
every k, batch and number of samples. Nothing is traced before the first call that needs it, or `Learner.warm`.

Pixels of type uint8 are scaled to 0..1 by 1/256 (Caffe's LeNet) before the model sees them; float32 samples are taken as
they are. A custom model therefore is built for scaled samples; it may return logits, or probabilities if the layer that
makes its output is a softmax or has one as its activation. The loss is the mean cross-entropy, plus the model's own
regularisation losses.

Importing this module runs no TensorFlow operation, so a fork server may preload it; `limit_threads` comes before any.
"""

import hashlib
import importlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from dfl_actors.errors import ModelError
from dfl_actors.learning.weights import Layer, Parameters, Recipe, TrainState, Vector


@contextmanager
def _silenced() -> Iterator[None]:
    """Nothing reaches the process's stderr: TensorFlow's C++ greets there, past every log level. Its errors are exceptions."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# On by itself only on some processors, and 1.5 times as fast on the others too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with _silenced():
    import keras
    import tensorflow as tf
for _logger in ("tensorflow", "absl"):
    logging.getLogger(_logger).setLevel(logging.CRITICAL)

__all__ = ["Learner", "Recipe", "TrainState", "limit_threads", "load_learner"]

Build = Callable[[tuple[int, ...], int], Any]

LENET = "lenet"
SCALE = 1 / 256
# Samples measured at once: more does not fit the caches, fewer pays the call more often.
CHUNK = 250


def limit_threads() -> None:
    """One thread for TensorFlow in this process; many processes share the machine. Call it before anything else here.

    Raises `RuntimeError` if TensorFlow has already started more.
    """
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != 1:
        threading.set_intra_op_parallelism_threads(1)
    if threading.get_inter_op_parallelism_threads() != 1:
        threading.set_inter_op_parallelism_threads(1)


def load_learner(model: str, recipe: Recipe, input_shape: tuple[int, ...], labels: int) -> "Learner":
    """The learner of `model`: "lenet", "package.module:build" or "path/file.py:build", for samples of `input_shape`.

    `build(input_shape, labels)` returns a `keras.Model` from [n, *input_shape] to [n, labels], with float32 weights.
    Keras' global state is cleared first, so that every process finds the same names. Raises `ModelError` for all that is wrong.
    """
    build = _lenet if model == LENET else _load_build(model)
    return Learner(model, build, recipe, input_shape, labels)


class Learner:
    """Trains and measures one architecture. Holds no weights; every vector it takes may be read-only, and is copied if kept."""

    def __init__(self, name: str, build: Build, recipe: Recipe, input_shape: tuple[int, ...], labels: int) -> None:
        """See `load_learner`."""
        self.name = name
        self._build, self._shape, self._labels = build, input_shape, labels
        with _silenced():
            tf.constant(0)  # starts TensorFlow, which has more to say
        self._model = self._built(seed=0)
        self.parameters = _parameters(name, self._model)
        self._size = self.parameters.size
        network, flat = _Network(self._model), tf.TensorSpec([self._size])
        one, many, table = (tf.TensorSpec(shape, tf.int64) for shape in ([], [None], [None, None]))
        self._train = _by_dtype(
            _train_function(network, recipe), lambda dtype: [flat, flat, one, tf.TensorSpec([None, None, *input_shape], dtype), table]
        )
        self._measure = _by_dtype(_measure_function(network), lambda dtype: [flat, tf.TensorSpec([None, *input_shape], dtype), many])
        self._probable = _by_dtype(_probable_function(network), lambda dtype: [flat, tf.TensorSpec([None, *input_shape], dtype)])

    def initial(self, seed: int) -> Vector:
        """Initial weights [P], own memory. The same seed gives the same bytes; LeNet's do not depend on Keras or the host.

        A custom model is built again after `keras.utils.set_random_seed(seed)`, which also seeds Python's and numpy's global generators.
        """
        if self._build is _lenet:
            return _xavier(self.parameters, seed)
        return _values(self._built(seed))

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
        weights, momentum, loss = self._train(x.dtype)(*map(tf.convert_to_tensor, given))
        return TrainState(_view(weights), _view(momentum), state.iteration + len(x)), float(loss)

    def measure(self, weights: Vector, x: np.ndarray, y: np.ndarray) -> int:
        """How many of the n samples get their own label: x uint8 or float32 [n, *input_shape], y integers [n]; any n."""
        count, given, labels = self._measure(x.dtype), tf.convert_to_tensor(weights), y.astype(np.int64)
        chunks = [slice(start, start + CHUNK) for start in range(0, len(x), CHUNK)]
        return sum(int(count(given, *map(tf.convert_to_tensor, (x[chunk], labels[chunk])))) for chunk in chunks)

    def probabilities(self, weights: Vector, x: np.ndarray) -> np.ndarray:
        """What the model gives each label of n samples x uint8 or float32 [n, *input_shape]: float32 [n, labels], rows of sum 1."""
        probable, given = self._probable(x.dtype), tf.convert_to_tensor(weights)
        chunks = [tf.convert_to_tensor(x[start : start + CHUNK]) for start in range(0, len(x), CHUNK)]
        return np.concatenate([probable(given, chunk).numpy() for chunk in chunks])

    def warm(self, batch: int, k: int, measure_n: int) -> None:
        """Traces what uint8 messages will need, by k steps of `batch` and a measure of `measure_n`; 0 leaves either out.

        k = 1 is enough: the traced function serves every k.
        """
        weights = np.zeros(self._size, np.float32)
        if k and batch:
            self.train(self.start(weights), np.zeros((k, batch, *self._shape), np.uint8), np.zeros((k, batch), np.int64))
        self.measure(weights, np.zeros((measure_n, *self._shape), np.uint8), np.zeros(measure_n, np.int64))

    def save(self, weights: Vector, path: Path) -> None:
        """Writes a .keras file for `keras.saving.load_model`. It takes raw pixels 0..255: a Rescaling(1/256) stands in front.

        Raises `ModelError` if the model or the path (which must end in .keras) cannot be saved.
        """
        views = self.parameters.views(weights)
        for variable, layer in zip(_vector_variables(self._model), self.parameters.layers, strict=True):
            variable.assign(views[layer.name])
        try:
            with warnings.catch_warnings(action="ignore"):
                keras.Sequential([keras.Input(self._shape), keras.layers.Rescaling(SCALE), self._model]).save(path)
        except Exception as error:
            raise ModelError(f"model {self.name!r} cannot be saved to {path}: {_line(error)}") from error

    def _built(self, seed: int) -> Any:
        # Keras numbers the names of layers through the process; every host must find the same names.
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        with warnings.catch_warnings(action="ignore"):
            try:
                model = self._build(self._shape, self._labels)
            except Exception as error:
                raise ModelError(f"model {self.name!r} cannot be built for samples {self._shape}: {_line(error)}") from error
            _check_model(self.name, model, self._shape, self._labels)
        return model


def _lenet(input_shape: tuple[int, ...], labels: int) -> Any:
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


class _Network:
    """A Keras model as a function of its weights: which variables SGD trains, which a step moves, which stay."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.trained = model.trainable_variables
        self.others = model.non_trainable_variables
        self.moved = [variable for variable in self.others if _is_float(variable)]
        self._constants = [None if _is_float(variable) else variable.numpy() for variable in self.others]
        self.n_trained = sum(prod(variable.shape) for variable in self.trained)
        self.size = self.n_trained + sum(prod(variable.shape) for variable in self.moved)
        self.from_logits = not _ends_in_softmax(model)

    def call(self, values: list[Any], moved: Any, iteration: Any, x: Any, training: bool) -> tuple[Any, Any, list[Any]]:
        """Output [n, labels] for samples x [n, ...], the moved variables after it (flat), and regularisation losses."""
        x = tf.cast(x, tf.float32) * SCALE if x.dtype == tf.uint8 else x
        others = self._others(moved, iteration)
        output, others, losses = self._model.stateless_call(values, others, x, training=training, return_losses=True)
        after = [value for value, constant in zip(others, self._constants, strict=True) if constant is None]
        return tf.cast(output, tf.float32), _join(after) if after else moved, losses

    def _others(self, moved: Any, iteration: Any) -> list[Any]:
        """The untrained variables: floats from the vector, integers as built, and for dropout a new seed each step."""
        floats = iter(_cut(moved, self.moved))
        return [
            next(floats) if constant is None else _seed(constant, iteration) if "seed_generator_state" in variable.path else constant
            for variable, constant in zip(self.others, self._constants, strict=True)
        ]


def _step(network: _Network, recipe: Recipe) -> Callable[..., tuple[Any, Any, Any, Any]]:
    """One step of SGD on the trained part w and the moved part s of the vector, with velocity v; `Recipe` has the formula."""
    factors = [np.full(prod(one.shape), recipe.bias_rate if one.name == "bias" else 1, np.float32) for one in network.trained]
    factor = np.concatenate(factors)

    def step(w: Any, v: Any, s: Any, iteration: Any, x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
        values = _cut(w, network.trained)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            output, s, losses = network.call(values, s, iteration, x, training=True)
            entropy = keras.losses.sparse_categorical_crossentropy(y, output, from_logits=network.from_logits)
            loss = tf.add_n([tf.reduce_mean(entropy), *(tf.reduce_sum(extra) for extra in losses)])
        gradient = _join(tape.gradient(loss, values, unconnected_gradients="zero"))
        rate = recipe.learning_rate * tf.pow(1 + recipe.gamma * tf.cast(iteration, tf.float32), -recipe.power)
        v = recipe.momentum * v + (rate * factor) * (gradient + recipe.weight_decay * w)
        return w - v, v, s, loss

    return step


def _train_function(network: _Network, recipe: Recipe) -> Callable[..., tuple[Any, Any, Any]]:
    """(weights [P], velocity [P], iteration, x [k, batch, ...], y [k, batch]) -> (weights, velocity, mean loss)."""
    step, n = _step(network, recipe), network.n_trained

    def train(weights: Any, momentum: Any, iteration: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        steps = tf.shape(y, tf.int64)[0]

        def body(i: Any, w: Any, v: Any, s: Any, total: Any) -> tuple[Any, Any, Any, Any, Any]:
            w, v, s, loss = step(w, v, s, iteration + i, x[i], y[i])
            return i + 1, w, v, s, total + loss

        start = (tf.constant(0, tf.int64), weights[:n], momentum[:n], weights[n:], 0.0)
        _, w, v, s, total = tf.while_loop(lambda i, *_: i < steps, body, start, parallel_iterations=1)
        if network.moved:
            w, v = tf.concat([w, s], 0), tf.concat([v, momentum[n:]], 0)
        return w, v, total / tf.cast(steps, tf.float32)

    return train


def _measure_function(network: _Network) -> Callable[..., Any]:
    """(weights [P], x [n, ...], y [n]) -> how many of the n are right."""
    n = network.n_trained

    def measure(weights: Any, x: Any, y: Any) -> Any:
        output, _, _ = network.call(_cut(weights[:n], network.trained), weights[n:], 0, x, training=False)
        return tf.math.count_nonzero(tf.argmax(output, 1) == y)

    return measure


def _probable_function(network: _Network) -> Callable[..., Any]:
    """(weights [P], x [n, ...]) -> probabilities [n, labels]."""
    n = network.n_trained

    def probable(weights: Any, x: Any) -> Any:
        output, _, _ = network.call(_cut(weights[:n], network.trained), weights[n:], 0, x, training=False)
        return tf.nn.softmax(output) if network.from_logits else output

    return probable


def _by_dtype(function: Callable[..., Any], signature: Callable[[type], list[Any]]) -> Callable[[Any], Any]:
    """The compiled `function` for the dtype of samples it is asked for; nothing is traced before it is asked for.

    It takes tensors only: a `tf.function` that finds out what it was called with costs 0.1 ms more a call.
    """

    @cache
    def compiled(dtype: Any) -> Any:
        return tf.function(function, signature(dtype), autograph=False).get_concrete_function()

    return compiled


def _cut(flat: Any, variables: list[Any]) -> list[Any]:
    if not variables:
        return []
    pieces = tf.split(flat, [prod(variable.shape) for variable in variables])
    return [tf.reshape(piece, variable.shape) for piece, variable in zip(pieces, variables, strict=True)]


def _join(values: list[Any]) -> Any:
    return tf.concat([tf.reshape(value, [-1]) for value in values], 0)


def _seed(built: np.ndarray, iteration: Any) -> Any:
    # The state of a Keras seed generator is (seed, how often it was used).
    return tf.stack([tf.constant(built[0]), tf.cast(iteration, built.dtype)])


def _view(tensor: Any) -> Vector:
    return np.asarray(memoryview(tensor))


def _is_float(variable: Any) -> bool:
    return "float" in variable.dtype


def _vector_variables(model: Any) -> list[Any]:
    """The variables of the flat vector, in its order."""
    return [*model.trainable_variables, *filter(_is_float, model.non_trainable_variables)]


def _values(model: Any) -> Vector:
    return np.concatenate([variable.numpy().ravel() for variable in _vector_variables(model)])


def _parameters(name: str, model: Any) -> Parameters:
    layers = tuple(Layer(name=variable.path, shape=tuple(variable.shape)) for variable in _vector_variables(model))
    names = [layer.name for layer in layers]
    for twice in {one for one in names if names.count(one) > 1}:
        raise ModelError(f"model {name!r}: two arrays are called {twice!r}; give its layers different names")
    return Parameters(layers)


def _ends_in_softmax(model: Any) -> bool:
    """Whether what makes the output makes probabilities. A model inside the model is looked into."""
    last = model
    while isinstance(last, keras.Model) and last.layers:
        outputs = getattr(last, "outputs", None)
        last = outputs[0]._keras_history.operation if outputs else last.layers[-1]  # noqa: SLF001 - nothing public names it
    return type(last).__name__ == "Softmax" or getattr(last, "activation", None) is keras.activations.softmax


def _check_model(name: str, model: Any, input_shape: tuple[int, ...], labels: int) -> None:
    """Raises `ModelError` unless `model` is a Keras model for these samples and labels, with float32 weights to train."""
    if not isinstance(model, keras.Model):
        raise ModelError(f"model {name!r}: build must return a keras.Model, not {type(model).__name__}")
    try:
        output = model(np.zeros((2, *input_shape), np.float32), training=False)
    except Exception as error:
        raise ModelError(f"model {name!r} does not accept samples {input_shape}: {_line(error)}") from error
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
    try:
        module = _load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:
        raise ModelError(f"model {model!r}: {place} cannot be imported: {_line(error)}") from error
    build = getattr(module, attribute, None)
    if not callable(build):
        raise ModelError(f"model {model!r}: {place} has no function {attribute!r}")
    return cast("Build", build)


def _load_file(path: Path) -> ModuleType:
    """Runs the file as a module under a name of its own, so that files called alike do not replace each other."""
    name = f"dfl_actors_model_{path.stem}_{hashlib.sha256(bytes(path.resolve())).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # Keras and dataclasses look their classes' module up while the file runs.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _line(error: BaseException) -> str:
    """What went wrong, on one line: Keras explains itself on many."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
