"""Tries an algorithm or an attack against its contract, and tells for each rule whether it holds.

What runs in a node is checked too (`loader.checked_apply`, `attacks.checked_offer`), but only for what one call shows. Here it is called
often, on made-up models: whether it changes what it is given, whether it says the same twice, whether the order of the senders matters.
Everything is drawn from a fixed seed, so a verdict repeats.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import TypeVar

import numpy as np

from dfl_actors.errors import DflError
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.weights import Layer, Parameters
from dfl_actors.sdk.attack import Attack, View
from dfl_actors.sdk.describe import registry_of
from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel, Result, Weights
from dfl_actors.sdk.loader import extra_inputs, first_state, plain_notes

LAYERS = Parameters((Layer(name="dense/kernel", shape=(12, 20)), Layer(name="dense/bias", shape=(20,))))
SEED = 20
LABELS = 10

R = TypeVar("R")
S = TypeVar("S")
Plugin = Algorithm | Attack
Build = Callable[[], Plugin]


class Broken(DflError):
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
    own_accuracy: float | None = 0.5


def load_plugin(name: str, parameters: Mapping[str, object], base: Path) -> Plugin:
    """The algorithm or the attack of that name; raises as `Registry.load`."""
    return registry_of(name).load(name, parameters, base)


def check_plugin(build: Build) -> list[Finding]:
    """Every rule's finding. `build` is called anew for each trial."""
    # What overflows on a huge model is found in the result, and needs no warning.
    with np.errstate(all="ignore"):
        return check_algorithm(build) if isinstance(build(), Algorithm) else check_attack(build)


def check_algorithm(build: Build) -> list[Finding]:
    """The rules of an algorithm."""
    return _findings(ALGORITHM_RULES, lambda rule, situation: rule(build, situation), situations(), lambda situation: situation.name)


def check_attack(build: Build) -> list[Finding]:
    """The rules of an attack, for each of its functions in each situation."""
    attack = build()
    assert isinstance(attack, Attack)
    cases = [case for part in ATTACK_PARTS if getattr(attack, part) is not None for case in cases_of(part, attack)]
    return _findings(ATTACK_RULES, lambda rule, case: rule(build, case), cases, lambda case: case.name)


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
        guarded("what it gives cannot be judged", lambda: trial(check, case))
    except DflError as error:
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
        Situation("nobody is accurate", own, [ReceivedModel(model.sender, model.weights, 0.0) for model in _models("abc", near(3))], 0.0),
        Situation("the own model is the most accurate", own, _models("abc", near(3)), 1.0),
        Situation("the own model was not measured", own, _models("abc", near(3)), None),
    ]


def _models(senders: str, weights: Sequence[Weights]) -> list[ReceivedModel]:
    return [
        ReceivedModel(sender, model, (7 * place % 10) / 10 + 0.05)
        for place, (sender, model) in enumerate(zip(senders, weights, strict=True))
    ]


def started(build: Build, received: Sequence[ReceivedModel]) -> tuple[Algorithm, object, dict[str, float]]:
    """A new algorithm, its first state, and the reputations of the senders. Raises `AlgorithmError`."""
    algorithm = build()
    assert isinstance(algorithm, Algorithm)
    senders = tuple(sorted({model.sender for model in received}))
    context = Context("me", senders, LAYERS, np.random.default_rng(SEED))
    return algorithm, first_state(algorithm, context), dict.fromkeys(senders, 1.0)


def applied(algorithm: Algorithm, state: object, given: Situation, reputations: Mapping[str, float]) -> Result:
    """What `apply` gives. Raises `AlgorithmError`, and `Broken` if it is no result."""
    extras = extra_inputs(algorithm, given.own_accuracy)
    result = guarded("apply failed", lambda: algorithm.apply(state, given.own, given.received, reputations, **extras))
    if not isinstance(result, Result):
        raise Broken(f"apply returns a {type(result).__name__}, not a Result")
    if not isinstance(result.reputations, Mapping) or not isinstance(result.notes, Mapping):
        raise Broken("reputations and notes are not both mappings")
    plain_notes(algorithm.name, result.notes)
    return result


