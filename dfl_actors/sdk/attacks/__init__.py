"""The attacks that come with the program by name, held to their contract when they run."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import getmembers, isfunction
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from dfl_actors.errors import AlgorithmError
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.form import Form, Samples, arrays_of, joined
from dfl_actors.sdk.attack import Attack, Images, Imagine, Labels, View
from dfl_actors.sdk.attacks import a_little_is_enough, random_data, simple
from dfl_actors.sdk.interface import Weights, read_only
from dfl_actors.sdk.plugins import Registry, by_module

A = TypeVar("A", bound=np.ndarray)

SIMPLE: Mapping[str, Callable[..., Attack]] = dict(getmembers(simple, isfunction))
BUILT_IN = dict(sorted({**SIMPLE, **by_module((a_little_is_enough, random_data))}.items()))
ATTACKS = Registry("attack", "dfl_actors.attacks", BUILT_IN, (Attack,))

NOBODY: Mapping[str, Weights] = MappingProxyType({})

load_attack = ATTACKS.load


class Offering:
    """An attack at work in one node. `past` holds the own models of earlier offers, oldest first, as many as the attack remembers."""

    def __init__(self, attack: Attack, rng: np.random.Generator) -> None:
        self._attack, self._rng = attack, rng
        self.past: deque[Weights] = deque(maxlen=attack.remembers)

    def __call__(self, own: Weights, turn: int, others: Mapping[str, Weights] = NOBODY) -> Weights:
        """What the node offers in place of `own`, having offered `turn` models before. Raises as `checked_offer`."""
        offered = checked_offer(self._attack, own, turn, self._rng, others, tuple(self.past))
        if self._attack.remembers:
            self.past.append(own.copy())
        return offered


def checked_offer(
    attack: Attack, own: Weights, turn: int, rng: np.random.Generator, others: Mapping[str, Weights] = NOBODY, past: Sequence[Weights] = ()
) -> Weights:
    """What the node offers in place of `own`, float32 [P]; it shares no memory with `others` and `past`.

    Raises `AlgorithmError` naming the attack and the rule that it broke.
    """
    if attack.offer is None:
        return own
    seen = MappingProxyType({sender: read_only(weights) for sender, weights in others.items()})
    view = View(read_only(own), turn, rng, seen, tuple(map(read_only, past)))
    finite = f"finite float32 {own.shape}"
    offered = _checked(attack, "offer", partial(attack.offer, view), own, finite, lambda made: bool(np.isfinite(made).all()))
    # A model of another node may be a view of a store that is about to reuse the memory.
    shared = any(np.may_share_memory(offered, weights) for weights in (*view.others.values(), *view.past))
    return offered.copy() if shared else np.ascontiguousarray(offered)


def checked_lesson(attack: Attack, x: Samples, y: Labels, form: Form, rng: np.random.Generator) -> tuple[Samples, Labels]:
    """The samples and labels that the node trains on, of the shapes of those given. Raises `AlgorithmError` as `checked_offer`."""
    if attack.imagine is not None:
        x = joined([_imagined(attack, attack.imagine, one, rng) for one in arrays_of(x)])
    if attack.teach is not None:
        if form.task == "regression":
            raise AlgorithmError(f"attack {attack.name!r} teaches other labels, and a regression has none; choose another attack")
        count = 2 if form.task == "multilabel" else form.outputs
        rule, taught = f"labels below {count} as it got them", partial(attack.teach, y, count, rng)
        y = _checked(attack, "teach", taught, y, rule, lambda made: not made.size or 0 <= made.min() <= made.max() < count)
    return x, y


def _imagined(attack: Attack, imagine: Imagine, x: Images, rng: np.random.Generator) -> Images:
    return _checked(attack, "imagine", partial(imagine, x, rng), x, "samples as it got them")


def _checked(attack: Attack, part: str, action: Callable[[], A], like: A, rule: str, kept: Callable[[A], bool] = lambda made: True) -> A:
    """What the function `part` makes, if it is an array `like` the one given for which the rule is `kept`."""
    made = guarded(f"attack {attack.name!r}: {part} failed", action)
    if not isinstance(made, np.ndarray) or made.dtype != like.dtype or made.shape != like.shape or not kept(made):
        raise AlgorithmError(f"attack {attack.name!r} broke its contract: {part} must return {rule}; mend it")
    return made
