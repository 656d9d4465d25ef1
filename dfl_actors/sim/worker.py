"""One worker process of a simulation: it holds the nodes that were given to it, and does the jobs that need them.

A node's weights and the states of its optimiser and its algorithm live in one worker for the whole run. Models on their way to other nodes
lie in a slab of memory that all workers share, one slot each; the engine says which job may read or write which slot: there are no locks.
"""

import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dfl_actors.config import Config, Node
from dfl_actors.config.sections import Parameter
from dfl_actors.errors import DflError
from dfl_actors.files import explained, whole
from dfl_actors.learning.data import load_datasets
from dfl_actors.learning.difference import by_layer, distances
from dfl_actors.learning.foreign import one_line
from dfl_actors.learning.form import Form, Samples
from dfl_actors.learning.momentum import Course
from dfl_actors.learning.partition import shares, stock
from dfl_actors.learning.plain import Unkept
from dfl_actors.learning.privacy import NOISE, step_seed
from dfl_actors.learning.score import Score
from dfl_actors.learning.seeds import initial_seed
from dfl_actors.learning.weights import Parameters, TrainState, Vector, check_converges, is_finite
from dfl_actors.processes import faults
from dfl_actors.processes.channel import Channel
from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.attacks import Offering, checked_lesson, load_attack
from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel, weighted_mean
from dfl_actors.sdk.loader import checked_apply, first_state, load_algorithm
from dfl_actors.sdk.reasons import reasons_in
from dfl_actors.sdk.rehearsal import offering
from dfl_actors.sim.checkpoint import ROOM, load_node, save_node
from dfl_actors.sim.generators import draw_on, drawn
from dfl_actors.sim.plan import seed_of

if TYPE_CHECKING:
    from dfl_actors.learning.models import Learner

MOST_LEARNERS = 4  # Compiled models that a process keeps.
_LEARNERS: "dict[str, Learner]" = {}

Slab = npt.NDArray[np.float32]


@dataclass(frozen=True)
class WorkerPlan:
    """What every worker needs. `cache` holds the data set and what all models together say of each sample; plug-ins are looked for from
    `folder` on; `slab` is the file of models on their way, of so many `slots`; `models` where a model is kept for later."""

    config: Config
    cache: Path
    folder: Path
    slab: Path
    slots: int
    models: Path | None = None


