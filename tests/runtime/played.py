"""Children of a supervisor that are played here: real channels and policies, and nothing behind them."""

import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from dfl_actors.actors.base import Settings
from dfl_actors.core import codec, events
from dfl_actors.core.control import FROM_SUPERVISOR, Endpoints, Listening, Quit, Ready, Status, Stop
from dfl_actors.core.family import ACTORS, Message
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.forkserver import ForkServer, Process
from dfl_actors.processes.signals import Stop as Signals
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.plan import EVALUATOR, NodePlan
from dfl_actors.runtime.status import NetworkStatus
from dfl_actors.runtime.supervisor import Outcome, Supervisor
from tests.config.made import parse

NAMES = [f"{node}/{actor}" for node in "ab" for actor in ACTORS]
ADDRESSES = {"a": "a" * 64, "b": "b" * 64}


class Troupe(ForkServer):
    """In the fork server's place: plays every process, between two turns of the supervisor. `play` is called with each word that one
    hears, and with None when it begins."""

    def __init__(self, play: Callable[["Troupe", str, Message | None], None]) -> None:
        self._play, (self._end, self._other) = play, socket.socketpair()
        self._living: dict[str, tuple[Process, Channel]] = {}
        self._begun: list[str] = []
        self.heard: defaultdict[str, list[Message]] = defaultdict(list)
        self.lives: defaultdict[str, int] = defaultdict(int)
        self.plans: dict[str, NodePlan] = {}

    def fileno(self) -> int:
        return self._end.fileno()

    def start(self, name: str, work: Callable[..., None], *arguments: object) -> Process:
        self.plans[name] = next(plan for plan in arguments if isinstance(plan, NodePlan))
        ours, theirs = socket.socketpair()
        process = Process(name, Channel(ours))
        self._living[name] = process, Channel(theirs)
        self._begun.append(name)
        self.heard[name].clear()
        self.lives[name] += 1
        return process

    def hear(self) -> None:
        begun, self._begun = self._begun, []
        for name in begun:
            self._play(self, name, None)
        for name, (_, channel) in list(self._living.items()):
            for word in channel.receive():
                self.heard[name].append(message := codec.convert(FROM_SUPERVISOR, codec.parse(word)))
                self._play(self, name, message)

    def say(self, name: str, *messages: Message) -> None:
        for message in messages:
            self._living[name][1].send(codec.encode(message))

    def ends(self, name: str, code: int = 0) -> None:
        if name in self._living:
            process, channel = self._living.pop(name)
            channel.close()
            process.ended(code)

    def end(self, processes: object) -> None:
        for name in list(self._living):
            self.ends(name, -signal.SIGKILL)

    def close(self) -> None:
        self._end.close()
        self._other.close()


def dutiful(troupe: Troupe, name: str, message: Message | None) -> None:
    """What an actor does that has no work."""
    if message is None and name != EVALUATOR:
        troupe.say(name, Listening(news=f"tcp://{name}"), Ready())
    elif isinstance(message, Stop):
        troupe.say(name, Status(counts={}, idle=True, stopped=True))
    elif isinstance(message, Quit):
        troupe.ends(name)


class Watcher:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.shown: list[NetworkStatus] = []

    def update(self, status: NetworkStatus) -> None:
        self.shown.append(status)

    def event(self, text: str) -> None:
        self.texts.append(text)


def perform(
    place: Path,
    play: Callable[[Troupe, str, Message | None], None] = dutiful,
    duration: float = 0.3,
    stop: Signals | None = None,
    more: str = "",
    starts: int = 0,
    every: float = 0,
    watcher: Watcher | None = None,
) -> tuple[Outcome, Troupe, Watcher]:
    config = parse(f'[network]\nnodes = ["a", "b"]\n[run]\nduration_s = {duration}\nevaluate_s = {every}\n{more}')
    clock, troupe, watcher = Clock(), Troupe(play), watcher or Watcher()
    plans = [
        NodePlan(
            config=config,
            node=node,
            settings=Settings(
                address=ADDRESSES[node.name],
                genesis="0" * 64,
                neighbours=tuple(ADDRESSES[other] for other in node.neighbours),
                members=frozenset(),
            ),
            samples=100,
            parameters=8,
            whole_network=True,
            layers=(),
            bind=Endpoints(),
            curve_allowed=frozenset(),
            directory=place,
            keys=place,
            sockets=place,
            cache=place,
            folder=place,
            anchor=clock.anchor,
            starts=starts,
        )
        for node in config.nodes
    ]
    outcome = Supervisor(plans, troupe, Signals() if stop is None else stop, {}, watcher, time.monotonic()).run()
    troupe.close()
    return outcome, troupe, watcher


def noted(place: Path, kind: type[events.E]) -> list[events.E]:
    found = [events.read(line) for line in (place / "metrics.jsonl").read_bytes().splitlines()]
    return [event for event in found if isinstance(event, kind)]
