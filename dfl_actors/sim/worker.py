"""One worker process of a simulation: it holds the nodes that were given to it, and does the jobs that need them.

A node's weights, momentum and the state of its algorithm live in one worker for the whole run. Models on their way to other nodes lie in
a slab of memory that all workers share, one slot each; the engine says which job may read or write which slot, so there are no locks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dfl_actors.errors import DflError
from dfl_actors.learning.data import load_dataset
from dfl_actors.learning.difference import distances
from dfl_actors.learning.weights import Parameters, Recipe, TrainState, Vector
from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.attacks import checked_lesson, checked_offer, load_attack
from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel
from dfl_actors.sdk.loader import checked_apply, load_algorithm

Slab = np.memmap[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class NodePlan:
    """What a worker needs to know of one node. `seed` begins all its generators, `initial` its weights."""

    name: str
    neighbours: tuple[str, ...]
    seed: tuple[int, ...]
    initial: int
    algorithm: str
    parameters: Mapping[str, object]
    attack: str | None
    attack_parameters: Mapping[str, object]


@dataclass(frozen=True)
class WorkerPlan:
    """What every worker needs. `keep_biases`: biases never travel; `zero_biases`: every accuracy is measured with biases of zero."""

    nodes: tuple[NodePlan, ...]
    source: str
    cache: Path
    folder: Path
    model: str
    recipe: Recipe
    slab: Path
    slots: int
    keep_biases: bool
    zero_biases: bool


class Fault(msgspec.Struct, frozen=True):
    """An error of a job: the name of its class in `errors`, and its line."""

    kind: str
    text: str


class Resident:
    """One node."""

    def __init__(self, plan: NodePlan, state: TrainState, algorithm: Algorithm, attack: Attack | None, parameters: Parameters) -> None:
        self.plan, self.state, self.algorithm, self.attack = plan, state, algorithm, attack
        self.rng = np.random.default_rng([*plan.seed, 3])
        self.offered = 0
        self.reputations: dict[str, float] = dict.fromkeys(plan.neighbours, 1.0)
        context = Context(plan.name, plan.neighbours, parameters, np.random.default_rng([*plan.seed, 4]))
        self.memory = algorithm.init(context)


class Worker:
    """Does jobs: a job's name is a method's, its answer goes back."""

    def __init__(self, plan: WorkerPlan, numbers: Sequence[int]) -> None:
        from dfl_actors.learning import models

        models.limit_threads()
        self._plan = plan
        self._data = load_dataset(plan.source, plan.cache)
        self._learner = models.load_learner(plan.model, plan.recipe, self._data.input_shape, self._data.labels)
        self._parameters = self._learner.parameters
        self._slab = opened(plan.slab, plan.slots, self._parameters.size)
        self._biases = bias_mask(self._parameters)
        self._nodes = {number: self._settle(plan.nodes[number]) for number in numbers}

    def _settle(self, plan: NodePlan) -> Resident:
        state = self._learner.start(self._learner.initial(plan.initial))
        algorithm = load_algorithm(plan.algorithm, plan.parameters, self._plan.folder)
        attack = None if plan.attack is None else load_attack(plan.attack, plan.attack_parameters, self._plan.folder)
        return Resident(plan, state, algorithm, attack, self._parameters)

    def train(self, number: int, samples: np.ndarray, slot: int) -> None:
        """One step; the model that the node offers goes into `slot` (-1: nobody receives it)."""
        node = self._nodes[number]
        x, y = self._data.x_train[samples], self._data.y_train[samples]
        if node.attack is not None:
            x, y = checked_lesson(node.attack, x, y, self._data.labels, node.rng)
        if node.attack is None or node.attack.trains:
            node.state, _ = self._learner.train(node.state, x[None], y[None])
        if slot >= 0:
            self._slab[slot] = self._offer(node)

    def _offer(self, node: Resident) -> Vector:
        node.offered += 1
        if node.attack is None:
            return node.state.weights
        return checked_offer(node.attack, node.state.weights, node.offered - 1, node.rng)

    def measure(self, slots: Sequence[int], samples: np.ndarray) -> list[int]:
        """How many of each model's own row of test samples [models, tests] it gets right."""
        return [self._right(self._slab[slot], row) for slot, row in zip(slots, samples, strict=True)]

    def check(self, number: int, samples: np.ndarray) -> int:
        """The same of the node's own model."""
        return self._right(self._nodes[number].state.weights, samples)

    def _right(self, weights: Vector, samples: np.ndarray) -> int:
        if self._plan.zero_biases:
            weights = np.where(self._biases, np.float32(0), weights)
        return self._learner.measure(weights, self._data.x_test[samples], self._data.y_test[samples])

    def update(self, number: int, senders: Sequence[str], slots: Sequence[int], accuracies: Sequence[float] | None) -> dict[str, float]:
        """Run the node's algorithm on received models. Returns the reputations it then holds."""
        node, own = self._nodes[number], self._nodes[number].state.weights
        received = [
            ReceivedModel(sender, self._received(slot, own), None if accuracies is None else accuracies[place])
            for place, (sender, slot) in enumerate(zip(senders, slots, strict=True))
        ]
        result = checked_apply(node.algorithm, node.memory, own, received, node.reputations)
        node.memory, node.reputations = result.state, dict(result.reputations)
        weights = np.where(self._biases, own, result.weights) if self._plan.keep_biases else result.weights
        node.state = node.state._replace(weights=weights)
        return node.reputations

    def _received(self, slot: int, own: Vector) -> Vector:
        return np.where(self._biases, own, self._slab[slot]) if self._plan.keep_biases else self._slab[slot]

    def show(self, number: int, slot: int) -> None:
        """Put the node's model into a slot, for a comparison."""
        self._slab[slot] = self._nodes[number].state.weights

    def compare(self, slots: Sequence[int]) -> dict[str, float]:
        """Equation 5 over the models of all nodes in their order, by layer."""
        around = [self._slab[slot] for slot in (*slots[-1:], *slots)]
        total = np.sum([distances(one, other, self._parameters) for one, other in pairwise(around)], axis=0)
        return {layer.name: float(part / len(slots)) for layer, part in zip(self._parameters.layers, total, strict=True)}


def opened(path: Path, slots: int, size: int) -> Slab:
    """The slab, float32 [slots, size]; whoever comes first gives the file its length. Only slots that are used take memory."""
    with path.open("r+b") as file:
        file.truncate(4 * slots * size)
    return np.memmap(path, np.float32, "r+", shape=(slots, size))


def bias_mask(parameters: Parameters) -> np.ndarray:
    """Which numbers of the flat vector [P] are biases: those of arrays with one axis."""
    return np.concatenate([np.full(int(np.prod(layer.shape)), len(layer.shape) == 1) for layer in parameters.layers])


def work(connection: Connection, plan: WorkerPlan, numbers: Sequence[int]) -> None:
    """The life of a worker process: jobs in, answers out, until the engine hangs up."""
    try:
        worker: Any = Worker(plan, numbers)
        connection.send((-1, worker._parameters.size))
        while True:
            ticket, name, arguments = connection.recv()
            connection.send((ticket, _answer(getattr(worker, name), arguments)))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except DflError as error:
        connection.send((-1, Fault(type(error).__name__, str(error))))


def _answer(job: Any, arguments: Sequence[Any]) -> Any:
    try:
        return job(*arguments)
    except DflError as error:
        return Fault(type(error).__name__, str(error))
