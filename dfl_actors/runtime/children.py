"""The supervisor's children: the actors and the evaluator, each through all its lives."""

import select
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from dfl_actors.core import codec
from dfl_actors.core.control import FROM_ACTOR, Status
from dfl_actors.core.family import Message
from dfl_actors.processes.child import EXHAUSTED
from dfl_actors.processes.forkserver import ForkServer, Process
from dfl_actors.runtime.actor_process import run_actor
from dfl_actors.runtime.evaluator import evaluate
from dfl_actors.runtime.plan import EVALUATOR, SUPERVISOR, NodePlan
from dfl_actors.runtime.policies import Restarts
from dfl_actors.runtime.rundir import RunDirectory

BEGUN_AGAIN = ("received", "receipts", "updates")  # Counts that begin at 0 in each life of an actor; others it finds in its journal.


class Child:
    """One of them. `name` is what its processes are called."""

    def __init__(self, plan: NodePlan, actor: str) -> None:
        self.plan, self.actor = plan, actor
        evaluates = actor == EVALUATOR
        self.node = "" if evaluates else plan.node.name
        self.name = EVALUATOR if evaluates else f"{plan.node.name}/{actor}"
        self.what = "the evaluator" if evaluates else f"{actor} of node {plan.node.name}"
        self.log: Path = RunDirectory(plan.directory).node(SUPERVISOR if evaluates else plan.node.name).log(actor)
        self.incarnation = -1
        self.process: Process | None = None
        self.status: Status | None = None
        self._reported, self._before = -1, dict[str, int | float]()
        self.hung = self.listened = False
        self.crashes = 0
        self.restarts = Restarts()

    def start(self, server: ForkServer) -> Process:
        self.incarnation += 1
        self.hung = self.listened = False
        if self.actor == EVALUATOR:
            self.process = server.start(self.name, evaluate, self.plan)
        else:
            self.process = server.start(self.name, run_actor, self.plan, self.actor, self.incarnation)
        return self.process

    def say(self, message: Message) -> None:
        """What it does not take now waits; one that has crashed hears nothing, and its successor asks for everything anew."""
        if self.process is not None:
            self.process.channel.send(codec.encode(message))

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.exitcode is None

    def provoked(self) -> bool:
        """Whether what others sent may have ended it: its memory was used up, or ZeroMQ gave up, after it had begun to listen to them."""
        ends = (EXHAUSTED, -signal.SIGABRT)
        return self.actor == "gossiper" and self.listened and self.process is not None and self.process.exitcode in ends

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def reports(self, status: Status) -> None:
        """What it says of itself. A life that has just begun does not count what those before it did."""
        if self._reported != self.incarnation:
            self._before = {what: count for what, count in self.tally().items() if what in BEGUN_AGAIN}
            self._reported = self.incarnation
        self.status = status

    def tally(self) -> dict[str, int | float]:
        """What it has counted in all its lives."""
        counts = {} if self.status is None else self.status.counts
        return {**counts, **{what: counts.get(what, 0) + count for what, count in self._before.items()}}

    def work(self) -> float:
        """What it has done by now: seconds of CPU; more than ever before while it waits for the disk."""
        try:
            process = psutil.Process(self.process.pid if self.process is not None else 0)
            spent = process.cpu_times()
            return float("inf") if process.status() == psutil.STATUS_DISK_SLEEP else spent.user + spent.system
        except psutil.Error:
            return 0.0


class Children:
    """All of them: starts them, hears what they say, and that they have ended."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._by_end: dict[int, Child] = {}

    def start(self, child: Child) -> None:
        """Its next life. Raises `ActorError`."""
        self._by_end[child.start(self._server).channel.fileno()] = child

    def listen(self, seconds: float) -> Iterator[tuple[Child, Message | None]]:
        """Wait at most so long; who says what, and None for the end of one, which it says nothing after. Raises `ActorError`."""
        # Made anew each time: a server or a child that is started again may get the number of an end that was closed.
        poll = select.poll()
        for end in (self._server.fileno(), *self._by_end):
            poll.register(end, select.POLLIN)
        ready = [end for end, _ in poll.poll(1000 * seconds)]
        self._server.hear()
        for child in [self._by_end[end] for end in ready if end in self._by_end]:
            yield from self._words(child)
        for end, child in list(self._by_end.items()):
            if child.process is not None and child.process.exitcode is not None:
                yield from self._words(child)
                del self._by_end[end]
                child.process.channel.close()
                yield child, None
            elif child.process is not None:
                child.process.channel.flush()

    def end(self, children: Iterable[Child]) -> None:
        """Kill those that still run, and wait until they are gone: none writes anything afterwards. Raises `ActorError`."""
        self._server.end([child.process for child in children if child.process is not None and child.process.exitcode is None])

    @staticmethod
    def _words(child: Child) -> Iterator[tuple[Child, Message]]:
        for word in child.process.channel.receive() if child.process is not None else ():
            yield child, codec.convert(FROM_ACTOR, codec.parse(word))
