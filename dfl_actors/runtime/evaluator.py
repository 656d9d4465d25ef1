"""Processes beside the network: the founder, who makes the genesis, and the evaluator, who measures models on the test samples.

The evaluator measures the run and is no part of the network: no node hears what it finds, and its CPU is counted apart. It alone
sees the models of all nodes, one after the other, and so measures too how different they are (the paper's equation 5).
"""

import time
from pathlib import Path

import msgspec
import numpy as np

from dfl_actors.config import Config
from dfl_actors.core import codec, events
from dfl_actors.core.control import FROM_SUPERVISOR, Evaluate, Evaluated, Quit, Ready
from dfl_actors.core.family import Message
from dfl_actors.errors import Refused
from dfl_actors.files import whole
from dfl_actors.learning.data import load_dataset, load_datasets
from dfl_actors.learning.difference import Ring
from dfl_actors.learning.genesis import genesis_of
from dfl_actors.learning.partition import weights_by_node
from dfl_actors.learning.score import Score, between, score_of
from dfl_actors.learning.weights import LENET, decode_model
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import log_to
from dfl_actors.processes.preload import settle
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.metrics import Metrics
from dfl_actors.runtime.plan import EVALUATOR, SUPERVISOR, NodePlan
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.runtime.stores import ModelStore
from dfl_actors.sdk.loader import check_plugins, load_algorithm

AT_ONCE = 1_000  # Test samples measured before the evaluator looks whether something more urgent has come.


def found(parent: Channel, config: Config, name: str, cache: Path, log: Path) -> None:
    """The founder's life: check that all can be built and the data divided, and say the genesis, and what is odd.

    `name` is that of a node here.
    """
    log_to(log)
    check_plugins(config, Path.cwd())
    from dfl_actors.learning import models
    from dfl_actors.learning.framework import use_device

    data = load_dataset(config.data_of(name), cache)
    use_device(config.training.device)  # said before anything starts; but what all hosts must agree on is computed alike on all of them
    on_cpu = msgspec.structs.replace(config.training, device="cpu")
    node = config.node(name)
    brought = load_algorithm(node.algorithm, node.parameters, Path.cwd()).optimiser
    learner = models.learner_of(msgspec.structs.replace(config, training=on_cpu), data.form, brought)
    weights_by_node(config, data)
    if config.training.model != LENET:
        learner.rehearse(config.training.batch, config.data.test_samples)
    parent.send(codec.encode(genesis_of(config, learner)) + b"\n" + learner.remark.encode())
    parent.finish()


def evaluate(parent: Channel, plan: NodePlan) -> None:
    """The evaluator's life. `plan` is that of any node."""
    run = RunDirectory(plan.directory)
    log_to(run.node(SUPERVISOR).log(EVALUATOR))
    Evaluator(plan.config, plan.cache, run, plan.parameters, parent, Clock(plan.anchor)).run()


class Task(msgspec.Struct):
    """A measurement on all test samples, or on many, in the order of `tests`: what adds up to its score so far, and how many that is of."""

    order: Evaluate
    weights: np.ndarray
    tests: np.ndarray
    sums: np.ndarray
    measured: int = 0


