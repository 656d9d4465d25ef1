"""Tries an algorithm or an attack against its contract, and tells for each rule whether it holds.

What runs in a node is checked too (`loader.checked_apply`, `attacks.checked_offer`), but only for what one call shows. Here it is called
often, on made-up models: whether it changes what it is given, whether it says the same twice, whether the order of the senders matters.
Everything is drawn from a fixed seed, so a verdict repeats.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dfl_actors.errors import AlgorithmError, DflError
from dfl_actors.learning.weights import Layer, Parameters
from dfl_actors.sdk.attack import Attack, View
from dfl_actors.sdk.attacks import ATTACKS, load_attack
from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel, Result, Weights
from dfl_actors.sdk.loader import ALGORITHMS, load_algorithm
from dfl_actors.sdk.plugins import Registry, guarded

LAYERS = Parameters((Layer(name="dense/kernel", shape=(12, 20)), Layer(name="dense/bias", shape=(20,))))
SEED = 20
LABELS = 10

R = TypeVar("R")
S = TypeVar("S")
Plugin = Algorithm | Attack
Build = Callable[[], Plugin]

EITHER: Registry[object] = Registry(
    "algorithm or attack",
    ALGORITHMS.group,
    {name: build for kind in (ALGORITHMS, ATTACKS) for name, build in kind.built_in.items()},
    object,
)


class Broken(Exception):
    """A rule does not hold; the text says how."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule, and how it is broken; empty if it holds. `tried` is false when an earlier failure leaves nothing to look at."""

    rule: str
    failure: str = ""
    tried: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class Situation:
    """One buffer, as a node might hold it."""

    name: str
    own: Weights
    received: Sequence[ReceivedModel]


def load_plugin(name: str, parameters: Mapping[str, object], base: Path) -> Plugin:
    """The algorithm or the attack of that name; raises as `Registry.load`, and `AlgorithmError` if it is neither."""
    if name in ATTACKS.names():
        return load_attack(name, parameters, base)
    found = EITHER.load(name, parameters, base)
    if isinstance(found, Algorithm):
        return load_algorithm(name, parameters, base)
    if not isinstance(found, Attack):
        raise AlgorithmError(f"{name!r}: its function returned {type(found).__name__}; it must return an Algorithm or an Attack")
    return found


def check_plugin(build: Build) -> list[Finding]:
    """Every rule's finding. `build` is called anew for each trial."""
    # What overflows on a huge model is found in the result, and needs no warning.
    with np.errstate(all="ignore"):
        return check_algorithm(build) if isinstance(build(), Algorithm) else check_attack(build)


def check_algorithm(build: Build) -> list[Finding]:
    """The rules of an algorithm."""
    return _findings(ALGORITHM_RULES, lambda rule, situation: rule(build, situation), situations(), lambda situation: situation.name)


def check_attack(build: Build) -> list[Finding]:
    """The rules of an attack, for each of its functions."""
    attack = build()
    assert isinstance(attack, Attack)
    parts = [part for part in ATTACK_PARTS if getattr(attack, part) is not None]
    return _findings(ATTACK_RULES, lambda rule, part: rule(build, part), parts, lambda part: part)


def _findings(rules: Mapping[str, R], trial: Callable[[R, S], None], cases: Sequence[S], name: Callable[[S], str]) -> list[Finding]:
    """Rules in order. After a rule of the FIRST fails, there is nothing to try the others on."""
    found: list[Finding] = []
    for rule, check in rules.items():
        if any(earlier.failure and earlier.rule in FIRST for earlier in found):
            found.append(Finding(rule, tried=False))
            continue
        failures = ((name(case), _failure(trial, check, case)) for case in cases)
        found.append(Finding(rule, next((f"{where}: {failure}" for where, failure in failures if failure), "")))
    return found


def _failure(trial: Callable[[R, S], None], check: R, case: S) -> str:
    try:
        trial(check, case)
    except (Broken, DflError) as error:
        return str(error)
    return ""


