"""Tries an algorithm or an attack against its contract, and says of each rule whether it holds.

What runs in a node is checked too (`loader.checked_apply`, `attacks.checked_offer`), but only for what one call shows. Here it is called
often, on made-up models: whether it changes what it is given, whether it says the same twice, whether the order of the senders matters.
Everything is drawn from a fixed seed, so a verdict repeats.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from dfl_actors.errors import AlgorithmError, DflError
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.momentum import Optimiser
from dfl_actors.learning.weights import Layer, Parameters
from dfl_actors.sdk import median
from dfl_actors.sdk.attack import Attack, Stage, View
from dfl_actors.sdk.describe import registry_of
from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel, Result, Weights
from dfl_actors.sdk.loader import extra_inputs, first_state, is_reputation, plain_notes
from dfl_actors.sdk.optimiser_contract import OPTIMISER_RULES, WAYS, Way

LAYERS = Parameters((Layer(name="dense/kernel", shape=(12, 20)), Layer(name="dense/bias", shape=(20,))))
SEED = 20
LABELS = 10

Plugin = Algorithm | Attack | Optimiser
Build = Callable[[], Plugin]
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule, and how it is broken; empty if it holds. `tried` is false when an earlier failure leaves nothing to look at."""

    rule: str
    failure: str = ""
    tried: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """What a plug-in is called with, as in a node. `own` is the model, or the labels or the images of an attack's `teach` or `imagine`;
    an algorithm is given `received` and `reputations` besides, an attack `others` and `past` as in a `View`."""

    name: str
    own: np.ndarray
    received: Sequence[ReceivedModel] = ()
    own_accuracy: float | None = 0.5
    own_models: int = 1
    part: str = "apply"
    others: dict[str, Weights] = field(default_factory=dict)
    past: Sequence[Weights] = ()
    reputations: dict[str, float] = field(default_factory=dict)


N = TypeVar("N", Trial, Way)


def load_plugin(name: str, parameters: Mapping[str, object], base: Path) -> Plugin:
    """The algorithm, the attack or the optimiser of that name; raises as `Registry.load`."""
    return registry_of(name).load(name, parameters, base)


def check_plugin(build: Build) -> list[Finding]:
    """Every rule's finding, in order. `build` is called anew for each trial."""
    # What overflows on a huge model is found in the result, and needs no warning.
    with np.errstate(all="ignore"):
        plugin = build()
        if isinstance(plugin, Optimiser):
            return _of_optimiser(build)
        rules, trials = (ALGORITHM_RULES, buffers()) if isinstance(plugin, Algorithm) else (ATTACK_RULES, attack_trials(plugin))
        found = _findings(rules, trials, lambda rule, trial: rule(build, trial))
        return found + (_of_optimiser(build) if isinstance(plugin, Algorithm) and plugin.optimiser is not None else [])


def _of_optimiser(build: Build) -> list[Finding]:
    def built() -> Optimiser:
        plugin = build()
        made = plugin.optimiser if isinstance(plugin, Algorithm) else plugin
        assert isinstance(made, Optimiser)
        return made

    return _findings(OPTIMISER_RULES, WAYS, lambda rule, way: rule(built, way))


def _findings(rules: Mapping[str, R], trials: Sequence[N], judge: Callable[[R, N], str]) -> list[Finding]:
    found: list[Finding] = []
    for name, rule in rules.items():
        if any(earlier.failure and earlier.rule in FIRST for earlier in found):
            found.append(Finding(name, tried=False))
            continue
        failures = ((trial.name, _failure(judge, rule, trial)) for trial in trials)
        found.append(Finding(name, next((f"{where}: {failure}" for where, failure in failures if failure), "")))
    return found


def _failure(judge: Callable[[R, N], str], rule: R, trial: N) -> str:
    try:
        return guarded("what it gives cannot be judged", lambda: judge(rule, trial))
    except DflError as error:
        return str(error)


def buffers() -> list[Trial]:
    """What an algorithm is tried on."""
    rng = np.random.default_rng(SEED)
    own = rng.normal(scale=0.1, size=LAYERS.size).astype(np.float32)

    def near(count: int) -> list[Weights]:
        return [own + rng.normal(scale=0.01, size=own.size).astype(np.float32) for _ in range(count)]

    zero = np.zeros_like(own)
    far = [*near(4), own * np.float32(-50)]
    return [
        Trial("five senders", own, _models("abcde", near(5))),
        Trial("one sender", own, _models("a", near(1))),
        Trial("two senders", own, _models("ab", near(2))),
        Trial("several models of a sender", own, _models("abacba", near(6))),
        Trial("a model far away", own, _models("abcde", far)),
        Trial("a huge model", own, _models("abcde", [*near(4), np.full_like(own, 1e25)])),
        Trial("equal models", own, _models("abcde", [own] * 5)),
        Trial("models of zeros", zero, _models("abc", [zero] * 3)),
        Trial("one's own of zeros", zero, _models("abc", near(3))),
        Trial("nobody is accurate", own, [ReceivedModel(model.sender, model.weights, 0.0) for model in _models("abc", near(3))], 0.0),
        Trial("the own model is the most accurate", own, _models("abc", near(3)), 1.0),
        Trial("the own model was not measured", own, _models("abc", near(3)), None),
        Trial("no own model since the last average", own, _models("abc", near(3)), own_models=0),
        Trial("many own models since the last average", own, _models("abc", near(3)), own_models=9),
    ]


