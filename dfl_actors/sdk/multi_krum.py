"""Multi-Krum: the mean of the m models with the lowest Krum scores.

    score_i    = sum of |model_i - model_j|^2 over the n - f - 2 models j nearest to i
    model_next = mean of the m models with the lowest scores

The n models are the own one and the newest of each sender. From Blanchard et al., Machine Learning with Adversaries (NeurIPS 2017;
arXiv 1703.02757). m = 1 is Krum, m = n the plain mean.

Parameters: `f`, 0 to 1000, default 1: how many of the n models may be attackers'; `m`, 1 to 1000, default n - f: how many are averaged,
at most n.
Needs: the own model and the number of attackers; no accuracies.
With fewer than f + 3 models there is no score: the own model stays (note "fallback"), so a buffer must hold f + 2 senders. Of equal
scores the own model's comes first, then the senders' by name.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights, weighted_mean
from dfl_actors.sdk.krum import krum_scores
from dfl_actors.sdk.robust import newest


def build(f: Annotated[int, Meta(ge=0, le=1000)] = 1, m: Annotated[int, Meta(ge=1, le=1000)] | None = None) -> Algorithm:
    """`f`: how many of the n models may be attackers'; `m`: how many are averaged, n - f if left out."""
    return Algorithm(apply=partial(apply, f=f, m=m))


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, f: int, m: int | None) -> Result:
    """The mean of the models with the lowest scores; reputations stay as they are."""
    models = [own, *(model.weights for model in newest(received))]
    scores = krum_scores(models, f)
    if scores is None:
        return Result(state, own.copy(), dict(reputations), {"averaged": 1, "fallback": True})
    best = np.argsort(scores, kind="stable")[: m or len(models) - f]
    weights = weighted_mean([models[place] for place in best], [1.0] * len(best))
    return Result(state, weights, dict(reputations), {"averaged": len(best), "fallback": False})
