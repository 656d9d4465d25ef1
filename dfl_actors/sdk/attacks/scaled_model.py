"""Scaled model: the model is offered with every weight times `factor`, so that it outweighs others in a mean."""

from typing import Annotated

import msgspec
import numpy as np

from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.interface import checked_parameters

NAME = "scaled_model"


class ScaledModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`factor` on every weight."""

    factor: Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)] = 10.0


def build(**parameters: object) -> Attack:
    """Takes `factor` (10.0). Raises `ConfigError` for another parameter or value."""
    factor = np.float32(checked_parameters(NAME, ScaledModel, parameters, "attack").factor)
    return Attack(NAME, offer=lambda view: view.own * factor)
