"""How different the models of a network are: the paper's equation 5.

For N models in a ring, difference = (sum over n of |model_n - model_(n-1)|) / N, for each layer by itself. The bars are taken weight
by weight and then summed over the layer: that is what the paper's published figures hold (1e5 for LeNet's 400,000 weights of
`ip1` at the start), where the difference of two sums, as its text can be read, would be a few dozen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfl_actors.learning.weights import Parameters, Vector


def distances(one: Vector, other: Vector, parameters: Parameters) -> NDArray[np.float64]:
    """The sum of |one - other| over each layer [L], of two models [P]."""
    pairs = zip(parameters.views(one).values(), parameters.views(other).values(), strict=True)
    return np.array([np.abs(a - b).sum(dtype=np.float64) for a, b in pairs])


def by_layer(values: NDArray[np.float64], parameters: Parameters) -> dict[str, float]:
    """Values [L] under the names of their layers."""
    return {layer.name: float(value) for layer, value in zip(parameters.layers, values, strict=True)}


class Ring:
    """Equation 5 of nodes whose models come one at a time; each new model costs two distances.

    It keeps a reference to each node's newest model and copies none: do not write to a model that was put.
    """

    def __init__(self, nodes: Sequence[str], parameters: Parameters) -> None:
        self._nodes, self._parameters = tuple(nodes), parameters
        self._models: dict[str, Vector] = {}
        self._distances: dict[int, NDArray[np.float64]] = {}

    def put(self, node: str, model: Vector) -> dict[str, float] | None:
        """The difference by layer, `model` being the node's newest; None with one node, or while a node has no model yet."""
        self._models[node] = model
        place, count = self._nodes.index(node), len(self._nodes)
        for left in {(place - 1) % count, place}:
            pair = self._nodes[left], self._nodes[(left + 1) % count]
            if pair[0] != pair[1] and all(name in self._models for name in pair):
                self._distances[left] = distances(self._models[pair[0]], self._models[pair[1]], self._parameters)
        if count < 2 or len(self._distances) < count:
            return None
        return by_layer(np.mean(list(self._distances.values()), axis=0), self._parameters)
