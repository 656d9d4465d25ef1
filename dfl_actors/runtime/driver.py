"""Performs an actor's effects: the loop of one process. Poll, decode, handle, perform.

A batch is whatever lies waiting. Its effects are performed in one order: models and the chain, then the journal (one synced commit
for the whole batch), then speech, and soon after acknowledgements. So nothing is said that is not written, and nothing is
acknowledged that is not done.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import zmq

from dfl_actors.actors.base import Actor
from dfl_actors.core import codec, events
from dfl_actors.core.clock import Now
from dfl_actors.core.control import FROM_SUPERVISOR, Failed, Listening, Neighbours, Quit, Ready, Start, Status, Stop
from dfl_actors.core.effects import Announce, Answer, Commit, Effect, Journal, Keep, Note, Publish, Send, Serve, Tell, Touch
from dfl_actors.core.family import Message
from dfl_actors.core.gossip import chunk_of
from dfl_actors.core.messages import Chunk, Opened, Started, Stopping, Tick
from dfl_actors.errors import DflError, Refused, StoreError
from dfl_actors.runtime.hatch import Owned
from dfl_actors.runtime.meter import TASKS, task_of
from dfl_actors.runtime.net import Endpoints, Net
from dfl_actors.runtime.post import Acknowledgement, Post, receive
from dfl_actors.runtime.tap import Tap

STATUS_EVERY = 1_000
"""Milliseconds between two reports to the supervisor."""

ACKNOWLEDGE_WITHIN = 250
"""Milliseconds an acknowledgement may wait for others to the same sender: one word then does for all of them, and one synced commit
for what they wrote. Once the end has been announced it does not wait."""

ON_THE_CHAIN = ("trainer", "validator", "builder")
"""Actors whose own work is the blockchain's: hashing, signing, checking, chaining, and the journal of what they have signed. The
gossiper's hashing of models is counted so where it happens."""

LONGEST_BATCH = 100
"""Milliseconds of handling after which effects are performed, though more may lie waiting."""


class Metrics:
    """The run's `metrics.jsonl`: one write a line, appended by every process, so lines never mix."""

    def __init__(self, path: os.PathLike[str], node: str, actor: str) -> None:
        self._path, self._node, self._actor = path, node, actor
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, event: events.Event, now: int) -> None:
        """Append one event. Raises `StoreError` when the disk is full."""
        line = events.line(event, self._node, self._actor, now)
        try:
            os.write(self._file, line)
        except OSError as error:
            raise StoreError(
                f"{os.fspath(self._path)} cannot be written ({error.strerror}): free some space and --resume the run"
            ) from None

    def close(self) -> None:
        os.close(self._file)


