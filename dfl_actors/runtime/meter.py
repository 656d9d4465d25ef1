"""Where an actor's CPU goes: to which of the paper's tasks (tables IV and VI), and to learning, blockchain or network.

Time is charged to whoever had the processor since the last charge, so nothing is counted twice and nothing is left out. It is
the CPU time of the whole process, so ZeroMQ's and TensorFlow's threads are in it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from dfl_actors.core import messages as m
from dfl_actors.core.events import Cpu
from dfl_actors.core.family import Message
from dfl_actors.core.words import Asked, Heard, Replied

WORK = ("learning", "blockchain", "network")

TASKS = {
    "injector": "inject",
    "trainer": "generate_transaction",
    "gossiper": "receive_transaction",
    "validator": "receive_transaction",
    "builder": "generate_block",
    "keeper": "update_model",
}
"""For which of the paper's tasks an actor handles messages, unless `EXCEPTIONS` says otherwise."""

EXCEPTIONS: dict[tuple[str, type[Message]], str] = {
    ("trainer", m.Averaged): "update_model",
    ("validator", m.DraftArrived): "generate_block",
    **dict.fromkeys((("gossiper", kind) for kind in (m.Trained, m.Lacking, m.Hello, m.Proof, m.Fetch, m.Resend)), "generate_transaction"),
    **dict.fromkeys(
        (("gossiper", kind) for kind in (m.Drafted, m.Confirmed, m.Finalised, m.DraftNews, m.ReceiptNews, m.BlockNews, m.ConfirmationsFor)),
        "generate_block",
    ),
}

WORKS = {"trainer": "blockchain", "validator": "blockchain", "builder": "blockchain", "keeper": "learning"}
"""What an actor mostly does when it handles a message, if it is not the network's: hashing, signing, checking and chaining, or
averaging. What the learner does counts as learning wherever it is called (`MeteredLearner`)."""

OTHER_WORK: dict[tuple[str, type[Message]], str] = {("trainer", m.Averaged): "learning", ("gossiper", m.Chunk): "blockchain"}
"""A difference is added to the model; a model that has come whole is hashed."""


def task_of(actor: str, message: Message) -> str:
    """The paper's task for which an actor handles a message."""
    return EXCEPTIONS.get((actor, type(_said(message))), TASKS[actor])


def work_of(actor: str, message: Message) -> str:
    """The kind of work that handling a message mostly is."""
    return OTHER_WORK.get((actor, type(_said(message))), WORKS.get(actor, "network"))


def _said(message: Message) -> Message:
    """What a neighbour said stands inside."""
    match message:
        case Heard():
            return message.news
        case Asked():
            return message.request
        case Replied():
            return message.reply
    return message


class Meter:
    """Charges CPU seconds to (task, work)."""

    def __init__(self) -> None:
        self.task = "other"
        self.work = "network"
        self.spent: dict[str, dict[str, float]] = {}
        self._mark = time.process_time()

    def charge(self, task: str | None = None, work: str | None = None) -> None:
        """Charge what passed since the last call to the task and the work given, or else the current ones."""
        now = time.process_time()
        works = self.spent.setdefault(task or self.task, dict.fromkeys(WORK, 0.0))
        works[work or self.work] += now - self._mark
        self._mark = now

    def turn(self, task: str, work: str) -> None:
        """Charge what passed to the current task; from here on this one is current. Looking at the clock costs, so the same goes on."""
        if (task, work) != (self.task, self.work):
            self.charge()
            self.task, self.work = task, work

    @contextmanager
    def working(self, work: str) -> Iterator[None]:
        """Inside, time counts as this work of the current task."""
        self.charge()
        before, self.work = self.work, work
        try:
            yield
        finally:
            self.charge()
            self.work = before

    def restart(self) -> None:
        """Forget what start-up has cost."""
        self.spent = {}
        self._mark = time.process_time()

    def total(self) -> float:
        """CPU seconds charged in all."""
        return sum(sum(works.values()) for works in self.spent.values())

    def report(self) -> Cpu:
        """What the metrics are told at the end."""
        self.charge()
        tasks = {task: {work: round(seconds, 6) for work, seconds in works.items()} for task, works in self.spent.items()}
        return Cpu(total=round(self.total(), 6), tasks=tasks)
