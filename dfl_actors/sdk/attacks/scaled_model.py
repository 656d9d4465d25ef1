"""Scaled model: the model is offered with every weight times `factor`, so that it outweighs others in a mean."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack


def build(factor: Annotated[float, Meta(ge=-1e6, le=1e6)] = 10.0) -> Attack:
    """`factor` on every weight."""
    return Attack(offer=lambda view: view.own * np.float32(factor))
