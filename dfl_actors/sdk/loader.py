"""The algorithms by name, held to their contract when they run."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType

import numpy as np
import orjson

from dfl_actors.config import Config
from dfl_actors.errors import AlgorithmError
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.weights import all_finite
from dfl_actors.sdk import (
    balance,
    clipped_gossip,
    clustering,
    cs_plus,
    fedavg,
    half_fedavg,
    krum,
    local,
    median,
    monna,
    multi_krum,
    nnm_trimmed_mean,
    reputation,
    scclip,
    steady,
    trimmed_mean,
    ubar,
)
from dfl_actors.sdk.attacks import load_attack
from dfl_actors.sdk.interface import OWN_ACCURACY, OWN_MODELS, Algorithm, Context, ReceivedModel, Reputations, Result, Weights, read_only
from dfl_actors.sdk.plugins import Registry, by_module
from dfl_actors.sdk.reasons import SENDERS

AVERAGES = (steady, fedavg, half_fedavg, local, reputation)
ROBUST = (median, trimmed_mean, nnm_trimmed_mean, krum, multi_krum, monna, balance, scclip, clipped_gossip, cs_plus, ubar, clustering)
BUILT_IN: Mapping[str, Callable[..., Algorithm]] = by_module((*AVERAGES, *ROBUST))

ALGORITHMS = Registry("algorithm", "dfl_actors.algorithms", BUILT_IN, (Algorithm,))

load_algorithm = ALGORITHMS.load


def check_plugins(config: Config, folder: Path) -> None:
    """Whether every algorithm and attack of a configuration can be loaded. Raises as `Registry.load`."""
    for node in config.nodes:
        load_algorithm(node.algorithm, node.parameters, folder)
        if node.attack is not None:
            load_attack(node.attack, node.attack_parameters, folder)
    for event in config.events:
        if event.attack is not None:
            load_attack(event.attack, event.attack_parameters or {}, folder)


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
    own_models: int = 1,
) -> Result:
    """`algorithm.apply` on read-only inputs, its result checked. The weights returned share no memory with the inputs, reputations are
    floats and notes what JSON can hold.

    `own_accuracy` and `own_models` are passed on to an algorithm that needs them, and to no other. Raises `AlgorithmError` naming the
    algorithm and the rule: weights float32 [P] like `own` and finite, reputations finite in 0..1, notes of numbers, texts, lists and
    mappings.

    What comes in may be a view of memory that is about to be used again. So an algorithm that has a state is given copies, and the
    first state of one that had none is copied: whatever it remembers stays as it was.
    """
    remembers = state is not None
    inputs = [read_only(weights.copy() if remembers else weights) for weights in (own, *(model.weights for model in received))]
    models = [
        ReceivedModel(model.sender, weights, model.accuracy, model.samples) for model, weights in zip(received, inputs[1:], strict=True)
    ]
    known = MappingProxyType(dict(reputations))
    extras = extra_inputs(algorithm, own_accuracy, own_models)
    result = guarded(f"algorithm {algorithm.name!r}: apply failed", lambda: algorithm.apply(state, inputs[0], models, known, **extras))
    broken = guarded(f"algorithm {algorithm.name!r}: its result cannot be read", lambda: broken_rule(result, own))
    if broken:
        raise AlgorithmError(f"algorithm {algorithm.name!r} broke its contract: {broken}; mend its apply function")
    memory = result.state
    if memory is not None and not remembers:
        memory = guarded(f"algorithm {algorithm.name!r}: its state cannot be copied", lambda: deepcopy(memory))
    return result._replace(
        state=memory,
        weights=_apart(result.weights, inputs),
        serving=None if result.serving is None else _apart(result.serving, inputs),
        reputations={sender: float(value) for sender, value in result.reputations.items()},
        notes=plain_notes(algorithm.name, result.notes),
    )


def _apart(weights: Weights, inputs: Sequence[Weights]) -> Weights:
    """The weights in memory that is none of the inputs'."""
    shared = any(np.may_share_memory(weights, given) for given in inputs)
    return weights.copy() if shared else np.ascontiguousarray(weights)


def extra_inputs(algorithm: Algorithm, own_accuracy: float | None, own_models: int) -> dict[str, float | None]:
    """The keyword arguments that `algorithm.apply` takes besides the four that all take."""
    known = {OWN_ACCURACY: own_accuracy, OWN_MODELS: own_models}
    return {need: value for need, value in known.items() if need in algorithm.needs}


def plain_notes(name: str, notes: Mapping[str, object]) -> dict[str, object]:
    """The notes as JSON holds them: numpy's numbers and arrays become numbers and lists. Raises `AlgorithmError` for what has no JSON."""
    try:
        held = guarded(f"algorithm {name!r}: its notes cannot be read", lambda: dict(notes))
        plain: dict[str, object] = orjson.loads(orjson.dumps(held, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        rule = f"notes must be made of numbers, texts, lists and mappings ({error})"
        raise AlgorithmError(f"algorithm {name!r} broke its contract: {rule}; mend its apply function") from error
    if SENDERS in plain:
        plain[SENDERS] = _reasons(name, plain[SENDERS])
    return plain


def _reasons(name: str, given: object) -> dict[str, str]:
    """What is said of each sender, fit for a terminal. Raises `AlgorithmError` for what is not a text for each."""
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        rule = f"its note {SENDERS!r} must map senders to texts, not be {given!r:.60}"
        raise AlgorithmError(f"algorithm {name!r} broke its contract: {rule}; mend its apply function")
    return {sender: "".join(letter if letter.isprintable() else " " for letter in text) for sender, text in given.items()}


def broken_rule(result: object, own: Weights) -> str:
    """The first rule of the contract that a result of `apply` breaks, in words; empty if it keeps them all."""
    if not isinstance(result, Result):
        return f"apply must return a Result, not {type(result).__name__}"
    for name, held in (("weights", result.weights), ("serving", result.serving)):
        if (name == "weights" or held is not None) and (problem := _no_model(held, own)):
            return f"{name} must {problem}"
    for key, mapping in ("reputations", result.reputations), ("notes", result.notes):
        if not isinstance(mapping, Mapping):
            return f"{key} must be a mapping, not {type(mapping).__name__}"
    wrong = [f"{sender} has {value!r}" for sender, value in result.reputations.items() if not is_reputation(value)]
    return f"reputations must lie in 0..1, but {wrong[0]}" if wrong else ""


def _no_model(weights: object, own: Weights) -> str:
    """What it must be or do to be a model like `own`, in words; empty if it is one."""
    if not isinstance(weights, np.ndarray):
        return f"be a numpy array, not {type(weights).__name__}"
    if weights.dtype != np.float32:
        return f"be float32, not {weights.dtype}"
    if weights.shape != own.shape:
        return f"keep the shape {own.shape}, not {weights.shape}"
    if not all_finite(weights):
        return "be finite, but hold NaN or infinity"
    return ""


def is_reputation(value: object) -> bool:
    """Whether it is a number in 0..1."""
    return isinstance(value, int | float | np.floating) and bool(0.0 <= value <= 1.0)