class Resident:
    """One node. Its weights and slots have their places for good, where new ones are copied: vectors that TensorFlow allocates, of
    hundreds of nodes, would lie between its own short-lived ones and double the memory."""

    def __init__(
        self,
        node: Node,
        seed: Sequence[int],
        state: TrainState,
        algorithm: Algorithm,
        attack: Attack | None,
        learner: "Learner",
        samples: int,
        offering_of: Callable[[str, Attack, np.random.Generator], Offering],
    ) -> None:
        self.name, self.state, self.algorithm, self.learner = node.name, state, algorithm, learner
        self.course, self.serving = Course(learner.optimiser, state.weights), None
        self._offering_of = offering_of
        self._seed = seed
        self.rng = np.random.default_rng([*seed, 3])
        self.turned: tuple[str | None, dict[str, Parameter]] | None = None  # what an event made of it, since the last of them
        self.turn(attack)
        self.seen: dict[str, Vector] = {}
        self.offered = self.averaged = 0  # models so far, now and at the last average
        self.reputations: dict[str, float] = dict.fromkeys(node.senders, 1.0)
        self.context = Context(node.name, node.senders, learner.parameters, np.random.default_rng([*seed, 4]), samples)
        self.memory = first_state(algorithm, self.context)

    def turn(self, attack: Attack | None) -> None:
        """Attack so from now on, or not at all."""
        self.attack, self.offering = attack, None if attack is None else self._offering_of(self.name, attack, self.rng)

    def watch(self, received: Sequence[ReceivedModel]) -> None:
        """Remember the newest model of each sender, if the node's attack looks at them."""
        if self.attack is not None and self.attack.watches:
            self.seen |= {model.sender: model.weights.copy() for model in received}

    serving: Vector | None
    """What its algorithm has it answer with; None: its weights."""

    @property
    def answer(self) -> Vector:
        """The model that is measured, kept and compared."""
        return self.state.weights if self.serving is None else self.serving

    def train(self, x: Samples, y: np.ndarray) -> None:
        """A step on samples x [batch, ...] that are y [batch, ...]."""

        def step(state: TrainState, which: slice, velocity: Vector | None) -> tuple[TrainState, float]:
            seed = step_seed([*self._seed, NOISE], state.iteration) if self.learner.noised else None
            return self.learner.train(state, x[None], y[None], velocity, seed)

        self.become(self.course.train(self.state, 1, step)[0])

    def train_if_finite(self, x: Samples, y: np.ndarray) -> None:
        """The same, unless it leaves a model that is not finite: an attacker then goes on with the one it had, and ends nothing."""
        weights, slots = self.state.weights.copy(), self.state.slots.copy()
        self.train(x, y)
        if not is_finite(self.state.weights):
            self.state.weights[:], self.state.slots[:] = weights, slots

    def average(self, weights: Vector) -> None:
        """Go on with the weights that an average has made."""
        self.course.average(self.state.weights, weights)
        self.state.weights[:] = weights

    def become(self, state: TrainState) -> None:
        """Go on with the state that a training step left."""
        self.state.weights[:], self.state.slots[:] = state.weights, state.slots
        self.state = self.state._replace(iteration=state.iteration)

    def save(self, place: Path, number: int) -> str:
        """Write the node into a checkpoint; returns why that cannot be, if so. Raises `StoreError`."""
        values = {
            "iteration": self.state.iteration,
            "offered": self.offered,
            "averaged": self.averaged,
            "reputations": self.reputations,
            "seen": self.seen,
            "offering": None if self.offering is None else self.offering.state(),
            "memory": self.memory,
            "turned": self.turned,
            "serving": self.serving,
            "rngs": drawn([self.rng, self.context.rng]),
        }
        try:
            with explained(f"{place} cannot be written", ROOM):
                arrays = {"weights": self.state.weights, "slots": self.state.slots, "course": self.course.held()}
                save_node(place, number, arrays, values)
        except Unkept as kind:
            return f"algorithm {self.algorithm.name!r} remembers {kind}, which no checkpoint can hold"
        return ""

    def load(self, place: Path, number: int, attack_of: Callable[[str | None, dict[str, Parameter]], Attack | None]) -> None:
        """Become the node that a checkpoint holds. `attack_of` loads the attack that an event gave it. Raises `StoreError`."""
        arrays, values = load_node(place, number)
        if values["turned"] is not None:
            self.turned = values["turned"]
            self.turn(attack_of(*values["turned"]))
        self.become(TrainState(arrays["weights"], arrays["slots"], values["iteration"]))
        self.course.take(arrays["course"])
        self.offered, self.averaged = values["offered"], values["averaged"]
        self.reputations, self.memory = values["reputations"], values["memory"]
        self.seen, self.serving = values["seen"], values["serving"]
        if self.offering is not None:
            self.offering.restore(values["offering"])
        draw_on([self.rng, self.context.rng], values["rngs"])