def updated(build: Build, given: Situation) -> Result:
    """Two updates on copies of the same buffer, from a new start; what the second gave."""
    algorithm, state, reputations = started(build, given.received)
    first = applied(algorithm, state, _copied(given), reputations)
    return applied(algorithm, first.state, _copied(given), dict(first.reputations))


def _copied(given: Situation) -> Situation:
    received = [ReceivedModel(model.sender, model.weights.copy(), model.accuracy) for model in given.received]
    return replace(given, own=given.own.copy(), received=received)


def _runs(build: Build, situation: Situation) -> None:
    updated(build, situation)


def _shape_kept(build: Build, situation: Situation) -> None:
    _check_like(updated(build, situation).weights, situation.own)


def _check_like(made: object, given: np.ndarray) -> None:
    if not isinstance(made, np.ndarray):
        raise Broken(f"returns a {type(made).__name__} where {given.dtype} {given.shape} is needed")
    if made.dtype != given.dtype or made.shape != given.shape:
        raise Broken(f"returns {made.dtype} {made.shape} where {given.dtype} {given.shape} is needed")


def _inputs_unchanged(build: Build, situation: Situation) -> None:
    given = _copied(situation)
    algorithm, state, reputations = started(build, given.received)
    order, held = list(given.received), dict(reputations)
    applied(algorithm, state, given, reputations)
    if not np.array_equal(given.own, situation.own):
        raise Broken("changes the own model in place")
    if given.received != order:
        raise Broken("changes the list of received models")
    if reputations != held:
        raise Broken("changes the reputations in place")
    for model, kept in zip(given.received, situation.received, strict=True):
        if not np.array_equal(model.weights, kept.weights):
            raise Broken(f"changes the model of {model.sender} in place")


def _repeats(build: Build, situation: Situation) -> None:
    _check_same(updated(build, situation), updated(build, situation), 0.0)


def _check_same(first: Result, second: Result, tolerance: float) -> None:
    _check_same_weights(first.weights, second.weights, tolerance)
    for sender in sorted({*first.reputations, *second.reputations}):
        one, other = first.reputations.get(sender), second.reputations.get(sender)
        if one is None or other is None or abs(one - other) > tolerance:
            raise Broken(f"the reputation of {sender} is {one} once and {other} then")


