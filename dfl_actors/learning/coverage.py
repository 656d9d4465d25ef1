"""Whether the data of the nodes fits the data set: labels that are not in it, and labels of it that no node learns.

A network cannot learn a label that none of its nodes trains on, so that no model of it gets more of the test set right than has the
other labels. Such networks are worth studying, but nobody should meet that ceiling unawares: it is a warning, not a mistake.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dfl_actors.config import Config
from dfl_actors.config.checks import label_ranges
from dfl_actors.config.config import LabelRanges
from dfl_actors.config.toml_text import Mistakes, Path, Source, counted, listed
from dfl_actors.errors import ConfigError
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.partition import Floats, label_rows, shares, stock, weights_by_node

SELECTIVE = frozenset({"dirichlet", "labels", "weights"})
"""The partitions that can leave a label out; of the others every node draws all labels."""


def check_labels(config: Config, data: Mapping[str, Dataset], mistakes: Mistakes) -> None:
    """Notes each weight of these nodes, or of what they drift to, for a label of which their data have no training sample."""
    for path, name, given in _given(config):
        if name in data and (problem := _problem(given, data[name])):
            mistakes.add(path, problem)


def _given(config: Config) -> Iterator[tuple[Path, str, LabelRanges]]:
    """The label weights that nodes begin with and those that they drift to: where they stand, and whose they are."""
    for node in config.nodes:
        if node.label_weights is not None:
            yield ("node", node.name, "label_weights"), node.name, node.label_weights
    for number, event in enumerate(config.events, start=1):
        if event.label_weights is not None and config.data.task == "classification":
            yield ("event", str(number), "label_weights"), event.node or "", label_ranges(event.label_weights)


def _problem(given: LabelRanges, data: Dataset) -> str:
    try:
        ranges = label_rows(given, data.form)
    except ConfigError as error:
        return str(error)
    empty = np.flatnonzero((ranges[:, 1] > 0) & (np.bincount(data.kinds_train, minlength=data.form.classes) == 0))
    return f"label {data.form.labels[empty[0]]} has a weight, and {data.name!r} has no sample of it; give it none" if len(empty) else ""


def few_samples(config: Config, data: Mapping[str, Dataset]) -> list[str]:
    """A line for each of these nodes that may draw fewer samples than there are in a batch, at first or once it has drifted. Raises
    `ConfigError` for labels that their data do not have."""
    rows = list(shares(config, data).items())
    for path, name, given in _given(config):
        if name in data:
            if problem := _problem(given, data[name]):
                raise ConfigError(f"{'.'.join(path)}: {problem}")
            rows.append((name, label_rows(given, data[name].form)[:, 1]))
    return list(dict.fromkeys(line for name, weights in rows if (line := _few(config, name, data[name], weights))))


def _few(config: Config, name: str, data: Dataset, weights: Floats) -> str:
    samples, tests, batch = stock(data, weights), len(data.y_test), config.training.batch
    if samples >= batch:
        return ""
    has = f"node {name} has {counted(samples, 'sample')} to train on and {tests} to test with"
    return f"{has}; a batch of {batch} draws the same ones again and again"


def undrawn_labels(config: Config, data: Dataset, honest: bool = False) -> tuple[int, ...]:
    """The labels of the data set that no node, or no `honest` one, ever draws to train on, in ascending order. Raises `ConfigError` as
    `weights_by_node`."""
    weights = weights_by_node(config, data)
    training = {node.name for node in config.nodes if node.role == "normal" and not (honest and config.attacks(node.name))}
    later = [label_rows(given, data.form)[:, 1] for _, name, given in _given(config) if name in training]
    drawn: Floats = sum((*(weights[name] for name in training), *later), np.zeros(data.form.classes))
    return tuple(np.flatnonzero(drawn == 0).tolist())


def coverage_warnings(config: Config, data: Dataset, source: Source) -> list[str]:
    """A line, as of a mistake at `source`, when some label is drawn by no node, and one when only attackers draw some; none where there is
    no common data set. Raises `ConfigError`."""
    if config.data.partition == "own":
        return []
    labels, mistakes = undrawn_labels(config, data), Mistakes(source)
    if labels:
        ceiling = 1 - np.isin(data.kinds_test, labels).mean()
        problem = f"no node draws label {_listed(data, labels)} to train on"
        mistakes.add(("data", "partition"), f"{problem}; accuracy on the whole test set cannot exceed {ceiling:.3f}")
    poisoned = [label for label in undrawn_labels(config, data, honest=True) if label not in labels]
    if poisoned and not all(config.attacks(node.name) for node in config.nodes):
        problem = f"only attackers draw label {_listed(data, poisoned)} to train on"
        mistakes.add(("data", "partition"), f"{problem}: what honest nodes learn of it is what these say")
    return [mistake.text for mistake in mistakes.found]


def _listed(data: Dataset, labels: Sequence[int]) -> str:
    return listed([data.form.labels[label] for label in labels])
