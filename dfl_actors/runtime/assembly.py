"""Puts an actor together: the state machine, and the stores, the learner and the algorithm that it works with."""

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dfl_actors.actors.base import Actor
from dfl_actors.actors.builder import Builder, BuilderSettings
from dfl_actors.actors.gossiper import Gossiper
from dfl_actors.actors.injector import Injector, InjectorSettings
from dfl_actors.actors.keeper import Keeper, KeeperSettings
from dfl_actors.actors.linking import GossiperSettings
from dfl_actors.actors.trainer import Trainer, TrainerSettings
from dfl_actors.actors.validator import Validator, ValidatorSettings
from dfl_actors.core.events import Noised
from dfl_actors.core.family import ACTORS
from dfl_actors.core.keys import KeyPair
from dfl_actors.errors import ChainError
from dfl_actors.learning.data import Dataset, load_dataset
from dfl_actors.learning.form import Form, Samples
from dfl_actors.learning.momentum import Optimiser
from dfl_actors.learning.partition import Received, SampleStream, weights_by_node, weights_of
from dfl_actors.learning.privacy import noised
from dfl_actors.learning.score import Score
from dfl_actors.learning.seeds import initial_seed, name_number
from dfl_actors.learning.stock import Shelf, Stock, kinds_of
from dfl_actors.learning.weights import Parameters, TrainState, check_converges, decode_model, encode_model, is_finite, model_bytes
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.keyfiles import load_key
from dfl_actors.runtime.meter import Meter
from dfl_actors.runtime.plan import NodePlan, settings_of
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import ChainStore, Journal, ModelStore
from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.attacks import checked_lesson, load_attack
from dfl_actors.sdk.interface import Context
from dfl_actors.sdk.loader import checked_apply, first_state, load_algorithm
from dfl_actors.sdk.rehearsal import offering

if TYPE_CHECKING:
    from dfl_actors.learning.models import Learner

Offer = Callable[[np.ndarray, int, Mapping[str, np.ndarray]], np.ndarray] | None
Lesson = Callable[[Samples, np.ndarray], tuple[Samples, np.ndarray]] | None


class Owned:
    """What an actor's process opens for it, and closes at the end."""

    def __init__(self, plan: NodePlan, actor: str) -> None:
        node = RunDirectory(plan.directory).node(plan.node.name)
        self.key: KeyPair = load_key(plan.keys)
        self.journal = Journal(node.journal(actor))
        self.models = ModelStore(node.models, plan.config.models_kept(plan.node.name), model_bytes("float32", plan.parameters))
        self.chain = ChainStore(node.chain) if actor == "builder" else None
        self.meter = Meter()
        self.clock = Clock(plan.anchor)
        self._fed = node.fed
        self.form: Form | None = None
        self.stock: Stock | None = None

    def stocked(self, data: Dataset) -> int:
        """How many samples have been fed to the node; from here on its stock is open for more. Raises `StoreError`."""
        self.form, self.stock = data.form, Stock(self._fed, kinds_of(data))
        return self.stock.count

    def close(self) -> None:
        for store in (self.journal, self.models, self.chain):
            if store is not None:
                store.close()


class MeteredLearner:
    """The learner over the node's own data: samples are named by their indices, and time counts as learning."""

    def __init__(self, learner: "Learner", data: Dataset, plan: NodePlan, meter: Meter, lesson: Lesson = None, trains: bool = True) -> None:
        self._learner, self._meter, self._lesson, self._trains = learner, meter, lesson, trains
        self._samples = Shelf(data, RunDirectory(plan.directory).node(plan.node.name).fed)
        self._name, self._attacked = plan.node.name, any(plan.config.attacks(node.name) for node in plan.config.nodes)
        self._attacks = plan.config.attacks(plan.node.name)

    def start(self, weights: np.ndarray) -> TrainState:
        return self._learner.start(weights)

    @property
    def optimiser(self) -> Optimiser | None:
        return self._learner.optimiser

    def train(self, state: TrainState, samples: np.ndarray, velocity: np.ndarray | None = None) -> tuple[TrainState, float]:
        with self._meter.working("learning"):
            if not self._trains:
                return state, 0.0
            x, y = self._samples[samples]
            if self._lesson is not None:
                x, y = self._lesson(x, y)
            seed = np.frombuffer(secrets.token_bytes(16), np.int64) if self._learner.noised else None
            trained, loss = self._learner.train(state, x, y, velocity, seed)
            if self._attacks and not is_finite(trained.weights):
                return state._replace(iteration=trained.iteration), 0.0  # it goes on with the model that it had, and ends nothing
            check_converges(trained, self._name, self._attacked)
            return trained, loss

    def encode(self, weights: np.ndarray, codec: str) -> bytes:
        with self._meter.working("learning"):
            return encode_model(weights, codec)

    def judge(self, data: memoryview, codec: str, parameters: int, samples: np.ndarray) -> Score:
        with self._meter.working("learning"):
            return self.measure(decode_model(data, codec, parameters), samples)

    def measure(self, weights: np.ndarray, samples: np.ndarray) -> Score:
        with self._meter.working("learning"):
            return self._learner.measure(weights, *self._samples[samples])


