"""Gaussian noise: the model is offered with noise of standard deviation `sigma` on every weight."""

from typing import Annotated

import msgspec
import numpy as np

from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.interface import checked_parameters

NAME = "gaussian_noise"


class GaussianNoise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sigma`: standard deviation of the noise."""

    sigma: Annotated[float, msgspec.Meta(gt=0.0, le=1e6)] = 0.1


def build(**parameters: object) -> Attack:
    """Takes `sigma` (0.1). Raises `ConfigError` for another parameter or value."""
    sigma = np.float32(checked_parameters(NAME, GaussianNoise, parameters, "attack").sigma)
    return Attack(NAME, offer=lambda view: view.own + sigma * view.rng.standard_normal(view.own.size, np.float32))
