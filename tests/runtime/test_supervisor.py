"""The supervisor with children that are played here: real channels and policies, and nothing behind them."""

import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from dfl_actors.actors.base import Settings
from dfl_actors.actors.injector import InjectorSettings
from dfl_actors.core import codec, events
from dfl_actors.core.control import (
    FROM_SUPERVISOR,
    Endpoints,
    Evaluate,
    Evaluated,
    Listening,
    Neighbours,
    Quit,
    Ready,
    Start,
    Status,
    Stop,
    Told,
)
from dfl_actors.core.family import ACTORS, Message
from dfl_actors.errors import ActorError, ConfigError
from dfl_actors.processes import faults
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import EXHAUSTED
from dfl_actors.processes.forkserver import ForkServer, Process
from dfl_actors.processes.signals import Stop as Signals
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.plan import EVALUATOR, NodePlan, settings_of
from dfl_actors.runtime.policies import LAST_ROUND
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


def test_it_begins_when_all_are_ready_and_stops_in_order(tmp_path: Path) -> None:
    outcome, troupe, _ = perform(tmp_path)
    assert (outcome.reason, outcome.error) == ("duration", None) and outcome.elapsed >= 0.3
    for name in NAMES:
        words = [message for message in troupe.heard[name] if not isinstance(message, Neighbours | Told)]
        assert [type(message) for message in words] == [Start, Stop, Quit], name
    (places,) = {tuple(word.where.items()) for word in troupe.heard["a/gossiper"] if isinstance(word, Neighbours)}
    assert places == ((ADDRESSES["b"], Endpoints(news="tcp://b/gossiper")),)
    assert [event.actors for event in noted(tmp_path, events.Ready)] == [len(NAMES)]
    assert [event.reason for event in noted(tmp_path, events.Stopped)] == ["duration"]


def test_nothing_begins_while_one_is_not_ready(tmp_path: Path) -> None:
    stop = Signals()

    def one_is_late(troupe: Troupe, name: str, message: Message | None) -> None:
        if message is None and name == "b/keeper":
            stop.number = signal.SIGINT
        else:
            dutiful(troupe, name, message)

    outcome, troupe, _ = perform(tmp_path, one_is_late, stop=stop)
    assert (outcome.reason, outcome.ready_seconds) == ("interrupted", 0.0)
    assert not any(isinstance(word, Start) for words in troupe.heard.values() for word in words)


def test_a_start_says_who_is_not_ready_yet(tmp_path: Path) -> None:
    stop = Signals()
    said: list[str] = []

    def some_are_late(troupe: Troupe, name: str, message: Message | None) -> None:
        if message is None and name.endswith(("/validator", "/trainer")):
            return
        dutiful(troupe, name, message)

    class Waits(Watcher):
        def update(self, status: NetworkStatus) -> None:
            said.append(status.waits)
            stop.number = signal.SIGINT * ("8 of 12" in status.waits)

    perform(tmp_path, some_are_late, duration=600.0, stop=stop, watcher=Waits())
    assert said[-1] == "8 of 12 actors are ready, not yet trainer, validator of every node"


def test_what_a_validator_counted_before_it_crashed_stays_counted(tmp_path: Path) -> None:
    stop = Signals()

    def one_crashes(troupe: Troupe, name: str, message: Message | None) -> None:
        if name == "a/validator" and isinstance(message, Start):
            troupe.say(name, Status(counts={"received": 7 if troupe.lives[name] == 1 else 2}))
            if troupe.lives[name] == 1:
                troupe.ends(name, -signal.SIGSEGV)
        elif name == "a/validator" and isinstance(message, Stop):
            troupe.say(name, Status(counts={"received": 2}, stopped=True))
        else:
            dutiful(troupe, name, message)

    class Counts(Watcher):
        def update(self, status: NetworkStatus) -> None:
            super().update(status)
            stop.number = signal.SIGTERM * (status.nodes[0].received == 9)

    watcher = Counts()
    perform(tmp_path, one_crashes, duration=60.0, stop=stop, watcher=watcher)
    counts = [status.nodes[0].received for status in watcher.shown]
    assert counts == sorted(counts) and counts[-1] == 9