class Evaluator:
    """Answers `Evaluate` with `Evaluated`. A measurement on all test samples takes as long as ten others: it is gone on with while nothing
    else is asked for, one at a time, and broken off where a model is to be saved or another one to be measured so."""

    def __init__(self, config: Config, cache: Path, run: RunDirectory, parameters: int, parent: Channel, clock: Clock) -> None:
        from dfl_actors.learning import export, models

        self._clock, self._contract_of = clock, export.contract_of
        self._config, self._run, self._parameters, self._parent = config, run, parameters, parent
        names = tuple(read_about(run).nodes)
        self._data = load_datasets(config, cache, names)
        self._form, tests = self._data[names[0]].form, len(self._data[names[0]].y_test)
        self._learner = models.learner_of(config, self._form)
        self._learner.warm(0, 0, min(250, tests))
        self._stores: dict[str, ModelStore] = {}
        self._lasts: dict[str, tuple[str, np.ndarray]] = {}
        self._task: Task | None = None
        self._ring = Ring(names, self._learner.parameters)
        self._metrics = Metrics(run.metrics, "", EVALUATOR)
        settle()

    def _all(self, node: str) -> np.ndarray:
        """The test samples of a node's data, in an order of their own."""
        return np.random.default_rng([self._config.network.seed, 2]).permutation(len(self._data[node].y_test))

    def _some(self, node: str) -> np.ndarray:
        """Those that are measured as long as the run goes on, the same ones throughout."""
        wanted = self._config.run.evaluate_samples
        return np.sort(self._all(node)[: wanted or None])

    def run(self) -> None:
        """Until the supervisor says quit, or is gone."""
        self._parent.send(codec.encode(Ready()))
        started = time.process_time()
        while self._next():
            self._parent.flush()
        spent = round(time.process_time() - started, 6)
        self._metrics.write(
            events.Cpu(total=spent, tasks={"other": {"learning": spent, "blockchain": 0.0, "network": 0.0}}), self._clock().wall
        )

    def _next(self) -> bool:
        """Do what was ordered, or some of the task; whether to go on."""
        if self._task is not None and not self._parent.wait(0):
            self._go_on(self._task)
            return True
        order = self._parent.next()
        return order is not None and self._obey(codec.convert(FROM_SUPERVISOR, codec.parse(order)))

    def _obey(self, order: Message) -> bool:
        if isinstance(order, Evaluate):
            if order.whole or order.save:
                self._break_off()
            if (answer := self._answer(order)) is not None:
                self._parent.send(codec.encode(answer))
        return not isinstance(order, Quit)

    def _answer(self, order: Evaluate) -> Evaluated | None:
        """None where it is a task from now on."""
        try:
            weights = self._weights(order)
        except Refused:  # a model that is not finite gets nothing right, and is not saved
            tested = self._samples(order) * order.measure
            return self._answered(order, Score(0, tested * self._form.unit), tested, missing=order.save)
        if weights is None:
            return self._answered(order, Score(0, 0), missing=True)
        if order.save:
            with whole(self._run.node(order.node).model) as draft:
                origin = {"network": self._config.network.name, "node": order.node, "model": order.model}
                self._learner.save(weights, draft, self._contract_of(self._form, self._config.data, origin))
            self._lasts[order.node] = (order.model, weights)
        if not order.measure:
            return self._answered(order, Score(0, 0))
        if order.whole:
            self._task = Task(order, weights, self._all(order.node), self._form.nothing)
            return None
        some = self._some(order.node)
        sums = self._sums(order.node, weights, some)
        if sums is None:
            return self._answered(order, Score(0, 0))
        self._compare(order.node, weights)
        return self._answered(order, score_of(self._form, sums, self._data[order.node].y_test[some]), len(some))

    def _go_on(self, task: Task) -> None:
        """Measure some more samples of the task, and answer after the last, or when more would not change what is to be known."""
        node, tests = task.order.node, task.tests
        task.sums = task.sums + self._part(node, task.weights, np.sort(tests[task.measured : task.measured + AT_ONCE]))
        task.measured = min(task.measured + AT_ONCE, len(tests))
        score = score_of(self._form, task.sums, self._data[node].y_test[tests[: task.measured]])
        least, most = between(*score)
        if task.measured == len(tests) or (task.order.target and not least < task.order.target <= most):
            self._task = None
            self._compare(node, task.weights)
            self._parent.send(codec.encode(self._answered(task.order, score, task.measured)))

    def _break_off(self) -> None:
        if self._task is not None:
            self._parent.send(codec.encode(self._answered(self._task.order, Score(0, 0))))
            self._task = None

    def _weights(self, order: Evaluate) -> np.ndarray | None:
        """Of the model, or None if it is no longer in its node's store. A last model that was saved is still known, for others go on to
        fill the store until everybody has stopped. Raises `Refused` for one that is not finite."""
        model, weights = self._lasts.get(order.node, ("", None))
        if model == order.model:
            return weights
        store = self._stores.get(order.node)
        if store is None:
            store = self._stores[order.node] = ModelStore(self._run.node(order.node).models)
        with store.view(order.model) as data:
            # A copy, for a view would keep the store from using old pages again as long as we measure.
            return None if data is None else decode_model(data, self._config.gossip.codec, self._parameters).copy()

    def _samples(self, order: Evaluate) -> int:
        """Of how many test samples the answer is."""
        return len(self._data[order.node].y_test) if order.whole else len(self._some(order.node))

    def _sums(self, node: str, weights: np.ndarray, tests: np.ndarray) -> np.ndarray | None:
        """What adds up to the score of these test samples; None if it was broken off, for something more urgent has come."""
        sums = self._form.nothing
        for begin in range(0, len(tests), AT_ONCE):
            if self._parent.wait(0):
                return None
            sums = sums + self._part(node, weights, tests[begin : begin + AT_ONCE])
        return np.asarray(sums)

    def _part(self, node: str, weights: np.ndarray, tests: np.ndarray) -> np.ndarray:
        data = self._data[node]
        return self._learner.sums(weights, data.x_test[tests], data.y_test[tests])

    def _compare(self, node: str, weights: np.ndarray) -> None:
        """Tell how different the models are, each node's being the one measured last."""
        layers = self._ring.put(node, weights)
        if layers is not None:
            rounded = {name: round(value, 6) for name, value in layers.items()}
            self._metrics.write(events.WeightDifference(layers=rounded, overall=round(sum(layers.values()), 6)), self._clock().wall)

    def _answered(self, order: Evaluate, score: Score, samples: int = 0, missing: bool = False) -> Evaluated:
        """`samples`: so many were measured."""
        return Evaluated(
            node=order.node,
            model=order.model,
            whole=order.whole,
            correct=score.correct,
            tested=score.tested,
            complete=samples == len(self._data[order.node].y_test),
            missing=missing,
        )
