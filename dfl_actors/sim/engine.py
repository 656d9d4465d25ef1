"""Computes the jobs of a timeline on worker processes, several ticks at once.

A node's own jobs are done in their order, by the worker that holds it. Jobs of different nodes wait for each other only where one needs
a model of the other: an update for the models in its buffer and for their measurements, a comparison for everybody. Measurements belong
to no worker. So the workers stay busy though in one tick hardly a node trains, and the outcome does not depend on how many there are.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from typing import Any

from dfl_actors import errors
from dfl_actors.errors import DflError
from dfl_actors.sim.timeline import Check, Compare, Job, Measure, Timeline, Train, Update
from dfl_actors.sim.worker import Fault

AHEAD = 2
"""Jobs sent to a worker before it has answered the first: it never waits for us."""

TICKS_AHEAD = 24
"""Ticks that may be under way at once."""


@dataclass
class Task:
    """A job on its way: what it waits for, who does it (None: anybody), and what becomes of the answer."""

    job: Job
    name: str
    arguments: tuple[Any, ...]
    done: Callable[[Any], None]
    worker: int | None = None
    waits: int = 0
    after: list["Task"] = field(default_factory=list)
    finished: bool = False

    def follow(self, other: "Task | None") -> None:
        """Wait for `other`."""
        if other is not None and not other.finished:
            self.waits += 1
            other.after.append(self)


class Slots:
    """The slots of the slab: who holds which, and which are free."""

    def __init__(self, number: int) -> None:
        self._free = list(range(number))[::-1]
        self._slot: dict[int, int] = {}
        self._readers: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._free)

    def take(self, model: int, readers: int) -> int:
        """A slot for a model that so many jobs will read."""
        self._slot[model], self._readers[model] = self._free.pop(), readers
        return self._slot[model]

    def of(self, model: int) -> int:
        return self._slot[model]

    def read(self, model: int) -> bool:
        """One of its readers is done; whether it was the last."""
        self._readers[model] -= 1
        if self._readers[model]:
            return False
        del self._readers[model]
        self._free.append(self._slot.pop(model))
        return True


class Results:
    """Where answers go, tick by tick; a subclass of the engine's user. Every tick is closed once all its jobs are done, in order."""

    def accuracy(self, tick: int, node: int, right: int, tested: int) -> None: ...

    def difference(self, tick: int, by_layer: dict[str, float]) -> None: ...

    def updated(self, tick: int, node: int, reputations: dict[str, float]) -> None: ...

    def close(self, tick: int) -> None: ...