@pytest.mark.parametrize("answers", [True, False])
def test_at_the_end_all_last_models_are_measured_whole_and_are_of_the_moment_of_the_stop(tmp_path: Path, answers: bool) -> None:
    orders: list[Evaluate] = []

    def evaluated(troupe: Troupe, name: str, message: Message | None) -> None:
        if name == EVALUATOR and message is None:
            troupe.say(name, Ready())
        elif isinstance(message, Evaluate):
            orders.append(message)
            tested = 10 * message.measure * answers
            troupe.say(name, Evaluated(node=message.node, model=message.model, correct=tested, tested=tested))
        elif name.endswith("/trainer") and isinstance(message, Stop):
            troupe.say(name, Status(counts={}, idle=True, stopped=True, model="ab" * 32))
        else:
            dutiful(troupe, name, message)

    _, _, watcher = perform(tmp_path, evaluated, every=0.1)
    (stopped,), measured = noted(tmp_path, events.Stopped), noted(tmp_path, events.Evaluated)
    assert {order.node for order in orders if order.whole} == {"a", "b"} and all(event.t >= stopped.t for event in measured)
    assert len(measured) == 2 * answers and watcher.shown[-1].elapsed == pytest.approx(0.3, abs=0.25)
    assert [text.partition(":")[0] for text in watcher.texts] == [
        *(["there was no time to measure the last model of node a, b"] * (not answers))
    ]


def test_a_signal_ends_the_last_round(tmp_path: Path) -> None:
    stop = Signals()

    def never_measured(troupe: Troupe, name: str, message: Message | None) -> None:
        if name == EVALUATOR and message is None:
            troupe.say(name, Ready())
        elif isinstance(message, Evaluate) and message.save:
            troupe.say(name, Evaluated(node=message.node, model=message.model, correct=0, tested=0))
        elif isinstance(message, Evaluate):
            stop.number = signal.SIGINT
        elif name.endswith("/trainer") and isinstance(message, Stop):
            troupe.say(name, Status(counts={}, idle=True, stopped=True, model="ab" * 32))
        else:
            dutiful(troupe, name, message)

    begun = time.monotonic()
    outcome, _, watcher = perform(tmp_path, never_measured, stop=stop, every=0.1)
    assert outcome.reason == "duration" and time.monotonic() - begun < LAST_ROUND / 2
    assert watcher.texts and watcher.texts[0].startswith("there was no time to measure the last model of node a, b")


@pytest.mark.parametrize("crashes", [1, 5, 6])
def test_who_crashes_is_started_again_within_bounds(tmp_path: Path, crashes: int) -> None:
    stop = Signals()

    def one_crashes(troupe: Troupe, name: str, message: Message | None) -> None:
        if not isinstance(message, Start) or name != "a/keeper":
            dutiful(troupe, name, message)
        elif troupe.lives[name] <= crashes:
            troupe.ends(name, -signal.SIGSEGV)
        else:
            stop.number = signal.SIGTERM

    outcome, troupe, watcher = perform(tmp_path, one_crashes, duration=600.0, stop=stop)
    again = min(crashes, 5)
    assert troupe.lives["a/keeper"] == 1 + again and troupe.lives["b/keeper"] == 1
    assert watcher.texts == ["keeper of node a crashed (killed by SIGSEGV) and was restarted"] * again
    assert [event.reason for event in noted(tmp_path, events.Restarted)] == ["killed by SIGSEGV"] * again
    if crashes <= 5:
        assert (outcome.reason, outcome.error) == ("terminated", None)
    else:
        assert outcome.reason == "failed" and isinstance(outcome.error, ActorError)
        assert str(outcome.error).startswith("keeper of node a crashed 6 times (killed by SIGSEGV): see ")