def _models(senders: str, weights: Sequence[Weights]) -> list[ReceivedModel]:
    return [
        ReceivedModel(sender, model, (7 * place % 10) / 10 + 0.05, 100 + 50 * place)
        for place, (sender, model) in enumerate(zip(senders, weights, strict=True))
    ]


def attack_trials(attack: Attack) -> list[Trial]:
    """The calls of each function that an attack has: of `offer` one at the start and, if it watches or remembers, several later."""
    labels = np.random.default_rng(SEED).integers(0, LABELS, (2, 8), np.uint8)
    images = np.random.default_rng(SEED).integers(0, 256, (2, 4, 6, 6, 1), np.uint8)
    trials = [Trial(part, given, part=part) for part, given in (("offer", buffers()[0].own), ("teach", labels), ("imagine", images))]
    if attack.watches or attack.remembers:
        trials[1:1] = [_later(attack, buffer) for buffer in buffers()]
    return [trial for trial in trials if getattr(attack, trial.part) is not None]


def _later(attack: Attack, buffer: Trial) -> Trial:
    """A later offer, with the models of a buffer as those of others and, in the order they came in, as its own of earlier."""
    others = {model.sender: model.weights for model in buffer.received} if attack.watches else {}
    past = [model.weights for model in buffer.received][: attack.remembers]
    return Trial(f"offer, {buffer.name}", buffer.own, part="offer", others=others, past=past)


def updated(build: Build, trial: Trial) -> Result:
    """What the second of two calls gives. Raises as `calls`."""
    _, (result, _) = calls(build, trial)
    return result


def calls(build: Build, trial: Trial) -> Iterator[tuple[Result, str]]:
    """Two calls from a new start, each on copies of its own: what it gave, and what it changed of what it was given, in words.

    What an attack's function gives is the `weights` of a result. Raises `AlgorithmError`.
    """
    plugin, rng = build(), np.random.default_rng(SEED)
    assert not isinstance(plugin, Optimiser), "`optimiser_contract` leads those"
    senders = tuple(sorted({model.sender for model in trial.received}))
    state = first_state(plugin, Context("me", senders, LAYERS, rng)) if isinstance(plugin, Algorithm) else None
    result = Result(state, trial.own, dict.fromkeys(senders, 1.0), {})
    for turn in range(2):
        given = _copied(trial, result.reputations)
        before = list(_held(given))
        result = applied(plugin, result.state, given) if isinstance(plugin, Algorithm) else acted(plugin, given, turn, rng)
        yield result, next((words for (words, was), (_, held) in zip(before, _held(given), strict=False) if was != held), "")


def _copied(trial: Trial, reputations: Mapping[str, float]) -> Trial:
    return replace(
        trial,
        own=trial.own.copy(),
        received=[ReceivedModel(model.sender, model.weights.copy(), model.accuracy, model.samples) for model in trial.received],
        others={sender: weights.copy() for sender, weights in trial.others.items()},
        past=[weights.copy() for weights in trial.past],
        reputations=dict(reputations),
    )


def _held(given: Trial) -> Iterator[tuple[str, object]]:
    """All that a call must leave as it is, and what to say when it does not."""
    if given.part == "apply":
        yield "changes the own model in place", given.own.tobytes()
        yield "changes the list of received models", list(given.received)
        yield "changes the reputations in place", dict(given.reputations)
        for model in given.received:
            yield f"changes the model of {model.sender} in place", model.weights.tobytes()
    else:
        yield "changes what it is given in place", given.own.tobytes()
        yield "changes the collections of models that it is given", (list(given.others), len(given.past))
        for weights in (*given.others.values(), *given.past):
            yield "changes a model of the others or of the past in place", weights.tobytes()


def applied(algorithm: Algorithm, state: object, given: Trial) -> Result:
    """What `apply` gives. Raises `AlgorithmError`, also if it is no result."""
    extras = extra_inputs(algorithm, given.own_accuracy, given.own_models)
    result = guarded("apply failed", lambda: algorithm.apply(state, given.own, given.received, given.reputations, **extras))
    if not isinstance(result, Result):
        raise AlgorithmError(f"apply returns a {type(result).__name__}, not a Result")
    if not isinstance(result.reputations, Mapping) or not isinstance(result.notes, Mapping):
        raise AlgorithmError("reputations and notes are not both mappings")
    plain_notes(algorithm.name, result.notes)
    return result


def acted(attack: Attack, given: Trial, turn: int, rng: np.random.Generator) -> Result:
    """What an attack's function gives, whatever it is. Raises `AlgorithmError`."""
    view = View(given.own, turn, rng, given.others, given.past, stage=staged(given.others) if attack.rehearses else None)
    arguments = {"offer": (view,), "teach": (given.own, LABELS, rng), "imagine": (given.own, rng)}[given.part]
    return Result(None, guarded(f"{given.part} failed", lambda: getattr(attack, given.part)(*arguments)), {}, {})


