"""BALANCE: the mean of the models that are near enough to the own one, and nearer as time goes by.

    model n is accepted when |model_n - model_prev| <= gamma * exp(-kappa * t / T) * |model_prev|
    model_next = alpha * model_prev + (1 - alpha) * mean of the accepted models

From Fang et al., Byzantine-Robust Decentralized Federated Learning (arXiv 2406.10416). t counts the updates of this node from 0; after
T of them the bound stays where it is. The models are the newest of each sender.

Parameters: `gamma`, above 0, default 0.3: the bound at the beginning, in norms of the own model; `kappa`, from 0, default 1.0: how fast it
falls; `alpha`, 0 to 1, default 0.5: the own model's share; `rounds`, T, from 1, default 1000: updates until the bound has fallen.
Needs: the own model; neither accuracies nor the number of attackers. Models that started from different weights are too far apart for it.
When no model is accepted, the own model stays. When the own model is all zeros, only others that are all zeros are accepted.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import exp
from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights
from dfl_actors.sdk.robust import distance, mixed, newest


def build(
    gamma: Annotated[float, Meta(gt=0.0, le=1000.0)] = 0.3,
    kappa: Annotated[float, Meta(ge=0.0, le=1000.0)] = 1.0,
    alpha: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5,
    rounds: Annotated[int, Meta(ge=1, le=10**9)] = 1000,
) -> Algorithm:
    """`gamma`, `kappa` and `rounds` say how far a model may be, `alpha` is the own model's share."""
    return Algorithm(init=lambda context: 0, apply=partial(apply, alpha=alpha, bound=partial(threshold, gamma, kappa, rounds)))


def apply(
    state: int, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, alpha: float, bound: Callable[[int], float]
) -> Result:
    """The mean of the accepted models and the own one; reputations stay as they are. The state counts the updates."""
    farthest = bound(state) * distance(own, np.zeros_like(own))
    accepted = [model.weights for model in newest(received) if distance(model.weights, own) <= farthest]
    notes = {"accepted": len(accepted), "bound": farthest}
    return Result(state + 1, mixed(own, accepted, alpha), dict(reputations), notes)


def threshold(gamma: float, kappa: float, rounds: int, done: int) -> float:
    """gamma * exp(-kappa * t / T): how far a model may be in the update after `done` others, in norms of the own model."""
    return gamma * exp(-kappa * min(1.0, done / rounds))
