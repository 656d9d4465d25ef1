"""Spectral: it pulls honest nodes apart along the cut at which their graph is thinnest, where agreement is slowest anyway.

    offered = x_i + t * v_i * sum over the honest k of v_k * x_k

x_i is the newest model of the victim i, v the Fiedler vector of the honest nodes' graph: the eigenvector of its Laplacian's least
eigenvalue but the first. From Unified Breakdown Analysis for Byzantine Robust Gossip (arXiv 2410.10418, the spectral heterogeneity
attack). Where several eigenvectors share that eigenvalue (on a ring, two), v_i * v_k is the sum over them, which does not depend on how
they are chosen. As the v_k add up to 0, those of the nodes that are known are taken less their mean, so that this stays so; a node that is
not known is left out.

There each victim is sent a model of its own; here the victims take turns, as `dissensus` says. Parameters: `t`, 0 to 1e6; left out, as much
as takes the offer as far from x_i as the furthest honest model is that it knows around the victim. `together`, default false: in the
simulator it sees what its fellows see.
While it knows no model but its own, it offers that.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import Attack, Scene, View
from dfl_actors.sdk.attacks.known import Doubles, around, heard, norm, victim_of, within
from dfl_actors.sdk.interface import Weights

ALIKE = 1e-9  # Eigenvalues that differ by less are the same.


def build(t: Annotated[float, Meta(ge=0.0, le=1e6)] | None = None, together: bool = False) -> Attack:
    """`t`: how hard it pulls."""
    return Attack(offer=partial(offered, t=t), watches=True, together=together)


def offered(view: View, *, t: float | None) -> Weights:
    """x_i + t * v_i * sum of v_k * x_k, float32 [P]; the own model while there is no victim."""
    victim = victim_of(view)
    if victim is None:
        return view.own
    own = view.others[victim].astype(np.float64)
    pulled = along(heard(view), victim, graph(view.scene, sorted(view.others)))
    return within(own + (reach(view, victim, own, pulled) if t is None else t) * pulled)


def reach(view: View, victim: str, own: Doubles, pulled: Doubles) -> float:
    """The t that takes the offer as far from the victim as the furthest model around it; 0 without a direction."""
    length = norm(pulled)
    return max(norm(model - own) for model in around(view, victim)) / length if length else 0.0


def along(models: Mapping[str, Weights], victim: str, graph: Mapping[str, frozenset[str]]) -> Doubles:
    """v_i * sum over k of v_k * (x_k - mean), [P]; `graph` holds every node of `models`."""
    names = list(graph)
    shares = fiedler(laplacian(graph))[names.index(victim)]
    known = [shares[names.index(name)] for name in models]
    middle = sum(known) / len(known)
    total = np.zeros(len(models[victim]))
    for share, model in zip(known, models.values(), strict=True):
        total += (share - middle) * model
    return total


def graph(scene: Scene, known: Sequence[str]) -> dict[str, frozenset[str]]:
    """Whom each honest node hears among the honest ones, by name; where the topology says nothing, everybody who is known."""
    hears = scene.hears or {name: frozenset(known) - {name} for name in known}
    nodes = sorted({*hears, *known} - scene.fellows - {scene.me})
    return {name: frozenset(hears.get(name, frozenset())) & frozenset(nodes) for name in nodes}


def laplacian(graph: Mapping[str, frozenset[str]]) -> Doubles:
    """L, [nodes, nodes], of links taken both ways."""
    joined = np.array([[other in near or one in graph[other] for other in graph] for one, near in graph.items()], np.float64)
    return np.diag(joined.sum(1)) - joined


def fiedler(matrix: Doubles) -> Doubles:
    """v_i * v_k of all pairs, [nodes, nodes], summed over the eigenvectors of the least eigenvalue but the first; one node alone has 0."""
    values, vectors = np.linalg.eigh(matrix)
    if len(values) < 2:
        return np.zeros_like(matrix)
    chosen = vectors[:, 1:][:, np.abs(values[1:] - values[1]) <= ALIKE * max(1.0, values[-1])]
    return np.asarray(chosen @ chosen.T)
