"""How a step changes weights: Caffe's SGD, which is the program's own, also with a momentum that knows of averages (`momentum`), or any
optimiser of Keras or of the user's.

A `Rule` trains k steps inside a compiled function. Its state is one flat float32 vector, the slots: SGD's velocity, Adam's moments. The
trainer keeps it as it keeps the weights; the number of steps done, `iteration`, is apart, and goes on when weights are averaged.

A Keras optimiser works on variables, which TensorFlow's backend cannot do without (its `stateless_apply` refuses). They are written from
the vectors once when a call of k steps begins and read once when it ends; between, they are changed in place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter as Argument
from inspect import signature
from typing import Protocol

import msgspec
import numpy as np

from dfl_actors.errors import AlgorithmError, ModelError
from dfl_actors.learning.foreign import find_function, guarded
from dfl_actors.learning.framework import keras, tf
from dfl_actors.learning.losses import balanced, loss_of, name_of
from dfl_actors.learning.momentum import BRINGS, OPTIMISERS, Optimiser, in_vain
from dfl_actors.learning.network import Aim, CaffeRule, Given, Network, Tensor, at, cut, join, seed_at
from dfl_actors.learning.weights import SGD, Recipe, Vector

ITERATION, RATE = "iteration", "learning_rate"
"""Variables of Keras optimisers that are no slots: the one is the state's `iteration`; a changed rate holds for a resumed run too."""

WRAPPERS = ("lossscaleoptimizer", "multioptimizer")  # They take other optimisers, which a topology cannot write.


