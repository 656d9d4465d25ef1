"""The attacks that come with the program by name, held to their contract when they run."""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from inspect import getmembers, isfunction
from types import MappingProxyType
from typing import Protocol, TypeAlias, TypeVar

import numpy as np

from dfl_actors.errors import AlgorithmError
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.form import Form, Samples, arrays_of, joined
from dfl_actors.sdk.attack import Attack, Images, Imagine, Labels, Scene, Stage, View
from dfl_actors.sdk.attacks import a_little_is_enough, adaptive, dissensus, inner_product, min_max, min_sum, random_data, simple, spectral
from dfl_actors.sdk.interface import Weights, read_only
from dfl_actors.sdk.plugins import Registry, by_module

A = TypeVar("A", bound=np.ndarray)

MODULES = (a_little_is_enough, adaptive, dissensus, inner_product, min_max, min_sum, random_data, spectral)
SIMPLE: Mapping[str, Callable[..., Attack]] = dict(getmembers(simple, isfunction))
BUILT_IN = dict(sorted({**SIMPLE, **by_module(MODULES)}.items()))
ATTACKS = Registry("attack", "dfl_actors.attacks", BUILT_IN, (Attack,))

NOBODY: Mapping[str, Weights] = MappingProxyType({})

load_attack = ATTACKS.load


Rehearsed: TypeAlias = dict[str, tuple[object, dict[str, float]]]
"""Of each victim the state of its algorithm, and the reputations that it holds."""


class Rehearsing(Protocol):
    """Puts a victim on the stage, and remembers what became of it (`sdk/rehearsal.py`)."""

    def stage(self, view: View) -> Stage | None: ...

    def settle(self, stage: Stage, offered: Weights) -> None: ...

    def state(self) -> Rehearsed: ...

    def restore(self, state: Rehearsed) -> None: ...


class Offering:
    """An attack at work in one node. `past` holds the own models of earlier offers, oldest first, as many as the attack remembers."""

    def __init__(self, attack: Attack, rng: np.random.Generator, scene: Scene | None = None, rehearsal: Rehearsing | None = None) -> None:
        self._attack, self._rng, self._scene, self._rehearsal = attack, rng, scene or Scene(), rehearsal
        self.past: deque[Weights] = deque(maxlen=attack.remembers)

    def __call__(self, own: Weights, turn: int, others: Mapping[str, Weights] = NOBODY) -> Weights:
        """What the node offers in place of `own`, having offered `turn` models before. Raises as `checked_offer`."""
        view = View(own, turn, self._rng, others, tuple(self.past), self._scene)
        stage = None if self._rehearsal is None else self._rehearsal.stage(view)
        offered = checked_offer(self._attack, view._replace(stage=stage))
        if self._rehearsal is not None and stage is not None:
            self._rehearsal.settle(stage, offered)
        if self._attack.remembers:
            self.past.append(own.copy())
        return offered

    def state(self) -> tuple[list[Weights], Rehearsed]:
        """What a checkpoint keeps of it; `restore` takes it."""
        return list(self.past), {} if self._rehearsal is None else self._rehearsal.state()

    def restore(self, state: tuple[list[Weights], Rehearsed]) -> None:
        past, rehearsed = state
        self.past.extend(past)
        if self._rehearsal is not None:
            self._rehearsal.restore(rehearsed)


def checked_offer(attack: Attack, view: View) -> Weights:
    """What the node offers in place of its own model, float32 [P]; it shares no memory with the models of others and of the past.

    Raises `AlgorithmError` naming the attack and the rule that it broke.
    """
    if attack.offer is None:
        return view.own
    seen = MappingProxyType({sender: read_only(weights) for sender, weights in view.others.items()})
    view = view._replace(own=read_only(view.own), others=seen, past=tuple(map(read_only, view.past)))
    finite = f"finite float32 {view.own.shape}"
    offered = _checked(attack, "offer", partial(attack.offer, view), view.own, finite, lambda made: bool(np.isfinite(made).all()))
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
