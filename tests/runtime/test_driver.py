"""A driver with a real actor, real sockets and real stores, in a thread: what a whole process does between its first word and its last."""

import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import zmq

from dfl_actors.actors.injector import Injector, InjectorSettings
from dfl_actors.core import events
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import convert, encode, parse
from dfl_actors.core.control import FROM_ACTOR, Listening, Quit, Ready, Start, Status, Stop
from dfl_actors.core.effects import Effect
from dfl_actors.core.family import Message
from dfl_actors.core.messages import Injected, Pull
from dfl_actors.processes.channel import Channel
from dfl_actors.runtime import driver, sockets
from dfl_actors.runtime.assembly import Owned
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.driver import Driver
from dfl_actors.runtime.mail import Mail
from dfl_actors.runtime.meter import Meter
from dfl_actors.runtime.metrics import Metrics
from dfl_actors.runtime.stores import Journal, ModelStore
from dfl_actors.runtime.tap import Tap
from tests.actors import bench
from tests.simnet import parts

PATIENCE = 30.0


class Stage:
    """An injector's driver in a thread; around it, in ours, the supervisor's channel and the injector's two listeners."""

    def __init__(self, place: Path, *, room: bool = True) -> None:
        """Without `room` the supervisor takes nothing more until it has heard what the channel is full of."""
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.place, self.metrics = place, place / "metrics.jsonl"
        self.said: list[Message] = []
        ours, theirs = socket.socketpair()
        self.channel, self.parent = Channel(ours), Channel(theirs)
        while not room and not self.parent.waiting:
            self.parent.send(encode(Status(counts={})))
        clock, self.owned = Clock(), cast("Owned", SimpleNamespace())
        self.owned.journal, self.owned.models, self.owned.chain = Journal(place / "journal"), ModelStore(place / "models", 4), None
        self.owned.meter, self.owned.clock = Meter(), clock
        actor = Injector(bench.settings(InjectorSettings, rate=0.0), parts.Stream(1))
        mail = Mail(self.context, place, "a", "injector", 1)
        tap = Tap(self.context, place, "a", "injector", 1, {}, lambda peer: "", clock)
        process = Driver(actor, self.owned, mail, None, self.parent, Metrics(self.metrics, "a", "injector"), tap)
        self.driver, self.thread = process, threading.Thread(target=process.run, daemon=True)
        self.thread.start()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline and self.thread.is_alive(), self.said
            self.said += [convert(FROM_ACTOR, parse(word)) for word in self.channel.receive()]
            time.sleep(0.002)

    def hears(self, kind: type[Message], count: int = 1) -> None:
        self.until(lambda: sum(isinstance(message, kind) for message in self.said) >= count)

    def say(self, message: Message) -> None:
        self.channel.send(encode(message))

    def events(self, kind: type[events.E]) -> list[events.E]:
        found = [events.read(line) for line in self.metrics.read_bytes().splitlines()]
        return [event for event in found if isinstance(event, kind)]

    def leave(self) -> None:
        """As a supervisor that dies."""
        self.channel.close()

    def close(self) -> None:
        self.leave()
        self.thread.join(PATIENCE)
        self.parent.close()
        self.owned.journal.close()
        self.owned.models.close()
        self.context.destroy(linger=0)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="drv-") as path:
        stage = Stage(Path(path))
        yield stage
        stage.close()


def now() -> int:
    return time.monotonic_ns() // 1_000_000


def ready(stage: Stage) -> tuple[Mail, Mail]:
    """The listeners, once the driver is ready and has been told to begin."""
    stage.hears(Listening)
    assert not any(isinstance(message, Ready) for message in stage.said), "nobody listens yet"
    listeners = Mail(stage.context, stage.place, "a", "trainer", 1), Mail(stage.context, stage.place, "a", "validator", 1)
    stage.hears(Ready)
    stage.say(Start())
    return listeners


@pytest.mark.parametrize("foreign", [True, False])
def test_what_fails_at_another_nodes_words_costs_these_words_and_what_fails_at_our_own_ends_the_actor(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, foreign: bool
) -> None:
    def fails(actor: Injector, message: Pull, now: Now) -> Iterable[Effect]:
        if message.samples == 5:
            raise ZeroDivisionError(message)
        return right(actor, message, now) or ()

    right = Injector._handlers[Pull]
    handlers: dict[type[Message], Callable[..., object]] = {**Injector._handlers, Pull: fails}
    monkeypatch.setattr(Injector, "_handlers", handlers)
    monkeypatch.setattr(Pull, "foreign", foreign)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    trainer, _ = ready(stage)
    for samples in (5, 5, 2):
        trainer.tell(Pull(samples=samples))
    trainer.deliver(now())
    if foreign:
        stage.until(lambda: len(list(trainer.events())) and stage.events(events.Refused))
        assert [(event.code, event.detail) for event in stage.events(events.Refused)] == [("unexpected", "ZeroDivisionError in Pull")] * 2
        stage.until(lambda: list(trainer.acknowledgements("injector", now())) or not trainer.waiting())
    else:
        stage.thread.join(PATIENCE)
        assert not stage.thread.is_alive()


