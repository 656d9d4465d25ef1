"""Who gets which samples: how labels are spread over the nodes, the stream each node draws, and the samples it has received.

The nodes' data differ only by a row of label weights: a node's stream draws a label by its weights, then a sample of that label, each
with equal chance and with replacement. A random generator is always an argument, so equal seeds give equal partitions and streams.
Samples are indices into the training set (uint32): images are looked up where they are used.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dfl_actors.config import Config, Node
from dfl_actors.config.config import LabelRanges
from dfl_actors.config.toml_text import nearest
from dfl_actors.errors import ConfigError
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.form import Form

Indices = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]


def weights_by_node(config: Config, data: Dataset) -> dict[str, Floats]:
    """The label weights of every node of a configuration, by name: float64 [labels], sum 1; the same on every host.

    * ``iid``: every label with the same weight (the paper's IID data, section V-B).
    * ``samples``: every sample with the same chance; ``own`` the same, of data that is the node's alone.
    * ``dirichlet``: each row drawn from a symmetric Dirichlet of concentration `alpha`; small `alpha`, few labels a node.
    * ``labels``: node i has labels i .. i + `labels_per_node` - 1, modulo all, in equal shares (the paper's two labels a node).
    * ``weights``: the node's own, scaled to sum to 1, the middles of ranges; labels that it leaves out weigh nothing.

    Raises `ConfigError` naming the key that does not fit the data.
    """
    nodes, labels = len(config.nodes), data.form.classes
    match config.data.partition:
        case "iid":
            there = np.bincount(data.kinds_train, minlength=labels) > 0
            rows = np.tile(np.where(there, 1.0 / there.sum(), 0.0), (nodes, 1))
        case "samples" | "own":
            rows = np.tile(_normalised("frequencies", np.bincount(data.kinds_train, minlength=labels) / len(data.y_train)), (nodes, 1))
        case "dirichlet":
            rng = np.random.default_rng([config.network.seed, 1])
            rows = _normalised("data.alpha", rng.dirichlet(np.full(labels, config.data.alpha), size=nodes))
        case "labels":
            rows = _shifted_rows(config.data.labels_per_node, nodes, labels)
        case "weights":
            rows = _normalised("label_weights", np.array([_given_row(node, data.form) for node in config.nodes]))
    return {node.name: row for node, row in zip(config.nodes, rows, strict=True)}


def weights_of(config: Config, node: Node, data: Dataset) -> Floats:
    """The label weights [labels] of a node as events have left it. Raises `ConfigError` as `weights_by_node`."""
    if node.label_weights is None:
        return weights_by_node(config, data)[node.name]
    return _normalised("label_weights", _given_row(node, data.form))


def shares(config: Config, data: Mapping[str, Dataset]) -> dict[str, Floats]:
    """The label weights of the nodes whose data sets these are. Raises `ConfigError` as `weights_by_node`."""
    if config.data.partition == "own":
        return {name: weights_by_node(config, one)[name] for name, one in data.items()}
    weights = weights_by_node(config, next(iter(data.values())))
    return {name: weights[name] for name in data}


def stock(data: Dataset, weights: Floats) -> int:
    """Different training samples that a node of these label weights may draw."""
    counts = np.bincount(data.kinds_train, minlength=len(weights))
    return int(counts[np.asarray(weights) > 0].sum())


def stocked(weights: Floats, kinds: npt.NDArray[np.integer]) -> Floats:
    """The weights without the labels that none of these samples has; where that leaves nothing, those samples alike."""
    counts = np.bincount(kinds, minlength=len(weights))
    left = np.where(counts > 0, weights, 0.0)
    return left if left.any() else np.asarray(counts / counts.sum(), np.float64)


def _shifted_rows(count: int, nodes: int, labels: int) -> Floats:
    if count > labels:
        raise ConfigError(f"data.labels_per_node is {count}; use 1 to {labels}, the number of labels of the data set")
    distance = (np.arange(labels)[None, :] - np.arange(nodes)[:, None]) % labels
    return np.where(distance < count, 1.0 / count, 0.0)


def label_rows(given: LabelRanges | None, form: Form) -> Floats:
    """The least and the largest weight [labels, 2] of each label as a topology gives them: 0 of those that it leaves out.

    Raises `ConfigError` for a label that the data do not have, or that has two weights.
    """
    given, ranges = given or (), np.zeros((form.classes, 2))
    rows = [(label_number(label, form), row) for label, row in given.items()] if isinstance(given, dict) else list(enumerate(given))
    last = max((label for label, _ in rows), default=0)
    if last >= form.classes:
        raise ConfigError(f"goes up to label {last}, and the data have labels 0 to {form.classes - 1}; give weights for those alone")
    if len(dict(rows)) < len(rows):
        raise ConfigError("gives a label two weights, one by its name and one by its number; give one")
    for label, row in rows:
        ranges[label] = row
    return ranges


def label_number(label: str, form: Form) -> int:
    """The number of a label that is given by its name in the data, else by that number. Raises `ConfigError`."""
    if label in form.labels:
        return form.labels.index(label)
    if label.isascii() and label.isdigit():
        return int(label)
    raise ConfigError(f'"{label}" is no label of the data; {nearest(label, form.labels)}')


def _given_row(node: Node, form: Form) -> Floats:
    """The weights [labels] of a node, the middles of ranges. Raises `ConfigError`."""
    try:
        return np.asarray(label_rows(node.label_weights, form).mean(axis=1))
    except ConfigError as error:
        raise ConfigError(f"node.{node.name}.label_weights: {error}") from error


def _normalised(key: str, rows: Floats) -> Floats:
    """`rows` [..., labels] scaled to sum 1 along the labels. Raises `ConfigError` for what cannot be a distribution."""
    if not np.isfinite(rows).all() or (rows < 0).any():
        raise ConfigError(f"{key} gives a weight that is negative or not finite; use numbers of 0 or more")
    peaks = rows.max(axis=-1, keepdims=True)
    if (peaks <= 0).any():
        raise ConfigError(f"{key} gives a node weights that are all 0; give at least one label a weight above 0")
    # First by the largest: the sum of huge weights would overflow.
    scaled = rows / peaks
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True), dtype=np.float64)


class SampleStream:
    """An endless stream of training samples with given label weights; the only state is the generator it was given.

    `y_train` are the samples' labels [n], `weights` is [labels], one of `weights_by_node`. Two streams of equal arguments draw the same
    samples however the draws are cut: `draw(3)` then `draw(5)` is `draw(8)`. With `ranges` [labels, 2] in place of weights every
    draw begins by drawing each weight uniformly from its range, so there the cuts matter. Raises `ConfigError` when a label with
    weight has no sample.
    """

    def __init__(self, y_train: npt.NDArray[np.integer], weights: Floats, rng: np.random.Generator, ranges: Floats | None = None) -> None:
        self._ranges = ranges
        shares = _normalised("label_weights", np.asarray(weights if ranges is None else ranges[:, 1], dtype=np.float64))
        counts = np.bincount(y_train, minlength=len(shares))
        _check_stocked(shares, counts)
        self._rng = rng
        self._by_label: Indices = np.argsort(y_train, kind="stable").astype(np.uint32)
        self._counts = counts
        self._starts = np.cumsum(counts) - counts
        self._bounds = _bounds(shares)

    def draw(self, n: int) -> Indices:
        """The next `n` samples: uint32 [n], indices into the training set."""
        bounds = self._bounds if self._ranges is None else _bounds(self._rng.uniform(self._ranges[:, 0], self._ranges[:, 1]))
        # Pairs, not two arrays: sample k takes draws 2k and 2k + 1 however the stream is cut.
        chances = self._rng.random((n, 2))
        label = np.searchsorted(bounds, chances[:, 0], side="right")
        offset = (chances[:, 1] * self._counts[label]).astype(np.int64)
        drawn: Indices = self._by_label[self._starts[label] + offset]
        return drawn


def _bounds(shares: Floats) -> Floats:
    """Where the chance of each label ends. The last is exactly 1, so that a draw below 1 never falls beyond the last label with weight."""
    bounds = np.cumsum(shares)
    return np.asarray(bounds / bounds[-1], dtype=np.float64)


def _check_stocked(shares: Floats, counts: npt.NDArray[np.intp]) -> None:
    if shares.ndim != 1 or len(counts) > len(shares):
        raise ConfigError(f"label_weights has shape {shares.shape} for a data set of {len(counts)} labels; give one weight a label")
    empty = np.flatnonzero((shares > 0) & (counts == 0))
    if len(empty):
        raise ConfigError(
            f"label_weights: label {empty[0]} has weight but the data set has no sample of it; choose another data.partition or set it to 0"
        )


class Received:
    """The samples a node has received, kept as its test samples: the newest `capacity` of them, in a ring."""

    def __init__(self, capacity: int = 60_000) -> None:
        self._ring: Indices = np.zeros(capacity, dtype=np.uint32)
        self._total = 0

    def __len__(self) -> int:
        return min(self._total, len(self._ring))

    def add(self, indices: npt.NDArray[np.integer]) -> None:
        """Keeps `indices` [n], in place of the oldest when the ring is full."""
        newest = indices[-len(self._ring) :]
        first = self._total + len(indices) - len(newest)
        self._ring[(first + np.arange(len(newest))) % len(self._ring)] = newest
        self._total += len(indices)

    def draw(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` random samples, uint32 [n]: no place of the ring twice, unless it holds fewer than `n`; empty when it holds none.

        Always `n`, so that a measurement has one batch shape from the first sample on.
        """
        if not len(self):
            return np.zeros(0, dtype=np.uint32)
        return self._ring[rng.choice(len(self), size=n, replace=len(self) < n)]
