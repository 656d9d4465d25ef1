"""Median: each weight is the median of that weight in the own model and the newest model of each sender.

    model_next[p] = median of { model_prev[p], model_1[p], ..., model_N[p] }

Of an even number of values, the mean of the two in the middle. From Yin et al. (arXiv 1803.01498), there of gradients at a server; with the
own model among the values as in BRIDGE (Fang et al., arXiv 1908.08098). It stands more honest models than attackers in the buffer.

Needs: the own model; neither accuracies nor the number of attackers. No parameters.
With one received model it is the mean of the two.
"""

from collections.abc import Sequence

import numpy as np

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights
from dfl_actors.sdk.robust import newest, sorted_blocks


def build() -> Algorithm:
    return Algorithm(apply=apply)


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations) -> Result:
    """The median, weight by weight; reputations stay as they are."""
    models = [own, *(model.weights for model in newest(received))]
    return Result(state, median(models), dict(reputations), {"models": len(models)})


def median(models: Sequence[Weights]) -> Weights:
    """The median of each weight of at least one model, float32 [P]."""
    out = np.empty_like(models[0], dtype=np.float32)
    middle = len(models) // 2
    for place, ranks in sorted_blocks(models):
        # Halved first: the sum of two large values could exceed float32.
        out[place] = ranks[middle] if len(models) % 2 else ranks[middle - 1] * np.float32(0.5) + ranks[middle] * np.float32(0.5)
    return out