@pytest.mark.parametrize("code", [-signal.SIGABRT, EXHAUSTED])
def test_what_others_may_have_provoked_ends_no_run(tmp_path: Path, code: int) -> None:
    stop = Signals()

    def one_is_hit(troupe: Troupe, name: str, message: Message | None) -> None:
        if not isinstance(message, Start) or name != "a/gossiper":
            dutiful(troupe, name, message)
        elif troupe.lives[name] <= 9:
            troupe.ends(name, code)
        else:
            stop.number = signal.SIGTERM

    outcome, troupe, watcher = perform(tmp_path, one_is_hit, duration=600.0, stop=stop)
    assert (outcome.reason, outcome.error, troupe.lives["a/gossiper"]) == ("terminated", None, 10)
    how = "killed by SIGABRT" if code < 0 else "its memory was used up"
    assert watcher.texts == [f"gossiper of node a crashed ({how}) and was restarted"] * 9


def test_a_node_whose_trainer_begins_again_at_the_end_keeps_its_last_model(tmp_path: Path) -> None:
    """It would come to no word more: until TensorFlow is ready, all is over."""
    stop, known = Signals(), Status(counts={}, model="ab" * 32)

    def one_is_away(troupe: Troupe, name: str, message: Message | None) -> None:
        if name == EVALUATOR and message is None:
            troupe.say(name, Ready())
        elif isinstance(message, Evaluate):
            troupe.say(name, Evaluated(node=message.node, model=message.model, correct=0, tested=0))
        elif name == "a/trainer" and isinstance(message, Start):
            troupe.say(name, known)
            troupe.ends(name, -signal.SIGSEGV)
        elif name == "a/trainer" and message is None and troupe.lives[name] == 2:
            stop.number = signal.SIGTERM
        else:
            dutiful(troupe, name, message)

    outcome, troupe, _ = perform(tmp_path, one_is_away, duration=600.0, stop=stop)
    assert outcome.reason == "terminated"
    assert [word for word in troupe.heard[EVALUATOR] if isinstance(word, Evaluate)] == [
        Evaluate(node="a", model=known.model, measure=False, save=True)
    ]


def test_links_that_leave_the_machine_unencrypted_are_told_as_long_as_they_do(tmp_path: Path) -> None:
    _, _, watcher = perform(tmp_path, more='[transport]\nhost = "10.0.0.1"\ncurve = "off"')
    assert [text for text in watcher.texts if text.startswith("INSECURE: links are not encrypted")]
    assert b"INSECURE: " in (tmp_path / "status.json").read_bytes()


def test_what_a_restart_does_not_mend_ends_the_run_with_its_error(tmp_path: Path) -> None:
    def one_fails(troupe: Troupe, name: str, message: Message | None) -> None:
        if isinstance(message, Start) and name == "b/trainer":
            troupe.say(name, faults.failure(ConfigError("nodes is 0: give at least one")))
        else:
            dutiful(troupe, name, message)

    outcome, troupe, _ = perform(tmp_path, one_fails)
    assert outcome.reason == "failed" and isinstance(outcome.error, ConfigError)
    assert str(outcome.error) == "nodes is 0: give at least one" and set(troupe.lives.values()) == {1}


# ---- events


def event(at: float, do: str, rest: str) -> str:
    return f'[[event]]\nat_s = {at}\ndo = "{do}"\n{rest}\n'


class Stage:
    """Notes in which order actors begin and hear what, and stops the run when `last` has begun so often."""

    def __init__(self, last: str, lives: int) -> None:
        self.last, self.lives, self.stop = last, lives, Signals()
        self.course: list[tuple[str, str]] = []

    def play(self, troupe: Troupe, name: str, message: Message | None) -> None:
        self.course.append((name, "begins" if message is None else type(message).__name__))
        dutiful(troupe, name, message)
        if isinstance(message, Start) and name == self.last and troupe.lives[name] == self.lives:
            self.stop.number = signal.SIGTERM


