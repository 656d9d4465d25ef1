"""What a model is trained to make small: the task's usual loss, one of Keras by its name, or one of the user's.

A loss of Keras is told whether the output is logits, where it can be told, and gets the labels of a classification as it wants them: as
numbers, or one-hot. One of the user's, a function `(y_true, y_pred)`, gets labels as numbers [n] and the output as the model gives it.
"""

from collections.abc import Callable
from inspect import Parameter, signature

from dfl_actors.errors import ModelError
from dfl_actors.learning.foreign import find_function, guarded
from dfl_actors.learning.form import Form
from dfl_actors.learning.framework import keras, tf
from dfl_actors.learning.network import Loss, Network, Tensor

USUAL = {"classification": "sparse_categorical_crossentropy", "multilabel": "binary_crossentropy", "regression": "mean_squared_error"}
"""The loss of a task about which nobody says anything."""

ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "logcosh": "log_cosh",
}
"""Keras' short names."""


def loss_of(said: str, compiled: object, network: Network) -> Loss:
    """The loss that a topology says, else the one that the model was `compiled` with, else the task's usual one. Raises `ModelError`."""
    if said and ":" in said:
        return _fitted(f"training.loss {said!r}", _made(said), network)
    if said or compiled is None:
        return _fitted(f"training.loss {said!r}", _named(said or USUAL[network.form.task]), network)
    single = compiled[0] if isinstance(compiled, list | tuple) and len(compiled) == 1 else compiled
    return _fitted("the loss that the model was compiled with", _named(single) if isinstance(single, str) else single, network)


def balanced(loss: Loss, power: float, form: Form) -> Loss:
    """`loss` with a sample weighing (samples of its label in the batch) ** -power, and 1 on average; as it is without a power, for a task
    without labels, and where the loss is of a whole batch."""
    if not power or form.task != "classification":
        return loss

    def weighed(y: Tensor, output: Tensor) -> Tensor:
        single = loss(y, output)
        if len(single.shape) != 1:
            return single
        of_label = tf.math.unsorted_segment_sum(tf.ones_like(y, tf.float32), y, form.outputs)
        weight = tf.pow(tf.gather(of_label, y), -power)
        return single * weight / tf.reduce_mean(weight)

    return weighed


def known_losses() -> dict[str, Callable[..., object]]:
    """Keras' losses by name."""
    found = {name: one for name, one in vars(keras.losses).items() if name.islower() and callable(one)}
    return {name: one for name, one in found.items() if {"y_true", "y_pred"} <= set(signature(one).parameters)}


def _named(name: str) -> Callable[..., object]:
    known = known_losses()
    found = known.get(name) or known.get(ALIASES.get(name, ""))
    if found is None:
        raise ModelError(f'training.loss {name!r} is not known; give one of {", ".join(sorted(known))}, or "file.py:build"')
    return found


def _made(said: str) -> object:
    """A loss of the user's: the function itself, or what it returns when it takes nothing."""
    function = find_function("training.loss", said, ModelError)
    needed = [one for one in signature(function).parameters.values() if one.default is Parameter.empty]
    return function if needed else guarded(f"training.loss {said!r} cannot be made", function, ModelError)


def name_of(loss: object) -> str:
    """A loss's name: that of a function, or of a class."""
    return str(getattr(loss, "__name__", type(loss).__name__))


def _fitted(what: str, loss: object, network: Network) -> Loss:
    """The loss as a function (y [n, ...], output [n, labels]) -> that of each sample [n], or their mean."""
    if not callable(loss):
        raise ModelError(f"{what}: a loss is a keras.losses.Loss or a function (y_true, y_pred), not {type(loss).__name__}")
    told = {"from_logits": network.from_logits} if loss in known_losses().values() and "from_logits" in signature(loss).parameters else {}
    sparse = not str(loss.__module__).startswith("keras.") or name_of(loss).lower().startswith("sparse")
    one_hot = network.form.task == "classification" and not sparse

    def fitted(y: Tensor, output: Tensor) -> Tensor:
        aim = tf.one_hot(y, network.form.outputs) if one_hot else y
        return _checked(what, guarded(f"{what} fails", lambda: loss(aim, output, **told), ModelError))

    return fitted


def _checked(what: str, found: Tensor) -> Tensor:
    """What a loss has returned. Raises `ModelError` for what no gradient can be taken of."""
    if not tf.is_tensor(found) or not found.dtype.is_floating:
        kind = f"a tensor of {found.dtype.name}" if tf.is_tensor(found) else type(found).__name__
        raise ModelError(f"{what} returns {kind}; return a float tensor made of y_pred: the loss of each sample [n], or their mean")
    return found
