"""Sign flip: the model is offered with every weight negated, times `scale` (the sign-flipping attack of arXiv 1811.03761, on models)."""

from typing import Annotated

import msgspec
import numpy as np

from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.interface import checked_parameters

NAME = "sign_flip"


class SignFlip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`scale`: by how much the negated model is larger, above 0."""

    scale: Annotated[float, msgspec.Meta(gt=0.0, le=1e6)] = 1.0


def build(**parameters: object) -> Attack:
    """Takes `scale` (1.0). Raises `ConfigError` for another parameter or value."""
    factor = np.float32(-checked_parameters(NAME, SignFlip, parameters, "attack").scale)
    return Attack(NAME, offer=lambda view: view.own * factor)
