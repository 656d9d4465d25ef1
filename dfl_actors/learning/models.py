"""Keras models that train and are measured by one compiled function each.

A `Learner` is a model without weights: every call is given them as one flat float32 vector, because `fit`, `predict` and
`set_weights` cost several times what the arithmetic does. `network` says what becomes of the vector inside.

A model is built for the form of its data (`learning.form`), whose uint8 images are scaled before the model sees them. It may return logits,
or probabilities if the layer that makes its output is a softmax (of a multilabel task: a sigmoid) or has one as its activation. The loss is
the mean cross-entropy, of a regression the mean squared error, plus the model's own regularisation losses.

Whatever a custom model does wrong, when it is built, traced, run or saved, is a `ModelError` of one line.
"""

import tempfile
import warnings
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TypeVar

import numpy as np

from dfl_actors.config import Config
from dfl_actors.config.sections import Data
from dfl_actors.errors import ModelError
from dfl_actors.learning.architectures import Build, build_of, file_weights, lenet
from dfl_actors.learning.export import Contract, contract_of, taking_samples, write
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.form import Array, Form, Samples
from dfl_actors.learning.framework import keras, limit_threads, silenced, tf, use_device
from dfl_actors.learning.momentum import Optimiser
from dfl_actors.learning.network import Network, as_vector, by_chunk, fitting, is_float, lazy, prepared, signature, tensors
from dfl_actors.learning.optimizers import remark_on, rule_of, trainer
from dfl_actors.learning.score import Score, score_of
from dfl_actors.learning.weights import LENET, Layer, Parameters, Recipe, TrainState, Vector, recipe_of

__all__ = ["LENET", "Learner", "Recipe", "TrainState", "limit_threads", "load_learner"]

T = TypeVar("T")


def load_learner(model: str, recipe: Recipe, form: Form, proposed: Optimiser | None = None) -> "Learner":
    """The learner of `model`, one that `architectures.build_of` knows, for samples of this form; `proposed` is the optimiser that an
    algorithm brings, for a recipe and a model that name none.

    A model goes from [n, *shape] to an output that fits the task, with float32 weights; where a sample has several inputs, it is called
    with a mapping of them. Keras' global state is cleared first, so that every process finds the same names. Raises `ModelError`.
    """
    return Learner(model, build_of(model), recipe, form, proposed)


def learner_of(config: Config, form: Form, proposed: Optimiser | None = None) -> "Learner":
    """The learner of a configuration for samples of this form, with one thread for TensorFlow, on the device that the configuration
    wants. Raises `ModelError`, and `ConfigError` for a device that is not here."""
    limit_threads()
    use_device(config.training.device)
    return load_learner(config.training.model, recipe_of(config), form, proposed)


