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

from collections.abc import Sequence
from functools import partial
from math import exp
from typing import Annotated

import msgspec
import numpy as np

from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel, Reputations, Result, Weights, checked_parameters
from dfl_actors.sdk.robust import distance, mixed, newest

NAME = "balance"


class Balance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`gamma`, `kappa` and `rounds` say how far a model may be, `alpha` is the own model's share."""

    gamma: Annotated[float, msgspec.Meta(gt=0.0, le=1000.0)] = 0.3
    kappa: Annotated[float, msgspec.Meta(ge=0.0, le=1000.0)] = 1.0
    alpha: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.5
    rounds: Annotated[int, msgspec.Meta(ge=1, le=10**9)] = 1000


def build(**parameters: object) -> Algorithm:
    """Takes `gamma`, `kappa`, `alpha` and `rounds`. Raises `ConfigError` for another parameter or value."""
    return Algorithm(NAME, init, partial(apply, settings=checked_parameters(NAME, Balance, parameters)))


def init(context: Context) -> int:
    """The state: how many updates were made."""
    return 0


def apply(state: int, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, settings: Balance) -> Result:
    """The mean of the accepted models and the own one; reputations stay as they are."""
    bound = threshold(settings, state) * distance(own, np.zeros_like(own))
    accepted = [model.weights for model in newest(received) if distance(model.weights, own) <= bound]
    notes = {"accepted": len(accepted), "bound": bound}
    return Result(state + 1, mixed(own, accepted, settings.alpha), dict(reputations), notes)


def threshold(settings: Balance, done: int) -> float:
    """gamma * exp(-kappa * t / T): how far a model may be in the update after `done` others, in norms of the own model."""
    return settings.gamma * exp(-settings.kappa * min(1.0, done / settings.rounds))
