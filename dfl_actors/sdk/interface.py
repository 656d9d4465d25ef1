"""The interface of an algorithm: how a node mixes received models into its own and what it thinks of their senders.

An algorithm is a value, a pair of pure functions (the manner of fedjax, arXiv 2108.02117):

    init(context) -> state
    apply(state, own, received, reputations) -> Result(state, weights, reputations, notes, serving)

An algorithm whose needs hold "own_accuracy" takes a keyword argument of that name besides: the accuracy of `own` in 0..1, or None when
nobody measured it. So does one with "own_models": how many models the node itself has made and sent since its last average.
The keeper calls `apply` each time the model buffer is full and keeps what it returns. `state` is the algorithm's own and means
nothing to anyone else. Weights are one float32 vector [P]; `context.parameters` names its layers. An algorithm never modifies
what it is given: weights arrive read-only, and results are new objects. Ten lines make one; this one averages the models that
are at least as accurate as it asks:

    >>> import numpy as np
    >>> from dfl_actors.sdk import Algorithm, ReceivedModel, Result, weighted_mean
    >>> def build(least: float = 0.5) -> Algorithm:
    ...     def apply(state, own, received, reputations):
    ...         good = [model for model in received if model.accuracy >= least]
    ...         models = [own, *(model.weights for model in good)]
    ...         mean = weighted_mean(models, [1.0] * len(models))
    ...         return Result(state, mean, dict(reputations), {"kept": len(good)})
    ...     return Algorithm(apply=apply, needs=frozenset({"accuracy"}))
    >>> def model(sender, value, accuracy):
    ...     return ReceivedModel(sender, np.full(3, value, np.float32), accuracy)
    >>> result = build(least=0.8).apply(None, np.zeros(3, np.float32), [model("a", 1.0, 0.9), model("b", 9.0, 0.1)], {})
    >>> result.weights.tolist(), dict(result.notes)
    ([0.5, 0.5, 0.5], {'kept': 1})

Name it in a topology as ``choosy.py:build``; its `parameters` table becomes the keyword arguments of `build`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfl_actors.learning.momentum import Optimiser
from dfl_actors.learning.weights import Parameters

Weights = npt.NDArray[np.float32]
Reputations = Mapping[str, float]

ACCURACY = "accuracy"
OWN_ACCURACY = "own_accuracy"
OWN_MODELS = "own_models"
KNOWN_NEEDS = frozenset({ACCURACY, OWN_ACCURACY, OWN_MODELS})

# A reputation of somebody a node has not judged yet (section V of the paper: reputations lie in 0..1 and only fall).
START_REPUTATION = 1.0


@dataclass(frozen=True, eq=False, slots=True)
class Context:
    """What an algorithm may know of its node when it starts."""

    address: str
    neighbours: tuple[str, ...]
    parameters: Parameters
    # The algorithm's only source of randomness; seeded by the run.
    rng: np.random.Generator
    # Different samples that the node itself trains on; None where that is not known.
    samples: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class ReceivedModel:
    """One model of the buffer. `weights` is read-only float32 [P]; `accuracy` in 0..1 is None unless the algorithm needs it.

    `samples` is on how many different samples its sender says that it trains, which nobody can check; None where it does not say.
    """

    sender: str
    weights: Weights
    accuracy: float | None = None
    samples: int | None = None


class Result(NamedTuple):
    """What `apply` returns: the next state, the node's new weights, every reputation it now holds (0..1), and notes for the metrics,
    made of numbers, texts, lists and mappings. A note "senders" says of each sender, in words, what was taken and why not more.

    `serving` are the weights that the node answers with: measured on test samples, exported, reported. None: `weights`, which it trains
    and sends."""

    state: object
    weights: Weights
    reputations: Reputations
    notes: Mapping[str, object]
    serving: Weights | None = None


Init = Callable[[Context], object]
Apply = Callable[..., Result]  # `apply(state, own, received, reputations)`, and by name what else an algorithm needs.


def stateless(context: Context) -> None:
    """The first state of an algorithm that has none."""


def missing(*_: object, **__: object) -> Result:
    """Stands where an author gave no function. Raises `TypeError`."""
    raise TypeError("it has none; make it Algorithm(apply=...)")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An averaging algorithm. `needs` holds "accuracy" when received models must be measured, on the node's own samples, before `apply`,
    "own_accuracy" when the own model must be, and "own_models" when its models must be counted. `optimiser` is the momentum of a node's
    steps, unless its topology or its model names another; None: the program's SGD. What is loaded without a `name` is called as its module
    is."""

    name: str = ""
    init: Init = stateless
    apply: Apply = missing
    needs: frozenset[str] = frozenset()
    optimiser: Optimiser | None = None

    @property
    def measures(self) -> bool:
        """Whether it goes by how good models are on the node's own samples."""
        return not self.needs.isdisjoint({ACCURACY, OWN_ACCURACY})


def read_only(weights: Weights) -> Weights:
    """A view of the same numbers that cannot be written to."""
    view = weights.view()
    view.flags.writeable = False
    return view


def weighted_mean(models: Sequence[Weights], weights: Sequence[float]) -> Weights:
    """sum(weight_n * model_n) / sum(weight_n) as a new float32 [P]; models [P] each, weights >= 0 with a positive sum.

    Computed in the output alone, about one pass per model. The sum of the models must stay below float32's 3.4e38.
    Raises `ValueError` for no models, unequal sizes, or weights that make no mean.
    """
    total = math.fsum(weights)
    if len(weights) != len(models) or any(weight < 0 for weight in weights) or not 0.0 < total < math.inf:
        raise ValueError(f"cannot average {len(models)} models with weights {list(weights)}")
    if len({model.shape for model in models}) != 1:
        raise ValueError("cannot average models of different sizes")
    # A model of weight 0 is left out, not multiplied: it may be anything. The smallest weight first, so that no ratio exceeds 1.
    used = sorted(((weight, model) for weight, model in zip(weights, models, strict=True) if weight > 0), key=itemgetter(0))
    return _mean_of_sorted(used, total)


def _mean_of_sorted(terms: Sequence[tuple[float, Weights]], total: float) -> Weights:
    """Horner's rule, ((m1 * w1/w2 + m2) * w2/w3 + m3) * w3/total: models of equal weight cost an addition and no multiplication."""
    (scale, first), *others = terms
    out = first.astype(np.float32)
    for weight, model in others:
        if weight != scale:
            np.multiply(out, np.float32(scale / weight), out=out)
        np.add(out, model, out=out)
        scale = weight
    return np.multiply(out, np.float32(scale / total), out=out)
