"""The attacks that come with the program by name, held to their contract when they run."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from dfl_actors.errors import AlgorithmError
from dfl_actors.learning.foreign import guarded
from dfl_actors.sdk.attack import MOST_REMEMBERED, Attack, Images, Labels, View
from dfl_actors.sdk.attacks import (
    a_little_is_enough,
    biased_model,
    copy,
    delayed,
    gaussian_noise,
    label_flip,
    random_by_turns,
    random_data,
    random_model,
    scaled_model,
    shifted_labels,
    shuffled_labels,
    sign_flip,
)
from dfl_actors.sdk.interface import Weights, read_only
from dfl_actors.sdk.plugins import Registry, by_module

MODULES = (
    a_little_is_enough,
    biased_model,
    copy,
    delayed,
    gaussian_noise,
    label_flip,
    random_by_turns,
    random_data,
    random_model,
    scaled_model,
    shifted_labels,
    shuffled_labels,
    sign_flip,
)

BUILT_IN: Mapping[str, Callable[..., Attack]] = by_module(MODULES)

ATTACKS = Registry("attack", "dfl_actors.attacks", BUILT_IN, (Attack,))

NOBODY: Mapping[str, Weights] = MappingProxyType({})


def load_attack(name: str, parameters: Mapping[str, object], base: Path | None = None) -> Attack:
    """The attack `name` built with `parameters`; raises as `Registry.load`, and `AlgorithmError` for one that remembers too much."""
    attack = ATTACKS.load(name, parameters, base)
    if not guarded(f"attack {name!r} cannot be used, what it remembers", lambda: 0 <= attack.remembers <= MOST_REMEMBERED):
        raise AlgorithmError(f"attack {name!r} remembers {attack.remembers} models; it may remember 0 to {MOST_REMEMBERED}")
    return attack


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
    offer = attack.offer
    offered = guarded(f"attack {attack.name!r}: offer failed", lambda: offer(view))
    sound = isinstance(offered, np.ndarray) and offered.dtype == np.float32 and offered.shape == own.shape
    if not sound or not np.isfinite(offered).all():
        raise AlgorithmError(f"attack {attack.name!r} broke its contract: offer must return finite float32 {own.shape}; mend it")
    # A model of another node may be a view of a store that is about to reuse the memory.
    shared = any(np.may_share_memory(offered, weights) for weights in (*view.others.values(), *view.past))
    return offered.copy() if shared else np.ascontiguousarray(offered)


def checked_lesson(attack: Attack, images: Images, labels: Labels, count: int, rng: np.random.Generator) -> tuple[Images, Labels]:
    """The images and labels that the node trains on, of the shapes of those given. Raises `AlgorithmError` as `checked_offer`."""
    return checked_imagine(attack, images, rng), checked_teach(attack, labels, count, rng)


def checked_imagine(attack: Attack, images: Images, rng: np.random.Generator) -> Images:
    """The images alone."""
    if attack.imagine is None:
        return images
    imagine = attack.imagine
    seen = guarded(f"attack {attack.name!r}: imagine failed", lambda: imagine(images, rng))
    if not isinstance(seen, np.ndarray) or seen.dtype != images.dtype or seen.shape != images.shape:
        raise AlgorithmError(f"attack {attack.name!r} broke its contract: imagine must return images as it got them; mend it")
    return seen


def checked_teach(attack: Attack, labels: Labels, count: int, rng: np.random.Generator) -> Labels:
    """The labels alone."""
    if attack.teach is None:
        return labels
    teach = attack.teach
    taught = guarded(f"attack {attack.name!r}: teach failed", lambda: teach(labels, count, rng))
    sound = isinstance(taught, np.ndarray) and taught.dtype == labels.dtype and taught.shape == labels.shape
    if not sound or taught.min(initial=0) < 0 or taught.max(initial=0) >= count:
        raise AlgorithmError(f"attack {attack.name!r} broke its contract: teach must return labels below {count} as it got them; mend it")
    return taught
