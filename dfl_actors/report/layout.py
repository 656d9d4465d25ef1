"""Where the nodes of a graph are drawn, and which of its links are bent.

A star, a line, a grid and a torus look like what they are; other small and dense graphs stand in a circle, and the rest where springs pull
them. A link whose straight line would pass through a node that is not one of its ends is bent around it.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MOST_SPRINGS = 499
"""Beyond, networkx needs scipy for its spring layout, and a picture of so many nodes is a cloud anyway: they stand in a circle."""

POINTS = 250  # About how many points a unit of a picture's axes has.
MOST_BENT = 22_000  # Links times nodes up to which bends are looked for: beyond, nobody could follow a link.
BENDS = (0.06, 0.1, 0.15, 0.22, 0.3, 0.45, 0.6)  # How far beside its middle a link's control point is tried, in its lengths.
CLEAR = 1.35  # Radii of a node that a link keeps from its centre.
AROUND = np.linspace(0, 1, 25)[:, None]  # Where a bent link is drawn.

Positions = dict[str, tuple[float, float]]  # Where each node is drawn: x and y in -1..1.
Point = tuple[float, float]
Link = tuple[str, str]

Points = NDArray[np.float64]


def node_area(count: int) -> float:
    """The area of one of so many nodes in a picture, in square points."""
    return 620 if count <= 12 else max(18, 16000 / count)


def positions(names: Sequence[str], links: Sequence[Link]) -> Positions:
    """Where each node stands; the same for the same graph."""
    return dict(zip(names, _placed(tuple(names), tuple(links)), strict=True))


@lru_cache(maxsize=16)
def _placed(names: tuple[str, ...], links: tuple[Link, ...]) -> tuple[Point, ...]:
    """Remembered, for a page that follows a run draws the same graph again and again."""
    points = _shaped(names, links)
    if points is None:
        points = _unshaped(names, links)
    return tuple((float(x), float(y)) for x, y in points)


def _unshaped(names: Sequence[str], links: Sequence[Link]) -> Points:
    count = len(names)
    circle = _circle(count)
    dense = 4 * len({frozenset(link) for link in links}) >= count * (count - 1)
    # Names that do not fit into their nodes need room outside, which a circle has.
    small = 12 if max(map(len, names), default=0) > 3 else 6
    return circle if count <= small or dense or count > MOST_SPRINGS else _spread(_sprung(names, links, circle))


def _circle(count: int) -> Points:
    """The nodes clockwise from the top, two beside each other [count, 2]."""
    angles = (np.pi if count == 2 else np.pi / 2) - np.arange(count) * 2 * np.pi / max(count, 1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


# --- known shapes

Pairs = Collection[frozenset[int]]


def _shaped(names: Sequence[str], links: Sequence[Link]) -> Points | None:
    """The places of a star, a line, a grid or a torus whose nodes come in their order; None for any other graph."""
    places = {name: place for place, name in enumerate(names)}
    pairs = {frozenset((places[one], places[other])) for one, other in links if one != other}
    count = len(names)
    if count < 4:
        return None
    if len(pairs) == count - 1:
        return _star(count, pairs) if _hub(count, pairs) is not None else _line(count, pairs)
    for rows in range(2, count // 2 + 1):
        if count % rows == 0 and count > 4 and pairs in (_mesh(rows, count // rows, False), _mesh(rows, count // rows, True)):
            return _grid(rows, count // rows)
    return None


def _hub(count: int, pairs: Pairs) -> int | None:
    """The node that every link has as an end."""
    common = frozenset.intersection(*pairs)
    return next(iter(common)) if len(common) == 1 and len(pairs) == count - 1 else None


def _star(count: int, pairs: Pairs) -> Points:
    """The hub in the middle of the others."""
    hub, around = _hub(count, pairs), _circle(count - 1)
    return np.insert(around, 0 if hub is None else hub, [[0.0, 0.0]], axis=0)


def _line(count: int, pairs: Pairs) -> Points | None:
    """A circle that is wide open at its foot."""
    if pairs != {frozenset((place, place + 1)) for place in range(count - 1)}:
        return None
    angles = np.linspace(1.2 * np.pi, -0.2 * np.pi, count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _mesh(rows: int, columns: int, closed: bool) -> set[frozenset[int]]:
    """The links of a grid of nodes, row by row; `closed`, its borders meet."""
    at = np.arange(rows * columns).reshape(rows, columns)
    beside = [(at[:, :-1], at[:, 1:]), (at[:-1], at[1:])]
    beside += [(at[:, -1:], at[:, :1]), (at[-1:], at[:1])] if closed else []
    return {frozenset(pair) for one, other in beside for pair in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)}


def _grid(rows: int, columns: int) -> Points:
    """Row by row from the top left, in square cells."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.stack([2 * x - (columns - 1), (rows - 1) - 2 * y], axis=1) / (max(rows, columns) - 1)


# --- springs


def _sprung(names: Sequence[str], links: Sequence[Link], circle: Points) -> Points:
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


# --- bends


def bends(places: Positions, links: Iterable[Link]) -> dict[Link, Point]:
    """Of links that would pass through a node the point towards which they are bent: the control point of a quadratic Bézier curve."""
    return dict(_bent(tuple(places.items()), tuple(links)))


@lru_cache(maxsize=16)
def _bent(places: tuple[tuple[str, Point], ...], pairs: tuple[Link, ...]) -> tuple[tuple[Link, Point], ...]:
    names, at = [name for name, _ in places], dict(places)
    points = np.array([point for _, point in places])
    if len(pairs) * len(names) > MOST_BENT:
        return ()
    clear = CLEAR * math.sqrt(node_area(len(names))) / 2 / POINTS
    found = {}
    for one, other in pairs:
        others = points[[name not in (one, other) for name in names]]
        ends = np.array(at[one]), np.array(at[other])
        if len(others) and _distance(ends, None, others) < clear:
            found[one, other] = _bend(ends, others, clear)
    return tuple(found.items())


def path(one: Point, other: Point, via: Point | None) -> Points:
    """The points [n, 2] through which a link is drawn: its ends, or a curve between them."""
    if via is None:
        return np.array([one, other])
    start, middle, end = (np.array(point) for point in (one, via, other))
    return np.asarray((1 - AROUND) ** 2 * start + 2 * AROUND * (1 - AROUND) * middle + AROUND**2 * end)


def _bend(ends: tuple[Points, Points], others: Points, clear: float) -> Point:
    """The slightest bend that keeps clear of other nodes, towards the middle of the picture if that does; else the one that does best."""
    start, end = ends
    middle, across = (start + end) / 2, np.array([start[1] - end[1], end[0] - start[0]])
    inwards = -1.0 if float(middle @ across) > 0 else 1.0
    best, farthest = middle, 0.0
    for via in (middle + side * far * across for far in BENDS for side in (inwards, -inwards)):
        distance = _distance(ends, via, others)
        if distance > farthest:
            best, farthest = via, distance
        if distance >= clear:
            break
    return float(best[0]), float(best[1])


def _distance(ends: tuple[Points, Points], via: Points | None, others: Points) -> float:
    """How near a link, as it is drawn, comes to the nearest of other nodes."""
    start, end = ends
    points = path((start[0], start[1]), (end[0], end[1]), None if via is None else (via[0], via[1]))
    begun, way = points[:-1], np.diff(points, axis=0)
    between = others[:, None] - begun[None]
    along = np.clip((between * way).sum(axis=2) / np.maximum((way * way).sum(axis=1), 1e-12), 0, 1)
    return float(np.linalg.norm(between - along[:, :, None] * way, axis=2).min())