def situations() -> list[Situation]:
    """The buffers an algorithm is tried on."""
    rng = np.random.default_rng(SEED)
    own = rng.normal(scale=0.1, size=LAYERS.size).astype(np.float32)

    def near(count: int) -> list[Weights]:
        return [own + rng.normal(scale=0.01, size=own.size).astype(np.float32) for _ in range(count)]

    zero = np.zeros_like(own)
    far = [*near(4), own * np.float32(-50)]
    return [
        Situation("five senders", own, _models("abcde", near(5))),
        Situation("one sender", own, _models("a", near(1))),
        Situation("two senders", own, _models("ab", near(2))),
        Situation("several models of a sender", own, _models("abacba", near(6))),
        Situation("a model far away", own, _models("abcde", far)),
        Situation("a huge model", own, _models("abcde", [*near(4), np.full_like(own, 1e25)])),
        Situation("equal models", own, _models("abcde", [own] * 5)),
        Situation("models of zeros", zero, _models("abc", [zero] * 3)),
        Situation("one's own of zeros", zero, _models("abc", near(3))),
        Situation("nobody is accurate", own, [ReceivedModel(model.sender, model.weights, 0.0) for model in _models("abc", near(3))]),
    ]


def _models(senders: str, weights: Sequence[Weights]) -> list[ReceivedModel]:
    return [
        ReceivedModel(sender, model, (7 * place % 10) / 10 + 0.05)
        for place, (sender, model) in enumerate(zip(senders, weights, strict=True))
    ]


def started(build: Build, received: Sequence[ReceivedModel]) -> tuple[Algorithm, Any, dict[str, float]]:
    """A new algorithm, its first state, and the reputations of the senders. Raises `AlgorithmError`."""
    algorithm = build()
    assert isinstance(algorithm, Algorithm)
    senders = tuple(sorted({model.sender for model in received}))
    context = Context("me", senders, LAYERS, np.random.default_rng(SEED))
    return algorithm, guarded("init failed", lambda: algorithm.init(context)), dict.fromkeys(senders, 1.0)


def applied(algorithm: Algorithm, state: Any, own: Weights, received: Sequence[ReceivedModel], reputations: Mapping[str, float]) -> Result:
    """What `apply` gives. Raises `AlgorithmError`, and `Broken` if it is no result."""
    result = guarded("apply failed", lambda: algorithm.apply(state, own, received, reputations))
    if not isinstance(result, Result):
        raise Broken(f"apply returns a {type(result).__name__}, not a Result")
    if not isinstance(result.reputations, Mapping) or not isinstance(result.notes, Mapping):
        raise Broken("reputations and notes are not both mappings")
    return result


def updated(build: Build, own: Weights, received: Sequence[ReceivedModel]) -> Result:
    """Two updates on copies of the same buffer, from a new start; what the second gave."""
    algorithm, state, reputations = started(build, received)
    first = applied(algorithm, state, own.copy(), _copied(received), reputations)
    return applied(algorithm, first.state, own.copy(), _copied(received), dict(first.reputations))


def _copied(received: Sequence[ReceivedModel]) -> list[ReceivedModel]:
    return [ReceivedModel(model.sender, model.weights.copy(), model.accuracy) for model in received]


def _run(build: Build, situation: Situation) -> Result:
    return updated(build, situation.own, situation.received)


def _runs(build: Build, situation: Situation) -> None:
    _run(build, situation)


def _shape_kept(build: Build, situation: Situation) -> None:
    _check_like(_run(build, situation).weights, situation.own)


def _check_like(made: object, given: np.ndarray) -> None:
    if not isinstance(made, np.ndarray):
        raise Broken(f"returns a {type(made).__name__} where {given.dtype} {given.shape} is needed")
    if made.dtype != given.dtype or made.shape != given.shape:
        raise Broken(f"returns {made.dtype} {made.shape} where {given.dtype} {given.shape} is needed")


def _inputs_unchanged(build: Build, situation: Situation) -> None:
    own, received = situation.own.copy(), _copied(situation.received)
    algorithm, state, reputations = started(build, received)
    order, held = list(received), dict(reputations)
    applied(algorithm, state, own, received, reputations)
    if not np.array_equal(own, situation.own):
        raise Broken("changes the own model in place")
    if received != order:
        raise Broken("changes the list of received models")
    if reputations != held:
        raise Broken("changes the reputations in place")
    for model, kept in zip(received, situation.received, strict=True):
        if not np.array_equal(model.weights, kept.weights):
            raise Broken(f"changes the model of {model.sender} in place")


def _repeats(build: Build, situation: Situation) -> None:
    _check_same(_run(build, situation), _run(build, situation), 0.0)


