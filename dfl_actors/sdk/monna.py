"""MoNNA: the mean of the models nearest to the own one, as many as are surely honest.

    model_next = mean of the n - f models nearest to model_prev, itself among them

The n models are the own one and the newest of each sender. From Farhadkhani et al., Robust Collaborative Learning with Linear Gradient
Overhead (arXiv 2209.10931): nearest-neighbour averaging, there beside local momentum of 0.9 to 0.99, which is `training.momentum` here.

Parameter `f`, 0 to 1000, default 1: how many of the n models may be attackers'. 0 is the plain mean; with f >= n - 1 the own model stays,
so a buffer must hold f + 1 senders.
Needs: the own model and the number of attackers; no accuracies. Of equally distant models the first sender's by name goes first.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from msgspec import Meta

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights, weighted_mean
from dfl_actors.sdk.robust import distance, newest


def build(f: Annotated[int, Meta(ge=0, le=1000)] = 1) -> Algorithm:
    """`f`: how many of the models may be attackers'."""
    return Algorithm(apply=partial(apply, f=f))


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, f: int) -> Result:
    """The mean of the own model and the n - f - 1 others nearest to it; reputations stay as they are."""
    models = newest(received)
    near = sorted(models, key=lambda model: distance(model.weights, own))[: max(0, len(models) - f)]
    weights = weighted_mean([own, *(model.weights for model in near)], [1.0] * (len(near) + 1))
    return Result(state, weights, dict(reputations), {"nearest": sorted(model.sender for model in near)})