class Engine:
    """Runs a timeline on the workers behind `connections`. `readers` says how many neighbours receive what a node offers."""

    def __init__(
        self,
        timeline: Timeline,
        names: Sequence[str],
        readers: Sequence[int],
        connections: Sequence[Connection],
        slots: int,
        results: Results,
    ) -> None:
        self._timeline, self._names, self._readers, self._results = timeline, names, readers, results
        self._connections = list(connections)
        self._slots = Slots(slots)
        self._least_slots = 2 * len(names)
        self._shared: deque[Task] = deque()
        self._own: list[deque[Task]] = [deque() for _ in connections]
        self._sent: list[dict[int, Task]] = [{} for _ in connections]
        self._tickets = count()
        self._last: list[Task | None] = [None] * len(names)
        self._trained: dict[int, Task] = {}
        self._measured: dict[int, tuple[Task, list[float]]] = {}
        self._open: dict[int, int] = {}
        self._shown = -1

    def owner(self, node: int) -> int:
        """The worker that holds a node."""
        return node % len(self._connections)

    def run(self, ticks: int) -> Iterator[int]:
        """Compute ticks 0 up to `ticks`; yields how many are done whenever one is. Raises the `DflError` of a job or of a lost worker."""
        asked = closed = 0
        while closed < ticks:
            while asked < ticks and asked - closed < TICKS_AHEAD and len(self._slots) >= self._least_slots:
                self._ask(asked)
                asked += 1
            self._dispatch()
            while closed < asked and not self._open[closed]:
                del self._open[closed]
                self._results.close(closed)
                closed += 1
                yield closed
            if closed < asked:
                self._take_answers()

    def _ask(self, tick: int) -> None:
        self._open[tick] = 0
        for job in self._timeline.tick(tick):
            for task in self._tasks(job):
                self._open[tick] += 1
                if not task.waits:
                    self._queue(task)

    # --- from jobs to tasks

    def _tasks(self, job: Job) -> Iterator[Task]:
        match job:
            case Train():
                yield self._train(job)
            case Measure():
                yield self._measure(job)
            case Update():
                yield self._update(job)
            case Check():
                yield self._check(job)
            case Compare():
                yield from self._compare(job)

    def _of_node(self, task: Task, node: int) -> Task:
        """A task of the node that holds it: after the one before."""
        task.worker = self.owner(node)
        task.follow(self._last[node])
        self._last[node] = task
        return task

    def _train(self, job: Train) -> Task:
        slot = self._slots.take(job.model, self._readers[job.node]) if self._readers[job.node] else -1
        task = Task(job, "train", (job.node, job.samples, slot), lambda nothing: None)
        if slot >= 0:
            self._trained[job.model] = task
        return self._of_node(task, job.node)

    def _measure(self, job: Measure) -> Task:
        accuracies: list[float] = []
        tested = job.samples.shape[1]
        slots = tuple(map(self._slots.of, job.models))
        task = Task(job, "measure", (slots, job.samples), lambda right: accuracies.extend(count / tested for count in right))
        for model in job.models:
            task.follow(self._trained[model])
        self._measured[job.node] = task, accuracies
        return task

    def _update(self, job: Update) -> Task:
        models = [offered.model for offered in job.received]
        senders = [self._names[offered.sender] for offered in job.received]
        slots = [self._slots.of(model) for model in models]

        def done(reputations: dict[str, float]) -> None:
            for model in models:
                if self._slots.read(model):
                    del self._trained[model]
            self._results.updated(job.tick, job.node, reputations)

        measured, accuracies = self._measured.pop(job.node) if job.measured else (None, None)
        task = Task(job, "update", (job.node, senders, slots, accuracies), done)
        for model in models:
            task.follow(self._trained[model])
        task.follow(measured)
        return self._of_node(task, job.node)

    def _check(self, job: Check) -> Task:
        tested = len(job.samples)
        task = Task(job, "check", (job.node, job.samples), lambda right: self._results.accuracy(job.tick, job.node, right, tested))
        return self._of_node(task, job.node)

    def _compare(self, job: Compare) -> Iterator[Task]:
        """Everybody shows its model; then they are compared."""
        shown = [self._shown - place for place in range(len(self._names))]
        self._shown -= len(shown)
        slots = [self._slots.take(model, 1) for model in shown]

        def done(by_layer: dict[str, float]) -> None:
            for model in shown:
                self._slots.read(model)
            self._results.difference(job.tick, by_layer)

        compare = Task(job, "compare", (slots,), done)
        for node, slot in enumerate(slots):
            show = self._of_node(Task(job, "show", (node, slot), lambda nothing: None), node)
            compare.follow(show)
            yield show
        yield compare

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
                connection.send((ticket, task.name, task.arguments))

    def _take_answers(self) -> None:
        """Wait for answers, and free whoever waited for them."""
        for connection in wait(self._connections):
            number = self._connections.index(connection)  # type: ignore[arg-type]
            try:
                ticket, answer = self._connections[number].recv()
            except (EOFError, ConnectionError):
                raise DflError(
                    "a worker of the simulation ended unexpectedly: run it again, with fewer --jobs if memory was short"
                ) from None
            if isinstance(answer, Fault):
                task = self._sent[number].get(ticket)
                raise self._error(answer, task)
            self._finish(self._sent[number].pop(ticket), answer)

    def _finish(self, task: Task, answer: Any) -> None:
        task.finished = True
        task.done(answer)
        self._open[task.job.tick] -= 1
        for other in task.after:
            other.waits -= 1
            if not other.waits:
                self._queue(other)
        task.after = []

    def _error(self, fault: Fault, task: Task | None) -> DflError:
        """The error of a job, with tick and node."""
        job = None if task is None else task.job
        where = "" if job is None or isinstance(job, Compare) else f"tick {job.tick}, node {self._names[job.node]}: "
        return getattr(errors, fault.kind, DflError)(where + fault.text)
