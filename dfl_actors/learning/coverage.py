"""Whether the data of the nodes fits the data set: labels that are not in it, and labels of it that no node learns.

A network cannot learn a label that none of its nodes trains on, so that no model of it gets more of the test set right than has the
other labels. Such networks are worth studying, but nobody should meet that ceiling unawares: it is a warning, not a mistake.
"""

from collections.abc import Mapping

import numpy as np

from dfl_actors.config import Config
from dfl_actors.config.toml_text import Mistakes, Source, counted, listed
from dfl_actors.errors import ConfigError
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.partition import Floats, label_ranges, shares, stock, weights_by_node

SELECTIVE = frozenset({"dirichlet", "labels", "weights"})
"""The partitions that can leave a label out; of the others every node draws all labels."""


def check_labels(config: Config, data: Dataset, mistakes: Mistakes) -> None:
    """Notes each node that gives a weight to a label that the data set does not have, or has no training sample of."""
    counts = np.bincount(data.kinds_train, minlength=data.form.classes)
    for node in config.nodes:
        key = ("node", node.name, "label_weights")
        try:
            weights = label_ranges(node, data.form)
        except ConfigError as error:
            mistakes.add(key, str(error))
            continue
        if len(empty := np.flatnonzero((weights[:, 1] > 0) & (counts == 0))):
            problem = f'label {data.form.labels[empty[0]]} has a weight, and data.source = "{config.data.source}" has no sample of it'
            mistakes.add(key, f"{problem}; give it none")


def few_samples(config: Config, data: Mapping[str, Dataset]) -> list[str]:
    """A line for each of these nodes that may draw fewer samples than there are in a batch. Raises `ConfigError`."""
    return [line for name, weights in shares(config, data).items() if (line := _few(config, name, data[name], weights))]


def _few(config: Config, name: str, data: Dataset, weights: Floats) -> str:
    samples, tests, batch = stock(data, weights), len(data.y_test), config.training.batch
    if samples >= batch:
        return ""
    has = f"node {name} has {counted(samples, 'sample')} to train on and {tests} to test with"
    return f"{has}; a batch of {batch} draws the same ones again and again"


def undrawn_labels(config: Config, data: Dataset) -> tuple[int, ...]:
    """The labels of the data set that no node draws to train on, in ascending order. Raises `ConfigError` as `weights_by_node`."""
    weights = weights_by_node(config, data)
    drawn: Floats = sum((weights[node.name] for node in config.nodes if node.role == "normal"), np.zeros(data.form.classes))
    return tuple(np.flatnonzero(drawn == 0).tolist())


def coverage_warning(config: Config, data: Dataset, source: Source) -> str | None:
    """One line, as of a mistake at `source`, when some label is drawn by no node; None when all are. Raises `ConfigError`."""
    labels = undrawn_labels(config, data)
    if not labels:
        return None
    ceiling = 1 - np.isin(data.kinds_test, labels).mean()
    mistakes = Mistakes(source)
    problem = f"no node draws label {listed([data.form.labels[label] for label in labels])} to train on"
    mistakes.add(("data", "partition"), f"{problem}; accuracy on the whole test set cannot exceed {ceiling:.3f}")
    return mistakes.found[0].text
