"""Biased model: every weight is offered less a number uniform in 0 up to `high`, drawn anew for each."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack


def build(high: Annotated[float, Meta(gt=0.0, le=1e6)] = 0.1) -> Attack:
    """`high`: the largest number that is taken away."""
    return Attack(offer=lambda view: view.own - np.float32(high) * view.rng.random(view.own.size, np.float32))
