"""Shifted labels: it trains on the label `by` places further, around the end."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack


def build(by: Annotated[int, Meta(ge=1, le=255)] = 1) -> Attack:
    """`by`: how many places."""
    return Attack(teach=lambda labels, count, rng: ((labels.astype(np.int64) + by) % count).astype(labels.dtype))
