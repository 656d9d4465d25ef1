"""Nearest-neighbour mixing, then the trimmed mean: models are averaged with those most like them before any is left out.

    z_i           = mean of the n - f models nearest to model_i, itself among them
    model_next[p] = mean of { z_1[p], ..., z_n[p] } without the f largest and the f smallest values

The n models are the own one and the newest of each sender. From Allouah et al., Fixing by Mixing (arXiv 2302.01772), there of gradients at
a server: where honest models differ, as with labels unlike at every node, a rule that drops the outermost drops honest ones; mixed first,
these are alike, and an attacker's is mixed with honest ones.

Parameter `f`, 0 to 1000, default 1: how many of the n models may be attackers'. 0 is the plain mean.
Needs: the own model and the number of attackers; no accuracies. With n <= 2f models there is no trimmed mean: the own model stays (note
"fallback"), so a buffer must hold 2f senders. Of equally distant models the own one goes first, then the first sender's by name.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights, weighted_mean
from dfl_actors.sdk.robust import newest, square_distances
from dfl_actors.sdk.trimmed_mean import trimmed_mean


def build(f: Annotated[int, Meta(ge=0, le=1000)] = 1) -> Algorithm:
    """`f`: how many of the models may be attackers'."""
    return Algorithm(apply=partial(apply, f=f))


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, f: int) -> Result:
    """The trimmed mean of the mixed models; reputations stay as they are."""
    models = [own, *(model.weights for model in newest(received))]
    if len(models) <= 2 * f:
        return Result(state, own.copy(), dict(reputations), {"models": len(models), "fallback": True})
    return Result(state, trimmed_mean(mixed(models, f), f), dict(reputations), {"models": len(models), "fallback": False})


def mixed(models: Sequence[Weights], f: int) -> list[Weights]:
    """The z of each model: the mean of the n - f models nearest to it."""
    count = len(models) - f
    nearest = np.argsort(square_distances(models), axis=1, kind="stable")[:, :count]
    return [weighted_mean([models[place] for place in row], [1.0] * count) for row in nearest]
