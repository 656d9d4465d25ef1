"""The supervisor: starts every actor of its nodes, begins when all are ready, restarts what crashes, stops everything.

It takes no part in the protocol. What it knows of the network is what the actors report; what it says is connect, start, stop and quit.
"""

import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from typing import Any, Protocol

import msgspec
import zmq

from dfl_actors.core import codec, events
from dfl_actors.core.control import FROM_ACTOR, Evaluated, Failed, Listening, Neighbours, Quit, Ready, Start, Status, Stop
from dfl_actors.core.family import ACTORS, Message
from dfl_actors.core.objects import Address
from dfl_actors.errors import ActorError, DflError
from dfl_actors.runtime import children, sockets
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.evaluator import evaluate
from dfl_actors.runtime.hatch import log_path
from dfl_actors.runtime.metrics import Metrics
from dfl_actors.runtime.net import Endpoints
from dfl_actors.runtime.plan import EVALUATOR, SUPERVISOR, NodePlan
from dfl_actors.runtime.process import FAILED, run_actor
from dfl_actors.runtime.remarks import Remarks
from dfl_actors.runtime.signals import told_to
from dfl_actors.runtime.status import NetworkStatus, NodeStatus
from dfl_actors.runtime.yardstick import Yardstick

MOST_RESTARTS = 5
RESTART_WINDOW = 60.0
"""An actor that crashes more than `MOST_RESTARTS` times within this many seconds ends the run."""

READY_WITHIN = 180.0
"""Seconds in which every actor must become ready."""

DRAIN = 1.5
"""Seconds for what is under way when the run stops: open drafts, letters, the last evaluation."""

GONE_WITHIN = 4.5
"""Seconds after which whatever still runs is killed."""

UPDATE_EVERY = 0.25
"""Seconds between two pictures for the watcher."""


class Watcher(Protocol):
    """Who shows the run to a person."""

    def update(self, status: NetworkStatus) -> None: ...

    def event(self, text: str) -> None: ...


