"""Random data: it trains on images of noise, every pixel uniform in 0 to `high`, with the labels it drew (the paper's dataset attackers).

Parameter `high`, 1 to 255, default 255: the brightest pixel; pixels are whole numbers. The paper says noise. Its authors' program draws
pixels between 0 and 1 and rounds them to bytes before Caffe divides by 256, so that its attackers learn from images that are almost black:
`high = 1` is that.
"""

from typing import Annotated

import msgspec
import numpy as np

from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.interface import checked_parameters

NAME = "random_data"


class RandomData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`high`: the brightest pixel."""

    high: Annotated[int, msgspec.Meta(ge=1, le=255)] = 255


def build(**parameters: object) -> Attack:
    """Takes `high` (255). Raises `ConfigError` for another parameter or value."""
    high = checked_parameters(NAME, RandomData, parameters, "attack").high
    return Attack(NAME, imagine=lambda images, rng: rng.integers(0, high, images.shape, np.uint8, endpoint=True))
