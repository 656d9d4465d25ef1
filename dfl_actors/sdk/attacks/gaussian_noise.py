"""Gaussian noise: the model is offered with noise of standard deviation `sigma` on every weight."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack


def build(sigma: Annotated[float, Meta(gt=0.0, le=1e6)] = 0.1) -> Attack:
    """`sigma`: standard deviation of the noise."""
    return Attack(offer=lambda view: view.own + np.float32(sigma) * view.rng.standard_normal(view.own.size, np.float32))