def build(plan: NodePlan, actor: str, incarnation: int, owned: Owned) -> Actor:
    """The state machine of `actor`, ready to hear its first message; `incarnation` counts its restarts. Raises `DflError`."""
    seeds = rng_for(plan, actor, incarnation)
    if actor == "injector":
        data = load_dataset(plan.config.data_of(plan.node.name), plan.cache)
        paced = settings_of(plan, InjectorSettings)
        if incarnation:
            paced = msgspec.structs.replace(paced, ahead=0)
        return Injector(paced, stream(plan, data, seeds), owned.stocked(data))
    if actor == "trainer":
        offer, lesson, trains = attack(plan, seeds)
        learner, metered = learners(plan, actor, owned.meter, lesson, trains)
        return Trainer(
            trainer_settings(plan), owned.key, metered, initial(plan, learner), owned.models, owned.journal, Received(), seeds, offer
        )
    if actor == "validator":
        _, metered = learners(plan, actor, owned.meter)
        return Validator(settings_of(plan, ValidatorSettings), owned.key, metered, owned.models, owned.journal, Received(), seeds)
    if actor == "gossiper":
        now = owned.clock()
        settings = settings_of(plan, GossiperSettings)
        return Gossiper(settings, owned.key, owned.models, owned.journal, now.wall, lambda: secrets.token_hex(32), now)
    if actor == "builder":
        assert owned.chain is not None
        try:
            return Builder(settings_of(plan, BuilderSettings), owned.key, owned.chain, owned.journal, owned.clock())
        except ChainError as error:
            raise ChainError(f"node {plan.node.name}: {error}") from error
    return keeper(plan, owned, seeds)


def trainer_settings(plan: NodePlan) -> TrainerSettings:
    """Those of the node; of one whose attack sends nothing, as if it were an observer."""
    settings, malice = settings_of(plan, TrainerSettings), attack_of(plan)
    if plan.config.training.noise and plan.node.role == "normal":
        settings = msgspec.structs.replace(settings, noised=noise(plan))
    return settings if malice is None or malice.sends else msgspec.structs.replace(settings, role="observer")


def noise(plan: NodePlan) -> Noised:
    """What the node says of its noise. Raises `DflError`."""
    data = load_dataset(plan.config.data_of(plan.node.name), plan.cache)
    measures = load_algorithm(plan.node.algorithm, plan.node.parameters, plan.folder).measures
    said = noised(plan.config, plan.node, data, weights_by_node(plan.config, data)[plan.node.name], measures)
    if plan.node.rate and not said.unclaimed:
        return msgspec.structs.replace(
            said, unclaimed="at a rate above 0 the time between its transactions tells how many samples a batch had"
        )
    return said


def attack(plan: NodePlan, rng: np.random.Generator) -> tuple[Offer, Lesson, bool]:
    """What the node's attack has it offer in place of its model, learn in place of the right samples, and whether it learns at all."""
    chosen = attack_of(plan)
    if chosen is None:
        return None, None, True
    form = load_dataset(plan.config.data_of(plan.node.name), plan.cache).form
    offer = None
    if chosen.offer is not None:
        parameters = Parameters(plan.layers)
        offer = offering(chosen, plan.config, plan.node.name, rng, plan.folder, parameters, plan.addresses)
    return offer, lambda x, y: checked_lesson(chosen, x, y, form, rng), chosen.trains


def attack_of(plan: NodePlan) -> Attack | None:
    """The node's attack, if it is malicious. Raises `DflError`."""
    return None if plan.node.attack is None else load_attack(plan.node.attack, plan.node.attack_parameters, plan.folder)


def keeper(plan: NodePlan, owned: Owned, rng: np.random.Generator) -> Keeper:
    """The keeper with its algorithm bound to the node."""
    algorithm = load_algorithm(plan.node.algorithm, plan.node.parameters, plan.folder)
    context = Context(plan.settings.address, plan.settings.neighbours, Parameters(plan.layers), rng, plan.samples)

    malice = attack_of(plan)
    watched = malice is not None and malice.watches
    return Keeper(
        settings_of(plan, KeeperSettings),
        partial(checked_apply, algorithm),
        first_state(algorithm, context),
        owned.models,
        owned.journal,
        watched,
    )


def learners(plan: NodePlan, actor: str, meter: Meter, lesson: Lesson = None, trains: bool = True) -> tuple["Learner", MeteredLearner]:
    """The learner, traced and ready, and its metered form over the node's data. Imports TensorFlow here, and only here."""
    from dfl_actors.learning import models

    data = load_dataset(plan.config.data_of(plan.node.name), plan.cache)
    learner = models.learner_of(plan.config, data.form, load_algorithm(plan.node.algorithm, plan.node.parameters, plan.folder).optimiser)
    # Trace what messages will need, so that the first is not slow.
    learner.warm(plan.config.training.batch, int(actor == "trainer" and plan.node.role == "normal"), plan.config.data.test_samples)
    return learner, MeteredLearner(learner, data, plan, meter, lesson, trains)


def initial(plan: NodePlan, learner: "Learner") -> np.ndarray:
    """The weights a node begins with: those of the genesis, or its own when the network starts from independent ones."""
    return learner.initial(initial_seed(plan.config, plan.node.name))


def stream(plan: NodePlan, data: Dataset, rng: np.random.Generator) -> SampleStream:
    """The node's stream of samples, by the network's partition, or as it has drifted. Raises `ConfigError`."""
    return SampleStream(data.kinds_train, weights_of(plan.config, plan.node, data), rng)


def rng_for(plan: NodePlan, actor: str, incarnation: int) -> np.random.Generator:
    """The actor's own generator; another one after each restart or resume, so that a stream is not drawn twice. With noise nobody else may
    know what was drawn: the seed is then no number that others know."""
    if plan.config.training.noise:
        return np.random.default_rng(secrets.randbits(128))
    numbers = (plan.config.network.seed, name_number(plan.node.name), ACTORS.index(actor), plan.starts, incarnation)
    return np.random.default_rng(numbers)
