"""FedAvg: the mean of the node's own model and every received one, in equal shares or, if asked, by their samples.

    model_next = (w_own * model_prev + sum over n of w_n * model_n) / (w_own + sum over n of w_n),  w = 1, or samples with `weighted`

From McMahan et al. (arXiv 1602.05629, algorithm 1), whose server weighs each model by its client's number of samples. Here a sender states
that number in its transactions and nobody can check it, so all shares are equal unless `weighted` is set: with it a liar counts as much as
it likes. A sender that states nothing counts as the node itself does. It differs from `half_fedavg` in the node's own
share: 1 / (N + 1) instead of one half.
Several models of one sender count as many times.
"""

from collections.abc import Sequence

from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel, Reputations, Result, Weights, weighted_mean


def build(weighted: bool = False) -> Algorithm:
    """`weighted`: by the samples that a sender states, in place of equal shares."""
    return Algorithm(init=samples if weighted else equal, apply=apply)


def equal(context: Context) -> None:
    """All count alike."""


def samples(context: Context) -> int:
    """What the node's own model counts: its samples."""
    return context.samples or 1


def apply(state: int | None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations) -> Result:
    """The mean of `own` and all `received`; reputations stay as they are."""
    models = [own, *(model.weights for model in received)]
    shares = [1.0] * len(models) if state is None else [float(state), *(float(model.samples or state) for model in received)]
    return Result(state, weighted_mean(models, shares), dict(reputations), {})
