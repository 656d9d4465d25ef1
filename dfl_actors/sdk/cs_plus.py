"""CS+: clipped sums whose radius is a distance that honest models keep, however far attackers go.

    model_next = model_prev - sum over n of W * clip(model_prev - model_n, tau),   clip(z, tau) = min(1, tau / |z|) * z
    tau        = the largest |model_prev - model_n| up to which the models together weigh at most W * N - 2b,   b = f * W

From Unified Breakdown Analysis for Byzantine Robust Gossip (arXiv 2410.10418). All N models, the newest of each sender, have the weight
W = 1 / (N + 1), the own one the rest, so tau is the distance of the (N - 2f)-th nearest: the 2f models beyond are clipped to it, those of
the f attackers and as many more. `clipped_gossip` clips fewer, at a radius that grows with what attackers send.

Parameter `f`, 0 to 1000, default 1: how many of the N models may be attackers'. 0 clips nothing, the plain mean; with 2f >= N the own model
stays (note "radius" 0), so a buffer must hold 2f + 1 senders.
Needs: the own model and the number of attackers; no accuracies. A model infinitely far away (its squared distance exceeds float32) is left
out.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from msgspec import Meta

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights
from dfl_actors.sdk.robust import distance, newest
from dfl_actors.sdk.scclip import clipped_mean


def build(f: Annotated[int, Meta(ge=0, le=1000)] = 1) -> Algorithm:
    """`f`: how many of the received models may be attackers'."""
    return Algorithm(apply=partial(apply, f=f))


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, f: int) -> Result:
    """The own model and the clipped differences; reputations stay as they are."""
    models = [model.weights for model in newest(received)]
    distances = [distance(model, own) for model in models]
    tau = radius(distances, f)
    clipped = sum(length > tau for length in distances)
    return Result(state, clipped_mean(own, models, distances, tau), dict(reputations), {"clipped": clipped, "radius": tau})


def radius(distances: Sequence[float], f: int) -> float:
    """The (N - 2f)-th smallest of the N distances; 0 where there is none."""
    place = len(distances) - 2 * f
    return sorted(distances)[place - 1] if place > 0 else 0.0
