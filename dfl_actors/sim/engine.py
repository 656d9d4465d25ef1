"""Computes the jobs of a timeline on worker processes, several ticks at once.

A node's own jobs are done in their order, by the worker that holds it. Jobs of different nodes wait for each other only where one needs
a model of the other: an update for the models in its buffer and for their measurements, a comparison for everybody. Measurements and
comparisons belong to no worker. So all stay busy though hardly a node trains in one tick, and the outcome does not depend on how many there
are.
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from selectors import EVENT_READ, DefaultSelector
from typing import Protocol

import numpy as np

from dfl_actors.config.sections import Event
from dfl_actors.core.control import Failed
from dfl_actors.errors import DflError
from dfl_actors.learning.score import Score
from dfl_actors.processes import faults
from dfl_actors.sim.peers import Change
from dfl_actors.sim.tasks import Slots, Task
from dfl_actors.sim.timeline import Broadcast, Check, Compare, Job, Judge, Measure, See, Timeline, Train, Turn, Update

AHEAD = 2  # Jobs sent to a worker before it has answered the first: it never waits for us.
TICKS_AHEAD = 24  # Ticks that may be under way at once.

TASKS_AHEAD = 64
"""Jobs for each worker, ready or waiting for others, beyond which no tick is begun: with hundreds of nodes one or two ticks keep everybody
busy, and every tick more costs the memory of the models in it."""

MEASURED_AT_ONCE = 2
"""Models that one task measures: the fewer, the sooner the workers have done all that an update waits for; each task costs messages."""

SHOWN_AT_ONCE = 16  # Models that lie ready at once for a comparison of all; at least 2.
SLOTS_A_TICK = 3  # Slots that one tick may take, for each node: its new model, one to be compared, one to be averaged.


class Wire(Protocol):
    """A way to a worker: a `multiprocessing.connection.Connection`, or what takes its place."""

    def fileno(self) -> int: ...

    def send_bytes(self, body: bytes, /) -> None: ...

    def recv_bytes(self) -> bytes: ...


class Results:
    """Where answers go, tick by tick; a subclass of the engine's user. Every tick is closed once all its jobs are done, in order."""

    def accuracy(self, tick: int, node: int, right: int, tested: int) -> None: ...

    def difference(self, tick: int, by_layer: dict[str, float]) -> None: ...

    def updated(self, tick: int, node: int, reputations: dict[str, float], reasons: dict[str, str]) -> None: ...

    def changed(self, tick: int, change: Change | Event) -> None: ...

    def steps(self, tick: int, by_node: Sequence[int]) -> None: ...

    def close(self, tick: int) -> None: ...


