"""The kinds of graphs that can be generated: what each needs and takes, what it refuses, and how it is drawn.

A kind is a row of `KINDS`. `settle` completes a request or raises; `draw` gives pairs of node numbers, and may give a graph that
falls apart: then `remedy` says what makes that less likely. A kind without `draw` is one that a topology has a word for.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dfl_actors.errors import ConfigError

if TYPE_CHECKING:
    import networkx

Pairs = list[tuple[int, int]]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What graph is wanted; None where nothing was said. `docs/topo.md` describes each."""

    kind: str = "connect"
    nodes: int | None = None
    degree: int | None = None
    probability: float | None = None
    rewire: float | None = None
    rows: int | None = None
    cols: int | None = None
    edges: Path | None = None
    seed: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Nodes and degree of a request that has both."""
        assert self.nodes is not None
        assert self.degree is not None
        return self.nodes, self.degree


class Kind(NamedTuple):
    """One kind.

    `about` says what it is, with the request's options filled in; `takes` are the options it may be given, each with its default (None:
    it depends on the others).
    """

    about: str
    needs: tuple[str, ...]
    takes: Mapping[str, float | None] = {}
    settle: Callable[[Request], Request] = lambda request: request
    draw: Callable[[Request, Random], Pairs] | None = None
    remedy: Callable[[Request], str] = lambda request: "raise --degree"

    @property
    def options(self) -> tuple[str, ...]:
        """Every option that this kind understands."""
        return (*self.needs, *self.takes)


# ---- what a request must keep


def _degree_from(least: int, request: Request) -> None:
    """A node has other nodes for neighbours. Raises ConfigError."""
    nodes, degree = request.size
    if not least <= degree < nodes:
        fitting = f"{least}" if least == nodes - 1 else f"{least} to {nodes - 1}"
        give = f"give {fitting}, or more --nodes" if least < nodes else f"give at least {least + 1} --nodes"
        raise ConfigError(f"--degree {degree}: each of {nodes} nodes has {nodes - 1} other{'s' * (nodes > 2)}; {give}")


def _chance(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise ConfigError(f"--{name} {value:g}: it is a probability; give a number from 0 to 1")


def _settle_connect(request: Request) -> Request:
    _degree_from(1, request)
    return request


def _settle_regular(request: Request) -> Request:
    _degree_from(1, request)
    nodes, degree = request.size
    if nodes * degree % 2:
        fitting = [str(other) for other in (degree - 1, degree + 1) if 1 < other < nodes]
        raise ConfigError(
            f"--degree {degree}: {nodes} nodes cannot all have {degree} neighbours, {nodes} x {degree} is odd and every link has two ends; "
            f"give {nodes + 1} --nodes{', or --degree ' if fitting else ''}{' or '.join(fitting)}"
        )
    if degree == 1 and nodes > 2:
        raise ConfigError(f"--degree 1: {nodes} nodes with one neighbour each are pairs that never meet; give 2 or more")
    return request


def _settle_random(request: Request) -> Request:
    if (request.probability is None) == (request.degree is None):
        raise ConfigError("--kind random: give either --probability (of each link) or --degree (the mean number of neighbours)")
    if request.probability is None:
        _degree_from(1, request)
    _chance("probability", request.probability)
    return request


def _settle_small_world(request: Request) -> Request:
    _degree_from(2, request)
    _chance("rewire", request.rewire)
    _, degree = request.size
    if degree % 2:
        raise ConfigError(f"--degree {degree}: half of them lie on either side of a node; give an even number")
    return request


def _settle_grid(request: Request) -> Request:
    """Rows and columns: both, or the nodes, as square as they go."""
    rows, cols, nodes = request.rows, request.cols, request.nodes
    least = 3 if request.kind == "torus" else 1
    if rows is None and cols is None and nodes is not None:
        rows = max(rows for rows in range(1, math.isqrt(nodes) + 1) if nodes % rows == 0)
        cols = nodes // rows
        if rows < max(least, 2):
            raise ConfigError(
                f"--nodes {nodes}: they make no {request.kind}, only {rows} x {cols}; give another number, or --rows and --cols"
            )
    if rows is None or cols is None:
        raise ConfigError(f"--kind {request.kind}: give --rows and --cols, or --nodes")
    for name, value in (("rows", rows), ("cols", cols)):
        if value < least:
            raise ConfigError(f"--{name} {value}: a {request.kind} has at least {least}; give more")
    if nodes is not None and nodes != rows * cols:
        raise ConfigError(f"--nodes {nodes}: {rows} rows of {cols} are {rows * cols}; leave --nodes out, or give that")
    return msgspec.structs.replace(request, rows=rows, cols=cols, nodes=rows * cols)


# ---- how a graph is drawn


def _connect(request: Request, random: Random) -> Pairs:
    """The paper's generator (section V-B): every node picks others, whoever picked it; who pick each other share one link."""
    nodes, degree = request.size
    links: Pairs = []
    for node in range(nodes):
        picked = random.sample([other for other in range(nodes) if other != node], degree)
        links += [(node, other) for other in sorted(picked)]
    chosen = set(links)
    return [(one, other) for one, other in links if one < other or (other, one) not in chosen]