def test_a_node_that_leaves_is_ended_in_order_and_begins_again_when_it_joins(tmp_path: Path) -> None:
    away = event(0.05, "leave", 'node = "b"') + event(0.2, "join", 'node = "b"')
    stage = Stage("b/validator", 2)
    outcome, troupe, watcher = perform(tmp_path, stage.play, 600.0, stage.stop, away)
    assert outcome.reason == "terminated" and watcher.texts == ["node b leaves", "node b joins"]
    for actor in ACTORS:
        assert troupe.lives[f"b/{actor}"] == 2 and troupe.lives[f"a/{actor}"] == 1
        assert [what for name, what in stage.course if name == f"b/{actor}" and what not in ("Neighbours", "Told", "Happened")][:5] == [
            "begins", "Start", "Stop", "Quit", "begins",
        ]  # fmt: skip
    assert [(happened.do, happened.node, happened.what) for happened in noted(tmp_path, events.Happened)] == [
        ("leave", "b", "node b leaves"), ("join", "b", "node b joins"),
    ]  # fmt: skip
    assert ("b/gossiper", "Happened") in stage.course, "for whoever watches it"
    assert noted(tmp_path, events.Restarted) == [] and troupe.plans["b/gossiper"].rejoins


def test_a_node_that_is_to_join_while_it_still_leaves_ends_first(tmp_path: Path) -> None:
    def slow_to_stop(troupe: Troupe, name: str, message: Message | None) -> None:
        if name != "b/builder" or not isinstance(message, Stop):
            stage.play(troupe, name, message)

    stage = Stage("b/builder", 2)
    away = event(0.0, "leave", 'node = "b"') + event(0.1, "join", 'node = "b"')
    outcome, troupe, _ = perform(tmp_path, slow_to_stop, 600.0, stage.stop, away)
    assert outcome.reason == "terminated" and {troupe.lives[f"b/{actor}"] for actor in ACTORS} == {2}
    assert outcome.elapsed > 1.5, "the builder was given time for what it had under way"


def test_one_actor_begins_anew_as_what_an_event_makes_of_its_node(tmp_path: Path) -> None:
    stage = Stage("a/trainer", 2)
    change = event(0.0, "slow", 'node = "a"\nfactor = 0.5') + event(0.1, "attack", 'node = "a"\nattack = "copy"')
    _, troupe, watcher = perform(tmp_path, stage.play, 600.0, stage.stop, change)
    lives = {actor: troupe.lives[f"a/{actor}"] for actor in ACTORS}
    assert lives == dict.fromkeys(ACTORS, 1) | {"injector": 2, "trainer": 2, "keeper": 2}
    assert settings_of(troupe.plans["a/injector"], InjectorSettings).rate == 4.0
    assert (troupe.plans["a/trainer"].node.attack, troupe.plans["b/trainer"].node.attack) == ("copy", None)
    assert watcher.texts == ["node a goes at 0.5 times its speed", "node a attacks with copy"]


def test_gossipers_are_told_of_a_link_that_is_cut_and_of_its_return(tmp_path: Path) -> None:
    cut = event(0.0, "unlink", 'link = "b--a"') + event(0.1, "link", 'link = "a--b"')
    _, troupe, _ = perform(tmp_path, duration=0.5, more=cut)
    for node, other in ("ab", "ba"):
        told = [set(word.where) for word in troupe.heard[f"{node}/gossiper"] if isinstance(word, Neighbours)]
        assert told[-3:] == [{ADDRESSES[other]}, set(), {ADDRESSES[other]}]


def test_a_resumed_run_goes_on_in_the_course_of_its_events(tmp_path: Path) -> None:
    course = event(0.1, "leave", 'node = "b"') + event(0.15, "slow", 'node = "a"\nfactor = 2') + event(600, "join", 'node = "b"')
    perform(tmp_path, duration=0.4, more=course)
    _, troupe, watcher = perform(tmp_path, duration=0.4, more=course, starts=1)
    assert watcher.texts == [], "nothing happens twice"
    assert troupe.plans["a/injector"].node.speed == 2.0
    assert [type(word) for word in troupe.heard["b/trainer"]] == [Start, Stop, Quit] and troupe.lives["b/trainer"] == 1
    assert [type(word) for word in troupe.heard["a/trainer"]] == [Start, Stop, Quit]
