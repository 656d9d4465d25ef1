"""From a topology to a simulation: who is in it, what each node draws, and what the workers must know."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from dfl_actors.config import Config, Node
from dfl_actors.config.checks import label_ranges
from dfl_actors.config.events import attack_after
from dfl_actors.config.sections import LabelWeights, Parameter
from dfl_actors.core.events import Noised
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.partition import Floats, Indices, SampleStream, label_rows, shares, stocked
from dfl_actors.learning.privacy import batch_of, noised
from dfl_actors.learning.seeds import name_number
from dfl_actors.sdk.attacks import load_attack
from dfl_actors.sdk.interface import ACCURACY, OWN_ACCURACY
from dfl_actors.sdk.loader import load_algorithm
from dfl_actors.sim.conditions import Conditions
from dfl_actors.sim.engine import SLOTS_A_TICK
from dfl_actors.sim.generators import Drawn, draw_on, drawn
from dfl_actors.sim.timeline import Member, Timeline


class NodeDraw:
    """What one node draws: batches of the training set and rows of the test set by its own label weights, and for its accuracy rows of
    the whole test set."""

    def __init__(self, config: Config, node: Node, data: Dataset, weights: Floats) -> None:
        seed = seed_of(config, node.name)
        self._batch, self._tests, self._checks = config.training.batch, config.data.test_samples, config.sim.check_samples
        self._noise = config.training.noise
        self._rngs = [np.random.default_rng([*seed, number]) for number in range(3)]
        self._data, self._every = data, len(data.y_test)
        ranges = None if node.label_weights is None else label_rows(node.label_weights, data.form)
        self._begin(weights, ranges)

    def _begin(self, weights: Floats, ranges: Floats | None) -> None:
        varied = ranges if ranges is not None and (ranges[:, 0] != ranges[:, 1]).any() else None
        kinds = self._data.kinds_train, self._data.kinds_test
        self._train = SampleStream(kinds[0], weights, self._rngs[0], varied)
        there = np.bincount(kinds[1], minlength=len(weights)) > 0
        left = None if varied is None or not varied[there, 1].any() else np.where(there[:, None], varied, 0.0)
        self._test = SampleStream(kinds[1], stocked(weights, kinds[1]), self._rngs[1], left)

    def drift(self, given: LabelWeights) -> None:
        ranges = label_rows(label_ranges(given), self._data.form)
        self._begin(ranges.mean(axis=1), ranges)

    def batch(self) -> Indices:
        return batch_of(self._train, self._batch, self._rngs[0]) if self._noise else self._train.draw(self._batch)

    def tests(self, models: int) -> Indices:
        return np.stack([self._test.draw(self._tests) for _ in range(models)])

    def check(self) -> Indices:
        if not 0 < self._checks < self._every:
            return np.arange(self._every, dtype=np.uint32)
        return self._rngs[2].choice(self._every, self._checks, replace=False).astype(np.uint32)

    def state(self) -> list[Drawn]:
        return drawn(self._rngs)

    def restore(self, state: list[Drawn]) -> None:
        draw_on(self._rngs, state)


def seed_of(config: Config, name: str) -> tuple[int, int]:
    """Begins all generators of a node; those of one node do not depend on which others there are."""
    return config.network.seed, name_number(name)


def timeline(config: Config, folder: Path, data: Mapping[str, Dataset]) -> Timeline:
    """All that will happen, before any of it is computed. Raises `DflError`."""
    rngs = [np.random.default_rng([config.network.seed, number]) for number in (5, 6, 7, 8)]

    def silences(attack: str, parameters: dict[str, Parameter]) -> bool:
        return not load_attack(attack, parameters, folder).sends

    return Timeline(members(config, folder), draws(config, data), config.sim, rngs, Conditions(config, silences))


def members(config: Config, folder: Path) -> list[Member]:
    """The nodes in their order."""
    number = {node.name: place for place, node in enumerate(config.nodes)}
    needs = [load_algorithm(node.algorithm, node.parameters, folder).needs for node in config.nodes]
    together = [number[name] for name in gang(config, folder)]
    return [
        Member(
            receivers=tuple(sorted(number[name] for name in node.receivers)),
            intervals=node.interval,
            buffer=node.buffer,
            offers=node.role == "normal",
            measures=ACCURACY in need,
            judges=OWN_ACCURACY in need,
            accomplices=tuple(other for other in together if other != number[node.name]) if number[node.name] in together else (),
        )
        for node, need in zip(config.nodes, needs, strict=True)
    ]


def gang(config: Config, folder: Path) -> list[str]:
    """The nodes that attack together, at the beginning or later: they share what they see all the time."""
    attacks = [(node.name, node.attack, node.attack_parameters) for node in config.nodes]
    attacks += [(event.node or "", *attack_after(config, event)) for event in config.events if event.do == "attack"]
    found = {name for name, attack, parameters in attacks if attack is not None and load_attack(attack, parameters, folder).together}
    return [node.name for node in config.nodes if node.name in found]


def draws(config: Config, data: Mapping[str, Dataset]) -> list[NodeDraw]:
    """What each node draws, in the order of the nodes. Raises `ConfigError`."""
    weights: Mapping[str, Floats] = shares(config, data)
    return [NodeDraw(config, node, data[node.name], weights[node.name]) for node in config.nodes]


def noises(config: Config, folder: Path, data: Mapping[str, Dataset]) -> list[Noised]:
    """What each node says of its noise; nothing where there is none. Raises `ConfigError`."""
    if not config.training.noise:
        return []
    weights: Mapping[str, Floats] = shares(config, data)
    algorithms = [load_algorithm(node.algorithm, node.parameters, folder) for node in config.nodes]
    return [
        replace(noised(config, node, data[node.name], weights[node.name], algorithm.measures), node=node.name)
        for node, algorithm in zip(config.nodes, algorithms, strict=True)
    ]


def slots(config: Config) -> int:
    """Slots of the slab that are enough whatever happens: all buffers nearly full, models delayed on their way, as many as some ticks
    under way take. Only those that are used cost memory."""
    fastest = max([1.0, *(event.factor or 1.0 for event in config.events)])
    on_the_way = max(config.sim.delay) // max(1, int(min(min(node.interval) for node in config.nodes) / fastest))
    return 1 + sum(node.buffer + len(node.senders) + on_the_way + 2 * SLOTS_A_TICK + 2 for node in config.nodes)