class Engine:
    """Runs a timeline on the workers behind `connections`; `begin` is its first tick, and models checked at tick `keep` are kept."""

    def __init__(
        self,
        timeline: Timeline,
        names: Sequence[str],
        connections: Sequence[Wire],
        slots: Slots,
        results: Results,
        begin: int = 0,
        keep: int = -1,
    ) -> None:
        self._timeline, self._names, self._results = timeline, names, results
        self._connections = list(connections)
        self._answers = DefaultSelector()  # asked thousands of times: a `multiprocessing.connection.wait` makes one each time
        for number, connection in enumerate(connections):
            self._answers.register(connection, EVENT_READ, number)
        self._slots, self._keep = slots, keep
        self._asked = self.closed = begin
        self._shared: deque[Task] = deque()
        self._own: list[deque[Task]] = [deque() for _ in connections]
        self._sent: list[dict[int, Task]] = [{} for _ in connections]
        self._tickets = count()
        self._last: list[Task | None] = [None] * len(names)
        self._trained: dict[int, Task] = {}
        self._measured: dict[int, tuple[list[Task], list[float]]] = {}
        self._open: dict[int, int] = {}
        self._shown = -1

    def owner(self, node: int) -> int:
        """The worker that holds a node."""
        return node % len(self._connections)

    def run(self, ticks: int, hold: Callable[[], bool]) -> Iterator[int]:
        """Compute up to `ticks`; yields how many are done whenever one is. Once `hold` says so, what is under way is done and no more.

        Raises the `DflError` of a job or of a lost worker.
        """
        while self.closed < ticks:
            while self._asked < ticks and self._may_ask() and not hold():
                self._ask(self._asked)
                self._asked += 1
            if self.closed == self._asked:
                return
            self._dispatch()
            while self.closed < self._asked and not self._open[self.closed]:
                del self._open[self.closed]
                self._results.close(self.closed)
                self.closed += 1
                yield self.closed
            if self.closed < self._asked:
                self._take_answers()

    def every(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do tasks that belong to no tick; yields how many are left whenever one is done."""
        left = len(tasks)
        for task in tasks:
            if not task.waits:
                self._queue(task)
        while left:
            self._dispatch()
            left -= self._take_answers()
            yield left

    def _may_ask(self) -> bool:
        room = len(self._slots) > SLOTS_A_TICK * len(self._names)
        busy = sum(self._open.values()) >= TASKS_AHEAD * len(self._connections)
        return room and not busy and self._asked - self.closed < TICKS_AHEAD and not self._timeline.waits

    def _ask(self, tick: int) -> None:
        self._open[tick] = 0
        for job in self._timeline.tick(tick):
            for task in self._tasks(job):
                self._open[tick] += 1
                if not task.waits:
                    self._queue(task)
        self._results.steps(tick, tuple(self._timeline.steps))
        self._tell_changes()

    # --- from jobs to tasks

    def _tasks(self, job: Job) -> Iterator[Task]:
        match job:
            case Train():
                yield self._train(job)
            case Measure():
                yield from self._measure(job)
            case See():
                yield self._see(job)
            case Update():
                yield self._update(job)
            case Check() | Judge():
                yield self._check(job)
            case Compare():
                yield from self._compare(job)
            case Broadcast():
                yield from self._broadcast(job)
            case Turn():
                yield self.of_node(Task(job, "turn", (job.node, job.attack, job.parameters)), job.node)

    def of_node(self, task: Task, node: int) -> Task:
        """A task of the node's worker, after the one before."""
        task.worker = self.owner(node)
        task.follow(self._last[node])
        self._last[node] = task
        return task

    def _train(self, job: Train) -> Task:
        slot = self._slots.take(job.model, job.readers) if job.readers else -1
        task = Task(job, "train", (job.node, job.samples, slot))
        if slot >= 0:
            self._trained[job.model] = task
        return self.of_node(task, job.node)

    def _measure(self, job: Measure) -> Iterator[Task]:
        accuracies = [0.0] * len(job.models)
        tasks: list[Task] = []
        for first in range(0, len(job.models), MEASURED_AT_ONCE):
            part = slice(first, first + MEASURED_AT_ONCE)
            models = job.models[part]

            def done(scores: Sequence[Score], part: slice = part, models: Sequence[int] = models) -> None:
                accuracies[part] = [correct / tested for correct, tested in scores]
                self._read(models)

            task = Task(job, "measure", (job.node, tuple(map(self._slots.of, models)), job.samples[part]), done)
            for model in models:
                self._slots.hold(model)
                task.follow(self._trained.get(model))
            tasks.append(task)
        self._measured[job.node] = tasks, accuracies
        yield from tasks

    def _update(self, job: Update) -> Task:
        models = [offered.model for offered in job.received]
        senders = [self._names[offered.sender] for offered in job.received]
        slots = [self._slots.of(model) for model in models]

        def done(answer: tuple[dict[str, float], dict[str, str], Score | None]) -> None:
            reputations, reasons, own = answer
            self._read(models)
            self._results.updated(job.tick, job.node, reputations, reasons)
            if own is not None:
                self._judged(job.tick, job.node, own.correct / own.tested)

        measured, accuracies = self._measured.pop(job.node) if job.measured else ([], None)
        task = Task(job, "update", (job.node, senders, slots, accuracies, job.own), done)
        for model in models:
            task.follow(self._trained.get(model))
        for measure in measured:
            task.follow(measure)
        return self.of_node(task, job.node)

    def _see(self, job: See) -> Task:
        models = [offered.model for offered in job.received]
        arguments = (job.node, [self._names[offered.sender] for offered in job.received], [self._slots.of(model) for model in models])
        task = Task(job, "see", arguments, lambda nothing: self._read(models))
        for model in models:
            self._slots.hold(model)
            task.follow(self._trained.get(model))
        return self.of_node(task, job.node)

    def _read(self, models: Sequence[int]) -> None:
        """A job has read these models, once each; whoever was the last to read one frees it."""
        for model in models:
            if self._slots.read(model):
                self._trained.pop(model, None)

    def _check(self, job: Check | Judge) -> Task:
        def done(score: Score) -> None:
            if isinstance(job, Judge):
                self._judged(job.tick, job.node, score.correct / score.tested)
            else:
                self._results.accuracy(job.tick, job.node, *score)

        kept = (True,) if isinstance(job, Check) and job.tick == self._keep else ()
        return self.of_node(Task(job, "check", (job.node, job.samples, *kept), done), job.node)

    def _judged(self, tick: int, node: int, accuracy: float) -> None:
        self._timeline.judged(tick, node, accuracy)
        self._tell_changes()

    def _tell_changes(self) -> None:
        for tick, change in self._timeline.changes():
            self._results.changed(tick, change)

    def _compare(self, job: Compare) -> Iterator[Task]:
        """Every node shows its model, and goes on; anybody takes the distances in the ring, those of several nodes at once. A slot is
        used again as soon as it has been read, so that hundreds of nodes need no more than `SHOWN_AT_ONCE`."""
        count, at_once = len(self._names), SHOWN_AT_ONCE // 2
        groups = [range(first, min(first + at_once, count)) for first in range(0, count, at_once)]
        seats = sorted(set(map(_seat, range(count))))
        models = self._numbers(len(seats))
        slots = {seat: self._slots.take(model, len(groups)) for seat, model in zip(seats, models, strict=True)}
        pairs: dict[int, dict[str, float]] = {}
        shows: list[Task] = []
        compared: list[Task] = []
        for group in groups:
            for node in group:
                show = Task(job, "show", (node, slots[_seat(node)], True))
                if node > SHOWN_AT_ONCE:  # whoever had the seat is in two pairs: its own, and the next node's
                    for reader in (node - SHOWN_AT_ONCE, node - SHOWN_AT_ONCE + 1):
                        show.follow(compared[reader // at_once])
                shows.append(self.of_node(show, node))
                yield show
            others = {node: node - 1 for node in group if node} | ({0: count - 1} if group[-1] == count - 1 else {})

            def done(distances: Sequence[dict[str, float]], nodes: Sequence[int] = tuple(others)) -> None:
                self._read(models)
                pairs.update(zip(nodes, distances, strict=True))
                if len(pairs) == count:
                    self._results.difference(job.tick, _mean([pairs[node] for node in range(count)]))

            places = [(slots[_seat(other)], slots[_seat(node)]) for node, other in others.items()]
            compared.append(Task(job, "compare", (places,), done))
            for show in (shows[0], *shows[max(0, group[0] - 1) :]):
                compared[-1].follow(show)
            yield compared[-1]

    def _numbers(self, count: int) -> list[int]:
        """New numbers for models that are only shown: below 0, where no trained one has its own."""
        self._shown -= count
        return list(range(self._shown + 1, self._shown + count + 1))

    def _broadcast(self, job: Broadcast) -> Iterator[Task]:
        """Each of the nodes shows its model; then they are averaged, and each takes the mean."""
        nodes = job.nodes
        if not nodes:
            return
        mean, *shown = self._numbers(len(nodes) + 1)
        slot, slots = self._slots.take(mean, len(nodes)), [self._slots.take(model, 1) for model in shown]
        average = Task(job, "average", (slots, slot), lambda nothing: self._read(shown))
        for node, own in zip(nodes, slots, strict=True):
            show = self.of_node(Task(job, "show", (node, own, False)), node)
            average.follow(show)
            yield show
        yield average
        for node in nodes:
            adopt = Task(job, "adopt", (node, slot), lambda nothing: self._read([mean]))
            adopt.follow(average)
            yield self.of_node(adopt, node)

    # --- to the workers and back

    def _queue(self, task: Task) -> None:
        (self._shared if task.worker is None else self._own[task.worker]).append(task)

    def _dispatch(self) -> None:
        """Keep every worker supplied: with its own tasks first, for only it can do them."""
        for number, connection in enumerate(self._connections):
            while len(self._sent[number]) < AHEAD and (self._own[number] or self._shared):
                task = (self._own[number] or self._shared).popleft()
                ticket = next(self._tickets)
                self._sent[number][ticket] = task
                try:
                    # As `send` does, which looks for what needs a pickling of its own each time; these are our own processes.
                    connection.send_bytes(pickle.dumps((ticket, task.name, task.arguments)))
                except OSError:
                    raise self._lost() from None

    def _take_answers(self) -> int:
        """Wait for answers, and free whoever waited for them; returns how many there were."""
        ready = [key.data for key, _ in self._answers.select()]
        for number in ready:
            try:
                ticket, answer = pickle.loads(self._connections[number].recv_bytes())
            except (EOFError, OSError):
                raise self._lost() from None
            if isinstance(answer, Failed):
                raise self._error(answer, self._sent[number].get(ticket))
            self._finish(self._sent[number].pop(ticket), answer)
        return len(ready)

    def _lost(self) -> DflError:
        return DflError("a worker of the simulation ended unexpectedly: go on with --resume, with fewer --jobs if memory was short")

    def _finish(self, task: Task, answer: object) -> None:
        task.finished = True
        task.done(answer)
        if task.job is not None:
            self._open[task.job.tick] -= 1
        for other in task.after:
            other.waits -= 1
            if not other.waits:
                self._queue(other)
        task.after = []

    def _error(self, failed: Failed, task: Task | None) -> DflError:
        """The error of a job, with tick and node."""
        job, where = None if task is None else task.job, ""
        if job is not None and not isinstance(job, Compare | Broadcast):
            node = f"node {self._names[job.node]}"
            where = f"tick {job.tick}: " if failed.text.startswith(f"{node} ") else f"tick {job.tick}, {node}: "
        return faults.raised(Failed(text=where + failed.text, exit_code=failed.exit_code))


def _seat(node: int) -> int:
    """Which slot of a comparison a node shows its model in: the first has one to itself."""
    return 1 + node % SHOWN_AT_ONCE if node else 0


def _mean(pairs: Sequence[dict[str, float]]) -> dict[str, float]:
    total = np.sum([list(pair.values()) for pair in pairs], axis=0)
    return {layer: float(part / len(pairs)) for layer, part in zip(pairs[0], total, strict=True)}
