"""Random data: it trains on images of noise, every pixel uniform in 0 to `high`, with the labels it drew (the paper's dataset attackers).

Parameter `high`, 1 to 255, default 255: the brightest pixel; pixels are whole numbers. The paper says noise. Its authors' program draws
pixels between 0 and 1 and rounds them to bytes before Caffe divides by 256, so that its attackers learn from images that are almost black:
`high = 1` is that.
"""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack


def build(high: Annotated[int, Meta(ge=1, le=255)] = 255) -> Attack:
    """`high`: the brightest pixel."""
    return Attack(imagine=lambda images, rng: rng.integers(0, high, images.shape, np.uint8, endpoint=True))
