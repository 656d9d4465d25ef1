"""FedAvg: the mean of the node's own model and every received one, in equal shares.

    model_next = (model_prev + sum over n of model_n) / (N + 1)

From McMahan et al. (arXiv 1602.05629, algorithm 1), whose server weighs each model by its client's number of samples. Nobody
here can check such a number, so all shares are equal. It differs from the paper's equation 2 in the node's own share: 1 / (N + 1)
instead of one half.
Several models of one sender count as many times.
"""

from collections.abc import Sequence

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights, weighted_mean


def build() -> Algorithm:
    return Algorithm(apply=apply)


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations) -> Result:
    """The mean of `own` and all `received`; reputations stay as they are."""
    models = [own, *(model.weights for model in received)]
    return Result(state, weighted_mean(models, [1.0] * len(models)), dict(reputations), {})
