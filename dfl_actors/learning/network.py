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
from typing import NamedTuple, TypeAlias

import numpy as np

from dfl_actors.learning.form import Array, Form, Input, Samples, arrays_of
from dfl_actors.learning.framework import keras, tf
from dfl_actors.learning.momentum import Optimiser
from dfl_actors.learning.weights import Recipe, Vector

CHUNK = 250  # Samples measured at once: more does not fit the caches, fewer pays the call more often.

Tensor: TypeAlias = tf.Tensor
Tensors = Sequence[Tensor]
Given: TypeAlias = Tensor | Tensors  # Samples: one tensor, or one for each input.
Compiled = Callable[..., Tensor]
Lazy = Callable[[], Compiled]
Loss = Callable[..., Tensor]  # (y [n, ...], output [n, labels]) -> the loss of each sample [n], or their mean


class Aim(NamedTuple):
    """What a step makes smaller, and the longest gradient of it that is followed (0: any). With `noise` it is the longest of a sample's,
    and noise of so many times `clip` goes to their sum, of which a part in `batch` is followed."""

    loss: Loss
    clip: float = 0.0
    noise: float = 0.0
    batch: int = 1


LAST = {"classification": "softmax", "multilabel": "sigmoid"}
"""The activation that makes a task's output probabilities; without it the output is logits."""


class Network:
    """A Keras model as a function of its weights: which variables SGD trains, which a step moves, which stay."""

    def __init__(self, model: keras.Model, form: Form, width: int) -> None:
        """`width`: how many numbers the model makes of a sample."""
        self._model, self.form = model, form
        self.trained = model.trainable_variables
        self.others = model.non_trainable_variables
        self.moved = [variable for variable in self.others if is_float(variable)]
        self._constants = [None if is_float(variable) else variable.numpy() for variable in self.others]
        self.n_trained = sum(prod(variable.shape) for variable in self.trained)
        self.from_logits = form.task in LAST and not _ends_in(model, LAST[form.task] if width == form.outputs else "sigmoid")

    def call(self, values: Tensors, moved: Tensor, iteration: Tensor, x: Given, training: bool) -> tuple[Tensor, Tensor, Tensors]:
        """Output [n, labels] for samples x [n, ...], the moved variables after it (flat), and regularisation losses."""
        x = prepared(self.form, x)
        others = self._others(moved, iteration)
        mapping = [*zip(self.trained, values, strict=True), *zip(self.others, others, strict=True)]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            output, losses = self._model(x, training=training), self._model.losses
        after = [scope.get_current_value(variable) for variable in self.moved]
        return self._fitted(output), join(after) if after else moved, losses

    def _fitted(self, output: object) -> Tensor:
        """[n, labels] of what the model makes; a single number for two classes is that of the second."""
        fit = tf.cast(fitting(self.form, output), tf.float32)
        if fit.shape[1] == self.form.outputs:
            return fit
        return tf.concat([tf.zeros_like(fit) if self.from_logits else 1 - fit, fit], 1)

    def sums(self, weights: Tensor, x: Given, y: Tensor) -> Tensor:
        """What `learning.score` adds up of n samples x [n, ...] with these y: samples right [1], or squared errors [targets]."""
        output = self._output(weights, x)
        if self.form.task == "classification":
            return tf.math.count_nonzero(tf.argmax(output, 1) == y, keepdims=True)
        if self.form.task == "multilabel":
            half = 0.0 if self.from_logits else 0.5
            return tf.math.count_nonzero(tf.reduce_all((output > half) == (y > 0), 1), keepdims=True)
        return tf.reduce_sum(tf.square(output - y), 0)

    def answers(self, weights: Tensor, x: Given) -> Tensor:
        """[n, labels] of samples x [n, ...] by the model with weights [P]: probabilities, or the numbers that a regression finds."""
        output = self._output(weights, x)
        if not self.from_logits:
            return output
        return tf.nn.softmax(output) if self.form.task == "classification" else tf.nn.sigmoid(output)

    def gradients(
        self,
        aim: Aim,
        values: Tensors,
        moved: Tensor,
        iteration: Tensor,
        x: Given,
        y: Tensor,
        scaled: Loss | None = None,
        seed: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensors]:
        """The loss of a batch with its regularisation, the moved variables after it, and the gradients of the loss, `scaled` first;
        with noise of this `seed` [2], if the aim has some."""
        if seed is not None:
            return self._noised(aim, values, moved, iteration, x, y, seed)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            output, moved, losses = self.call(values, moved, iteration, x, training=True)
            total = tf.add_n([tf.reduce_mean(aim.loss(y, output)), *(tf.reduce_sum(extra) for extra in losses)])
            goal = total if scaled is None else scaled(total)
        found = tape.gradient(goal, values, unconnected_gradients="zero")
        return total, moved, tf.clip_by_global_norm(found, aim.clip)[0] if aim.clip else found

    def _noised(
        self, aim: Aim, values: Tensors, moved: Tensor, iteration: Tensor, x: Given, y: Tensor, seed: Tensor
    ) -> tuple[Tensor, Tensor, Tensors]:
        """The same one sample after the other (a batch of them, also none, in y [n, ...]), each shortened, and noise upon their sum."""
        count = tf.shape(y, tf.int64)[0]
        alone = Aim(aim.loss)

        def body(i: Tensor, total: Tensor, *sums: Tensor) -> tuple[Tensor, ...]:
            one = tf.nest.map_structure(lambda samples: samples[i : i + 1], x)
            loss, _, found = self.gradients(alone, values, moved, count * iteration + i, one, y[i : i + 1])
            return i + 1, total + loss, *(held + part for held, part in zip(sums, shortened(found, aim.clip), strict=True))

        start = (tf.constant(0, tf.int64), 0.0, *(tf.zeros_like(value) for value in values))
        _, total, *sums = tf.while_loop(lambda i, *_: i < count, body, start, parallel_iterations=1)
        noise = aim.noise * aim.clip * tf.random.stateless_normal([self.n_trained], seed)
        noisy = [(part + more) / aim.batch for part, more in zip(sums, cut(noise, self.trained), strict=True)]
        return total / tf.cast(tf.maximum(count, 1), tf.float32), moved, noisy

    def _output(self, weights: Tensor, x: Given) -> Tensor:
        values, moved = cut(weights[: self.n_trained], self.trained), weights[self.n_trained :]
        return self.call(values, moved, 0, x, training=False)[0]

    def _others(self, moved: Tensor, iteration: Tensor) -> Tensors:
        """The untrained variables: floats from the vector, integers as built, and for dropout a new seed each step."""
        floats = iter(cut(moved, self.moved))
        return [
            next(floats) if constant is None else _seed(constant, iteration) if "seed_generator_state" in variable.path else constant
            for variable, constant in zip(self.others, self._constants, strict=True)
        ]


