"""How far random generators have drawn: what a checkpoint keeps of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

Drawn: TypeAlias = Mapping[str, object]
"""The `state` of a bit generator as numpy gives it: plain values."""


def drawn(rngs: Iterable[np.random.Generator]) -> list[Drawn]:
    """What `draw_on` takes."""
    return [rng.bit_generator.state for rng in rngs]


def draw_on(rngs: Sequence[np.random.Generator], where: Sequence[Drawn]) -> None:
    """Let generators go on where others were."""
    for rng, found in zip(rngs, where, strict=True):
        rng.bit_generator.state = found