def _check_same(first: Result, second: Result, tolerance: float) -> None:
    finite = first.weights[np.isfinite(first.weights)]
    scale = float(np.abs(finite).max(initial=0.0))
    if not np.allclose(first.weights, second.weights, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
        raise Broken(f"weights differ by up to {np.abs(first.weights.astype(float) - second.weights.astype(float)).max():.3g}")
    for sender in sorted({*first.reputations, *second.reputations}):
        one, other = first.reputations.get(sender), second.reputations.get(sender)
        if one is None or other is None or abs(one - other) > tolerance:
            raise Broken(f"the reputation of {sender} is {one} once and {other} then")


def _finite(build: Build, situation: Situation) -> None:
    _check_finite(_run(build, situation).weights)


def _check_finite(made: np.ndarray) -> None:
    if not np.isfinite(made).all():
        raise Broken(f"{int((~np.isfinite(made)).sum())} of {made.size} numbers are NaN or infinite")


def _equal_stay_equal(build: Build, situation: Situation) -> None:
    received = [ReceivedModel(model.sender, situation.own, model.accuracy) for model in situation.received]
    weights = updated(build, situation.own, received).weights
    if not np.allclose(weights, situation.own, rtol=1e-5, atol=1e-7):
        raise Broken(f"when every model is the same, the result differs from it by up to {np.abs(weights - situation.own).max():.3g}")


def _order_irrelevant(build: Build, situation: Situation) -> None:
    """Senders in the opposite order, the models of each in the order they came in."""
    senders = list(dict.fromkeys(model.sender for model in situation.received))
    turned = list(chain.from_iterable([model for model in situation.received if model.sender == sender] for sender in reversed(senders)))
    _check_same(_run(build, situation), updated(build, situation.own, turned), 1e-5)


def _reputations_in_range(build: Build, situation: Situation) -> None:
    for sender, value in _run(build, situation).reputations.items():
        if not isinstance(value, int | float | np.floating) or not isfinite(value) or not 0.0 <= value <= 1.0:
            raise Broken(f"the reputation of {sender} is {value!r}")


AlgorithmRule = Callable[[Build, Situation], None]
ALGORITHM_RULES: Mapping[str, AlgorithmRule] = {
    "runs": _runs,
    "shape kept": _shape_kept,
    "inputs unchanged": _inputs_unchanged,
    "same input, same output": _repeats,
    "finite": _finite,
    "equal models stay equal": _equal_stay_equal,
    "order of senders irrelevant": _order_irrelevant,
    "reputations within 0..1": _reputations_in_range,
}
FIRST = frozenset({"runs", "shape kept"})


def _acted(build: Build, part: str, given: np.ndarray) -> object:
    """What an attack's function makes of `given`; two calls from a new start, what the second gave. Raises `AlgorithmError`."""
    function, rng = getattr(build(), part), np.random.default_rng(SEED)

    def call(turn: int) -> object:
        arguments = {"offer": (View(given, turn, rng),), "teach": (given, LABELS, rng), "imagine": (given, rng)}
        made: object = function(*arguments[part])
        return made

    guarded(f"{part} failed", lambda: call(0))
    return guarded(f"{part} failed", lambda: call(1))


def _given(part: str) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    if part == "offer":
        return rng.normal(scale=0.1, size=LAYERS.size).astype(np.float32)
    return rng.integers(0, LABELS, (2, 8), np.uint8) if part == "teach" else rng.integers(0, 256, (2, 4, 6, 6, 1), np.uint8)


def _made(build: Build, part: str) -> np.ndarray:
    made = _acted(build, part, _given(part))
    _check_like(made, _given(part))
    assert isinstance(made, np.ndarray)
    return made


def _attack_runs(build: Build, part: str) -> None:
    _acted(build, part, _given(part))


def _attack_shape_kept(build: Build, part: str) -> None:
    _made(build, part)


def _attack_inputs_unchanged(build: Build, part: str) -> None:
    given = _given(part)
    _acted(build, part, given)
    if not np.array_equal(given, _given(part)):
        raise Broken("changes what it is given in place")


def _attack_repeats(build: Build, part: str) -> None:
    if not np.array_equal(_made(build, part), _made(build, part), equal_nan=part == "offer"):
        raise Broken("two calls with the same seed give different results")


def _attack_finite(build: Build, part: str) -> None:
    _check_finite(_made(build, part))


def _labels_in_range(build: Build, part: str) -> None:
    made = _made(build, part)
    if part == "teach" and not 0 <= made.min() <= made.max() < LABELS:
        raise Broken(f"labels from {made.min()} to {made.max()} where there are 0 to {LABELS - 1}")


ATTACK_PARTS = ("offer", "teach", "imagine")
ATTACK_RULES: Mapping[str, Callable[[Build, str], None]] = {
    "runs": _attack_runs,
    "shape kept": _attack_shape_kept,
    "inputs unchanged": _attack_inputs_unchanged,
    "same input, same output": _attack_repeats,
    "finite": _attack_finite,
    "labels within range": _labels_in_range,
}
