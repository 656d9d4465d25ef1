"""The attacks that come with the program by name, held to their contract when they run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from dfl_actors.errors import AlgorithmError
from dfl_actors.sdk.attack import Attack, Images, Labels, View
from dfl_actors.sdk.attacks import (
    biased_model,
    copy,
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
from dfl_actors.sdk.interface import Weights
from dfl_actors.sdk.plugins import Registry, guarded

MODULES = (
    biased_model,
    copy,
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

BUILT_IN: Mapping[str, Callable[..., Attack]] = MappingProxyType({module.NAME: module.build for module in MODULES})

ATTACKS = Registry("attack", "dfl_actors.attacks", BUILT_IN, Attack)


def load_attack(name: str, parameters: Mapping[str, object], base: Path | None = None) -> Attack:
    """The attack `name` built with `parameters`; raises as `Registry.load`."""
    return ATTACKS.load(name, parameters, base)


def checked_offer(attack: Attack, own: Weights, turn: int, rng: np.random.Generator) -> Weights:
    """What the node offers in place of `own`, float32 [P]. Raises `AlgorithmError` naming the attack and the rule that it broke."""
    if attack.offer is None:
        return own
    offer, view = attack.offer, own.view()
    view.flags.writeable = False
    offered = guarded(f"attack {attack.name!r}: offer failed", lambda: offer(View(view, turn, rng)))
    sound = isinstance(offered, np.ndarray) and offered.dtype == np.float32 and offered.shape == own.shape
    if not sound or not np.isfinite(offered).all():
        raise AlgorithmError(f"attack {attack.name!r} broke its contract: offer must return finite float32 {own.shape}; mend it")
    return np.ascontiguousarray(offered)


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
