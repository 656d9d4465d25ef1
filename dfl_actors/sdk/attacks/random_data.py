"""Random data: it trains on images of noise, every pixel uniform in 0 to 255, with the labels it drew (the paper's dataset attackers)."""

import numpy as np

from dfl_actors.sdk.attack import Attack

NAME = "random_data"


def build() -> Attack:
    """Takes no parameters."""
    return Attack(NAME, imagine=lambda images, rng: rng.integers(0, 256, images.shape, np.uint8))
