"""Everything that is wrong with a topology, at once: what `dfl_actors.config` finds, and whether what it names is there.

A network finds only when it starts that an algorithm, an attack, a model or a data set cannot be loaded; here they are loaded before,
and the mistake gets the line of the key that names them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from dfl_actors.config import Config, examine_topology
from dfl_actors.config.sections import Data, Parameter
from dfl_actors.config.toml_text import Mistake, Mistakes, Path
from dfl_actors.errors import ConfigError, DflError
from dfl_actors.learning.coverage import check_labels, coverage_warnings, few_samples
from dfl_actors.learning.data import Dataset, load_datasets
from dfl_actors.learning.genesis import genesis_of
from dfl_actors.learning.magnitudes import far_from_one
from dfl_actors.learning.momentum import Optimiser, in_vain
from dfl_actors.learning.weights import LENET, recipe_of
from dfl_actors.sdk.attacks import load_attack
from dfl_actors.sdk.loader import load_algorithm

PARTITION_KEYS = {"dirichlet": "alpha", "labels": "labels_per_node"}


class Checked(NamedTuple):
    """A configuration, its mistakes in the order of their lines, and what is no mistake but odd, a line each."""

    config: Config
    mistakes: list[Mistake]
    warnings: list[str]


def check_topology(path_or_name: str, options: Sequence[str] = ()) -> Checked:
    """All that there is to be said about a topology. Raises ConfigError when there is nothing to read."""
    config, mistakes = examine_topology(path_or_name, options)
    warnings = _check_data(config, mistakes)
    _check_plugins(config, mistakes)
    return Checked(config, sorted(mistakes.found, key=lambda mistake: mistake.line or 0), warnings)


def _check_data(config: Config, mistakes: Mistakes) -> list[str]:
    """The data set, what the partition makes of it, and the model that is to learn it. Returns what is odd about them."""
    warnings: list[str] = []
    with _noted(mistakes, ("data", "source")):
        datasets = load_datasets(config)
        data = datasets[config.nodes[0].name]
        warnings += far_from_one(datasets)
        key = PARTITION_KEYS.get(config.data.partition, "partition")
        partitioned = ["network.nodes", "data.partition", f"data.{key}", "node.label_weights"]
        before = len(mistakes.found)
        if not mistakes.touch(partitioned):
            check_labels(config, datasets, mistakes)
        if len(mistakes.found) == before and not mistakes.touch(partitioned):
            with _noted(mistakes, ("data", key)):
                warnings += coverage_warnings(config, data, mistakes.source)
                warnings += few_samples(config, datasets)
        if not mistakes.touch(["training.model", "training.init"]):
            try:
                warnings += filter(None, [_trained(config, data)])
            except DflError as problem:
                key, text = _key_of(str(problem))
                mistakes.add(("training", key), text)
    return warnings


def _key_of(problem: str) -> tuple[str, str]:
    """The key of `[training]` that a problem with a model names first, and the rest of it; `model` when it names none."""
    named = re.match(r"training\.(\w+) ", problem)
    return (named[1], problem[named.end() :]) if named else ("model", problem)


def _trained(config: Config, data: Dataset) -> str:
    """Tries the model, where it or the data set is not ours. Returns what is odd about how it is trained. Raises `DflError`."""
    proposed = _proposed(config)
    if config.training.model == LENET and data.name == Data().source:
        return "" if config.training.optimizer else in_vain(recipe_of(config), proposed, data.form.task)
    # Imported here: TensorFlow takes seconds.
    from dfl_actors.learning import models

    learner = models.learner_of(config, data.form, proposed)
    learner.rehearse(config.training.batch, config.data.test_samples)
    genesis_of(config, learner)
    return learner.remark


def _proposed(config: Config) -> Optimiser | None:
    """The optimiser that the algorithm brings; none where it cannot be loaded, which is said elsewhere."""
    with suppress(DflError):
        return load_algorithm(config.update.algorithm, config.update.parameters).optimiser
    return None


def _check_plugins(config: Config, mistakes: Mistakes) -> None:
    for section, key, load, name, parameters in _plugins(config):
        try:
            load(name, parameters)
        except ConfigError as problem:
            mistakes.add((*section, "parameters" if key == "algorithm" else f"{key}_parameters"), str(problem))
        except DflError as problem:
            mistakes.add((*section, key), str(problem))


def _plugins(config: Config) -> Iterator[tuple[Path, str, Callable[..., object], str, dict[str, Parameter]]]:
    """Each section that says something of an algorithm or an attack: its path, the key, what loads it, its name and parameters."""
    yield ("update",), "algorithm", load_algorithm, config.update.algorithm, config.update.parameters
    for node in config.nodes:
        given = config.node_options.get(node.name)
        if given is not None and (given.algorithm is not None or given.parameters is not None):
            yield ("node", node.name), "algorithm", load_algorithm, node.algorithm, node.parameters
        if node.attack is not None:
            yield ("node", node.name), "attack", load_attack, node.attack, node.attack_parameters
    for number, event in enumerate(config.events, start=1):
        if event.attack is not None:
            yield ("event", str(number)), "attack", load_attack, event.attack, event.attack_parameters or {}


@contextmanager
def _noted(mistakes: Mistakes, path: Path) -> Iterator[None]:
    """A user's error in the body becomes a mistake at `path`."""
    try:
        yield
    except DflError as problem:
        mistakes.add(path, str(problem))