def test_a_letter_is_handled_and_acknowledged_and_what_it_leads_to_is_heard(stage: Stage) -> None:
    trainer, validator = ready(stage)
    heard_by_both: list[list[object]] = [[], []]

    def turn() -> bool:
        trainer.deliver(now())
        for got, mail in zip(heard_by_both, (trainer, validator), strict=True):
            got.extend(mail.events())
        list(trainer.acknowledgements("injector", now()))
        return all(heard_by_both) and not trainer.waiting()

    trainer.tell(Pull(samples=5))
    stage.until(turn)
    for got in heard_by_both:
        (message,) = got
        assert isinstance(message, Injected) and len(message.samples) == 5
    stage.say(Stop())
    stage.until(lambda: isinstance(stage.said[-1], Status) and stage.said[-1].stopped)
    last = stage.said[-1]
    assert isinstance(last, Status) and last.counts["samples"] == 5
    stage.say(Quit())
    stage.thread.join(PATIENCE)
    assert not stage.thread.is_alive()
    (cpu,) = stage.events(events.Cpu)
    assert cpu.total > 0 and "inject" in cpu.tasks


def test_whoever_sends_faster_than_it_works_does_not_keep_it_from_the_others(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer that could not keep pace with its samples applied no average and was not to be stopped."""
    trainer, _ = ready(stage)
    handle, order, waits, goes = Injector.handle, list[str](), threading.Event(), threading.Event()

    def slow(self: Injector, message: Message, now: Now) -> Iterable[Effect]:
        order.append(type(message).__name__)
        if isinstance(message, Pull):
            waits.set()
            goes.wait(PATIENCE)
        return handle(self, message, now)

    monkeypatch.setattr(driver, "LONGEST_BATCH", -1)
    monkeypatch.setattr(Injector, "handle", slow)
    for _ in range(50):
        trainer.tell(Pull(samples=1))
    trainer.deliver(now())
    assert waits.wait(PATIENCE)
    stage.say(Stop())
    goes.set()
    stage.until(lambda: "Stopping" in order)
    assert order[: order.index("Stopping")].count("Pull") < 10, order


def test_a_link_that_ends_in_a_turn_in_which_it_has_something_to_say_ends_nothing_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gossiper died of it where the topology took a link away on a busy machine."""
    trainer, _ = ready(stage)
    handle, heard = Injector.handle, list[int]()

    def links(self: Injector, message: Message, now: Now) -> Iterable[Effect]:
        if isinstance(message, Pull) and message.samples == 7:
            ends = [stage.context.socket(zmq.PAIR) for _ in range(4)]
            for number in (0, 1):
                ends[number].bind(f"inproc://link-{number}")
                ends[number + 2].connect(f"inproc://link-{number}")
                ends[number + 2].send(b"")
                stage.driver._watch(ends[number], partial(ends_other, number, ends))
        return handle(self, message, now)

    def ends_other(number: int, ends: list[zmq.Socket[bytes]]) -> list[None]:
        ends[number].recv()
        heard.append(number)
        stage.driver._close([ends[1 - number]])
        return []

    monkeypatch.setattr(Injector, "handle", links)
    trainer.tell(Pull(samples=7))
    trainer.deliver(now())
    stage.until(lambda: heard)
    trainer.tell(Pull(samples=2))
    trainer.deliver(now())
    stage.until(lambda: list(trainer.acknowledgements("injector", now())) or not trainer.waiting())
    assert len(heard) == 1 and stage.thread.is_alive()


def test_nothing_that_arrives_ends_it_whatever_its_shape(stage: Stage) -> None:
    trainer, _ = ready(stage)

    def stranger(kind: int, what: str) -> "zmq.Socket[bytes]":
        socket = stage.context.socket(kind)
        socket.connect(sockets.ipc(stage.place, "a", "injector", what))
        return socket

    strangers = [stranger(zmq.XSUB, "news"), stranger(zmq.DEALER, "mail"), stranger(zmq.XSUB, "tail")]
    shapes = ([b"", b""], [b"x"] * 60, [b"\xff\xfe\xfd", b"{"])
    for frames in shapes:
        for one in strangers:
            one.send_multipart(frames)
    stage.until(lambda: len(stage.events(events.Refused)) >= 3 * len(shapes))
    assert Counter(event.code for event in stage.events(events.Refused)) == {"frames": 3 * len(shapes)}
    trainer.tell(Pull(samples=1))
    stage.until(lambda: trainer.deliver(now()) or list(trainer.acknowledgements("injector", now())) or not trainer.waiting())


def test_a_word_to_the_supervisor_for_which_there_is_no_room_is_said_again() -> None:
    """`Ready` was said once: a supervisor that was slow to listen waited for it until the run was given up."""
    with tempfile.TemporaryDirectory(prefix="drv-") as path:
        stage = Stage(Path(path), room=False)
        trainer, _validator = (Mail(stage.context, stage.place, "a", actor, 1) for actor in ("trainer", "validator"))
        # By the time a letter is acknowledged all listeners have been there for long.
        trainer.tell(Pull(samples=1))
        deadline = time.monotonic() + PATIENCE
        while trainer.waiting():
            assert time.monotonic() < deadline
            trainer.deliver(now())
            list(trainer.acknowledgements("injector", now()))
        stage.hears(Ready)
        assert [type(message) for message in stage.said if not isinstance(message, Status)] == [Listening, Ready]
        stage.close()


def test_it_ends_when_the_supervisor_is_gone(stage: Stage) -> None:
    stage.hears(Status)
    stage.leave()
    stage.thread.join(PATIENCE)
    assert not stage.thread.is_alive() and not stage.events(events.Cpu), "a run that never began has cost nothing"