class Learner:
    """Trains and measures one architecture. Holds no weights; every vector it takes may be read-only, and is copied if kept."""

    def __init__(self, name: str, build: Build, recipe: Recipe, form: Form, proposed: Optimiser | None) -> None:
        self.name, self.form, self._build, self._from_file = name, form, build, recipe.init == "file"
        with silenced():
            tf.constant(0)  # starts TensorFlow, which prints more then
        self._model = self._built(seed=0)
        self.parameters = _parameters(name, self._model)
        self._size = self.parameters.size
        self._network, flat = Network(self._model, form, self._width), tf.TensorSpec([self._size])
        network = self._network
        (target, kind), one = form.targets, tf.TensorSpec([], tf.int64)
        steps, many = (tf.TensorSpec([*lead, *target], kind) for lead in ([None, None], [None]))
        rule = rule_of(recipe, self._model, network, proposed)
        self.remark, self.rest, self.optimiser = remark_on(name, recipe, self._model, rule, form.task), rule.rest, rule.optimiser
        self.noised = recipe.noise > 0
        state, seed = (flat, flat if rule.optimiser else tf.TensorSpec(self.rest.shape), one), tf.TensorSpec([2], tf.int64)
        self._train = lazy(trainer(rule, self.noised), *state, signature(form, None, None), steps, *[seed] * self.noised)
        self._sums = lazy(network.sums, flat, signature(form, None), many)
        self._answers = lazy(network.answers, flat, signature(form, None))

    def initial(self, seed: int) -> Vector:
        """Initial weights [P], own memory. The same seed gives the same bytes; LeNet's do not depend on Keras or the host.

        A custom model is built again after `keras.utils.set_random_seed(seed)`, which also seeds Python's and numpy's global generators.
        Raises `ModelError` for weights of a file that are not finite.
        """
        if self._build is lenet:
            return _xavier(self.parameters, seed)
        if self._from_file:
            weights: Vector = np.concatenate([array.ravel() for array in file_weights(self.name)])
            if not np.isfinite(weights).all():
                raise ModelError(f'the weights in {self.name} hold NaN or infinity; save it before it diverged, or remove init = "file"')
            return weights
        return np.concatenate([variable.numpy().ravel() for variable in _vector_variables(self._built(seed))])

    def start(self, weights: Vector) -> TrainState:
        """A state with these weights [P], not copied, at rest and at iteration 0. Raises `ValueError` for another size."""
        if weights.shape != (self._size,):
            raise ValueError(f"weights of shape {weights.shape} where a vector of {self._size} is needed")
        return TrainState(weights, self.rest.copy(), 0)

    def train(
        self, state: TrainState, x: Samples, y: Array, velocity: Vector | None = None, seed: Array | None = None
    ) -> tuple[TrainState, float]:
        """k steps of SGD, k >= 1: samples x [k, batch, ...] and what they are, y [k, batch, ...]; k and batch may vary. `velocity` [P] is
        what `optimiser` says, if there is one; `momentum.Course` asks it. `seed`, int64 [2], is that of the noise, if the learner is
        `noised`: it must be another one in each call, and a secret of the node's; batches may then be empty.

        The new state's vectors are read-only views of TensorFlow's memory; the loss is the mean over the steps.
        """
        if not len(y) or not (y.size or self.noised) or self.noised != (seed is not None):
            raise ValueError("training needs at least one step and one sample, and with noise a seed")
        given = state.weights, state.slots if velocity is None else velocity, np.int64(state.iteration)
        weights, slots, loss = self._try(
            "trained",
            lambda: self._train()(
                *map(tf.convert_to_tensor, given),
                tensors(x),
                tf.convert_to_tensor(self._targets(y)),
                *([] if seed is None else [tf.convert_to_tensor(seed)]),
            ),
        )
        return TrainState(as_vector(weights), as_vector(slots), state.iteration + len(y)), float(loss)

    def sums(self, weights: Vector, x: Samples, y: Array) -> Array:
        """What `learning.score` adds up of n samples, any n: float64, of another part of the samples to be added to it."""
        parts = self._try("measured", lambda: [one.numpy() for one in by_chunk(self._sums, weights, x, self._targets(y))])
        return np.asarray(np.sum([self.form.nothing, *parts], axis=0, dtype=np.float64))

    def measure(self, weights: Vector, x: Samples, y: Array) -> Score:
        """How good the model with these weights [P] is on n samples, any n."""
        return score_of(self.form, self.sums(weights, x, y), y)

    def answers(self, weights: Vector, x: Samples) -> Array:
        """What the model says of n samples: float32 [n, labels], probabilities, or the numbers that a regression finds."""
        return self._try("measured", lambda: np.concatenate([one.numpy() for one in by_chunk(self._answers, weights, x)]))

    def _targets(self, y: Array) -> Array:
        return y.astype(self.form.targets[1])

    def warm(self, batch: int, k: int, measure_n: int) -> None:
        """Traces what messages will need, by k steps of `batch` and a measure of `measure_n`; 0 leaves either out.

        k = 1 is enough: the traced function serves every k.
        """
        weights, (target, _) = np.zeros(self._size, np.float32), self.form.targets
        if k and batch:
            velocity = None if self.optimiser is None else weights
            seed = np.zeros(2, np.int64) if self.noised else None
            self.train(self.start(weights), self.form.zeros(k, batch), np.zeros((k, batch, *target), np.uint8), velocity, seed)
        self.sums(weights, self.form.zeros(measure_n), np.zeros((measure_n, *target), np.uint8))

    def rehearse(self, batch: int, measure_n: int) -> None:
        """Everything that a run will ask of the model, once: a step, a measurement, and a file of it. Raises `ModelError`."""
        self.warm(batch, 1, measure_n)
        with tempfile.TemporaryDirectory(prefix="dfl-model-") as folder:
            self.save(np.zeros(self._size, np.float32), Path(folder, "model.keras"))

    def save(self, weights: Vector, path: Path, contract: Contract | None = None, kind: str = ".keras") -> None:
        """Writes the model as `export` has it, which needs nothing of ours: ".keras", ".safetensors", or "" for a SavedModel's folder.

        Raises `ModelError` if the model or the path cannot be saved.
        """
        views = self.parameters.views(weights)
        for variable, layer in zip(_vector_variables(self._model), self.parameters.layers, strict=True):
            variable.assign(views[layer.name])
        form, logits, said = self.form, self._network.from_logits, contract or contract_of(self.form, Data(), {})

        def written() -> None:
            write(taking_samples(self._model, form, self._width, logits), views, said, path, kind)

        self._try(f"saved to {path}", written)

    def _try(self, what: str, action: Callable[[], T]) -> T:
        return guarded(f"model {self.name!r} cannot be {what}", action, ModelError)

    def _built(self, seed: int) -> keras.Model:
        # Keras numbers the names of layers through the process; every host must find the same names.
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        shape = self.form.shape
        with warnings.catch_warnings(action="ignore"):
            model = self._try(f"built for samples {shape}", lambda: self._build(self.form))
            self._width = _checked_width(self.name, model, self.form)
        return model


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


def _checked_width(name: str, model: keras.Model, form: Form) -> int:
    """How many numbers the model makes of a sample.

    Raises `ModelError` unless it is a Keras model for these samples and labels, with float32 weights to train.
    """
    if not isinstance(model, keras.Model):
        raise ModelError(f"model {name!r}: build must return a keras.Model, not {type(model).__name__}")
    samples = prepared(form, tensors(form.zeros(2)))
    output = guarded(f"model {name!r} does not accept samples {form.shape}", lambda: model(samples, training=False), ModelError)
    fit = fitting(form, output)
    if fit is None:
        found = tuple(output.shape[1:]) if tf.is_tensor(output) else type(output).__name__
        raise ModelError(f"model {name!r}: the output for a sample must be ({form.outputs},), one number a label, not {found}")
    if not model.trainable_variables:
        raise ModelError(f"model {name!r} has no weights to train")
    for variable in _vector_variables(model):
        if variable.dtype != "float32":
            raise ModelError(f"model {name!r}: {variable.path} is {variable.dtype}; build the model with float32 weights")
    return int(fit.shape[1])
