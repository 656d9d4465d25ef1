"""Weights as one flat vector, and the codecs that carry them between nodes.

A model's weights are one contiguous float32 vector. `Parameters` says which stretch of it is which named array, so an
algorithm works on the whole vector at numpy speed and may still look at one layer. A codec turns the vector into bytes
and back; what arrives from a neighbour is refused, never repaired, when its size is wrong or a number is not finite.

Everything here is numpy alone: an actor that neither trains nor measures never loads TensorFlow.
"""

from collections.abc import Mapping
from math import prod, sqrt
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dfl_actors.config import Config
from dfl_actors.config.sections import Parameter
from dfl_actors.core.objects import Layer
from dfl_actors.errors import Diverged, Refused

__all__ = ["CODECS", "Layer", "Parameters", "Recipe", "TrainState", "Vector", "decode_model", "encode_model", "known_model", "model_bytes"]

Vector = NDArray[np.float32]

CODECS: Mapping[str, np.dtype[np.floating]] = MappingProxyType({"float32": np.dtype("<f4"), "float16": np.dtype("<f2")})
"""The number format of each codec; a model on the wire is its weights in this format and nothing else."""

LENET = "lenet"  # The model that comes with the program; every other one is a user's.
SGD, RATE = "sgd", 0.01  # The optimiser that comes with the program, and its learning rate.
LARGEST_FLOAT16 = 65504.0
MOST_NORM = 100.0  # Norms of the own model that one may have which is averaged with it.


class Parameters(msgspec.Struct, frozen=True):
    """The named arrays of a model, in the order in which they lie in the flat vector."""

    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Numbers in the flat vector, P."""
        return sum(prod(layer.shape) for layer in self.layers)

    def views(self, flat: Vector) -> dict[str, Vector]:
        """Each layer's array, by name: a view of `flat` [P], so writing to one writes to the vector.

        Raises `ValueError` if `flat` is not a vector of `size` numbers.
        """
        if flat.shape != (self.size,):
            raise ValueError(f"weights of shape {flat.shape} where a vector of {self.size} is needed")
        found, start = {}, 0
        for layer in self.layers:
            end = start + prod(layer.shape)
            found[layer.name] = flat[start:end].reshape(layer.shape)
            start = end
        return found


LAST = -1  # In place of a transaction's number: the model that a node ended with.


class Kept(NamedTuple):
    """A model from a directory: weights [P] as on the wire, digest, number of its transaction or `LAST`, layers where they are known."""

    weights: Vector
    digest: str
    sequence: int
    layers: tuple[Layer, ...] | None = None


class Recipe(msgspec.Struct, frozen=True):
    """How a model is trained. "" as optimiser or loss: what the model was compiled with, else SGD and the task's usual loss.

    What follows `learning_rate` is of "sgd": Caffe's, with the inverse decay of the learning rate; the defaults are Caffe's for LeNet.

    At iteration `it`, rate = `rate` * max(floor, (1 + gamma * it) ** -power), times `bias_rate` for biases, and
    velocity = momentum * velocity + rate * (gradient + weight_decay * weight); weight -= velocity.

    `balance` and `clip` are of every optimiser: a sample weighs (samples of its label in the batch) ** -balance, on average 1, and a
    gradient longer than `clip` is shortened to it (0: never). With `noise` each sample's is, and Gaussian noise of `noise` * `clip` goes to
    their sum, which is divided by `batch`. `unsaid` are the fields that the topology leaves to the optimiser.
    """

    optimizer: str = ""
    optimizer_parameters: dict[str, Parameter] = {}
    loss: str = ""
    init: str = "shared"
    learning_rate: float | None = None
    momentum: float = 0.9
    weight_decay: float = 5e-4
    gamma: float = 1e-4
    power: float = 0.75
    bias_rate: float = 2.0
    floor: float = 0.0
    balance: float = 0.0
    clip: float = 0.0
    noise: float = 0.0
    batch: int = 64
    unsaid: frozenset[str] = frozenset()

    @property
    def rate(self) -> float:
        """SGD's learning rate."""
        return RATE if self.learning_rate is None else self.learning_rate