def _check_same_weights(first: Weights, second: Weights, tolerance: float) -> None:
    scale = float(np.abs(first[np.isfinite(first)]).max(initial=0.0))
    if not np.allclose(first, second, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
        raise Broken(f"weights differ by up to {np.abs(first.astype(float) - second.astype(float)).max():.3g}")


def _finite(build: Build, situation: Situation) -> None:
    _check_finite(updated(build, situation).weights)


def _check_finite(made: np.ndarray) -> None:
    if not np.isfinite(made).all():
        raise Broken(f"{int((~np.isfinite(made)).sum())} of {made.size} numbers are NaN or infinite")


def _equal_stay_equal(build: Build, situation: Situation) -> None:
    received = [ReceivedModel(model.sender, situation.own, model.accuracy) for model in situation.received]
    weights = updated(build, replace(situation, received=received)).weights
    if not np.allclose(weights, situation.own, rtol=1e-5, atol=1e-7):
        raise Broken(f"when every model is the same, the result differs from it by up to {np.abs(weights - situation.own).max():.3g}")


def _order_irrelevant(build: Build, situation: Situation) -> None:
    """Senders in the opposite order, the models of each in the order they came in."""
    senders = list(dict.fromkeys(model.sender for model in situation.received))
    turned = list(chain.from_iterable([model for model in situation.received if model.sender == sender] for sender in reversed(senders)))
    _check_same(updated(build, situation), updated(build, replace(situation, received=turned)), 1e-5)


def _reputations_in_range(build: Build, situation: Situation) -> None:
    for sender, value in updated(build, situation).reputations.items():
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


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """A call of one of an attack's functions. `given` is the model, the labels or the images; `others` and `past` as in a `View`."""

    name: str
    part: str
    given: np.ndarray
    others: Mapping[str, Weights] = field(default_factory=dict)
    past: Sequence[Weights] = ()


def cases_of(part: str, attack: Attack) -> list[Case]:
    """The calls an attack's function is tried on: for `offer`, one at the start and, if it watches or remembers, several later."""
    rng = np.random.default_rng(SEED)
    if part == "teach":
        return [Case(part, part, rng.integers(0, LABELS, (2, 8), np.uint8))]
    if part == "imagine":
        return [Case(part, part, rng.integers(0, 256, (2, 4, 6, 6, 1), np.uint8))]
    alone = Case(part, part, situations()[0].own)
    if not attack.watches and not attack.remembers:
        return [alone]
    return [alone, *(_seen(attack, situation) for situation in situations())]


def _seen(attack: Attack, situation: Situation) -> Case:
    """A later call, with the models of a buffer as those of others and, in the order they came in, as its own of earlier."""
    others = {model.sender: model.weights for model in situation.received} if attack.watches else {}
    past = tuple(model.weights for model in situation.received)[: attack.remembers]
    return Case(f"offer, {situation.name}", "offer", situation.own, others, past)


def _acted(build: Build, case: Case) -> object:
    """What an attack's function makes of a case; two calls from a new start, what the second gave. Raises `AlgorithmError`."""
    function, rng = getattr(build(), case.part), np.random.default_rng(SEED)

    def call(turn: int) -> object:
        view = View(case.given, turn, rng, case.others, case.past)
        arguments = {"offer": (view,), "teach": (case.given, LABELS, rng), "imagine": (case.given, rng)}
        made: object = function(*arguments[case.part])
        return made

    guarded(f"{case.part} failed", lambda: call(0))
    return guarded(f"{case.part} failed", lambda: call(1))


def _fresh(case: Case) -> Case:
    """The same with copies of everything: a rule must not find what an attack has changed under another."""
    others = {sender: weights.copy() for sender, weights in case.others.items()}
    return replace(case, given=case.given.copy(), others=others, past=[weights.copy() for weights in case.past])


def _made(build: Build, case: Case) -> np.ndarray:
    made = _acted(build, _fresh(case))
    _check_like(made, case.given)
    assert isinstance(made, np.ndarray)
    return made


def _attack_runs(build: Build, case: Case) -> None:
    _acted(build, _fresh(case))


def _attack_shape_kept(build: Build, case: Case) -> None:
    _made(build, case)


def _attack_inputs_unchanged(build: Build, case: Case) -> None:
    given = _fresh(case)
    _acted(build, given)
    if not np.array_equal(given.given, case.given):
        raise Broken("changes what it is given in place")
    if list(given.others) != list(case.others) or len(given.past) != len(case.past):
        raise Broken("changes the collections of models that it is given")
    for mine, kept in zip((*given.others.values(), *given.past), (*case.others.values(), *case.past), strict=True):
        if not np.array_equal(mine, kept):
            raise Broken("changes a model of the others or of the past in place")


def _attack_repeats(build: Build, case: Case) -> None:
    if not np.array_equal(_made(build, case), _made(build, case), equal_nan=case.part == "offer"):
        raise Broken("two calls with the same seed give different results")


def _attack_finite(build: Build, case: Case) -> None:
    _check_finite(_made(build, case))


def _labels_in_range(build: Build, case: Case) -> None:
    made = _made(build, case)
    if case.part == "teach" and not 0 <= made.min() <= made.max() < LABELS:
        raise Broken(f"labels from {made.min()} to {made.max()} where there are 0 to {LABELS - 1}")


def _attack_order_irrelevant(build: Build, case: Case) -> None:
    turned = replace(case, others=dict(reversed(list(case.others.items()))))
    if case.others:
        _check_same_weights(_made(build, case), _made(build, turned), 1e-5)


ATTACK_PARTS = ("offer", "teach", "imagine")
ATTACK_RULES: Mapping[str, Callable[[Build, Case], None]] = {
    "runs": _attack_runs,
    "shape kept": _attack_shape_kept,
    "inputs unchanged": _attack_inputs_unchanged,
    "same input, same output": _attack_repeats,
    "finite": _attack_finite,
    "order of senders irrelevant": _attack_order_irrelevant,
    "labels within range": _labels_in_range,
}