class Driver:
    """One actor's process."""

    def __init__(
        self,
        actor: Actor,
        owned: Owned,
        post: Post,
        net: Net | None,
        control: zmq.Socket[bytes],
        parent: int,
        metrics: Metrics,
        tap: Tap,
    ) -> None:
        self._actor, self._owned, self._post, self._net, self._control = actor, owned, post, net, control
        self._metrics, self._meter, self._clock, self._parent, self._tap = metrics, owned.meter, owned.clock, parent, tap
        self._running, self._started, self._stopped, self._said_ready = True, False, False, False
        self._status_at = 0
        self._acknowledge_at: int | None = None
        self._last_chunk: tuple[str, int, zmq.Frame] | None = None
        self._speech: list[Effect] = []
        self._acknowledgements: list[Acknowledgement] = []
        self._done: list[Acknowledgement] = []
        self._unwritten: list[tuple[bytes, bytes | None]] = []
        actor.doing = self._meter.doing
        self._work = "blockchain" if actor.name in ON_THE_CHAIN else "network"
        self._speakers = self._speech_of(net)
        self._sources: dict[Any, Callable[[Now], Iterator[Message | Refused | None]]] = {}
        self._poller = zmq.Poller()
        self._watch_sockets()

    def _watch_sockets(self) -> None:
        self._sources[self._control] = self._from_control
        self._sources[self._post.publisher] = self._from_publisher
        self._sources[self._post.mailbox] = self._from_mailbox
        self._sources[self._post.subscriber] = lambda now: self._post.events()
        self._sources[self._tap.socket] = lambda now: self._tap.watchers()
        for name, way in self._post.ways.items():
            self._sources[way] = lambda now, name=name: self._from_way(name, now)  # type: ignore[misc]
        if self._net is not None:
            net = self._net
            self._sources[net.publisher] = lambda now: net.subscriptions()
            self._sources[net.router] = lambda now: net.requests()
        for socket in self._sources:
            self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._parent, zmq.POLLIN)

    def run(self) -> None:
        """Until the supervisor says quit, or is gone. Raises `DflError` for what a restart does not mend."""
        endpoints = self._net.endpoints if self._net is not None else Endpoints(news="", requests="")
        self._say(Listening(news=endpoints.news, requests=endpoints.requests, curve=endpoints.curve))
        while self._running:
            self._wait()
            self._meter.charge("other", "network")
            self._meter.task = "other"
        self._finish()

    def _wait(self) -> None:
        ready = dict(self._poller.poll(self._timeout()))
        if self._parent in ready:
            self._running = False
            return
        now = begun = self._clock()
        for socket in ready:
            for message in self._sources[socket](now):
                self._take(message, now)
                now = self._clock()
                if now.mono - begun.mono > LONGEST_BATCH:
                    self._perform(now)
                    begun = now
        self._on_time(now)
        self._perform(now)
        self._post.deliver(now.mono)
        self._acknowledge(now)
        self._report(now)

    def _timeout(self) -> int:
        wishes = (self._actor.wake, self._post.wake(), self._status_at, self._acknowledge_at)
        times = [time for time in wishes if time is not None]
        return max(0, min(times) - self._clock().mono)

    def _on_time(self, now: Now) -> None:
        if self._actor.wake is not None and now.mono >= self._actor.wake:
            self._actor.wake = None
            self._take(Tick(), now)

    def _take(self, message: Message | Refused | None, now: Now) -> None:
        """Let the actor handle one message, and put what it wants behind what it wanted before."""
        if message is None:
            return
        task = self._task(message)
        if task != self._meter.task:
            self._meter.charge(task, "network")
        if isinstance(message, Refused):
            self._metrics.write(events.Refused(what="bytes", code=message.code, detail=message.detail), now.wall)
            if self._tap.watched:
                self._tap.undecodable(message)
            return
        self._meter.task = task
        self._meter.turn(task, self._work)
        self._speech += self._actor.handle(message, now)
        self._meter.turn(task, "network")

    def _task(self, message: Message | Refused) -> str:
        return TASKS[self._actor.name] if isinstance(message, Refused) else task_of(self._actor.name, message)

    # --- effects

    def _perform(self, now: Now) -> None:
        """Everything that was wanted: models, chain, journal, speech. A batch that only writes its journal is written with the next
        one that speaks, or before it is acknowledged: one synced commit then does for several."""
        effects, self._speech = self._speech, []
        self._done += self._acknowledgements
        self._acknowledgements = []
        if not effects:
            return
        speech, notes = [], []
        for effect in effects:
            kind = type(effect)
            if kind is Journal:
                self._unwritten.append((effect.key, effect.value))  # type: ignore[attr-defined]
            elif kind is Keep:
                self._owned.models.put(effect.key, effect.data)  # type: ignore[attr-defined]
                self._meter.charge(TASKS[self._actor.name], "network")
            elif kind is Touch:
                self._owned.models.touch(effect.key)  # type: ignore[attr-defined]
            elif kind is Commit:
                assert self._owned.chain is not None
                self._owned.chain.append(effect.height, effect.block)  # type: ignore[attr-defined]
            elif kind is Note:
                notes.append(effect)
            else:
                speech.append(effect)
        if speech:
            self._write_journal()
        for effect in speech:
            size = self._speakers[type(effect)](effect)
            if self._tap.watched:
                self._tap.said(effect, size)
        for note in notes:
            self._metrics.write(note.event, now.wall)  # type: ignore[attr-defined]
            if self._tap.watched:
                self._tap.noted(note)  # type: ignore[arg-type]
        self._meter.charge(TASKS[self._actor.name], "network")

    def _write_journal(self) -> None:
        if self._unwritten:
            self._owned.journal.commit(self._unwritten)
            self._unwritten = []
        self._meter.charge(TASKS[self._actor.name], self._work)

    def _acknowledge(self, now: Now) -> None:
        """Acknowledge what has been performed: soon, and many letters at once."""
        if not self._done and not self._unwritten:
            return
        if self._acknowledge_at is None:
            self._acknowledge_at = now.mono + (0 if self._stopped else ACKNOWLEDGE_WITHIN)
        if now.mono >= self._acknowledge_at or not self._running:
            self._write_journal()
            self._post.acknowledge(self._done)
            if self._tap.watched:
                self._tap.acknowledged(self._done)
            self._done, self._acknowledge_at = [], None

    def _speech_of(self, net: Net | None) -> dict[type[Effect], Callable[[Any], int]]:
        """How each kind of speech is performed; each returns the bytes it sent, 0 when they were dropped."""
        speakers: dict[type[Effect], Callable[[Any], int]] = {
            Publish: lambda effect: self._post.publish(effect.message),
            Tell: lambda effect: self._post.tell(effect.message),
        }
        if net is not None:
            speakers[Announce] = lambda effect: net.announce(effect.epoch, effect.number, effect.news)
            speakers[Send] = lambda effect: net.send(effect.neighbour, effect.message)
            speakers[Answer] = lambda effect: net.answer(effect.peer, effect.message, None)
            speakers[Serve] = lambda effect: self._serve(net, effect)
        return speakers

    def _serve(self, net: Net, effect: Serve) -> int:
        """Several messages, each told to watchers by itself."""
        sent = 0
        for index in range(effect.first, effect.last):
            body = self._chunk(effect.model, index)
            if body is None:
                break
            chunk = Chunk(model=effect.model, index=index)
            size = net.answer(effect.peer, chunk, body)
            if self._tap.watched:
                self._tap.said(Answer(effect.peer, chunk), size)
            sent += size
        return sent

    def _chunk(self, model: str, index: int) -> zmq.Frame | None:
        """A chunk's bytes as a message. All neighbours ask for a new model within moments, so the last one made serves them all."""
        if self._last_chunk is None or self._last_chunk[:2] != (model, index):
            with self._owned.models.view(model) as data:
                if data is None:
                    return None
                # A copy, for the view ends here and the message does not.
                self._last_chunk = (model, index, zmq.Frame(chunk_of(data, index), copy=True))
        return self._last_chunk[2]

    # --- sources

    def _from_mailbox(self, now: Now) -> Iterator[Message | None]:
        for message, acknowledgement in self._post.letters():
            self._acknowledgements.append(acknowledgement)
            yield message

    def _from_way(self, name: str, now: Now) -> Iterator[Message | None]:
        self._post.acknowledgements(name, now.mono)
        yield from ()

    def _from_publisher(self, now: Now) -> Iterator[Message | None]:
        self._post.subscriptions()
        yield from ()

    def _from_control(self, now: Now) -> Iterator[Message | None]:
        for (body,) in receive(self._control):
            order = codec.convert(FROM_SUPERVISOR, codec.parse(body))
            if isinstance(order, Neighbours):
                yield from self._connect(order)
            elif isinstance(order, Start):
                self._meter.restart()
                if self._net is not None:
                    self._net.dropped()  # greetings to neighbours that did not listen yet are no loss
                self._started = True
                yield Started()
            elif isinstance(order, Stop):
                self._stopped = True
                yield Stopping()
                self._status_at = now.mono
            elif isinstance(order, Quit):
                self._running = False

    def _connect(self, order: Neighbours) -> Iterator[Message]:
        net = self._net
        if net is None:
            return
        before = set(net.dealers)
        net.connect(
            {address: Endpoints(news=news, requests=requests, curve=curve) for address, (news, requests, curve) in order.where.items()}
        )
        for address in set(net.dealers) - before:
            subscriber, dealer = net.subscribers[address], net.dealers[address]
            self._sources[subscriber] = lambda now, address=address: net.news(address)  # type: ignore[misc]
            self._sources[dealer] = lambda now, address=address: net.replies(address)  # type: ignore[misc]
            self._poller.register(subscriber, zmq.POLLIN)
            self._poller.register(dealer, zmq.POLLIN)
        yield Opened()

    # --- the supervisor

    def _report(self, now: Now) -> None:
        if not self._said_ready and self._post.listened and self._actor.ready:
            self._said_ready = True
            self._say(Ready())
        if now.mono >= self._status_at:
            self._status_at = now.mono + STATUS_EVERY
            self._say(self._status())
            self._say_what_was_dropped(now)

    def _say_what_was_dropped(self, now: Now) -> None:
        for what, messages in self._net.dropped().items() if self._net is not None and self._started else ():
            self._metrics.write(events.Dropped(what=what, messages=messages), now.wall)

    def _status(self) -> Status:
        actor = self._actor
        return Status(
            counts=dict(actor.counts),
            reputations=dict(getattr(actor, "reputations", {})),
            model=getattr(actor, "model", ""),
            idle=actor.idle and not self._post.waiting() and not self._speech,
            stopped=self._stopped,
        )

    def _say(self, message: Message) -> None:
        try:
            self._control.send(codec.encode(message), zmq.NOBLOCK)
        except zmq.Again:
            self._status_at = 0

    def _finish(self) -> None:
        now = self._clock()
        self._perform(now)
        self._acknowledge(now)
        self._say_what_was_dropped(now)
        if self._started:
            self._metrics.write(self._meter.report(), now.wall)


def fail(control: zmq.Socket[bytes], error: DflError) -> None:
    """Tell the supervisor why this process cannot go on."""
    control.setsockopt(zmq.LINGER, 1000)
    control.send(codec.encode(Failed(text=str(error), exit_code=error.exit_code)))
