"""Krum: the one model that lies closest to its nearest neighbours, instead of a mean.

    score_i    = sum of |model_i - model_j|^2 over the n - f - 2 models j nearest to i
    model_next = the model with the lowest score

The n models are the own one and the newest of each sender. From Blanchard et al., Machine Learning with Adversaries (NeurIPS 2017;
arXiv 1703.02757), there of gradients at a server; over models, with the own one among them, as in BRIDGE (Fang et al., arXiv 1908.08098).

Parameter `f`, 0 to 1000, default 1: how many of the n models may be attackers'. The proof asks for n >= 2f + 3.
Needs: the own model and the number of attackers; no accuracies.
With fewer than f + 3 models there is no score: the own model stays (note "fallback"), so a buffer must hold f + 2 senders. Of equal
scores the own model's wins, then the first sender's by name.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights
from dfl_actors.sdk.robust import newest, square_distances


def build(f: Annotated[int, Meta(ge=0, le=1000)] = 1) -> Algorithm:
    """`f`: how many of the models may be attackers'."""
    return Algorithm(apply=partial(apply, f=f))


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, f: int) -> Result:
    """The model with the lowest score; reputations stay as they are."""
    others = newest(received)
    models = [own, *(model.weights for model in others)]
    scores = krum_scores(models, f)
    best = 0 if scores is None else int(np.argmin(scores))
    notes = {"chosen": others[best - 1].sender if best else "", "fallback": scores is None}
    return Result(state, models[best].copy(), dict(reputations), notes)


def krum_scores(models: Sequence[Weights], f: int) -> np.ndarray | None:
    """Each model's score, float64 [n], infinite for one infinitely far from the others; None for fewer than f + 3 models."""
    count = len(models)
    if count < f + 3:
        return None
    squares = square_distances(models)
    np.fill_diagonal(squares, np.inf)
    return np.asarray(np.sort(squares, axis=1)[:, : count - f - 2].sum(axis=1))
