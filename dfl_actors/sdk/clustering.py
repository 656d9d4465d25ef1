"""Clustering: senders that are alike in accuracy and reputation are gathered, and the majority decides.

    point_n = (accuracy of model n, reputation of its sender)

The two clusters whose centres are nearest are merged, again and again, until one holds more than `majority` of the models. Its models
alone are averaged as `reputation` does (equations 3 and 4 of arXiv 2110.15457): half the own model, half their mean by accuracy times
reputation; the least accurate of them costs its sender `penalty`. The others are left out, and their senders' reputations stay.

This is the fourth sample algorithm of that paper's authors, with agglomerative clustering by centroid linkage. It differs in three
points: a cluster's centre is the mean of all its points; only the newest model of each sender counts; and of equally near clusters the
first by the senders' names are merged, so that the order of the buffer decides nothing.

Parameters: `majority`, from 0, below 1, default 0.5: the fraction of models that a cluster must exceed; `penalty`, 0 to 1, default 0.01.
Needs: accuracies and the own model; not the number of attackers, but that honest nodes are the majority.
A single model is a cluster. When all weights are 0, the cluster's models count alike, as in `reputation`.
"""

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from math import dist
from typing import Annotated

from msgspec import Meta

from dfl_actors.sdk import reputation
from dfl_actors.sdk.interface import ACCURACY, START_REPUTATION, Algorithm, ReceivedModel, Reputations, Result, Weights
from dfl_actors.sdk.robust import measured, newest

Point = tuple[float, float]


def build(majority: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.5, penalty: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.01) -> Algorithm:
    """`majority`: the fraction of models that the cluster must exceed; `penalty`: what its least accurate sender loses each round."""
    return Algorithm(apply=partial(apply, majority=majority, penalty=penalty), needs=frozenset({ACCURACY}))


def apply(
    state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, majority: float, penalty: float
) -> Result:
    """The majority's models averaged as `reputation` does. Raises `ValueError` when a model was not measured."""
    models = newest(received)
    points = [(measured(model), float(reputations.get(model.sender, START_REPUTATION))) for model in models]
    kept = [models[place] for place in majority_cluster(points, majority)]
    result = reputation.apply(state, own, kept, reputations, penalty=penalty)
    return result._replace(notes={**result.notes, "cluster": [model.sender for model in kept]})


def majority_cluster(points: Sequence[Point], majority: float) -> list[int]:
    """Which points make up the first cluster of more than `majority` of them, in ascending order; none of none."""
    clusters = [[place] for place in range(len(points))]
    while clusters:
        largest = max(clusters, key=len)
        if len(largest) > majority * len(points) or len(clusters) == 1:
            return largest
        centres = [centre(points, cluster) for cluster in clusters]
        one, other = min(combinations(range(len(clusters)), 2), key=lambda pair: dist(centres[pair[0]], centres[pair[1]]))
        clusters[one] = sorted([*clusters[one], *clusters.pop(other)])
    return []


def centre(points: Sequence[Point], cluster: Sequence[int]) -> Point:
    """The mean of a cluster's points."""
    return sum(points[place][0] for place in cluster) / len(cluster), sum(points[place][1] for place in cluster) / len(cluster)
