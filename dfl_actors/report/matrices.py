"""What a run's charts show of pairs of nodes: the receipts by witness and generator, and the models that crossed each link."""

from collections import defaultdict

import msgspec
import numpy as np
from numpy.typing import NDArray

from dfl_actors.report.load import ModelSent, ReceiptArrived, Run


class Receipts(msgspec.Struct, frozen=True):
    """`counts[i, j]`: receipts of witness i for transactions of generator j [N, N]. `accuracies`: what it measured, in the mean."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    accuracies: NDArray[np.float64]


def receipts(run: Run) -> Receipts:
    """The receipts that arrived. One that was told twice counts once; the accuracy is NaN where nothing was tested."""
    names = tuple(run.nodes)
    rows, columns = ({key: place for place, key in enumerate(keys)} for keys in (run.nodes.values(), names))
    counts = np.zeros((len(names), len(names)), np.int64)
    correct, tested = np.zeros(counts.shape), np.zeros(counts.shape)
    for event in {(event.tx, event.creator): event for event in run.of(ReceiptArrived)}.values():
        if event.creator in rows and event.node in columns:
            place = rows[event.creator], columns[event.node]
            counts[place] += 1
            correct[place] += event.correct
            tested[place] += event.tested
    accuracies = np.divide(correct, tested, out=np.full(counts.shape, np.nan), where=tested > 0)
    return Receipts(names, counts, accuracies)


class Link(msgspec.Struct, frozen=True):
    """Models and bytes that crossed a link, there (from `one` to `other`) and back."""

    one: str
    other: str
    models: tuple[int, int]
    bytes: tuple[int, int]

    @property
    def total(self) -> int:
        return sum(self.bytes)


def traffic(run: Run) -> list[Link]:
    """Every link of the network, and whatever else models crossed, by the order of the nodes."""
    sent: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in run.of(ModelSent):
        sent[event.node, run.node_named(event.to)].append(event.bytes)
    pairs = dict.fromkeys(_pair(*ends) for ends in (*run.links, *sent) if ends[0] != ends[1])
    return [
        Link(one, other, (len(sent[one, other]), len(sent[other, one])), (sum(sent[one, other]), sum(sent[other, one])))
        for one, other in pairs
    ]


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


Places = dict[str, tuple[float, float]]
"""Where each node is drawn: x and y in -1..1."""


def places(run: Run, links: list[Link]) -> Places:
    """A circle for small and dense networks, otherwise where springs would pull the nodes; the same for the same network."""
    names = list(dict.fromkeys([*run.nodes, *(name for link in links for name in (link.one, link.other))]))
    # The first node stands at the top, and the others follow with the clock.
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(names)) / max(len(names), 1)
    circle = {name: (float(np.cos(angle)), float(np.sin(angle))) for name, angle in zip(names, angles, strict=True)}
    if len(names) <= 12 or len(names) > 400 or 2 * len(links) >= len(names) * (len(names) - 1) / 3:
        return circle
    return _sprung(circle, links)


def _sprung(circle: Places, links: list[Link]) -> Places:
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(circle)
    graph.add_edges_from((link.one, link.other) for link in links)
    found = networkx.spring_layout(graph, pos=circle, k=2.2 / len(circle) ** 0.5, iterations=300, seed=1)
    points = np.array([found[name] for name in circle])
    points -= (points.max(axis=0) + points.min(axis=0)) / 2
    points /= np.abs(points).max(axis=0)
    return {name: (float(x), float(y)) for name, (x, y) in zip(circle, points, strict=True)}
