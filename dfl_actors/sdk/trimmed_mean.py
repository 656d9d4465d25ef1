"""Trimmed mean: the mean of each weight without its largest and smallest values.

    model_next[p] = mean of { model_prev[p], model_1[p], ..., model_N[p] } without the k largest and the k smallest
    k = floor(beta * (N + 1))

The N models are the newest of each sender. From Yin et al. (arXiv 1803.01498, the coordinate-wise beta-trimmed mean), there of gradients
at a server; the own model is one of the values and may be trimmed like any other.

Parameter `beta`, 0 up to but not 0.5, default 0.2: the fraction that is dropped at either end. At least as large as the fraction of
attackers among the N + 1 models; 0 is the plain mean. With the default, one value at either end of five.
Needs: the own model, and through `beta` the number of attackers; no accuracies. With fewer than 1 / beta models nothing is trimmed.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights
from dfl_actors.sdk.robust import newest, sorted_blocks


def build(beta: Annotated[float, Meta(ge=0.0, lt=0.5)] = 0.2) -> Algorithm:
    """`beta`: the fraction of values dropped at either end."""
    return Algorithm(apply=partial(apply, beta=beta))


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, beta: float) -> Result:
    """The trimmed mean, weight by weight; reputations stay as they are."""
    models = [own, *(model.weights for model in newest(received))]
    # A product such as 0.29 * 100 falls just short of the whole number.
    cut = int(beta * len(models) + 1e-9)
    return Result(state, trimmed_mean(models, cut), dict(reputations), {"models": len(models), "trimmed": cut})


def trimmed_mean(models: Sequence[Weights], cut: int) -> Weights:
    """The mean of each weight without its `cut` largest and smallest values, float32 [P]; more than 2 * cut models."""
    out = np.empty_like(models[0], dtype=np.float32)
    kept = len(models) - 2 * cut
    for place, ranks in sorted_blocks(models):
        total = out[place]
        total[:] = ranks[cut]
        for values in ranks[cut + 1 : cut + kept]:
            total += values
        total *= np.float32(1 / kept)
    return out