def _regular(request: Request, random: Random) -> Pairs:
    import networkx

    nodes, degree = request.size
    # Drawing a dense graph can take for ever; the links that a sparse one leaves out are as random.
    if 2 * degree > nodes - 1:
        return _pairs(networkx.complement(networkx.random_regular_graph(nodes - 1 - degree, nodes, random)))
    return _pairs(networkx.random_regular_graph(degree, nodes, random))


def _random(request: Request, random: Random) -> Pairs:
    import networkx

    assert request.nodes is not None
    probability = request.probability
    if probability is None:
        nodes, degree = request.size
        probability = degree / (nodes - 1)
    return _pairs(networkx.fast_gnp_random_graph(request.nodes, probability, random))


def _small_world(request: Request, random: Random) -> Pairs:
    import networkx

    return _pairs(networkx.watts_strogatz_graph(*request.size, request.rewire, random))


def _scale_free(request: Request, random: Random) -> Pairs:
    import networkx

    return _pairs(networkx.barabasi_albert_graph(*request.size, random))


def _grid(request: Request, random: Random) -> Pairs:
    import networkx

    assert request.cols is not None
    graph = networkx.grid_2d_graph(request.rows, request.cols, periodic=request.kind == "torus")
    return _pairs(networkx.relabel_nodes(graph, {(row, col): row * request.cols + col for row, col in graph}))


def _pairs(graph: "networkx.Graph") -> Pairs:
    return sorted((min(link), max(link)) for link in graph.edges)


# ---- what helps when a graph falls apart


def _likelier_links(request: Request) -> str:
    """A random graph is connected with probability exp(-exp(-c)) at (ln n + c) / n a link (Erdos and Renyi, 1959); c = 3 makes 0.95."""
    assert request.nodes is not None
    threshold = min(1.0, (math.log(request.nodes) + 3) / request.nodes)
    if request.degree is not None:
        return f"raise --degree ({math.ceil(threshold * (request.nodes - 1))} does it nearly always)"
    return f"raise --probability ({math.ceil(1000 * threshold) / 1000:g} does it nearly always)"


def _less_rewiring(request: Request) -> str:
    return "raise --degree, lower --rewire"


NODES = ("nodes",)
GRID: Mapping[str, None] = {"nodes": None, "rows": None, "cols": None}
EITHER: Mapping[str, None] = {"degree": None, "probability": None}
MOVED = "a ring of {degree} nearest neighbours, each link moved with probability {rewire} (Watts-Strogatz)"
GROWN = "nodes come one by one and link with {degree} earlier ones, rather with those that have many (Barabasi-Albert)"
KINDS: Mapping[str, Kind] = {
    "connect": Kind("every node actively connects to {degree} others", NODES, {"degree": 2}, _settle_connect, _connect),
    "full": Kind("everyone with everyone", NODES),
    "ring": Kind("each with the next, the last with the first", NODES),
    "line": Kind("each with the next", NODES),
    "star": Kind("node 0 with everyone", NODES),
    "grid": Kind("{rows} rows of {cols}, each with those beside, above and below it", (), GRID, _settle_grid, _grid),
    "torus": Kind("{rows} rows of {cols} whose borders meet", (), GRID, _settle_grid, _grid),
    "regular": Kind("every node has exactly {degree} neighbours", NODES, {"degree": 4}, _settle_regular, _regular),
    "random": Kind("every link with the same probability (Erdos-Renyi)", NODES, EITHER, _settle_random, _random, _likelier_links),
    "small-world": Kind(MOVED, NODES, {"degree": 4, "rewire": 0.1}, _settle_small_world, _small_world, _less_rewiring),
    "scale-free": Kind(GROWN, NODES, {"degree": 2}, _settle_connect, _scale_free),
    "edges": Kind("the links of the file {edges}", ("edges",)),
}
