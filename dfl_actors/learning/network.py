"""A Keras model as a function of one flat vector of weights: training, measuring and probabilities, each compiled once.

Inside a compiled function the vector is cut into the model's variables, the model is called on them in Keras' stateless scope, and the
results are joined again. The vector holds first what SGD trains, then the other float variables (the running statistics of batch
normalisation), which training moves too.

The model is called as anybody calls it, `model(x, training=...)`: a `call` of the user's own need not take `training`, and the layers in it
are given it nevertheless. k steps run as one `tf.while_loop`: per step as fast as k unrolled steps, traced in the time of one step, and
once for every k, batch and number of samples. Nothing is traced before the first call that needs it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from math import prod
from typing import TypeAlias

import numpy as np

from dfl_actors.learning.framework import keras, tf
from dfl_actors.learning.weights import Recipe, Vector

SCALE = 1 / 256  # Of samples that are uint8: Caffe's for LeNet. float32 samples are taken as they are.
CHUNK = 250  # Samples measured at once: more does not fit the caches, fewer pays the call more often.

Tensor: TypeAlias = tf.Tensor
Tensors = Sequence[Tensor]
Compiled = Callable[..., Tensor]
ByDtype = Callable[[np.dtype], Compiled]


class Network:
    """A Keras model as a function of its weights: which variables SGD trains, which a step moves, which stay."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self.trained = model.trainable_variables
        self.others = model.non_trainable_variables
        self.moved = [variable for variable in self.others if is_float(variable)]
        self._constants = [None if is_float(variable) else variable.numpy() for variable in self.others]
        self.n_trained = sum(prod(variable.shape) for variable in self.trained)
        self.from_logits = not _ends_in_softmax(model)

    def call(self, values: Tensors, moved: Tensor, iteration: Tensor, x: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensors]:
        """Output [n, labels] for samples x [n, ...], the moved variables after it (flat), and regularisation losses."""
        x = tf.cast(x, tf.float32) * SCALE if x.dtype == tf.uint8 else x
        others = self._others(moved, iteration)
        mapping = [*zip(self.trained, values, strict=True), *zip(self.others, others, strict=True)]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            output, losses = self._model(x, training=training), self._model.losses
        after = [scope.get_current_value(variable) for variable in self.moved]
        return tf.cast(output, tf.float32), _join(after) if after else moved, losses

    def right(self, weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """How many of the n samples the model with weights [P] gets right, x [n, ...], y [n]."""
        return tf.math.count_nonzero(tf.argmax(self._output(weights, x), 1) == y)

    def probabilities(self, weights: Tensor, x: Tensor) -> Tensor:
        """[n, labels] of samples x [n, ...] by the model with weights [P]."""
        output = self._output(weights, x)
        return tf.nn.softmax(output) if self.from_logits else output

    def _output(self, weights: Tensor, x: Tensor) -> Tensor:
        values, moved = _cut(weights[: self.n_trained], self.trained), weights[self.n_trained :]
        return self.call(values, moved, 0, x, training=False)[0]

    def _others(self, moved: Tensor, iteration: Tensor) -> Tensors:
        """The untrained variables: floats from the vector, integers as built, and for dropout a new seed each step."""
        floats = iter(_cut(moved, self.moved))
        return [
            next(floats) if constant is None else _seed(constant, iteration) if "seed_generator_state" in variable.path else constant
            for variable, constant in zip(self.others, self._constants, strict=True)
        ]


def _step(network: Network, recipe: Recipe) -> Compiled:
    """One step of SGD on the trained part w and the moved part s of the vector, with velocity v; `Recipe` has the formula."""
    factors = [np.full(prod(one.shape), recipe.bias_rate if one.name == "bias" else 1, np.float32) for one in network.trained]
    factor = np.concatenate(factors)

    def step(w: Tensor, v: Tensor, s: Tensor, iteration: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
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


def train_function(network: Network, recipe: Recipe) -> Compiled:
    """(weights [P], velocity [P], iteration, x [k, batch, ...], y [k, batch]) -> (weights, velocity, mean loss)."""
    step, n = _step(network, recipe), network.n_trained

    def train(weights: Tensor, momentum: Tensor, iteration: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        steps = tf.shape(y, tf.int64)[0]

        def body(i: Tensor, w: Tensor, v: Tensor, s: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
            w, v, s, loss = step(w, v, s, iteration + i, x[i], y[i])
            return i + 1, w, v, s, total + loss

        start = (tf.constant(0, tf.int64), weights[:n], momentum[:n], weights[n:], 0.0)
        _, w, v, s, total = tf.while_loop(lambda i, *_: i < steps, body, start, parallel_iterations=1)
        if network.moved:
            w, v = tf.concat([w, s], 0), tf.concat([v, momentum[n:]], 0)
        return w, v, total / tf.cast(steps, tf.float32)

    return train


def by_dtype(function: Compiled, signature: Callable[[np.dtype], list[tf.TensorSpec]]) -> ByDtype:
    """The compiled `function` for the dtype of samples it is asked for; nothing is traced before it is asked for.

    It takes tensors only: a `tf.function` that finds out what it was called with costs 0.1 ms more a call.
    """

    @cache
    def compiled(dtype: np.dtype) -> Compiled:
        concrete: Compiled = tf.function(function, signature(dtype), autograph=False).get_concrete_function()
        return concrete

    return compiled


def by_chunk(function: ByDtype, weights: Vector, *arrays: np.ndarray) -> Iterator[Tensor]:
    """What `function` makes of each chunk of samples; `arrays` are these and what belongs to them, [n, ...] each."""
    compiled, given = function(arrays[0].dtype), tf.convert_to_tensor(weights)
    for start in range(0, len(arrays[0]), CHUNK):
        yield compiled(given, *(tf.convert_to_tensor(array[start : start + CHUNK]) for array in arrays))


def _cut(flat: Tensor, variables: Sequence[keras.Variable]) -> Tensors:
    if not variables:
        return []
    pieces = tf.split(flat, [prod(variable.shape) for variable in variables])
    return [tf.reshape(piece, variable.shape) for piece, variable in zip(pieces, variables, strict=True)]


def _join(values: Tensors) -> Tensor:
    return tf.concat([tf.reshape(value, [-1]) for value in values], 0)


def _seed(built: np.ndarray, iteration: Tensor) -> Tensor:
    # The state of a Keras seed generator is (seed, how often it was used).
    return tf.stack([tf.constant(built[0]), tf.cast(iteration, built.dtype)])


def as_vector(tensor: Tensor) -> Vector:
    """A read-only view of the tensor's memory."""
    return np.asarray(memoryview(tensor))


def is_float(variable: keras.Variable) -> bool:
    """Whether it lies in the flat vector; whole numbers are no weights."""
    return "float" in variable.dtype


def _ends_in_softmax(model: keras.Model) -> bool:
    """Whether what makes the output makes probabilities. A model inside the model is looked into."""
    last = model
    while isinstance(last, keras.Model) and last.layers:
        outputs = getattr(last, "outputs", None)
        last = outputs[0]._keras_history.operation if outputs else last.layers[-1]  # noqa: SLF001 - nothing public names it
    return type(last).__name__ == "Softmax" or getattr(last, "activation", None) is keras.activations.softmax