def recipe_of(config: Config) -> Recipe:
    """What a configuration says of training."""
    said = {name: getattr(config.training, name) for name in Recipe.__struct_fields__ if name != "unsaid"}
    unsaid = frozenset(name for name, value in said.items() if value is None)
    return Recipe(**{name: value for name, value in said.items() if value is not None}, unsaid=unsaid)


class TrainState(NamedTuple):
    """Where training stands: weights [P], the state of the optimiser [S] (of SGD its velocity, zero where nothing is trained), steps."""

    weights: Vector
    slots: Vector
    iteration: int


def check_converges(state: TrainState, node: str, attacked: bool) -> None:
    """Raises `Diverged` when a training step has left a model that is not finite; `attacked`: its network has attackers."""
    if not is_finite(state.weights):
        remedy = ", or choose an update.algorithm that withstands the attackers" if attacked else ""
        raise Diverged(f"node {node} diverged at step {state.iteration}: lower training.learning_rate{remedy}")


def model_bytes(codec: str, size: int) -> int:
    """Bytes of a model of `size` numbers, known before anything is fetched. Raises `Refused("codec_unknown")`."""
    return _number(codec).itemsize * size


def encode_model(flat: Vector, codec: str) -> bytes:
    """The bytes of `flat` [P]. float16 rounds, and ends at +-65504 what lies beyond. Raises `Refused("codec_unknown")`."""
    number = _number(codec)
    if number.itemsize == 2:
        flat = flat.clip(-LARGEST_FLOAT16, LARGEST_FLOAT16)
    return flat.astype(number, copy=False).tobytes()


def decode_model(data: bytes | bytearray | memoryview, codec: str, size: int) -> Vector:
    """The vector [size] that `data` holds, aligned float32.

    Read-only, and a view of `data` where that is possible: codec float32, a little-endian machine, data aligned to 4
    bytes. Copy it if it must outlive `data`. Raises `Refused`: "codec_unknown", "model_size", "model_not_finite".
    """
    expected = model_bytes(codec, size)
    found = memoryview(data).nbytes
    if found != expected:
        raise Refused("model_size", f"{found} bytes instead of {expected} for {size} weights in {codec}")
    flat = known_model(data, codec)
    if not is_finite(flat):
        raise Refused("model_not_finite", "a weight is infinite or not a number")
    return flat


def known_model(data: bytes | bytearray | memoryview, codec: str) -> Vector:
    """As `decode_model`, of bytes that it has let pass before, or that are our own: nothing is checked again."""
    flat = np.require(np.frombuffer(data, _number(codec)), np.float32, "A")
    flat.flags.writeable = False
    return flat


def is_finite(flat: Vector) -> bool:
    """Whether no number of `flat` is infinite or NaN, and its norm below 1.8e19: beyond, means and distances overflow float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)))


def all_finite(flat: Vector) -> bool:
    """Whether no number of `flat` is infinite or NaN, whatever its norm."""
    return is_finite(flat) or bool(np.isfinite(flat).all())


def norm(flat: Vector) -> float:
    """Of a model [P]; infinite beyond 1.8e19."""
    with np.errstate(over="ignore", invalid="ignore"):
        return sqrt(float(np.dot(flat, flat)))


def norm_bound(own: Vector) -> float:
    """The norm that a model may have to be averaged with `own` [P]: `MOST_NORM` times that of `own`.

    An own model near zero says little of scale, so a norm of sqrt(P), 1 a weight, always passes; one of nothing but zeros (an observer's, a
    linear model's) says none, and `MOST_NORM` a weight passes.
    """
    usual, length = sqrt(own.size), norm(own)
    return max(MOST_NORM * length, usual) if length else MOST_NORM * usual


def check_norm(flat: Vector, bound: float) -> None:
    """Raises `Refused` with code `model_norm`."""
    if not norm(flat) <= bound:
        raise Refused("model_norm", f"{norm(flat):.3g}, at most {bound:.3g}")


def _number(codec: str) -> np.dtype[np.floating]:
    if codec not in CODECS:
        raise Refused("codec_unknown", f"{codec[:32]!r} is none of {', '.join(CODECS)}")
    return CODECS[codec]
