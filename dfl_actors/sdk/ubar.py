"""UBAR: the nearest models are a shortlist, and of these the accurate ones are averaged.

    shortlist  = the ceil(rho * N) models nearest to model_prev
    chosen     = those of the shortlist that are at least as accurate as its median
    model_next = alpha * model_prev + (1 - alpha) * mean of the chosen models

From Guo et al., Byzantine-resilient Decentralized Stochastic Gradient Descent (arXiv 2002.08569). The N models are the newest of each
sender. It differs from the paper in the second line: there a model is chosen when its loss on a batch is no worse than the own model's,
or when it is the best if all are worse. A node measures received models alone, and their accuracy; the median stands in for the own
model. So at least half of the shortlist is chosen, and the best model always.

Parameters: `rho`, above 0 up to 1, default 0.5: the fraction of the models that are surely honest; `alpha`, 0 to 1, default 0.5: the
own model's share.
Needs: accuracies, the own model, and through `rho` the number of attackers. Of equally distant models the first sender's by name goes
first.
"""

from collections.abc import Sequence
from functools import partial
from math import ceil
from statistics import median
from typing import Annotated

import msgspec

from dfl_actors.sdk.interface import ACCURACY, Algorithm, Context, ReceivedModel, Reputations, Result, Weights, checked_parameters
from dfl_actors.sdk.robust import distance, measured, mixed, newest

NAME = "ubar"


class Ubar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rho`: the fraction of models on the shortlist; `alpha`: the own model's share."""

    rho: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.5
    alpha: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.5


def build(**parameters: object) -> Algorithm:
    """Takes `rho` (above 0 to 1, 0.5) and `alpha` (0..1, 0.5). Raises `ConfigError` for another parameter or value."""
    return Algorithm(NAME, init, partial(apply, settings=checked_parameters(NAME, Ubar, parameters)), frozenset({ACCURACY}))


def init(context: Context) -> None:
    """No state."""


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, settings: Ubar) -> Result:
    """The own model and the mean of the chosen ones; reputations stay. Raises `AlgorithmError` when a model was not measured."""
    models = newest(received)
    # A product such as 0.1 * 30 may lie just above the whole number.
    shortlist = sorted(models, key=lambda model: distance(model.weights, own))[: ceil(settings.rho * len(models) - 1e-9)]
    best = chosen(shortlist)
    notes = {"shortlist": [model.sender for model in shortlist], "chosen": [model.sender for model in best]}
    return Result(state, mixed(own, [model.weights for model in best], settings.alpha), dict(reputations), notes)


def chosen(shortlist: Sequence[ReceivedModel]) -> list[ReceivedModel]:
    """The models that are at least as accurate as the median; none of none."""
    if not shortlist:
        return []
    least = median([measured(NAME, model) for model in shortlist])
    return [model for model in shortlist if measured(NAME, model) >= least]
