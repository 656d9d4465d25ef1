"""What a run's charts show of pairs of nodes: the receipts by witness and generator, and the models that crossed each link."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from dfl_actors.report.load import Run
from dfl_actors.report.tally import Carried


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
    for (witness, generator), its in run.tally.witnessed.items():
        if witness in rows and generator in columns:
            place = rows[witness], columns[generator]
            counts[place], correct[place], tested[place] = its.receipts, its.correct, its.tested
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
    sent = {(node, run.node_named(to)): way for (node, to), way in run.tally.carried.items()}
    pairs = dict.fromkeys(_pair(*ends) for ends in (*run.links, *sent) if ends[0] != ends[1])
    ways = [(one, other, sent.get((one, other), Carried()), sent.get((other, one), Carried())) for one, other in pairs]
    return [Link(one, other, (there.models, back.models), (there.bytes, back.bytes)) for one, other, there, back in ways]


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)
