"""Dissensus: it pushes a victim away from its neighbours as hard as these pull it towards themselves, so that they never agree.

    offered = x_i + t * sum over j of L_ij * x_j = x_i + t * sum over the honest j that i hears of (x_i - x_j)

x_i is the newest model of the victim i, L the Laplacian of the graph of the honest nodes. From He et al., Byzantine-Robust Decentralized
Learning via ClippedGossip (arXiv 2202.01545), in the form of Unified Breakdown Analysis for Byzantine Robust Gossip (arXiv 2410.10418).
There each victim is sent a model of its own. A model is signed and goes to all neighbours here, so the victims take turns: each offer is
made against one of the honest nodes that hear the attacker, by name. It knows the graph from the topology, and of the victim's neighbours
those models that it averaged itself; where it knows none (on a ring), its own model and all others that it knows stand in for them.

Parameters: `t`, 0 to 1e6; left out, 1 / the number of attackers that the victim hears: together they undo what the others do to a mean.
`together`, default false: in the simulator it sees what its fellows see.
While it knows no model but its own, it offers that.
"""

from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack, View
from dfl_actors.sdk.attacks.known import around, attackers, mean, victim_of, within
from dfl_actors.sdk.interface import Weights


def build(t: Annotated[float, Meta(ge=0.0, le=1e6)] | None = None, together: bool = False) -> Attack:
    """`t`: how hard it pushes."""
    return Attack(offer=partial(offered, t=t), watches=True, together=together)


def offered(view: View, *, t: float | None) -> Weights:
    """x_i + t * sum over j of (x_i - x_j), float32 [P]; the own model while there is no victim."""
    victim = victim_of(view)
    if victim is None:
        return view.own
    others = around(view, victim)
    own = view.others[victim].astype(np.float64)
    strength = 1 / len(attackers(view, victim)) if t is None else t
    return within(own + strength * len(others) * (own - mean(others)))
