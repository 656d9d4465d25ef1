"""The supervisor: starts every actor of its nodes, begins when all are ready, restarts what crashes or hangs, stops everything.

It takes no part in the protocol. What it knows of the network is what the actors report; what it says is connect, start, stop and quit.
What it decides is decided by `policies`; here is done what they say.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from dfl_actors.config.events import told
from dfl_actors.config.sections import Event
from dfl_actors.core import events
from dfl_actors.core.control import (
    Adoption,
    Endpoints,
    Evaluate,
    Evaluated,
    Failed,
    Happened,
    Listening,
    Neighbours,
    Quit,
    Ready,
    Start,
    Status,
    Stop,
)
from dfl_actors.core.family import ACTORS, Message
from dfl_actors.core.objects import Address
from dfl_actors.errors import ActorError, ChainError, DflError
from dfl_actors.processes import faults
from dfl_actors.processes.child import FAILED
from dfl_actors.processes.forkserver import ForkServer
from dfl_actors.processes.signals import Stop as Signals
from dfl_actors.runtime.board import Board
from dfl_actors.runtime.children import Child, Children
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.course import Course, Happenings
from dfl_actors.runtime.evaluation import Evaluation
from dfl_actors.runtime.metrics import Metrics
from dfl_actors.runtime.plan import EVALUATOR, SUPERVISOR, NodePlan
from dfl_actors.runtime.policies import GONE_WITHIN, LAST_ROUND, QUIET, Ending, Liveness, Rendezvous, ending, reached
from dfl_actors.runtime.scene import Scene
from dfl_actors.runtime.status import NetworkStatus

READY_WITHIN = 180.0  # Seconds in which every actor must become ready.

GONE_BEFORE_START = 0.5
"""Seconds after which whatever still runs is killed when nothing had begun: most are still busy importing or tracing."""

TOLD_TO_QUIT = 0.5  # Seconds that whoever is to quit has for it at least.
UPDATE_EVERY = 0.25  # Seconds between two pictures for the watcher.


class Watcher(Protocol):
    """Who shows the run to a person."""

    def update(self, status: NetworkStatus) -> None: ...

    def event(self, text: str) -> None: ...


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. `reason` is target, duration, interrupted, terminated or failed."""

    reason: str
    elapsed: float
    ready_seconds: float
    error: DflError | None = None


