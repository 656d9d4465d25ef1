"""HalfFedAvg: half the node's own model, half the mean of the received ones (equation 2 of arXiv 2110.15457).

    model_next = (sum over n of 1/N * model_n + model_prev) / 2

`model_n` are the N models of the buffer, several of one sender counted as many times, as there.
"""

from collections.abc import Sequence

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights, weighted_mean


def build() -> Algorithm:
    return Algorithm(apply=apply)


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations) -> Result:
    """Equation 2; reputations stay as they are."""
    weights = half_mean(own, [model.weights for model in received], [1.0] * len(received))
    return Result(state, weights, dict(reputations), {})


def half_mean(own: Weights, models: Sequence[Weights], weights: Sequence[float]) -> Weights:
    """Half `own`, half the weighted mean of `models` (equations 2 and 4), float32 [P]; a copy of `own` when there are no models.

    Raises `ValueError` for weights that are negative or all 0.
    """
    if not models:
        return own.copy()
    # The own weight equals the sum of the others: its share is one half.
    return weighted_mean([own, *models], [sum(weights), *weights])
