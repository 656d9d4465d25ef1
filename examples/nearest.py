"""Nearest: the mean of the own model and the few that are nearest to it."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from dfl_actors.sdk import Algorithm, Meta, ReceivedModel, Result, weighted_mean


def build(keep: Annotated[int, Meta(ge=1, le=100)] = 2) -> Algorithm:
    """`keep`: how many of the others' models count."""

    def apply(state: None, own: np.ndarray, received: Sequence[ReceivedModel], reputations: dict[str, float]) -> Result:
        # By name first, so that of equally near models the same ones count whoever came first.
        by_name = sorted(received, key=lambda model: model.sender)
        chosen = sorted(by_name, key=lambda model: float(np.linalg.norm(model.weights - own)))[:keep]
        mean = weighted_mean([own, *(model.weights for model in chosen)], [1.0] * (1 + len(chosen)))
        return Result(state, mean, dict(reputations), {"chosen": [model.sender for model in chosen]})

    return Algorithm(apply=apply)
