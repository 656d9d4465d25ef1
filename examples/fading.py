"""Fading: every model that it offers is smaller than the one before, until nothing is left of it."""

from typing import Annotated

import numpy as np

from dfl_actors.sdk import Attack, Meta, View


def build(rate: Annotated[float, Meta(gt=0, lt=1)] = 0.1) -> Attack:
    """`rate`: the part of a weight that is lost with every offer."""

    def offer(view: View) -> np.ndarray:
        return view.own * np.float32((1 - rate) ** view.turn)

    return Attack(offer=offer)
