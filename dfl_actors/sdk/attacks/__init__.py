"""The attacks that come with the program by name, held to their contract when they run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from dfl_actors.errors import AlgorithmError
from dfl_actors.sdk.attack import Attack, Labels, View
from dfl_actors.sdk.attacks import (
    gaussian_noise,
    label_flip,
    random_model,
    scaled_model,
    shifted_labels,
    shuffled_labels,
    sign_flip,
)
from dfl_actors.sdk.interface import Weights
from dfl_actors.sdk.plugins import Registry, guarded

BUILT_IN: Mapping[str, Callable[..., Attack]] = MappingProxyType(
    {
        module.NAME: module.build
        for module in (gaussian_noise, label_flip, random_model, scaled_model, shifted_labels, shuffled_labels, sign_flip)
    }
)

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


def checked_teach(attack: Attack, labels: Labels, count: int, rng: np.random.Generator) -> Labels:
    """The labels that the node trains on, of the shape of `labels`. Raises `AlgorithmError` as `checked_offer`."""
    if attack.teach is None:
        return labels
    teach = attack.teach
    taught = guarded(f"attack {attack.name!r}: teach failed", lambda: teach(labels, count, rng))
    sound = isinstance(taught, np.ndarray) and taught.dtype == labels.dtype and taught.shape == labels.shape
    if not sound or taught.min(initial=0) < 0 or taught.max(initial=0) >= count:
        raise AlgorithmError(f"attack {attack.name!r} broke its contract: teach must return labels below {count} as it got them; mend it")
    return taught
