"""Random model: what is offered is noise, every weight uniform in 0 up to `high` (the paper's model attackers, section V-B: 0.001)."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack


def build(high: Annotated[float, Meta(gt=0.0, le=1e6)] = 0.001) -> Attack:
    """`high`: the largest weight."""
    return Attack(offer=lambda view: np.float32(high) * view.rng.random(view.own.size, np.float32))
