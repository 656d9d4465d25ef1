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

from msgspec import Meta

from dfl_actors.sdk.interface import ACCURACY, OWN_ACCURACY, Algorithm, ReceivedModel, Reputations, Result, Weights
from dfl_actors.sdk.robust import distance, measured, mixed, newest


def build(rho: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.5, alpha: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5) -> Algorithm:
    """`rho`: the fraction of models on the shortlist; `alpha`: the own model's share."""
    return Algorithm(apply=partial(apply, rho=rho, alpha=alpha), needs=frozenset({ACCURACY, OWN_ACCURACY}))


def apply(
    state: None,
    own: Weights,
    received: Sequence[ReceivedModel],
    reputations: Reputations,
    *,
    rho: float,
    alpha: float,
    own_accuracy: float | None = None,
) -> Result:
    """The own model and the mean of the chosen ones; reputations stay. Raises `ValueError` when a received model was not measured."""
    models = newest(received)
    # A product such as 0.1 * 30 may lie just above the whole number.
    shortlist = sorted(models, key=lambda model: distance(model.weights, own))[: ceil(rho * len(models) - 1e-9)]
    best = chosen(shortlist, own_accuracy)
    notes = {"shortlist": [model.sender for model in shortlist], "chosen": [model.sender for model in best]}
    return Result(state, mixed(own, [model.weights for model in best], alpha), dict(reputations), notes)


def chosen(shortlist: Sequence[ReceivedModel], own_accuracy: float | None) -> list[ReceivedModel]:
    """The models that are at least as accurate as the own one, or the most accurate one; none of none.

    Without `own_accuracy`, those at least as accurate as their median.
    """
    if not shortlist:
        return []
    accuracies = [measured(model) for model in shortlist]
    least = median(accuracies) if own_accuracy is None else own_accuracy
    good = [model for model, accuracy in zip(shortlist, accuracies, strict=True) if accuracy >= least]
    return good or [shortlist[accuracies.index(max(accuracies))]]
