"""Where the nodes of a graph are drawn: a circle for small and dense graphs, otherwise where springs pull them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_SPRINGS = 499
"""Beyond, networkx needs scipy for its spring layout, and a picture of so many nodes is a cloud anyway: they stand in a circle."""

POINTS = 250  # About how many points a unit of a picture's axes has.

Positions = dict[str, tuple[float, float]]  # Where each node is drawn: x and y in -1..1.

Points = NDArray[np.float64]


def node_area(count: int) -> float:
    """The area of one of so many nodes in a picture, in square points."""
    return 620 if count <= 12 else max(18, 16000 / count)


def positions(names: Sequence[str], links: Sequence[tuple[str, str]]) -> Positions:
    """Where each node stands; the same for the same graph."""
    count = len(names)
    circle = _circle(count)
    dense = 4 * len({frozenset(link) for link in links}) >= count * (count - 1)
    # Names that do not fit into their nodes need room outside, which a circle has.
    small = 12 if max(map(len, names), default=0) > 3 else 6
    points = circle if count <= small or dense or count > MOST_SPRINGS else _spread(_sprung(names, links, circle))
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, points, strict=True)}


def _circle(count: int) -> Points:
    """The nodes clockwise from the top [count, 2]."""
    angles = np.pi / 2 - np.arange(count) * 2 * np.pi / max(count, 1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _sprung(names: Sequence[str], links: Sequence[tuple[str, str]], circle: Points) -> Points:
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(names)
    graph.add_edges_from(links)
    spectral = networkx.spectral_layout(graph)
    # Nodes with the same neighbours start at one place in a spectral layout, and nothing would part them.
    start = {name: spectral[name] + 0.2 * place for name, place in zip(names, circle, strict=True)}
    pulled = networkx.spring_layout(graph, pos=start, seed=1, iterations=300, k=1.6 / math.sqrt(len(names)))
    return np.array([pulled[name] for name in names])


def _spread(places: Points) -> Points:
    """The places [n, 2] moved apart where nodes would cover each other, and stretched to -1..1 in both directions."""
    least = 1.5 * math.sqrt(node_area(len(places))) / POINTS
    for _ in range(60):
        places = _stretched(places)
        between = places[:, None] - places[None]
        distance = np.linalg.norm(between, axis=2) + np.eye(len(places))
        overlap = np.clip(least - distance, 0, None)
        if not overlap.any():
            break
        places = places + (between * (0.5 * overlap / np.maximum(distance, 1e-9))[:, :, None]).sum(axis=1)
    return _stretched(places)


def _stretched(places: Points) -> Points:
    low, high = places.min(axis=0), places.max(axis=0)
    # A line has no height to stretch.
    return np.asarray(2 * (places - (low + high) / 2) / np.where(high - low > 1e-3, high - low, 2))
