"""What a run's charts show of pairs of nodes: the receipts by witness and generator, and the models that crossed each link."""

from collections import defaultdict

import msgspec
import numpy as np
from numpy.typing import NDArray

from dfl_actors.core.events import ModelSent, ReceiptArrived
from dfl_actors.report.load import Run


class Receipts(msgspec.Struct, frozen=True):
    """`counts[i, j]`: receipts of witness i for transactions of generator j [N, N]. `accuracies`: what it measured, in the mean."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    accuracies: NDArray[np.float64]


def receipts(run: Run) -> Receipts:
    """The receipts that arrived. One that came twice counts once; the accuracy is NaN where nothing was tested."""
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
