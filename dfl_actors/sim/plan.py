"""From a topology to a simulation: who is in it, what each node draws, and what the workers must know."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dfl_actors.config import Config, Node
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.partition import Floats, Indices, SampleStream, weights_by_node
from dfl_actors.learning.seeds import initial_seed, name_number
from dfl_actors.sdk.attacks import load_attack
from dfl_actors.sdk.interface import ACCURACY
from dfl_actors.sdk.loader import load_algorithm
from dfl_actors.sim.timeline import Member
from dfl_actors.sim.worker import NodePlan


class NodeDraw:
    """What one node draws: batches of the training set and rows of the test set by its own label weights, and for its accuracy rows of
    the whole test set."""

    def __init__(self, config: Config, node: Node, data: Dataset, weights: Floats) -> None:
        seed = seed_of(config, node.name)
        self._batch, self._tests, self._checks = config.training.batch, config.data.test_samples, config.sim.check_samples
        self._train = SampleStream(data.y_train, weights, np.random.default_rng([*seed, 0]))
        self._test = SampleStream(data.y_test, weights, np.random.default_rng([*seed, 1]))
        self._check = np.random.default_rng([*seed, 2])
        self._every = len(data.y_test)

    def batch(self) -> Indices:
        return self._train.draw(self._batch)

    def tests(self, models: int) -> Indices:
        return self._test.draw(models * self._tests).reshape(models, self._tests)

    def check(self) -> Indices:
        if not 0 < self._checks < self._every:
            return np.arange(self._every, dtype=np.uint32)
        return self._check.choice(self._every, self._checks, replace=False).astype(np.uint32)


def seed_of(config: Config, name: str) -> tuple[int, int]:
    """Begins all generators of a node; those of one node do not depend on which others there are."""
    return config.network.seed, name_number(name)


def members(config: Config, folder: Path) -> list[Member]:
    """The nodes in their order."""
    number = {node.name: place for place, node in enumerate(config.nodes)}
    return [
        Member(
            name=node.name,
            neighbours=tuple(sorted(number[name] for name in node.neighbours)),
            intervals=node.interval,
            buffer=node.buffer,
            offers=node.role == "normal",
            measures=ACCURACY in load_algorithm(node.algorithm, node.parameters, folder).needs,
        )
        for node in config.nodes
    ]


def check_plugins(config: Config, folder: Path) -> None:
    """Whether every algorithm and attack can be loaded. Raises `DflError`."""
    for node in config.nodes:
        load_algorithm(node.algorithm, node.parameters, folder)
        if node.attack is not None:
            load_attack(node.attack, node.attack_parameters, folder)


def draws(config: Config, data: Dataset) -> list[NodeDraw]:
    """What each node draws, in the order of the nodes. Raises `ConfigError`."""
    weights: Mapping[str, Floats] = weights_by_node(config, data)
    return [NodeDraw(config, node, data, weights[node.name]) for node in config.nodes]


def node_plans(config: Config) -> tuple[NodePlan, ...]:
    """What the workers must know of each node."""
    return tuple(
        NodePlan(
            name=node.name,
            neighbours=node.neighbours,
            seed=seed_of(config, node.name),
            initial=initial_seed(config, node.name),
            algorithm=node.algorithm,
            parameters=node.parameters,
            attack=node.attack,
            attack_parameters=node.attack_parameters,
        )
        for node in config.nodes
    )


def slots(nodes: list[Member]) -> int:
    """Slots of the slab that are enough whatever happens: all buffers full, a tick of new models, and one comparison under way."""
    return sum(node.buffer + len(node.neighbours) + 4 for node in nodes)