def staged(others: Mapping[str, Weights]) -> Stage | None:
    """A victim to rehearse with: the first sender, whose defence is the median."""
    if not others:
        return None
    victim, *rest = sorted(others)
    honest = [others[name] for name in rest]
    return Stage(victim, others[victim], honest, lambda offered: median.median([others[victim], *honest, offered]))


def _runs(build: Build, trial: Trial) -> str:
    updated(build, trial)
    return ""


def _shape_kept(build: Build, trial: Trial) -> str:
    result = updated(build, trial)
    problem = _misshapen(result.weights, trial.own)
    if problem or result.serving is None:
        return problem and f"returns {problem}"
    problem = _misshapen(result.serving, trial.own)
    return problem and f"serves {problem}"


def _misshapen(made: object, like: Weights) -> str:
    """What it is where something else is needed; empty if it is like that."""
    needed = f"where {like.dtype} {like.shape} is needed"
    if not isinstance(made, np.ndarray):
        return f"a {type(made).__name__} {needed}"
    return "" if (made.dtype, made.shape) == (like.dtype, like.shape) else f"{made.dtype} {made.shape} {needed}"


def _inputs_unchanged(build: Build, trial: Trial) -> str:
    return next((changed for _, changed in calls(build, trial) if changed), "")


def _repeats(build: Build, trial: Trial) -> str:
    difference = _difference(updated(build, trial), updated(build, trial), 0.0)
    return difference if trial.part == "apply" or not difference else "two calls with the same seed give different results"


def _difference(first: Result, second: Result, tolerance: float) -> str:
    pairs = [("weights", first.weights, second.weights)]
    if first.serving is not None and second.serving is not None:
        pairs.append(("served weights", first.serving, second.serving))
    for what, one, other in pairs:
        scale = float(np.abs(one[np.isfinite(one)]).max(initial=0.0))
        if not np.allclose(one, other, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
            return f"{what} differ by up to {np.abs(one.astype(float) - other.astype(float)).max():.3g}"
    for sender in sorted({*first.reputations, *second.reputations}):
        once, then = first.reputations.get(sender), second.reputations.get(sender)
        if once is None or then is None or abs(once - then) > tolerance:
            return f"the reputation of {sender} is {once} once and {then} then"
    return ""


def _finite(build: Build, trial: Trial) -> str:
    result = updated(build, trial)
    for made in (result.weights,) if result.serving is None else (result.weights, result.serving):
        if infinite := int((~np.isfinite(made)).sum()):
            return f"{infinite} of {made.size} numbers are NaN or infinite"
    return ""


def _equal_stay_equal(build: Build, trial: Trial) -> str:
    received = [ReceivedModel(model.sender, trial.own, model.accuracy, model.samples) for model in trial.received]
    weights = updated(build, replace(trial, received=received)).weights
    if np.allclose(weights, trial.own, rtol=1e-5, atol=1e-7):
        return ""
    return f"when every model is the same, the result differs from it by up to {np.abs(weights - trial.own).max():.3g}"


def _order_irrelevant(build: Build, trial: Trial) -> str:
    """Senders in the opposite order, the models of each in the order they came in."""
    senders = list(dict.fromkeys(model.sender for model in trial.received))
    received = sorted(trial.received, key=lambda model: -senders.index(model.sender))
    turned = replace(trial, received=received, others=dict(reversed(trial.others.items())))
    return _difference(updated(build, trial), updated(build, turned), 1e-5) if received or trial.others else ""


def _reputations_in_range(build: Build, trial: Trial) -> str:
    reputations = updated(build, trial).reputations.items()
    return next((f"the reputation of {sender} is {value!r}" for sender, value in reputations if not is_reputation(value)), "")


def _labels_in_range(build: Build, trial: Trial) -> str:
    made = updated(build, trial).weights
    if trial.part != "teach" or 0 <= made.min() <= made.max() < LABELS:
        return ""
    return f"labels from {made.min()} to {made.max()} where there are 0 to {LABELS - 1}"


Rule = Callable[[Build, Trial], str]
COMMON: Mapping[str, Rule] = {
    "runs": _runs,
    "shape kept": _shape_kept,
    "inputs unchanged": _inputs_unchanged,
    "same input, same output": _repeats,
    "finite": _finite,
}
FIRST = frozenset({"runs", "shape kept", "optimiser runs"})  # After one of these fails there is nothing to try the others on.
ALGORITHM_RULES: Mapping[str, Rule] = {
    **COMMON,
    "equal models stay equal": _equal_stay_equal,
    "order of senders irrelevant": _order_irrelevant,
    "reputations within 0..1": _reputations_in_range,
}
ATTACK_RULES: Mapping[str, Rule] = {**COMMON, "order of senders irrelevant": _order_irrelevant, "labels within range": _labels_in_range}
