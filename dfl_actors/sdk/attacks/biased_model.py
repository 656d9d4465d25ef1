"""Biased model: every weight is offered less a number uniform in 0 up to `high`, drawn anew for each."""

from typing import Annotated

import msgspec
import numpy as np

from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.interface import checked_parameters

NAME = "biased_model"


class BiasedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`high`: the largest number that is taken away."""

    high: Annotated[float, msgspec.Meta(gt=0.0, le=1e6)] = 0.1


def build(**parameters: object) -> Attack:
    """Takes `high` (0.1). Raises `ConfigError` for another parameter or value."""
    high = np.float32(checked_parameters(NAME, BiasedModel, parameters, "attack").high)
    return Attack(NAME, offer=lambda view: view.own - high * view.rng.random(view.own.size, np.float32))
