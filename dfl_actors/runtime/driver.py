"""Runs an actor in its process: poll, decode, handle, perform. What is performed when is the business of `core.delivery`.

A batch is whatever lies waiting. Bytes that are no message of ours are counted and nothing else, wherever they come from.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import zmq

from dfl_actors.actors.base import Actor
from dfl_actors.actors.gossiper import Gossiper
from dfl_actors.core import codec, events
from dfl_actors.core.control import (
    FROM_SUPERVISOR,
    Adoption,
    Endpoints,
    Happened,
    Holdings,
    Listening,
    Neighbours,
    Quit,
    Ready,
    Start,
    Status,
    Stop,
    Told,
)
from dfl_actors.core.delivery import Acknowledge, Deliver, Delivery, Step, WriteJournal
from dfl_actors.core.effects import Commit, Effect, Keep, Note, Touch
from dfl_actors.core.family import Message
from dfl_actors.core.objects import Address
from dfl_actors.core.words import Asked, Garbled, Known, Opened, Started, Stopping, Tick
from dfl_actors.errors import Refused
from dfl_actors.processes.channel import Channel
from dfl_actors.runtime.assembly import Owned
from dfl_actors.runtime.doors import Door
from dfl_actors.runtime.inlet import Inlet
from dfl_actors.runtime.mail import Mail
from dfl_actors.runtime.meter import TASKS, task_of, work_of
from dfl_actors.runtime.metrics import Metrics
from dfl_actors.runtime.mishaps import OURS, mishap
from dfl_actors.runtime.net import Net
from dfl_actors.runtime.refusals import Gathering, Tally
from dfl_actors.runtime.speech import Speech
from dfl_actors.runtime.tap import Tap

STATUS_EVERY = 1_000  # Milliseconds between two reports to the supervisor.
ON_THE_CHAIN = ("trainer", "validator", "builder")  # Actors whose journal is the blockchain's: it holds what they have signed.
LONGEST_BATCH = 100  # Milliseconds of handling after which effects are performed and other sockets heard, though more may lie waiting.

Arrival = Message | Refused | None
"""What a socket gives: a message for the actor, bytes that are none, or something that is dealt with already."""

Source = Callable[[], Iterable[Arrival]]


class Driver:
    """One actor's process."""

    def __init__(
        self,
        actor: Actor,
        owned: Owned,
        mail: Mail,
        net: Net | None,
        parent: Channel,
        metrics: Metrics,
        tap: Tap,
        inlet: Inlet | None = None,
    ) -> None:
        self._actor, self._owned, self._mail, self._net, self._parent = actor, owned, mail, net, parent
        self._metrics, self._meter, self._clock, self._tap = metrics, owned.meter, owned.clock, tap
        self._running, self._started, self._stopped, self._said_ready = True, False, False, False
        self._now, self._status_at = self._clock(), 0
        neighbours = actor.settings.neighbours
        self._tally, self._gathering = Tally(neighbours), Gathering(neighbours)
        self._delivery, self._speech = Delivery(), Speech(mail, net, owned.models, tap)
        if net is not None and isinstance(actor, Gossiper):
            net.serves = actor.serves
        self._sources: dict[zmq.Socket[bytes] | int, Source] = {}
        self._poller = zmq.Poller()
        self._watch_sockets()
        if inlet is not None:
            for door in inlet.doors:
                self._watch(door, partial(inlet.requests, door))

    def _watch_sockets(self) -> None:
        self._watch(self._parent.fileno(), self._from_supervisor)
        self._watch(self._mail.publisher, self._mail.subscriptions)
        self._watch(self._mail.mailbox, self._from_mailbox)
        self._watch(self._mail.subscriber, self._mail.events)
        self._watch(self._tap.socket, self._tap.watchers)
        for name, way in self._mail.ways.items():
            self._watch(way, partial(self._from_way, name))
        if self._net is not None:
            self._watch(self._net.publisher, self._net.subscriptions)
            self._watch(self._net.router, self._net.requests)
            for door in self._net.doors:
                self._watch(door.bell, partial(self._from_door, door))

    def _watch(self, socket: zmq.Socket[bytes] | int, source: Source) -> None:
        self._sources[socket] = source
        self._poller.register(socket, zmq.POLLIN)

    # --- the loop

    def run(self) -> None:
        """Until the supervisor says quit, or is gone. Raises `DflError` for what a restart does not mend."""
        endpoints = self._net.endpoints if self._net is not None else Endpoints()
        self._say(Listening(news=endpoints.news, requests=endpoints.requests, curve=endpoints.curve))
        while self._running:
            self._turn()
            self._meter.charge("other", "network")
            self._meter.task = "other"
        self._finish()

    def _turn(self) -> None:
        ready = dict(self._poller.poll(self._timeout()))
        self._now = begun = self._clock()
        for socket in ready:
            # What was done for the one before may have ended the link that this one was of.
            for arrival in self._sources.get(socket, tuple)():
                self._take(arrival)
                self._now = self._clock()
                if self._now.mono - begun.mono > LONGEST_BATCH:
                    self._perform()
                    begun = self._now
                    if isinstance(socket, zmq.Socket):
                        break  # What comes faster than it is dealt with must not keep us from letters, and from being told to stop.
        if self._actor.wake is not None and self._now.mono >= self._actor.wake:
            self._actor.wake = None
            self._take(Tick())
        for door in () if self._net is None else self._net.doors:
            for refused in door.look(self._now.mono):
                self._take(refused)
        self._perform()
        self._report()

    def _timeout(self) -> int:
        doors = [] if self._net is None else [door.wake for door in self._net.doors]
        wishes = (self._actor.wake, self._mail.wake(), self._delivery.wake, self._status_at, *doors)
        return max(0, min(time for time in wishes if time is not None) - self._clock().mono)

    def _take(self, arrival: Arrival) -> None:
        """Let the actor handle one message, and put what it wants behind what it wanted before."""
        if arrival is None:
            return
        task = self._task(arrival)
        if task != self._meter.task:
            self._meter.charge(task, "network")
        if isinstance(arrival, Refused):
            self._refuse(arrival)
            return
        self._meter.task = task
        self._meter.turn(task, work_of(self._actor.name, arrival))
        self._delivery.handled(self._handled(arrival))
        self._meter.turn(task, "network")

    def _handled(self, message: Message) -> list[Effect]:
        """What it wants. What fails at the words of another node costs those words alone."""
        try:
            return self._actor.handle(message, self._now)
        except OURS:
            raise
        except Exception as error:
            if not message.foreign:
                raise
            self._refuse(mishap(error, type(message).__name__, self._from(message)))
            return []

    def _from(self, message: Message) -> Address:
        """The neighbour that has said it, empty where nobody has proved to be one."""
        if isinstance(message, Asked):
            return (self._actor.proved(message.peer) if isinstance(self._actor, Gossiper) else "") or message.by
        return str(getattr(message, "neighbour", getattr(message, "sender", "")))

    def _task(self, message: Message | Refused) -> str:
        return TASKS[self._actor.name] if isinstance(message, Refused) else task_of(self._actor.name, message)

    def _refuse(self, error: Refused) -> None:
        self._note(events.Refused(what="bytes", code=error.code, detail=error.detail, by=error.by))
        if error.by and isinstance(self._actor, Gossiper):
            self._delivery.handled(self._actor.handle(Garbled(neighbour=error.by, code=error.code), self._now))
        if self._tap.watched:
            self._tap.undecodable(error)

    def _perform(self, last: bool = False) -> None:
        for step in self._delivery.steps(self._now.mono, last):
            self._step(step)
        self._meter.charge(self._meter.task, "network")

    def _step(self, step: Step) -> None:
        match step:
            case Keep(key, data, held):
                self._owned.models.put(key, data, held)
            case Touch(key):
                self._owned.models.touch(key)
            case Commit(height, block):
                assert self._owned.chain is not None
                self._owned.chain.append(height, block)
            case WriteJournal(writes):
                self._write_journal(writes)
            case Note(event):
                self._note(event)
                if self._tap.watched:
                    self._tap.noted(step)
            case Deliver():
                self._mail.deliver(self._now.mono)
            case Acknowledge(letters):
                self._mail.acknowledge(letters)
                if self._tap.watched:
                    self._tap.acknowledged(letters)
            case Effect():
                self._speech.say(step)

    def _write_journal(self, writes: tuple[tuple[bytes, bytes | None], ...]) -> None:
        self._meter.charge(TASKS[self._actor.name], "network")
        self._owned.journal.commit(writes)
        self._meter.charge(TASKS[self._actor.name], "blockchain" if self._actor.name in ON_THE_CHAIN else "network")

    def _note(self, event: events.Event) -> None:
        self._tally.noted(event, self._now.wall)
        if self._gathering.passes(event):
            self._metrics.write(event, self._now.wall)

    def _note_what_was_held(self) -> None:
        for event in self._gathering.flush():
            self._metrics.write(event, self._now.wall)

    # --- sources

    def _from_mailbox(self) -> Iterator[Arrival]:
        for letter in self._mail.letters():
            if isinstance(letter, tuple):
                arrival, acknowledgement = letter
                self._delivery.owes(acknowledgement)
                yield arrival
            else:
                yield letter

    def _from_door(self, door: Door) -> Iterator[Arrival]:
        return door.rung(self._now.mono)

    def _from_neighbour(self, net: Net, address: Address) -> Iterable[Arrival]:
        return net.news(address, self._now.mono)

    def _from_way(self, name: str) -> Iterable[Arrival]:
        return self._mail.acknowledgements(name, self._now.mono)

    def _from_supervisor(self) -> Iterator[Arrival]:
        for order in self._parent.receive():
            match codec.convert(FROM_SUPERVISOR, codec.parse(order)):
                case Neighbours(where=where):
                    yield from self._connect(where)
                case Told(facts=facts):
                    yield Known(facts=facts)
                case Start(adoption=adoption):
                    yield self._begin(adoption)
                case Stop():
                    self._stopped, self._status_at = True, self._now.mono
                    self._delivery.hurry()
                    yield Stopping()
                case Happened(what=what):
                    if self._tap.watched:
                        self._tap.happened(what)
                case Quit():
                    self._running = False
                case other:
                    raise TypeError(f"{type(other).__name__} is not for an actor")
        if self._parent.ended:
            self._running = False

    def _begin(self, adoption: Adoption | None) -> Started:
        self._meter.restart()
        self._speech.dropped.clear()  # greetings to neighbours that did not listen yet are no loss
        self._started = True
        return Started(adoption=adoption)

    def _connect(self, where: Mapping[Address, Endpoints]) -> Iterator[Message]:
        net = self._net
        if net is None:
            return
        self._close(net.part(where))
        self._watch_ways(net, net.connect(where))
        yield Opened(parted=tuple(address for address in self._actor.settings.neighbours if address not in where))

    def _renew(self, net: Net) -> None:
        """Connect again where ZeroMQ does not."""
        anew, over = net.renew(self._now.mono)
        self._close(over)
        self._watch_ways(net, anew)

    def _watch_ways(self, net: Net, neighbours: Iterable[Address]) -> None:
        for address in neighbours:
            self._watch(net.subscribers[address], partial(self._from_neighbour, net, address))
            self._watch(net.dealers[address], partial(net.replies, address))

    def _close(self, over: Iterable[zmq.Socket[bytes]]) -> None:
        for socket in over:
            del self._sources[socket]
            self._poller.unregister(socket)
            socket.close(linger=0)

    # --- the supervisor

    def _report(self) -> None:
        if not self._said_ready and self._mail.listened and self._actor.ready:
            self._said_ready = True
            self._parent.send(codec.encode(self._status()))  # what it has, before work begins
            self._say(Ready())
        if self._now.mono >= self._status_at:
            self._status_at = self._now.mono + STATUS_EVERY
            if self._net is not None:
                self._renew(self._net)
            self._say(self._status())
            self._note_what_was_dropped()
            self._note_what_was_held()

    def _note_what_was_dropped(self) -> None:
        if self._started:
            for what, messages in self._speech.dropped.items():
                self._note(events.Dropped(what=what, messages=messages))
            self._speech.dropped.clear()

    def _status(self) -> Status:
        actor = self._actor
        return Status(
            counts=dict(actor.counts),
            reputations=dict(getattr(actor, "reputations", {})),
            clocks=actor.skews.reported() if isinstance(actor, Gossiper) else {},
            handshakes=self._net.handshakes.failing() if self._net is not None else {},
            rewritten=dict(getattr(actor, "rewritten", {})),
            refused=self._tally.refused(),
            refused_by=self._tally.refused_by(),
            neighbours=actor.neighbours(self._now) if isinstance(actor, Gossiper) else {},
            held=getattr(actor, "held", Holdings()),
            model=getattr(actor, "answer", ""),
            commits=self._owned.journal.commits,
            idle=actor.idle and not self._mail.waiting(),
            stopped=self._stopped,
        )

    def _say(self, message: Message) -> None:
        """Kept until the supervisor takes it; but of a status there is a new one within a second."""
        self._parent.flush()
        if not (self._parent.waiting and isinstance(message, Status)):
            self._parent.send(codec.encode(message))

    def _finish(self) -> None:
        self._now = self._clock()
        self._perform(last=True)
        self._note_what_was_dropped()
        self._note_what_was_held()
        if self._started:
            self._note(self._meter.report())