class Child:
    """One actor's process, through all its restarts."""

    def __init__(self, plan: NodePlan, actor: str) -> None:
        self.plan, self.actor = plan, actor
        self.name = f"{plan.node.name}.{actor}"
        self.incarnation = -1
        self.process: ForkServerProcess | None = None
        self.ready = False
        self.status: Status | None = None
        self.crashes: deque[float] = deque(maxlen=MOST_RESTARTS)

    def start(self) -> None:
        self.incarnation += 1
        self.ready = False
        self.process = children.start(self.name, run_actor, self.plan, self.actor, self.incarnation)

    @property
    def sentinel(self) -> int:
        """Readable once the process has ended."""
        assert self.process is not None
        return self.process.sentinel

    def tally(self) -> dict[str, int | float]:
        return {} if self.status is None else self.status.counts


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. `reason` is target, duration, interrupted, terminated or failed."""

    reason: str
    elapsed: float
    ready_seconds: float
    error: DflError | None = None


class Supervisor:
    """Runs the nodes of `plans` until the target, the duration, a signal or a failure."""

    def __init__(
        self,
        plans: Sequence[NodePlan],
        context: zmq.Context[zmq.Socket[bytes]],
        control: zmq.Socket[bytes],
        elsewhere: dict[Address, Endpoints],
        watcher: Watcher,
        begun: float,
    ) -> None:
        self._plans = {plan.node.name: plan for plan in plans}
        self._config, self._clock = plans[0].config, Clock(plans[0].anchor)
        self._names = {plan.settings.address: plan.node.name for plan in plans}
        self._context, self._control, self._watcher, self._begun = context, control, watcher, begun
        self._where, self._remarks = dict(elsewhere), Remarks(watcher.event)
        self._children = {f"{plan.node.name}.{actor}": Child(plan, actor) for plan in plans for actor in ACTORS}
        self._metrics = Metrics(plans[0].directory / "metrics.jsonl", "", SUPERVISOR)
        self._evaluator: ForkServerProcess | None = None
        self._yardstick = Yardstick(self._plans, self._config.run.evaluate_s, lambda order: self._say(EVALUATOR, order))
        self._started: float | None = None
        self._stopping: float | None = None
        self._quit_said = False
        self._reason = ""
        self._error: DflError | None = None
        self._updated = 0.0
        self._deaths = 0
        self._cpu = 0.0
        self._poller = zmq.Poller()
        self._poller.register(control, zmq.POLLIN)

    # --- the life of a run

    def run(self) -> Outcome:
        """Start, run, stop; every child is gone when this returns."""
        with told_to(self._on_signal):
            try:
                self._start_all()
                while not self._over():
                    self._step()
            finally:
                self._end_all()
        self._note(events.Stopped(reason=self._reason))
        if self._started is not None:
            spent = round(time.process_time() - self._cpu, 6)
            self._note(events.Cpu(total=spent, tasks={"other": {"learning": 0.0, "blockchain": 0.0, "network": spent}}))
        self._metrics.close()
        started = self._started
        return Outcome(
            reason=self._reason,
            elapsed=0.0 if started is None else (self._stopping or time.monotonic()) - started,
            ready_seconds=0.0 if started is None else started - self._begun,
            error=self._error,
        )

    def _start_all(self) -> None:
        for child in self._children.values():
            self._hatch(child)
        plan = next(iter(self._plans.values()))
        self._evaluator = children.start(
            EVALUATOR, evaluate, self._config, plan.cache, plan.sockets, plan.directory, plan.parameters, plan.anchor
        )
        self._poller.register(self._evaluator.sentinel, zmq.POLLIN)

    def _hatch(self, child: Child) -> None:
        child.start()
        self._poller.register(child.sentinel, zmq.POLLIN)

    def _step(self) -> None:
        self._listen(100)
        if self._deaths:
            self._deaths = 0
            self._bury()
        now = time.monotonic()
        if self._started is None and not self._stopping and now - self._begun > READY_WITHIN and self._late():
            self._fail(ActorError(f"{self._laggards()} did not become ready within {READY_WITHIN:.0f} s: see {self._log()}"))
        if self._started is not None and not self._stopping:
            self._check_end(now)
        if self._started is not None:
            self._yardstick.ask(now, self._models())
        if now - self._updated >= UPDATE_EVERY:
            self._updated = now
            if (ms := self._remarks.machine(self._clock.step())) is not None:
                self._note(events.ClockSet(ms=ms))
            self._watcher.update(self._picture(now))

    def _listen(self, timeout: int) -> None:
        ended = {socket for socket, _ in self._poller.poll(timeout)} - {self._control}
        for sentinel in ended:
            self._poller.unregister(sentinel)
        self._deaths += len(ended)
        for name, message in heard(self._control):
            self._hear(name, message)

    def _hear(self, name: str, message: Message) -> None:
        child = self._children.get(name)
        if isinstance(message, Failed):
            self._fail(KnownError(message.text, message.exit_code))
        elif name == EVALUATOR:
            self._hear_evaluator(message)
        elif child is None:
            return
        elif isinstance(message, Listening):
            self._hatched(child, message)
        elif isinstance(message, Status):
            child.status = message
            self._remarks.clocks(child.plan, message.clocks)
            if self._stopping and message.stopped and message.model:
                self._yardstick.last(child.plan.node.name, message.model)
        elif isinstance(message, Ready):
            child.ready = True
            if self._started is not None:
                self._say(name, Start())
            elif all(other.ready for other in self._children.values()):
                self._begin()

    def _hatched(self, child: Child, message: Listening) -> None:
        """A gossiper listens: remember where, and once all do, tell them each other's places."""
        if child.actor != "gossiper":
            return
        endpoints = Endpoints(news=message.news, requests=message.requests, curve=message.curve)
        self._where[child.plan.settings.address] = endpoints
        # Should it crash, its successor listens at the same place.
        child.plan = msgspec.structs.replace(child.plan, bind=endpoints)
        gossipers = [other for other in self._children.values() if other.actor == "gossiper"]
        if all(address in self._where for other in gossipers for address in other.plan.settings.neighbours):
            for other in gossipers:
                where = {address: _row(self._where[address]) for address in other.plan.settings.neighbours}
                self._say(other.name, Neighbours(where=where))

    def _begin(self) -> None:
        self._started = time.monotonic()
        self._cpu = time.process_time()
        self._note(events.Ready(seconds=round(self._started - self._begun, 3), actors=len(self._children)))
        for name in self._children:
            self._say(name, Start())

    # --- evaluation on the test images

    def _hear_evaluator(self, message: Message) -> None:
        if isinstance(message, Ready):
            self._yardstick.ready = True
        elif isinstance(message, Evaluated) and self._yardstick.heard(message):
            self._note(events.Evaluated(correct=message.correct, tested=message.tested, node=message.node, actor=EVALUATOR))

    def _models(self) -> Iterator[tuple[str, str]]:
        for child in self._children.values():
            if child.actor == "trainer" and child.status is not None and child.status.model:
                yield child.plan.node.name, child.status.model

    # --- the end

    def _check_end(self, now: float) -> None:
        run = self._config.run
        if run.duration_s and now - (self._started or now) >= run.duration_s:
            self.stop("duration")
        elif run.target and self._reached(run.target) and self._least_height() >= run.blocks:
            self.stop("target")

    def _reached(self, target: float) -> bool:
        return all(self._yardstick.accuracy.get(node, 0.0) >= target for node in self._plans)

    def _least_height(self) -> int:
        """Blocks of the node that has fewest, observers apart: they make none."""
        heights = [
            int(child.tally().get("height", 0))
            for child in self._children.values()
            if child.actor == "builder" and child.plan.node.role == "normal"
        ]
        return min(heights, default=0)

    def stop(self, reason: str) -> None:
        """Begin to stop. A second call changes nothing."""
        if self._stopping:
            return
        self._reason, self._stopping = reason, time.monotonic()
        for child in self._children.values():
            child.status = None if child.status is None else msgspec.structs.replace(child.status, idle=False)
            self._say(child.name, Stop())

    def _over(self) -> bool:
        """Whether nothing is left to wait for: all is idle and evaluated, or the time for that has passed."""
        if not self._stopping:
            return False
        if self._started is None or self._reason == "failed":
            return True
        waited = time.monotonic() - self._stopping
        idle = all(child.status is not None and child.status.idle for child in self._children.values())
        if idle or waited > DRAIN:
            self._quit_actors()
        return (self._quit_said and self._yardstick.done() and not self._alive()) or waited > GONE_WITHIN - 0.5

    def _end_all(self) -> None:
        """Quit, wait, kill: nothing of ours runs when this returns."""
        begun = self._stopping or time.monotonic()
        self._quit_actors()
        self._say(EVALUATOR, Quit())
        while any(process.exitcode is None for process in self._processes()) and time.monotonic() < begun + GONE_WITHIN:
            self._listen(50)
        for process in self._processes():
            children.kill(process)

    def _quit_actors(self) -> None:
        if not self._quit_said:
            self._quit_said = True
            for name in self._children:
                self._say(name, Quit())

    def _alive(self) -> bool:
        return any(child.process is not None and child.process.exitcode is None for child in self._children.values())

    def _fail(self, error: DflError) -> None:
        if self._error is None:
            self._error = error
        self.stop("failed")

    def _on_signal(self, number: int) -> None:
        self.stop("interrupted" if number == signal.SIGINT else "terminated")

    # --- crashes

    def _bury(self) -> None:
        """Restart what has crashed, within bounds."""
        if self._stopping:
            return
        for child in self._children.values():
            process = child.process
            if process is None or process.exitcode is None:
                continue
            if process.exitcode == FAILED:
                self._listen(500)
                self._fail(ActorError(f"{child.actor} of node {child.plan.node.name} gave up: see {self._log(child)}"))
                return
            self._restart(child, children.how_it_ended(process))
        evaluator = self._evaluator
        if evaluator is not None and evaluator.exitcode is not None and self._error is None:
            self._listen(500)
            self._fail(ActorError(f"the evaluator ended ({children.how_it_ended(evaluator)}): see {self._log()}"))

    def _restart(self, child: Child, how: str) -> None:
        now, node = time.monotonic(), child.plan.node.name
        if len(child.crashes) == MOST_RESTARTS and now - child.crashes[0] < RESTART_WINDOW:
            self._fail(ActorError(f"{child.actor} of node {node} crashed {MOST_RESTARTS + 1} times ({how}): see {self._log(child)}"))
            return
        child.crashes.append(now)
        self._watcher.event(f"{child.actor} of node {node} crashed ({how}) and was restarted")
        self._note(events.Restarted(reason=how, node=node, actor=child.actor))
        self._hatch(child)

    # --- talk and pictures

    def _say(self, name: str, message: Message) -> None:
        try:
            self._control.send_multipart([name.encode(), codec.encode(message)], zmq.NOBLOCK)
        except zmq.ZMQError:
            # Not connected: it has crashed, and its successor asks for everything anew.
            return

    def _note(self, event: events.Event) -> None:
        self._metrics.write(event, self._clock().wall)

    def _processes(self) -> list[ForkServerProcess]:
        all_of_them = [child.process for child in self._children.values()] + [self._evaluator]
        return [process for process in all_of_them if process is not None]

    def _late(self) -> list[Child]:
        """Who should be ready by now. A gossiper whose neighbours are on other hosts may wait for them as long as it takes."""
        waiting = [child for child in self._children.values() if not child.ready]
        return [child for child in waiting if child.actor != "gossiper" or child.plan.together]

    def _laggards(self) -> str:
        late = [f"{child.actor} of node {child.plan.node.name}" for child in self._late()]
        return ", ".join(late[:3]) + (f" and {len(late) - 3} more" if len(late) > 3 else "")

    def _log(self, child: Child | None = None) -> str:
        plan = next(iter(self._plans.values()))
        return str(log_path(plan.directory, child.plan.node.name, child.actor) if child is not None else plan.directory / "nodes")

    def _picture(self, now: float) -> NetworkStatus:
        run = self._config.run
        state = "stopping" if self._stopping else "starting" if self._started is None else "running"
        return NetworkStatus(
            name=self._config.network.name,
            state=state,
            elapsed=now - (self._started or self._begun),
            duration=run.duration_s or None,
            target=run.target or None,
            remarks=self._remarks.standing(),
            nodes=tuple(self._node_picture(plan, state) for plan in self._plans.values()),
        )

    def _node_picture(self, plan: NodePlan, state: str) -> NodeStatus:
        own = {actor: self._children[f"{plan.node.name}.{actor}"] for actor in ACTORS}
        trainer = own["trainer"].tally()
        keeper = own["keeper"].status
        if state == "starting":
            state = f"{sum(child.ready for child in own.values())} of {len(own)} ready"
        return NodeStatus(
            name=plan.node.name,
            role=plan.node.role,
            state=state if all(child.ready or self._started is None for child in own.values()) else "restarting",
            samples=int(trainer.get("samples", 0)),
            steps=int(trainer.get("steps", 0)),
            sent=int(trainer.get("sent", 0)),
            received=int(own["validator"].tally().get("received", 0)),
            receipts=int(own["builder"].tally().get("receipts", 0)),
            height=int(own["builder"].tally().get("height", 0)),
            test_accuracy=self._yardstick.accuracy.get(plan.node.name),
            own_accuracy=trainer.get("own_accuracy"),
            reputations={} if keeper is None else {self._name(who): value for who, value in keeper.reputations.items()},
            restarts=sum(child.incarnation for child in own.values()),
        )

    def _name(self, address: Address) -> str:
        return self._names.get(address, address[:8])


class KnownError(DflError):
    """An error that a child reported, with the exit code that it had there."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # type: ignore[misc]


def control_server(context: zmq.Context[zmq.Socket[bytes]], directory: Any) -> zmq.Socket[bytes]:
    """The supervisor's mailbox."""
    control = sockets.make(context, zmq.ROUTER, sockets.LETTER_LIMIT, sockets.HIGH_WATER)
    control.setsockopt(zmq.ROUTER_HANDOVER, 1)
    sockets.bind(control, sockets.ipc(directory, SUPERVISOR, SUPERVISOR, "mail"))
    return control


def heard(control: zmq.Socket[bytes]) -> Iterator[tuple[str, Message]]:
    """Who says what. A pipe that a successor took over goes on under a name of ZeroMQ's making, which is nobody's; what is no message
    is nobody's word."""

    def said(name: zmq.Frame, body: zmq.Frame) -> tuple[str, Message]:
        return name.bytes.decode(errors="replace"), codec.convert(FROM_ACTOR, codec.parse(body.bytes))

    yield from (one for one in sockets.read(control, range(2, 3), said) if isinstance(one, tuple))


def _row(endpoints: Endpoints) -> tuple[str, str, str]:
    return endpoints.news, endpoints.requests, endpoints.curve
