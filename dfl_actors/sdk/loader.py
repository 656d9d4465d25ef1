"""The algorithms by name, held to their contract when they run."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from math import isfinite
from pathlib import Path
from types import MappingProxyType

import numpy as np
import orjson

from dfl_actors.errors import AlgorithmError
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.weights import is_finite
from dfl_actors.sdk import balance, clustering, fedavg, half_fedavg, krum, median, multi_krum, reputation, scclip, trimmed_mean, ubar
from dfl_actors.sdk.interface import KNOWN_NEEDS, OWN_ACCURACY, Algorithm, Context, ReceivedModel, Reputations, Result, Weights, read_only
from dfl_actors.sdk.plugins import Registry, by_module

BUILT_IN: Mapping[str, Callable[..., Algorithm]] = by_module(
    (fedavg, half_fedavg, reputation, median, trimmed_mean, krum, multi_krum, balance, scclip, ubar, clustering)
)

ALGORITHMS = Registry("algorithm", "dfl_actors.algorithms", BUILT_IN, (Algorithm,))


def load_algorithm(name: str, parameters: Mapping[str, object], base: Path | None = None) -> Algorithm:
    """The algorithm `name` built with `parameters`; raises as `Registry.load`, and `AlgorithmError` for a need that nobody meets."""
    algorithm = ALGORITHMS.load(name, parameters, base)
    unknown = guarded(f"algorithm {name!r} cannot be used, its needs", lambda: sorted(set(algorithm.needs) - KNOWN_NEEDS))
    if unknown:
        raise AlgorithmError(
            f"algorithm {name!r} needs {', '.join(unknown)}, which nobody provides; it may need {', '.join(sorted(KNOWN_NEEDS))}"
        )
    return algorithm


def first_state(algorithm: Algorithm, context: Context) -> object:
    """What the algorithm begins with in this node. Raises `AlgorithmError`."""
    return guarded(f"algorithm {algorithm.name!r}: init failed", lambda: algorithm.init(context))


def checked_apply(
    algorithm: Algorithm,
    state: object,
    own: Weights,
    received: Sequence[ReceivedModel],
    reputations: Reputations,
    own_accuracy: float | None = None,
) -> Result:
    """`algorithm.apply` on read-only inputs, its result checked. The weights returned share no memory with the inputs, reputations are
    floats and notes what JSON can hold.

    `own_accuracy` is passed on to an algorithm that needs it, and to no other. Raises `AlgorithmError` naming the algorithm and the rule:
    weights float32 [P] like `own` and finite, reputations finite in 0..1, notes of numbers, texts, lists and mappings.

    What comes in may be a view of memory that is about to be used again. So an algorithm that has a state is given copies, and the
    first state of one that had none is copied: whatever it remembers stays as it was.
    """
    remembers = state is not None
    inputs = [read_only(weights.copy() if remembers else weights) for weights in (own, *(model.weights for model in received))]
    models = [ReceivedModel(model.sender, weights, model.accuracy) for model, weights in zip(received, inputs[1:], strict=True)]
    known = MappingProxyType(dict(reputations))
    extras = extra_inputs(algorithm, own_accuracy)
    result = guarded(f"algorithm {algorithm.name!r}: apply failed", lambda: algorithm.apply(state, inputs[0], models, known, **extras))
    guarded(f"algorithm {algorithm.name!r}: its result cannot be read", lambda: _check_result(algorithm.name, result, own))
    memory = result.state
    if memory is not None and not remembers:
        memory = guarded(f"algorithm {algorithm.name!r}: its state cannot be copied", lambda: deepcopy(memory))
    shared = any(np.may_share_memory(result.weights, weights) for weights in inputs)
    return result._replace(
        state=memory,
        weights=result.weights.copy() if shared else np.ascontiguousarray(result.weights),
        reputations={sender: float(value) for sender, value in result.reputations.items()},
        notes=plain_notes(algorithm.name, result.notes),
    )


def extra_inputs(algorithm: Algorithm, own_accuracy: float | None) -> dict[str, float | None]:
    """The keyword arguments that `algorithm.apply` takes besides the four that all take."""
    return {OWN_ACCURACY: own_accuracy} if OWN_ACCURACY in algorithm.needs else {}


def plain_notes(name: str, notes: Mapping[str, object]) -> dict[str, object]:
    """The notes as JSON holds them: numpy's numbers and arrays become numbers and lists. Raises `AlgorithmError` for what has no JSON."""
    try:
        held = guarded(f"algorithm {name!r}: its notes cannot be read", lambda: dict(notes))
        plain: dict[str, object] = orjson.loads(orjson.dumps(held, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        rule = f"notes must be made of numbers, texts, lists and mappings ({error})"
        raise AlgorithmError(f"algorithm {name!r} broke its contract: {rule}; mend its apply function") from error
    return plain


def _check_result(name: str, result: object, own: Weights) -> None:
    _require(isinstance(result, Result), name, f"apply must return a Result, not {type(result).__name__}")
    assert isinstance(result, Result)
    _check_weights(name, result.weights, own)
    for key, kind in (("reputations", result.reputations), ("notes", result.notes)):
        _require(isinstance(kind, Mapping), name, f"{key} must be a mapping, not {type(kind).__name__}")
    for sender, value in result.reputations.items():
        sound = isinstance(value, int | float | np.floating) and isfinite(value) and 0.0 <= value <= 1.0
        _require(sound, name, f"reputations must lie in 0..1, but {sender} has {value!r}")


def _check_weights(name: str, weights: object, own: Weights) -> None:
    _require(isinstance(weights, np.ndarray), name, f"weights must be a numpy array, not {type(weights).__name__}")
    assert isinstance(weights, np.ndarray)
    _require(weights.dtype == np.float32, name, f"weights must be float32, not {weights.dtype}")
    _require(weights.shape == own.shape, name, f"weights must keep the shape {own.shape}, not {weights.shape}")
    _require(is_finite(weights) or bool(np.isfinite(weights).all()), name, "weights must be finite, but hold NaN or infinity")


def _require(kept: bool, name: str, rule: str) -> None:
    if not kept:
        raise AlgorithmError(f"algorithm {name!r} broke its contract: {rule}; mend its apply function")
