"""The interface of an attack: what a malicious node does otherwise than an honest one.

An attack is a value of up to three functions. `offer` makes what the node offers in place of its own model; the node itself trains on
honestly, and signs, states and receives as everybody does. `teach` makes the labels it trains on, `imagine` the images. What they do
not touch is honest:

    >>> import numpy as np
    >>> from dfl_actors.sdk import Attack
    >>> def build(factor: float = 2.0) -> Attack:
    ...     return Attack("louder", offer=lambda view: view.own * np.float32(factor))
    >>> view = View(own=np.ones(2, np.float32), turn=0, rng=np.random.default_rng(0))
    >>> build(factor=3.0).offer(view).tolist()
    [3.0, 3.0]

Name it in a topology as ``attack = "louder.py:build"`` of a node; its `attack_parameters` become the keyword arguments of `build`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfl_actors.sdk.interface import Weights

Labels = npt.NDArray[np.integer]
Images = npt.NDArray[np.uint8]


class View(NamedTuple):
    """What an attacker knows when it offers a model: its own, read-only float32 [P], how many it has offered before, and its
    only source of randomness, seeded by the run."""

    own: Weights
    turn: int
    rng: np.random.Generator


Offer = Callable[[View], Weights]
Teach = Callable[[Labels, int, np.random.Generator], Labels]
"""Labels of the training samples, any shape, and how many labels there are: 0 up to that. Returns as many labels."""
Imagine = Callable[[Images, np.random.Generator], Images]
"""Images of the training samples, uint8 [..., height, width, channels]. Returns as many."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A way to attack. `offer` returns float32 [P], finite. No function changes what it is given. Not `trains`: the node never learns."""

    name: str
    offer: Offer | None = None
    teach: Teach | None = None
    imagine: Imagine | None = None
    trains: bool = True