class Supervisor:
    """Runs the nodes of `plans` until the target, the duration, a signal or a failure. `begun` is the monotonic time of the command."""

    def __init__(
        self,
        plans: Sequence[NodePlan],
        server: ForkServer,
        signals: Signals,
        elsewhere: dict[Address, Endpoints],
        watcher: Watcher,
        begun: float,
    ) -> None:
        self._plans = {plan.node.name: plan for plan in plans}
        self._config, self._clock = plans[0].config, Clock(plans[0].anchor)
        self._names = {plan.settings.address: plan.node.name for plan in plans}
        self._signals, self._watcher, self._begun = signals, watcher, begun
        self._actors = {child.name: child for plan in plans for actor in ACTORS for child in [Child(plan, actor)]}
        self._evaluator, self._children = Child(plans[0], EVALUATOR), Children(server)
        self._all = {**self._actors, EVALUATOR: self._evaluator}
        self._rendezvous = Rendezvous(self._actors, {plan.settings.address: plan.settings.neighbours for plan in plans}, elsewhere)
        self._liveness = Liveness()
        self._board = Board(plans, self._actors, self._names, self._clock, watcher.event)
        self._metrics = Metrics(plans[0].directory / "metrics.jsonl", "", SUPERVISOR)
        self._course = Course(self._config, plans[0].directory, resumed=plans[0].starts > 0)
        self._happenings = Happenings(self._course, self._actors, self._start_again, self._tell_event, self._tell_neighbours)
        self._evaluation = Evaluation(self._plans, self._config.run.evaluate_s, self._order, self._config.run.target)
        self._scene = Scene(plans, self._actors, self._names, self._evaluation)
        self._started: float | None = None
        self._stopping: float | None = None
        self._stopped_at = 0
        self._quit_said = False
        self._reason = ""
        self._error: DflError | None = None
        self._updated = 0.0
        self._cpu = 0.0
        self._adoptions: dict[str, Adoption] = {}

    # --- the life of a run

    def run(self) -> Outcome:
        """Start, run, stop. What does not end by itself is killed."""
        try:
            for child in self._all.values():
                self._become(child)
                self._children.start(child)
            while not self._over():
                self._step()
        finally:
            self._end_all()
        # Written last, for it says that all is over; of the moment from which on nothing new was begun.
        self._metrics.write(events.Stopped(reason=self._reason), self._stopped_at or self._clock().wall)
        if self._started is not None:
            self._course.stopped((self._stopping or time.monotonic()) - self._started)
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

    def _step(self) -> None:
        self._listen(0.1)
        if self._signals:
            self.stop(self._signals.why)
        now = time.monotonic()
        if not self._stopping:
            self._check_ready(now)
            self._check_alive(now)
        if self._started is not None:
            if not self._stopping:
                self._happenings.step(now - self._started, now)
                self._check_end(now)
            self._evaluation.ask(now, self._models())
        if now - self._updated >= UPDATE_EVERY:
            self._updated = now
            if (ms := self._board.remarks.machine(self._clock.step())) is not None:
                self._note(events.ClockSet(ms=ms))
            shown = self._picture(now)
            self._watcher.update(shown)
            self._board.leave(shown, now)
            self._metrics.roll()

    def _listen(self, seconds: float) -> None:
        try:
            for child, message in self._children.listen(seconds):
                if message is not None:
                    self._hear(child, message)
                else:
                    self._ended(child)
        except ActorError as error:
            self._fail(error)

    def _hear(self, child: Child, message: Message) -> None:
        if child is not self._evaluator or self._evaluation.busy:
            self._liveness.heard(child.name, time.monotonic())
        match message:
            case Failed():
                self._fail(faults.raised(message))
            case Listening():
                child.listened = True
                if child.actor == "gossiper":
                    self._listens(child, Endpoints(news=message.news, requests=message.requests, curve=message.curve))
            case Ready() if child is self._evaluator:
                self._evaluation.ready = True
            case Ready():
                if self._rendezvous.ready(child.name) and self._started is None:
                    self._begin()
                elif self._started is not None:
                    child.say(self._start_of(child))
            case Status():
                self._report(child, message)
            case Evaluated():
                self._evaluated(message)
            case _:
                raise TypeError(f"{type(message).__name__} is not for the supervisor")

    def _listens(self, child: Child, place: Endpoints) -> None:
        # Should it crash, its successor listens at the same place.
        child.plan = msgspec.structs.replace(child.plan, bind=place)
        for address in self._rendezvous.listens(child.plan.settings.address, place):
            self._tell_neighbours(self._names[address])

    def _tell_neighbours(self, name: str) -> None:
        """Tell a node's gossiper with whom it is to be linked, and where they listen."""
        plan, gossiper = self._plans[name], self._actors[f"{name}/gossiper"]
        names = dict(zip(plan.settings.neighbours, plan.node.neighbours, strict=True))
        around = self._rendezvous.around(plan.settings.address).items()
        gossiper.say(Neighbours(where={other: place for other, place in around if not self._course.parted(name, names[other])}))

    def _report(self, child: Child, status: Status) -> None:
        child.reports(status)
        self._board.take(child, status)
        if child.actor == "builder" and self._started is not None:
            self._scene.counted(child.node, time.monotonic())
        if self._stopping and status.stopped and status.model:
            self._evaluation.last(child.node, status.model)

    def _begin(self) -> None:
        try:
            self._adoptions = self._board.adoptions()
        except ChainError as error:
            self._fail(error)
            return
        self._started = time.monotonic()
        self._cpu = time.process_time()
        self._note(events.Ready(seconds=round(self._started - self._begun, 3), actors=len(self._actors)))
        for child in self._actors.values():
            child.say(self._start_of(child))
        self._happenings.begin(self._started)

    def _start_of(self, child: Child) -> Start:
        """Whoever is started again in this run hears of an adoption once more: it may not have written it down."""
        return Start(adoption=self._adoptions.get(child.node))

    def _check_ready(self, now: float) -> None:
        """A gossiper whose neighbours are on other hosts may wait for them as long as it takes."""
        if self._started is not None or now - self._begun <= READY_WITHIN:
            return
        waiting = [self._actors[name] for name in self._rendezvous.waiting]
        late = [child.what for child in waiting if child.actor != "gossiper" or child.plan.whole_network]
        if late:
            some = ", ".join(late[:3]) + (f" and {len(late) - 3} more" if len(late) > 3 else "")
            self._fail(ActorError(f"{some} did not become ready within {READY_WITHIN:.0f} s: see {self._evaluator.log.parents[2]}"))

    # --- evaluation on the test samples

    def _order(self, order: Evaluate) -> None:
        self._liveness.heard(EVALUATOR, time.monotonic())
        self._evaluator.say(order)

    def _evaluated(self, answer: Evaluated) -> None:
        ago = self._evaluation.overtaken(answer, now := time.monotonic())
        if self._evaluation.heard(answer, now):
            self._note(events.Evaluated(correct=answer.correct, tested=answer.tested, node=answer.node, actor=EVALUATOR), ago)
        if not self._evaluation.busy:
            self._liveness.forget(EVALUATOR)

    def _models(self) -> Iterator[tuple[str, str]]:
        for child in self._actors.values():
            if child.actor == "trainer" and child.status is not None and child.status.model:
                yield child.node, child.status.model

    # --- the end

    def _check_end(self, now: float) -> None:
        accuracies = (self._evaluation.accuracy[node] if node in self._evaluation.there else 0.0 for node in self._plans)
        if reason := reached(self._config.run, now - (self._started or now), accuracies, self._heights()):
            self.stop(reason)

    def _heights(self) -> Iterator[int]:
        """Blocks of each node, observers apart: they make none."""
        for child in self._actors.values():
            if child.actor == "builder" and child.plan.node.role == "normal":
                yield int(child.tally().get("height", 0))

    def stop(self, reason: str) -> None:
        """Begin to stop. A second call changes nothing."""
        if self._stopping:
            return
        self._reason, self._stopping, self._stopped_at = reason, time.monotonic(), self._clock().wall
        for child in self._actors.values():
            if child.alive:
                child.status = None if child.status is None else msgspec.structs.replace(child.status, idle=False)
                child.say(Stop())
            if not (child.alive and child.listened) and child.status is not None and child.status.model:
                # It is away, or still begins again and may not get to tell more: its last model is the one of its life before.
                self._evaluation.last(child.node, child.status.model)

    def _over(self) -> bool:
        """Whether nothing is left to wait for."""
        if not self._stopping or self._started is None or self._reason == "failed":
            return self._stopping is not None
        idle = all(not child.alive or (child.status is not None and child.status.idle) for child in self._actors.values())
        gone = not any(child.alive for child in self._actors.values())
        patience = GONE_WITHIN - 0.5 if self._signals else LAST_ROUND
        step = ending(time.monotonic() - self._stopping, idle, self._quit_said, gone, self._evaluation.done(), patience)
        if step is Ending.QUIT:
            self._quit_actors()
        elif step is Ending.KILL:
            self._kill_actors()
        return step is Ending.OVER

    def _end_all(self) -> None:
        """Quit, wait, kill."""
        begun = self._stopping = self._stopping or time.monotonic()
        self._quit_actors()
        self._evaluator.say(Quit())
        patience = GONE_WITHIN if self._started is not None else GONE_BEFORE_START
        until = max(begun + patience, time.monotonic() + TOLD_TO_QUIT)
        while any(child.alive for child in self._all.values()) and time.monotonic() < until:
            self._listen(0.05)
        unsaved = "" if self._started is None or self._reason == "failed" else self._evaluation.unsaved
        for remark in filter(None, (self._evaluation.unmeasured, unsaved)):
            self._board.say(remark)
        try:
            self._children.end(self._all.values())
        except ActorError as error:
            self._fail(error)

    def _quit_actors(self) -> None:
        if not self._quit_said:
            self._quit_said = True
            for child in self._actors.values():
                child.say(Quit())

    def _kill_actors(self) -> None:
        for child in self._actors.values():
            if child.alive:
                child.kill()

    def _fail(self, error: DflError) -> None:
        if self._error is None:
            self._error = error
        self.stop("failed")

    # --- crashes

    def _check_alive(self, now: float) -> None:
        """Kill who hangs; its end is then like any other. Who computes on end, in a plug-in for instance, is told of long before."""
        for name in self._liveness.silent(now, lambda name: self._all[name].work()):
            child = self._all[name]
            self._watcher.event(f"{child.what} says nothing any more and is killed")
            self._liveness.forget(name)
            child.hung = True
            child.kill()
        for name in self._liveness.quiet():
            self._watcher.event(f"{self._all[name].what} has said nothing for {QUIET:.0f} s: it may be in one call of a plug-in, or hang")

    def _ended(self, child: Child) -> None:
        """Start again what has crashed, within bounds."""
        self._liveness.forget(child.name)
        if child is self._evaluator:
            self._evaluation.lost()
        if self._stopping or child.process is None:
            return
        if child.process.exitcode == FAILED:
            self._fail(ActorError(f"{child.what} gave up: see {child.log}"))
            return
        if self._happenings.holds(child):
            return
        how = "it hung" if child.hung else child.process.how_it_ended()
        child.crashes += 1
        if child.provoked() or child.restarts.crashed(time.monotonic()):
            self._watcher.event(f"{child.what} crashed ({how}) and was restarted")
            self._note(events.Restarted(reason=how, node=child.node, actor=child.actor))
            if child is not self._evaluator:
                self._rendezvous.lost(child.name)
            self._children.start(child)
        elif child is self._evaluator and not self._config.run.target:
            self._watcher.event(f"the evaluator crashed too often ({how}): the run goes on without measurements, see {child.log}")
        else:
            self._fail(ActorError(f"{child.what} crashed {child.restarts.most + 1} times ({how}): see {child.log}"))

    # --- events of the topology

    def _tell_event(self, event: Event) -> None:
        what = told(event)
        self._board.say(what)
        for name in self._plans.keys() & {event.node, *self._course.ends(event)}:
            self._actors[f"{name}/gossiper"].say(Happened(what=what))
        do, node, link, attack = event.do or "", event.node or "", event.link or "", event.attack or ""
        self._note(events.Happened(do=do, node=node, link=link, factor=event.factor, attack=attack, what=what))

    def _start_again(self, child: Child) -> None:
        """After a pause. It waits for no link: its neighbours may be away too."""
        child.plan = msgspec.structs.replace(child.plan, rejoins=True)
        self._become(child)
        self._rendezvous.lost(child.name)
        self._children.start(child)

    def _become(self, child: Child) -> None:
        """Begin as what events have made of the node by now."""
        if child is not self._evaluator:
            child.plan = msgspec.structs.replace(child.plan, node=self._course.node(child.node))

    # --- what a person is told

    def _note(self, event: events.Event, ago: float = 0.0) -> None:
        self._metrics.write(event, self._clock().wall - round(1000 * ago))

    def _picture(self, now: float) -> NetworkStatus:
        state = "stopping" if self._stopping else "starting" if self._started is None else "running"
        elapsed = (self._stopping or now) - (self._started or self._begun)
        return self._scene.picture(now, state, elapsed, self._rendezvous.waiting, self._board.remarks.standing(self._clock().wall))
