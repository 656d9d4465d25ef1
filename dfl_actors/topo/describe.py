"""What a topology is like, in figures: its graph, how fast models agree over it, and who has which data.

Models agree by averaging with neighbours. Seen as a Markov chain on the graph, one round of averaging is a mixing matrix W; with the
weights of Metropolis and Hastings, W[i, j] = 1 / (1 + max(d_i, d_j)) for a link between nodes of d_i and d_j neighbours, and
W[i, i] = 1 - the rest of the row. W is symmetric and doubly stochastic, so rounds of it lead to the mean, and the part of the
disagreement that is left after a round is at most the second largest modulus of its eigenvalues: 1 - gap. The spectral gap lies in
(0, 1]; 1 agrees in one round (everyone linked with everyone), and 1 / gap is about how many rounds a network needs. One-way links
count as links both ways here and in distances: the weights of the mixing matrix need an answer.

Sources: L. Xiao, S. Boyd, S. Lall, "A scheme for robust distributed sensor fusion based on average consensus", IPSN 2005 (the weights);
S. Boyd, P. Diaconis, L. Xiao, "Fastest mixing Markov chain on a graph", SIAM Review 46 (2004), 667-689 (the second largest modulus).
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

import msgspec
import numpy as np
from msgspec.structs import asdict

from dfl_actors.config import Config
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.partition import Floats, shares

Neighbours = Mapping[str, Sequence[str]]


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """One node. `labels` are the shares of its samples by label, in the order of the description's, sum 1; `rate` is in samples a second, 0
    as fast as it goes.

    It sends its models to its `receivers` and gets those of its `senders`; with links both ways these are its `neighbours`.
    """

    name: str
    role: str
    attack: str | None
    neighbours: tuple[str, ...]
    receivers: tuple[str, ...]
    senders: tuple[str, ...]
    rate: float
    labels: tuple[float, ...]

    @property
    def kind(self) -> str:
        """What it is among the others: `normal`, `observer` or `attacker`."""
        return "attacker" if self.attack else self.role


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """A topology in figures. Distances count links; `gap` is the spectral gap, in (0, 1]."""

    name: str
    links: int
    one_way: int
    """How many of the links lead one way."""
    degrees: tuple[int, float, int]
    """Neighbours of a node: least, mean, most."""
    out_degrees: tuple[int, float, int]
    """Receivers of a node: least, mean, most."""
    in_degrees: tuple[int, float, int]
    """Senders to a node: least, mean, most."""
    diameter: int
    distance: float
    """Mean over all pairs."""
    gap: float
    partition: str
    source: str
    labels: tuple[str, ...]
    """Their names, numbers where the data have none; one where samples are not of labels."""
    nodes: tuple[Described, ...]

    def kinds(self) -> dict[str, str]:
        """How many nodes there are of each kind, in words, kinds without any left out: `8 normal`, `1 attacker: sign_flip`."""
        words = {}
        for kind in ("normal", "observer", "attacker"):
            nodes = [node for node in self.nodes if node.kind == kind]
            attacks = ", ".join(sorted({node.attack for node in nodes if node.attack}))
            plural = "s" if len(nodes) > 1 and kind != "normal" else ""
            if nodes:
                words[kind] = f"{len(nodes)} {kind}{plural}{': ' if attacks else ''}{attacks}"
        return words

    @property
    def rounds(self) -> float:
        """Rounds of averaging until differences are a tenth of what they were: at least 1."""
        return 1.0 if self.gap >= 0.9 else float(np.log(0.1) / np.log(1 - self.gap))


def describe(config: Config, data: Mapping[str, Dataset]) -> Description:
    """The description of a checked topology over its nodes' data sets. Raises ConfigError when the partition does not fit the data."""
    neighbours = {node.name: node.neighbours for node in config.nodes}
    farthest, mean = distances(neighbours)
    weights = shares(config, data)
    return Description(
        name=config.network.name,
        links=len(config.links),
        one_way=len(config.arrows),
        degrees=_spread([len(node.neighbours) for node in config.nodes]),
        out_degrees=_spread([len(node.receivers) for node in config.nodes]),
        in_degrees=_spread([len(node.senders) for node in config.nodes]),
        diameter=farthest,
        distance=mean,
        gap=spectral_gap(neighbours),
        partition=_partition(config),
        source=config.data.source,
        labels=_labels(next(iter(data.values()))),
        nodes=tuple(msgspec.convert(asdict(node) | {"labels": weights[node.name].tolist()}, Described) for node in config.nodes),
    )


def _labels(data: Dataset) -> tuple[str, ...]:
    return data.form.labels if data.form.task == "classification" else ("all",)


def _spread(counts: Sequence[int]) -> tuple[int, float, int]:
    return min(counts), sum(counts) / len(counts), max(counts)


def _partition(config: Config) -> str:
    detail: dict[str, object] = {"dirichlet": config.data.alpha, "labels": config.data.labels_per_node}
    kind = config.data.partition
    return f"{kind}:{detail[kind]:g}" if kind in detail else kind


def distances(neighbours: Neighbours) -> tuple[int, float]:
    """The largest and the mean number of links between two nodes of a connected graph.

    Who is within k links of a node is a set of bits; the next k joins the sets of its neighbours.
    """
    ball = {name: 1 << number for number, name in enumerate(neighbours)}
    everyone = (1 << len(ball)) - 1
    pairs = len(ball) * (len(ball) - 1)
    farthest, total = 0, 0
    while any(reached != everyone for reached in ball.values()):
        # Each pair that is not within `farthest` links is one link further apart than that.
        total += pairs + len(ball) - sum(reached.bit_count() for reached in ball.values())
        farthest += 1
        ball = {name: reduce(or_, (ball[other] for other in others), ball[name]) for name, others in neighbours.items()}
    return farthest, total / pairs


def mixing_matrix(neighbours: Neighbours) -> Floats:
    """The Metropolis-Hastings weights of a graph, float64 [nodes, nodes]: symmetric, rows sum to 1. See the head of this module."""
    place = {name: number for number, name in enumerate(neighbours)}
    matrix = np.zeros((len(place), len(place)))
    for name, others in neighbours.items():
        for other in others:
            matrix[place[name], place[other]] = 1 / (1 + max(len(others), len(neighbours[other])))
    np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
    return matrix


def spectral_gap(neighbours: Neighbours) -> float:
    """1 - max(|l_2|, |l_n|) over the eigenvalues 1 = l_1 > l_2 >= ... >= l_n of the mixing matrix of a connected graph."""
    eigenvalues = np.linalg.eigvalsh(mixing_matrix(neighbours))
    return float(1 - max(abs(eigenvalues[0]), abs(eigenvalues[-2])))
