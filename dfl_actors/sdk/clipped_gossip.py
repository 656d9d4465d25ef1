"""ClippedGossip with its practical radius: every model counts, but none may pull the own one further than a radius found anew each time.

    model_next = model_prev + sum over n of W * clip(model_n - model_prev, tau),   clip(z, tau) = min(1, tau / |z|) * z
    tau^2      = 1 / (f * W) * sum over the N - f nearest n of W * |model_n - model_prev|^2

From He et al., Byzantine-Robust Decentralized Learning via ClippedGossip (arXiv 2202.01545). All N models, the newest of each sender, have
the weight W = 1 / (N + 1), the own one the rest; the N - f nearest stand for the honest ones, whom nobody knows. It is `scclip` without a
radius of its own, under the name of its authors.

Parameter `f`, 0 to 1000, default 1: how many of the N models may be attackers'. 0 clips nothing, the plain mean; with f >= N the own model
stays, so a buffer must hold f + 1 senders.
Needs: the own model and the number of attackers; no accuracies. A model infinitely far away (its squared distance exceeds float32) is left
out.
"""

from typing import Annotated

from msgspec import Meta

from dfl_actors.sdk import scclip
from dfl_actors.sdk.interface import Algorithm


def build(f: Annotated[int, Meta(ge=0, le=1000)] = 1) -> Algorithm:
    """`f`: how many of the received models may be attackers'."""
    return scclip.build(f=f)
