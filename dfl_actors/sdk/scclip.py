"""Self-centred clipping (ClippedGossip): every model counts, but none may pull the own one further than tau.

    model_next = model_prev + sum over n of W * clip(model_n - model_prev, tau),   clip(z, tau) = min(1, tau / |z|) * z

From He et al., Byzantine-Robust Decentralized Learning via ClippedGossip (arXiv 2202.01545). All N models, the newest of each sender,
have the weight W = 1 / (N + 1), the own one the rest.

Parameters: `tau`, from 0: the radius, in the models' own units; left out, it is chosen anew each time by the paper's rule

    tau^2 = 1 / (weight of the attackers) * sum over the honest n of W * |model_n - model_prev|^2

with the N - f nearest models in the place of the honest ones, whom nobody knows, and f * W as the attackers' weight.
`f`, 0 to 1000, default 1: how many of the N models may be attackers'; it matters only when `tau` is left out. 0 clips nothing; with
f >= N the own model stays.
Needs: the own model, and the number of attackers or a radius; no accuracies. A model infinitely far away (its squared distance exceeds
float32) is left out.
"""

from collections.abc import Sequence
from functools import partial
from math import inf, sqrt
from typing import Annotated

from msgspec import Meta

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights, weighted_mean
from dfl_actors.sdk.robust import distance, newest


def build(tau: Annotated[float, Meta(ge=0.0, le=1e30)] | None = None, f: Annotated[int, Meta(ge=0, le=1000)] = 1) -> Algorithm:
    """`tau`: the radius; left out, it follows from the distances and `f`, how many of the received models may be attackers'."""
    return Algorithm(apply=partial(apply, radius=tau, f=f))


def apply(
    state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, radius: float | None, f: int
) -> Result:
    """The own model and the clipped differences; reputations stay as they are."""
    models = [model.weights for model in newest(received)]
    distances = [distance(model, own) for model in models]
    tau = chosen_radius(distances, f) if radius is None else radius
    weights = clipped_mean(own, models, distances, tau)
    return Result(state, weights, dict(reputations), {"clipped": sum(length > tau for length in distances)})


def clipped_mean(own: Weights, models: Sequence[Weights], distances: Sequence[float], tau: float) -> Weights:
    """own + sum over n of 1 / (N + 1) * clip(model_n - own, tau), float32 [P], for N models at these distances."""
    shares = [clipped(length, tau) / (len(models) + 1) for length in distances]
    # The sum as a mean: each model by its clipped share, the own one by what is left.
    return weighted_mean([own, *models], [1.0 - sum(shares), *shares])


def clipped(length: float, tau: float) -> float:
    """min(1, tau / |z|), by what a difference of that length is multiplied; 0 for an infinite one."""
    if length == inf:
        return 0.0
    return 1.0 if length <= tau else tau / length


def chosen_radius(distances: Sequence[float], f: int) -> float:
    """The paper's radius, with all but the `f` largest distances as those of the honest models."""
    if f == 0:
        return inf
    nearest = sorted(distances)[: max(0, len(distances) - f)]
    return sqrt(sum(length**2 for length in nearest) / f)
