"""Random by turns: every other model that is offered is noise, every weight uniform in 0 up to `high`; the first is honest."""

from typing import Annotated

import msgspec
import numpy as np

from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.interface import checked_parameters

NAME = "random_by_turns"


class RandomByTurns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`high`: the largest weight."""

    high: Annotated[float, msgspec.Meta(gt=0.0, le=1e6)] = 0.001


def build(**parameters: object) -> Attack:
    """Takes `high` (0.001). Raises `ConfigError` for another parameter or value."""
    high = np.float32(checked_parameters(NAME, RandomByTurns, parameters, "attack").high)
    return Attack(NAME, offer=lambda view: high * view.rng.random(view.own.size, np.float32) if view.turn % 2 else view.own)
