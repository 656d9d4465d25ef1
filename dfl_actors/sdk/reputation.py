"""Reputation: models count by their sender's reputation and their accuracy; the least accurate sender pays.

    weight_n   = reputation of the sender * accuracy                                        (3)
    model_next = (sum over n of weight_n / (sum over m of weight_m) * model_n + model_prev) / 2   (4)

Equations 3 and 4 of arXiv 2110.15457. After each mean the sender of the least accurate model loses `penalty` of its reputation, down to 0;
0.05 is the paper's "Reputation-0.05". Where the paper is silent:

* The weights are those of the reputations before this round's punishment, as in the authors' simulation.
* Senders that tie for the least accuracy are all punished, so that the order of the buffer decides nothing.
* A sender starts at reputation 1.
* All models of a sender in the buffer are used, each with its own accuracy; a sender is punished at most once a round, however many of
  its models tie. With `every_model` it is punished once for each of them, as in the authors' program: where labels are skewed, several
  honest models often get nothing right at once, and reputations are spent twice as fast.
* When all weights are 0 (all reputations, as in the paper, or all accuracies), the mean is HalfFedAvg's, equation 2.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

from msgspec import Meta

from dfl_actors.sdk.half_fedavg import half_mean
from dfl_actors.sdk.interface import ACCURACY, START_REPUTATION, Algorithm, ReceivedModel, Reputations, Result, Weights
from dfl_actors.sdk.robust import measured


def build(penalty: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.05, every_model: bool = False) -> Algorithm:
    """`penalty`: what the least accurate sender loses each round; `every_model`: for each of its models that are the least."""
    return Algorithm(apply=partial(apply, penalty=penalty, every_model=every_model), needs=frozenset({ACCURACY}))


def apply(
    state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, penalty: float, every_model: bool = False
) -> Result:
    """Equations 3 and 4, then the punishment. Raises `ValueError` when a model was not measured."""
    accuracies = [measured(model) for model in received]
    held = {**reputations, **{model.sender: reputations.get(model.sender, START_REPUTATION) for model in received}}
    weights = [held[model.sender] * accuracy for model, accuracy in zip(received, accuracies, strict=True)]
    fallback = not any(weights)
    mean = half_mean(own, [model.weights for model in received], [1.0] * len(received) if fallback else weights)
    least = least_accurate(received)
    times = least if every_model else Counter(least.keys())
    return Result(state, mean, punished(held, times, penalty), {"punished": sorted(least), "fallback": fallback})


def least_accurate(received: Sequence[ReceivedModel]) -> Counter[str]:
    """The senders of the least accurate model or models, and how many of these each sent; empty when there are none."""
    lowest = min(map(measured, received), default=0.0)
    return Counter(model.sender for model in received if measured(model) == lowest)


def punished(reputations: Reputations, times: Mapping[str, int], penalty: float) -> dict[str, float]:
    """`reputations` with those of the senders lower by `penalty`, so many times, not below 0.

    Rounded to 9 decimals: twenty penalties of 0.05 must end at exactly 0, since a remainder of 1e-16 would still earn a share of the mean.
    """
    return {sender: max(0.0, round(held - penalty * times[sender], 9)) if sender in times else held for sender, held in reputations.items()}