class Rule(Protocol):
    """What trains. Its state is the slots, or `optimiser` holds it, whose velocity `train` is then given in place of the slots."""

    optimiser: Optimiser | None

    @property
    def rest(self) -> Vector:
        """The slots before the first step [S]; not zero for every optimiser."""

    def train(
        self, weights: Tensor, slots: Tensor, iteration: Tensor, x: Given, y: Tensor, seed: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(weights [P], slots [S], iteration, x [k, batch, ...], y [k, batch, ...], seed of noise [2]) -> (weights, slots, mean loss)."""


def rule_of(recipe: Recipe, model: keras.Model, network: Network, proposed: Optimiser | None = None) -> Rule:
    """What trains the model: by a recipe, else as the model itself was compiled, else by the `proposed` optimiser. Raises `ModelError`, and
    `AlgorithmError` for an optimiser that breaks its contract."""
    optimizer = optimizer_of(recipe, model.optimizer if model.compiled else None, proposed)
    if isinstance(optimizer, Optimiser):
        recipe = settled(recipe, optimizer)
    loss = loss_of(recipe.loss, getattr(model, "loss", None) if model.compiled else None, network)
    aim = Aim(balanced(loss, recipe.balance, network.form), recipe.clip, recipe.noise, recipe.batch)
    if aim.noise:
        check_private(network, optimizer)
    if optimizer is None or isinstance(optimizer, Optimiser):
        return CaffeRule(recipe, network, aim, optimizer)
    return KerasRule(optimizer, network, aim)


def settled(recipe: Recipe, optimiser: Optimiser) -> Recipe:
    """The recipe with the optimiser's values for what the topology leaves to it. Raises `AlgorithmError`."""
    for key in optimiser.training:
        if key not in BRINGS:
            raise AlgorithmError(f"optimiser {optimiser.name!r}: its training has {key!r}, which is none of {', '.join(BRINGS)}")
    brought = {key: value for key, value in optimiser.training.items() if key in recipe.unsaid}
    if recipe.noise:  # which bears no weights that depend on the other samples of a batch
        brought.pop("balance", None)
    return msgspec.structs.replace(recipe, **brought)


def check_private(network: Network, optimizer: object) -> None:
    """Raises `ModelError` where something would reach a model past the noise, or scale what is noised."""
    if network.moved:
        name = network.moved[0].path
        raise ModelError(f"training.noise does not reach {name}, which samples move as they pass; use LayerNormalization in its place")
    if getattr(optimizer, "loss_scale_factor", None):
        raise ModelError("training.noise does not go with an optimizer's loss_scale_factor; remove that")


def remark_on(name: str, recipe: Recipe, model: keras.Model, rule: Rule, task: str) -> str:
    """What of a model's own is taken, because the topology says nothing else, or what it says in vain; "" if there is nothing."""
    if vain := in_vain(recipe, rule.optimiser, task):
        return vain
    if rule.optimiser is not None or not model.compiled:
        return ""
    own = [] if recipe.optimizer else [type(model.optimizer).__name__]
    own += [] if recipe.loss or model.loss is None else [model.loss if isinstance(model.loss, str) else name_of(model.loss)]
    return f"model {name!r} is trained as it was compiled, by {' and '.join(own)}" if own else ""


def optimizer_of(
    recipe: Recipe, compiled: keras.optimizers.Optimizer | None, proposed: Optimiser | None = None
) -> keras.optimizers.Optimizer | Optimiser | None:
    """The optimiser of a recipe, else that the model was compiled with, else the proposed one; None for the program's own SGD.

    Raises `ModelError`.
    """
    name, said = recipe.optimizer, dict[str, object](recipe.optimizer_parameters)
    if name == SGD or (not name and compiled is None):
        if said:
            raise ModelError("training.optimizer_parameters has no effect: name the optimizer that takes them, or remove them")
        return None if name else proposed
    what = f"training.optimizer {name or type(compiled).__name__!r}"
    if recipe.learning_rate is not None and RATE in said:
        raise ModelError(f"training.{RATE} and training.optimizer_parameters.{RATE} are one and the same: give one of them")
    make = _maker(name, compiled)
    rate: dict[str, object] = {} if recipe.learning_rate is None else {RATE: recipe.learning_rate}
    if RATE in _taken(make, rate):
        said |= rate
    _check_arguments(what, make, said)
    made = guarded(f"{what} cannot be made", lambda: make(**said), ModelError)
    if isinstance(made, Optimiser):
        return made if made.name else replace(made, name=name)
    _check_arguments(what, make, said | rate)
    if not isinstance(made, keras.optimizers.Optimizer):
        raise ModelError(f"{what}: it must return a keras.optimizers.Optimizer or an Optimiser, not {type(made).__name__}")
    if type(made).__name__.lower() in WRAPPERS:
        raise ModelError(f"{what}: a {type(made).__name__} keeps other optimizers, which are lost between steps; return the one inside")
    return made


def _maker(name: str, compiled: keras.optimizers.Optimizer | None) -> Callable[..., object]:
    if not name and compiled is not None:
        return lambda **said: type(compiled).from_config(compiled.get_config() | said)
    if ":" in name:
        return find_function("training.optimizer", name, ModelError)
    known: dict[str, Callable[..., object]] = optimizers() | dict(OPTIMISERS)
    if name.lower() not in known:
        raise ModelError(f'training.optimizer {name!r} is not known; give one of {", ".join(sorted(known))}, or "file.py:build"')
    return known[name.lower()]


def optimizers() -> dict[str, Callable[..., object]]:
    """Keras' optimisers by their names in lower case. Those that wrap another, or keep more than numbers, are none that a name makes."""
    found = {name.lower(): kind for name, kind in vars(keras.optimizers).items() if isinstance(kind, type)}
    inner = keras.optimizers.Optimizer
    return {name: kind for name, kind in found.items() if issubclass(kind, inner) and kind is not inner and name not in WRAPPERS}


def _check_arguments(what: str, make: Callable[..., object], said: Mapping[str, object]) -> None:
    """Raises `ModelError` for a parameter that `make` does not take."""
    known = _taken(make, said)
    for name in said:
        if name not in known:
            key = f"training.{RATE}" if name == RATE else f"training.optimizer_parameters.{name}"
            raise ModelError(f"{what} has no parameter {name!r}: remove {key}, or give one of {', '.join(known) or 'none, it takes none'}")


def _taken(make: Callable[..., object], wanted: Mapping[str, object]) -> list[str]:
    """The names of the parameters of `make`; one that takes whatever there is takes those that are wanted."""
    taken = signature(make).parameters
    if any(one.kind is Argument.VAR_KEYWORD for one in taken.values()) and not isinstance(make, type):
        return list(wanted)
    return [name for name, one in taken.items() if one.kind in (Argument.POSITIONAL_OR_KEYWORD, Argument.KEYWORD_ONLY)]


def trainer(rule: Rule, noised: bool) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """Its `train` with a seed or without one: a compiled function takes tensors alone, and all of them."""

    def plain(weights: Tensor, slots: Tensor, iteration: Tensor, x: Given, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return rule.train(weights, slots, iteration, x, y, None)

    return rule.train if noised else plain


class KerasRule:
    """A Keras optimiser for a network's trained variables, with the variables that hold its state in the order of the vector."""

    optimiser: Optimiser | None = None

    def __init__(self, optimizer: keras.optimizers.Optimizer, network: Network, aim: Aim) -> None:
        """Raises `ModelError` when the optimiser's state is more than float32 numbers."""
        self._optimizer, self._network, self._aim = optimizer, network, aim
        name, trained = type(optimizer).__name__, list(network.trained)
        guarded(f"optimizer {name} cannot be built for the model", lambda: optimizer.build(trained), ModelError)
        own = [one for one in optimizer.variables if one.name not in (ITERATION, RATE)]
        (self._iteration,) = (one for one in optimizer.variables if one.name == ITERATION)
        self._slots = [one for one in own if one.dtype == "float32"]
        self.rest: Vector = np.concatenate([np.zeros(0, np.float32), *(one.numpy().ravel() for one in self._slots)])
        self._check_constant([one for one in own if one.dtype != "float32"])

    def _check_constant(self, others: Sequence[keras.Variable]) -> None:
        """Raises `ModelError` when a step changes one of these, which the slots do not hold: it would be lost with the process."""
        before = [one.numpy() for one in others]
        if others:
            zeros = [tf.zeros(one.shape) for one in self._network.trained]
            self._optimizer.apply(zeros, list(self._network.trained))  # What that does to the others, `train` overwrites.
        for one, old in zip(others, before, strict=True):
            if np.any(one.numpy() != old):
                name = type(self._optimizer).__name__
                raise ModelError(
                    f"optimizer {name} counts in {one.path} ({one.dtype}); its state must be float32: choose another optimizer"
                )

    def train(
        self, weights: Tensor, slots: Tensor, iteration: Tensor, x: Given, y: Tensor, seed: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `Rule` says."""
        steps, n = tf.shape(y, tf.int64)[0], self._network.n_trained
        self._iteration.assign(iteration)
        _put(self._network.trained, weights[:n])
        _put(self._slots, slots)

        def body(i: Tensor, s: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            s, loss = self._step(s, iteration + i, at(x, i), y[i], seed_at(seed, i))
            return i + 1, s, total + loss

        start = (tf.constant(0, tf.int64), weights[n:], 0.0)
        _, s, total = tf.while_loop(lambda i, *_: i < steps, body, start, parallel_iterations=1)
        return tf.concat([_held(self._network.trained), s], 0), _held(self._slots), total / tf.cast(steps, tf.float32)

    def _step(self, s: Tensor, iteration: Tensor, x: Given, y: Tensor, seed: Tensor | None) -> tuple[Tensor, Tensor]:
        values = [tf.convert_to_tensor(one.value) for one in self._network.trained]
        loss, s, gradients = self._network.gradients(self._aim, values, s, iteration, x, y, self._optimizer.scale_loss, seed)
        self._optimizer.apply([tf.convert_to_tensor(one) for one in gradients], list(self._network.trained))
        return s, loss


def _put(variables: Sequence[keras.Variable], flat: Tensor) -> None:
    """Write a vector into the variables."""
    for one, piece in zip(variables, cut(flat, variables), strict=True):
        one.assign(piece)


def _held(variables: Sequence[keras.Variable]) -> Tensor:
    """The vector that the variables hold."""
    return join([one.value for one in variables]) if variables else tf.zeros(0)
