"""Sign flip: the model is offered with every weight negated, times `scale` (the sign-flipping attack of arXiv 1811.03761, on models)."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack


def build(scale: Annotated[float, Meta(gt=0.0, le=1e6)] = 1.0) -> Attack:
    """`scale`: by how much the negated model is larger."""
    return Attack(offer=lambda view: view.own * np.float32(-scale))
