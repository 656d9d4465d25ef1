"""Shifted labels: it trains on the label `by` places further, around the end."""

from typing import Annotated

import msgspec
import numpy as np

from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.interface import checked_parameters

NAME = "shifted_labels"


class ShiftedLabels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`by`: how many places."""

    by: Annotated[int, msgspec.Meta(ge=1, le=255)] = 1


def build(**parameters: object) -> Attack:
    """Takes `by` (1). Raises `ConfigError` for another parameter or value."""
    by = checked_parameters(NAME, ShiftedLabels, parameters, "attack").by
    return Attack(NAME, teach=lambda labels, count, rng: ((labels.astype(np.int64) + by) % count).astype(labels.dtype))