class CaffeRule:
    """Caffe's SGD on the trained part w and the moved part s of the vector, with velocity v; `Recipe` has the formula.

    With an `optimiser` the velocity is what that says: it stands in the place of the slots, and of momentum * velocity, in every step of
    a call, and what a call gives back of it is nothing.
    """

    def __init__(self, recipe: Recipe, network: Network, aim: Aim, optimiser: Optimiser | None = None) -> None:
        self._recipe, self._network, self._aim, self.optimiser = recipe, network, aim, optimiser
        factors = [np.full(prod(one.shape), recipe.bias_rate if one.name == "bias" else 1, np.float32) for one in network.trained]
        self._factor = np.concatenate(factors)

    @property
    def rest(self) -> Vector:
        """The velocity before the first step [P]: none. Empty where an optimiser holds it."""
        size = self._network.n_trained + sum(prod(one.shape) for one in self._network.moved)
        return np.zeros(size if self.optimiser is None else 0, np.float32)

    def train(
        self, weights: Tensor, slots: Tensor, iteration: Tensor, x: Given, y: Tensor, seed: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(weights [P], velocity [P], iteration, x [k, batch, ...], y [k, batch, ...], seed of noise [2]) -> (weights, velocity, loss)."""
        steps, n = tf.shape(y, tf.int64)[0], self._network.n_trained

        def body(i: Tensor, w: Tensor, v: Tensor, s: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
            w, v, s, loss = self._step(w, v, s, iteration + i, at(x, i), y[i], seed_at(seed, i))
            return i + 1, w, v, s, total + loss

        start = (tf.constant(0, tf.int64), weights[:n], slots[:n], weights[n:], 0.0)
        _, w, v, s, total = tf.while_loop(lambda i, *_: i < steps, body, start, parallel_iterations=1)
        if self._network.moved:
            w, v = tf.concat([w, s], 0), tf.concat([v, slots[n:]], 0)
        return w, v if self.optimiser is None else v[:0], total / tf.cast(steps, tf.float32)

    def _step(
        self, w: Tensor, v: Tensor, s: Tensor, iteration: Tensor, x: Given, y: Tensor, seed: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        recipe = self._recipe
        loss, s, gradients = self._network.gradients(self._aim, cut(w, self._network.trained), s, iteration, x, y, seed=seed)
        decay = tf.pow(1 + recipe.gamma * tf.cast(iteration, tf.float32), -recipe.power)
        rate = recipe.rate * (tf.maximum(decay, recipe.floor) if recipe.floor else decay)
        pull = (rate * self._factor) * (join(gradients) + recipe.weight_decay * w)
        if self.optimiser is not None:
            return w - v - pull, v, s, loss
        v = recipe.momentum * v + pull
        return w - v, v, s, loss


def at(x: Given, i: Tensor) -> Given:
    """Samples of step i."""
    return tf.nest.map_structure(lambda samples: samples[i], x)


def seed_at(seed: Tensor | None, i: Tensor) -> Tensor | None:
    """The seed of the noise of step i; None where there is no noise."""
    return None if seed is None else tf.stack([seed[0], seed[1] + i])


def shortened(gradients: Tensors, most: float) -> Tensors:
    """The gradients of a sample, all together no longer than `most`; zeros where they are not finite."""
    length = tf.linalg.global_norm(gradients)
    usable = tf.math.is_finite(length)
    factor = most / tf.maximum(length, most)
    return [tf.where(usable, part * factor, tf.zeros_like(part)) for part in gradients]


def fitting(form: Form, output: object) -> Tensor | None:
    """The output [n, labels] of a model, or [n, 1] for two classes, whatever shape a sample's numbers have; None if it is neither."""
    only: Tensor = _only(output)
    if not tf.is_tensor(only) or len(only.shape) < 1 or None in only.shape[1:]:
        return None
    numbers = prod(only.shape[1:])
    fits = numbers == form.outputs or (form.task == "classification" and form.outputs == 2 and numbers == 1)
    return tf.reshape(only, [-1, numbers]) if fits else None


def _only(output: object) -> Tensor:
    """The single output of a model that gives it in a list or by a name."""
    several = list(output.values()) if isinstance(output, dict) else output
    return several[0] if isinstance(several, list | tuple) and len(several) == 1 else several


def prepared(form: Form, x: Given) -> Given | dict[str, Tensor]:
    """What a model is called with: uint8 images are scaled, and several inputs go by their names."""
    if len(form.inputs) == 1:
        return _scaled(form.inputs[0], x, form.scale)
    return {one.name: _scaled(one, samples, form.scale) for one, samples in zip(form.inputs, x, strict=True)}


def _scaled(kind: Input, x: Tensor, scale: float) -> Tensor:
    return tf.cast(x, tf.float32) * scale if kind.scaled else x


def signature(form: Form, *lead: None) -> tf.TensorSpec | tuple[tf.TensorSpec, ...]:
    """What samples of a form look like behind the axes `lead`, for a compiled function."""
    specs = tuple(tf.TensorSpec([*lead, *one.shape], one.dtype) for one in form.inputs)
    return specs if len(specs) > 1 else specs[0]


def lazy(function: Compiled, *signature: object) -> Lazy:
    """The compiled `function`; nothing is traced before it is asked for.

    It takes tensors only: a `tf.function` that finds out what it was called with costs 0.1 ms more a call.
    """

    @cache
    def compiled() -> Compiled:
        concrete: Compiled = tf.function(function, list(signature), autograph=False).get_concrete_function()
        return concrete

    return compiled


def tensors(samples: Samples) -> Given:
    """Samples as a compiled function takes them."""
    several = tuple(map(tf.convert_to_tensor, arrays_of(samples)))
    return several if len(several) > 1 else several[0]


def by_chunk(function: Lazy, weights: Vector, x: Samples, *others: Array) -> Iterator[Tensor]:
    """What `function` makes of each chunk of samples x [n, ...]; `others` [n, ...] are what belongs to them."""
    compiled, given = function(), tf.convert_to_tensor(weights)
    for start in range(0, len(x), CHUNK):
        part = slice(start, start + CHUNK)
        yield compiled(given, tensors(x[part]), *(tf.convert_to_tensor(other[part]) for other in others))


def cut(flat: Tensor, variables: Sequence[keras.Variable]) -> Tensors:
    if not variables:
        return []
    pieces = tf.split(flat, [prod(variable.shape) for variable in variables])
    return [tf.reshape(piece, variable.shape) for piece, variable in zip(pieces, variables, strict=True)]


def join(values: Tensors) -> Tensor:
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


def _ends_in(model: keras.Model, activation: str) -> bool:
    """Whether what makes the output makes probabilities, by this activation. A model inside the model is looked into."""
    last = model
    while isinstance(last, keras.Model) and last.layers:
        outputs = getattr(last, "outputs", None)
        last = outputs[0]._keras_history.operation if outputs else last.layers[-1]  # noqa: SLF001 - nothing public names it
    return type(last).__name__ == activation.title() or getattr(last, "activation", None) is getattr(keras.activations, activation)
