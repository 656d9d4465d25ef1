"""UBAR: the nearest models are a shortlist, and of these the ones that do at least as well as the own model are averaged.

    shortlist  = the ceil(rho * N) models nearest to model_prev
    chosen     = those of the shortlist that are at least as accurate as model_prev; if none is, the most accurate one
    model_next = alpha * model_prev + (1 - alpha) * mean of the chosen models

From Guo et al., Byzantine-resilient Decentralized Stochastic Gradient Descent (arXiv 2002.08569). The N models are the newest of each
sender. The paper compares the losses on a batch of the node's own samples; what a node measures here is the accuracy on its own samples,
so a model whose loss is worse at the same accuracy is chosen too.

Parameters: `rho`, above 0 up to 1, default 0.5: the fraction of the models that are surely honest; `alpha`, 0 to 1, default 0.5: the
own model's share.
Needs: accuracies, that of the own model too, and through `rho` the number of attackers. Where nobody measured the own model (an observer
never does, a trainer does with its first transaction) the median accuracy of the shortlist takes its place, so that at least half of the
shortlist is chosen. Of equally distant models the first sender's by name goes first, of equally accurate ones the nearest.
"""

from collections.abc import Sequence
from functools import partial
from math import ceil
from statistics import median
from typing import Annotated

import msgspec

from dfl_actors.sdk.interface import (
    ACCURACY,
    OWN_ACCURACY,
    Algorithm,
    Context,
    ReceivedModel,
    Reputations,
    Result,
    Weights,
    checked_parameters,
)
from dfl_actors.sdk.robust import distance, measured, mixed, newest

NAME = "ubar"


class Ubar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rho`: the fraction of models on the shortlist; `alpha`: the own model's share."""

    rho: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.5
    alpha: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.5


def build(**parameters: object) -> Algorithm:
    """Takes `rho` (above 0 to 1, 0.5) and `alpha` (0..1, 0.5). Raises `ConfigError` for another parameter or value."""
    settings = checked_parameters(NAME, Ubar, parameters)
    return Algorithm(NAME, init, partial(apply, settings=settings), frozenset({ACCURACY, OWN_ACCURACY}))


def init(context: Context) -> None:
    """No state."""


def apply(
    state: None,
    own: Weights,
    received: Sequence[ReceivedModel],
    reputations: Reputations,
    *,
    settings: Ubar,
    own_accuracy: float | None = None,
) -> Result:
    """The own model and the mean of the chosen ones; reputations stay. Raises `AlgorithmError` when a received model was not measured."""
    models = newest(received)
    # A product such as 0.1 * 30 may lie just above the whole number.
    shortlist = sorted(models, key=lambda model: distance(model.weights, own))[: ceil(settings.rho * len(models) - 1e-9)]
    best = chosen(shortlist, own_accuracy)
    notes = {"shortlist": [model.sender for model in shortlist], "chosen": [model.sender for model in best]}
    return Result(state, mixed(own, [model.weights for model in best], settings.alpha), dict(reputations), notes)


def chosen(shortlist: Sequence[ReceivedModel], own_accuracy: float | None) -> list[ReceivedModel]:
    """The models that are at least as accurate as the own one, or the most accurate one; none of none.

    Without `own_accuracy`, those at least as accurate as their median.
    """
    if not shortlist:
        return []
    accuracies = [measured(NAME, model) for model in shortlist]
    least = median(accuracies) if own_accuracy is None else own_accuracy
    good = [model for model, accuracy in zip(shortlist, accuracies, strict=True) if accuracy >= least]
    return good or [shortlist[accuracies.index(max(accuracies))]]