class Worker:
    """Does jobs: a job's name is a method's, its answer goes back.

    Where only weights are exchanged (`sim.exchange`), models on their way have biases of zero; without `sim.measure_biases` every accuracy
    is measured with biases of zero.
    """

    def __init__(self, plan: WorkerPlan, numbers: Sequence[int]) -> None:
        self._plan, self._attacked = plan, any(plan.config.attacks(node.name) for node in plan.config.nodes)
        data = load_datasets(plan.config, plan.cache)
        self._data = list(data.values())
        self._stocks = {name: stock(data[name], weights) for name, weights in shares(plan.config, data).items()}
        self._form = self._data[0].form
        brought = {number: self._algorithm(plan.config.nodes[number]) for number in numbers}
        learners = {number: learner_for(plan.config, self._form, *found) for number, found in brought.items()}
        self._learner = learners[numbers[0]]
        self.parameters, self.remark = self._learner.parameters, self._learner.remark
        self._slab = opened(plan.slab, plan.slots, self.parameters.size)
        self._biases = bias_places(self.parameters)
        sim = plan.config.sim
        self._keeps_biases, self._zero_biases = sim.exchange == "weights", not sim.measure_biases
        size = self.parameters.size
        states = np.zeros((len(numbers), size + max(learner.rest.size for learner in learners.values())), np.float32)
        self._nodes = {
            number: self._settle(plan.config.nodes[number], own[:size], own[size:], learners[number], brought[number][1])
            for number, own in zip(numbers, states, strict=True)
        }

    def _algorithm(self, node: Node) -> tuple[str, Algorithm]:
        """What a node averages by, and what else it would have to be named."""
        return repr((node.algorithm, node.parameters)), load_algorithm(node.algorithm, node.parameters, self._plan.folder)

    def _settle(self, node: Node, weights: Vector, room: Vector, learner: "Learner", algorithm: Algorithm) -> Resident:
        """The node, with a place for its weights and room for its slots; the optimiser begins at rest."""
        config, slots = self._plan.config, room[: learner.rest.size]
        weights[:], slots[:] = learner.initial(initial_seed(config, node.name)), learner.rest
        state = TrainState(weights, slots, 0)
        attack = self._attack(node.attack, node.attack_parameters)
        seed, samples = seed_of(config, node.name), self._stocks[node.name]
        return Resident(node, seed, state, algorithm, attack, learner, samples, self._offering)

    def _offering(self, name: str, attack: Attack, rng: np.random.Generator) -> Offering:
        names = {node.name: node.name for node in self._plan.config.nodes}
        return offering(attack, self._plan.config, name, rng, self._plan.folder, self.parameters, names)

    def _attack(self, name: str | None, parameters: dict[str, Parameter]) -> Attack | None:
        return None if name is None else load_attack(name, parameters, self._plan.folder)

    def turn(self, number: int, name: str | None, parameters: dict[str, Parameter]) -> None:
        """The node attacks so from now on, or is honest."""
        node = self._nodes[number]
        node.turned = name, parameters
        node.turn(self._attack(name, parameters))

    def train(self, number: int, samples: np.ndarray, slot: int) -> None:
        """One step; the model that the node offers goes into `slot` (-1: nobody receives it)."""
        node = self._nodes[number]
        data = self._data[number]
        x, y = data.x_train[samples], data.y_train[samples]
        if node.attack is not None:
            x, y = checked_lesson(node.attack, x, y, self._form, node.rng)
        if node.attack is None:
            node.train(x, y)
            check_converges(node.state, node.name, self._attacked)
        elif node.attack.trains:
            node.train_if_finite(x, y)
        offered = self._offer(node)
        if slot >= 0:
            self._slab[slot] = offered
            if self._keeps_biases:
                self._slab[slot, self._biases] = 0

    def _offer(self, node: Resident) -> Vector:
        node.offered += 1
        if node.offering is None:
            return node.state.weights
        return node.offering(node.state.weights, node.offered - 1, node.seen)

    def measure(self, number: int, slots: Sequence[int], samples: np.ndarray) -> list[Score]:
        """How good each model is on its own row of test samples [models, tests] of the node."""
        return [self._score(number, self._slab[slot], row) for slot, row in zip(slots, samples, strict=True)]

    def check(self, number: int, samples: np.ndarray, keep: bool = False) -> Score:
        """The same of the model that the node answers with; `keep`: which is kept for later."""
        weights = self._nodes[number].answer
        if keep and self._plan.models is not None:
            with whole(self._plan.models / f"{self._nodes[number].name}.npy", ROOM) as draft, draft.open("wb") as file:
                np.save(file, self._without_biases(weights) if self._zero_biases else weights, allow_pickle=False)
        return self._score(number, weights, samples)

    def _score(self, number: int, weights: Vector, samples: np.ndarray) -> Score:
        if self._zero_biases and weights[self._biases].any():
            weights = self._without_biases(weights)
        data = self._data[number]
        return self._learner.measure(weights, data.x_test[samples], data.y_test[samples])

    def update(
        self, number: int, senders: Sequence[str], slots: Sequence[int], accuracies: Sequence[float] | None, samples: np.ndarray | None
    ) -> tuple[dict[str, float], dict[str, str], Score | None]:
        """Run the node's algorithm on received models. Returns the reputations it then holds, what it says of each sender, and how good its
        own model was on `samples` before (None without samples)."""
        node = self._nodes[number]
        score = None if samples is None else self._score(number, node.state.weights, samples)
        own = self._without_biases(node.state.weights) if self._keeps_biases else node.state.weights
        received = [
            ReceivedModel(sender, self._slab[slot], None if accuracies is None else accuracies[place], self._stocks[sender])
            for place, (sender, slot) in enumerate(zip(senders, slots, strict=True))
        ]
        node.watch(received)
        own_accuracy = None if score is None else score.correct / score.tested
        own_models, node.averaged = node.offered - node.averaged, node.offered
        result = checked_apply(node.algorithm, node.memory, own, received, node.reputations, own_accuracy, own_models)
        node.memory, node.reputations = result.state, dict(result.reputations)
        self._take(node, result.weights)
        if result.serving is not None:
            node.serving = self._home(node, result.serving)
        return node.reputations, reasons_in(result.notes), score

    def see(self, number: int, senders: Sequence[str], slots: Sequence[int]) -> None:
        """The node attacks together with another, which averages these models."""
        node = self._nodes[number]
        if node.attack is not None and node.attack.together:
            node.watch([ReceivedModel(sender, self._slab[slot]) for sender, slot in zip(senders, slots, strict=True)])

    def _take(self, node: Resident, weights: Vector) -> None:
        """Give a node new weights, which it answers with too until its algorithm says otherwise."""
        node.average(self._home(node, weights))
        node.serving = None

    def _home(self, node: Resident, weights: Vector) -> Vector:
        """Weights that have travelled, with the node's own biases where biases do not travel."""
        if not self._keeps_biases:
            return weights
        weights = weights.copy()
        weights[self._biases] = node.state.weights[self._biases]
        return weights

    def _without_biases(self, weights: Vector) -> Vector:
        """A copy with biases of zero, as models have on their way."""
        weights = weights.copy()
        weights[self._biases] = 0
        return weights

    def show(self, number: int, slot: int, answer: bool = False) -> None:
        """Put the model that the node trains into a slot, or the one that it answers with."""
        self._slab[slot] = self._nodes[number].answer if answer else self._nodes[number].state.weights

    def compare(self, pairs: Sequence[tuple[int, int]]) -> list[dict[str, float]]:
        """How far the models in each two slots are from each other, by layer: parts of equation 5."""
        return [by_layer(distances(self._slab[one], self._slab[other], self.parameters), self.parameters) for one, other in pairs]

    def average(self, slots: Sequence[int], mean: int) -> None:
        """Put the mean of the models in `slots` into slot `mean`."""
        self._slab[mean] = weighted_mean([self._slab[slot] for slot in slots], [1.0] * len(slots))

    def adopt(self, number: int, slot: int) -> None:
        """The node goes on with the model in a slot."""
        self._take(self._nodes[number], self._slab[slot])

    def vote(self, number: int, part: str, first: int, last: int) -> None:
        """Add what the node's model gives each label, as probabilities, for these samples of a set, to the votes of the others."""
        x = self._data[number].x_train if part == "train" else self._data[number].x_test
        votes = self._votes(part)
        votes[first:last] += self._learner.answers(self._nodes[number].answer, x[first:last])

    def save(self, number: int, place: Path) -> str:
        """Write a node into the checkpoint that is being made in `place`; returns why that cannot be, if so."""
        return self._nodes[number].save(place, number)

    def load(self, number: int, place: Path) -> None:
        """Go on with the node that a checkpoint holds."""
        self._nodes[number].load(place, number, self._attack)

    def _votes(self, part: str) -> Slab:
        return opened(self._plan.cache / part, len(self._data[0].y_train if part == "train" else self._data[0].y_test), self._form.outputs)


