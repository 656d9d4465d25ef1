"""Random data: it trains on noise in place of its samples, with the labels it drew.

    learnt from = u,   every pixel of u uniform in 0 to `high`

The dataset attackers of the DFL paper (arXiv 2110.15457, section V-B). Of samples that are no uint8 images every number lies between the
least and the largest of the batch.

Parameter `high`, 1 to 255, default 255: the brightest pixel; pixels are whole numbers. The paper says noise. Its authors' program draws
pixels between 0 and 1 and rounds them to bytes before Caffe divides by 256, so that its attackers learn from images that are almost black:
`high = 1` is that.
"""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack, Images


def build(high: Annotated[int, Meta(ge=1, le=255)] = 255) -> Attack:
    """`high`: the brightest pixel."""
    return Attack(imagine=lambda samples, rng: noise(samples, high, rng))


def noise(samples: Images, high: int, rng: np.random.Generator) -> Images:
    """As many samples of the same type, of noise."""
    if samples.dtype == np.uint8:
        return rng.integers(0, high, samples.shape, np.uint8, endpoint=True)
    low, top = samples.min(), samples.max()
    if samples.dtype.kind == "f":
        made = low + (top - low) * rng.random(samples.shape, np.float32)
    else:
        made = rng.integers(int(low), int(top), samples.shape, endpoint=True)
    return np.asarray(made, samples.dtype)