def learner_for(config: Config, form: Form, name: str, algorithm: Algorithm) -> "Learner":
    """The learner of a configuration and an algorithm, which a process that simulates one after the other compiles once for all that train
    alike."""
    from dfl_actors.learning import models

    key = repr((config.training, form, name if algorithm.optimiser else ""))
    if key not in _LEARNERS:
        if len(_LEARNERS) == MOST_LEARNERS:
            del _LEARNERS[next(iter(_LEARNERS))]
        _LEARNERS[key] = models.learner_of(config, form, algorithm.optimiser)
    return _LEARNERS[key]


def opened(path: Path, slots: int, size: int) -> Slab:
    """The slab, float32 [slots, size]; whoever comes first gives the file its length. Only slots that are used take memory."""
    with path.open("r+b") as file:
        file.truncate(4 * slots * size)
    # As a plain array over the map: every slice of a `memmap` would pay for its subclass.
    return np.asarray(np.memmap(path, np.float32, "r+", shape=(slots, size)))


def bias_places(parameters: Parameters) -> np.ndarray:
    """Where in the flat vector [P] biases lie: those of arrays with one axis."""
    return np.flatnonzero(np.concatenate([np.full(int(np.prod(layer.shape)), len(layer.shape) == 1) for layer in parameters.layers]))


def work(parent: Channel, plan: WorkerPlan, numbers: Sequence[int]) -> None:
    """The life of a worker process: jobs in, answers out, until the engine hangs up. Raises the `DflError` that keeps it from starting."""
    with explained(f"{plan.slab.parent} cannot hold the models", "free some space there"):
        worker = Worker(plan, numbers)
    parent.send(f"{worker.parameters.size} {worker.remark}".encode())
    with parent.connection() as connection, suppress(EOFError, OSError):
        while True:
            ticket, name, arguments = pickle.loads(connection.recv_bytes())
            connection.send_bytes(pickle.dumps((ticket, answer(getattr(worker, name), arguments))))


def answer(job: Callable[..., object], arguments: Sequence[object]) -> object:
    try:
        return job(*arguments)
    except (DflError, SystemExit) as error:
        return faults.failure(error)
    except Exception as error:  # noqa: BLE001  whatever a job does, the engine learns of it
        return faults.failure(DflError(f"{job.__name__} failed, {one_line(error)}; this is a mistake of dfl-actors, report it"))
