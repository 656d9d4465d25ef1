"""One actor and its driver, in memory: the second of the two drivers. What is performed when is decided by `core.delivery`, as it is
over real processes.

A crash may come between any two steps; what was performed before stays, the state machine, all letters not yet acknowledged to us, and
what we said inside our node and nobody has heard yet, are gone. An acknowledgement on its way is not: that is the worst of both.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dfl_actors.actors.base import Actor
from dfl_actors.core import codec, events
from dfl_actors.core.delivery import ACKNOWLEDGE_WITHIN, Acknowledge, Acknowledgement, Deliver, Delivery, Step, WriteJournal
from dfl_actors.core.effects import Announce, Answer, Commit, Effect, Keep, Note, Publish, Send, Serve, Tell, Touch
from dfl_actors.core.family import ACTORS, Message
from dfl_actors.core.gossip import chunk_of
from dfl_actors.core.letters import HEADER, NUMBERS, Inbox, Outbox
from dfl_actors.core.messages import EVENT, LETTER, Chunk
from dfl_actors.core.words import Opened, Tick
from dfl_actors.errors import Refused
from tests.scenarios.interface import SOON
from tests.simnet import marks, parts

if TYPE_CHECKING:
    from tests.simnet.network import Node, SimNetwork

LONGEST_BATCH = 4
"""Messages handled before their effects are performed."""

ASKED_AGAIN = 50
"""Milliseconds between two looks whether a node that lost its directory knows what others hold of it."""

PACE = {"trainer": (60, 100), "validator": (5, 10)}
"""How long a process takes to come to its next batch, in ms; the others take (0, 2)."""

Build = Callable[["Process"], Actor]


class Process:
    """What survives a crash is `journal`, and the node's models and chain; `start` makes the rest anew."""

    def __init__(self, network: "SimNetwork", node: "Node", name: str, build: Build) -> None:
        self.network, self.node, self.name, self._build = network, node, name, build
        self.journal = parts.Journal()
        self.dice = network.dice("process", node.name, name)
        self.starts = self.batches = self.epoch = 0
        self.lived = 0
        """Batches of this life, and of those before this one that never came far."""
        self.stalled = 0
        """Until when it stands still, as a process does that gets no time."""
        self.down = SOON
        """How long it takes until it is started again after a crash that was planned."""
        self.actor: Actor | None = None

    def start(self) -> None:
        assert self.actor is None, f"{self.node.name}.{self.name} runs already"
        network = self.network
        self.starts += 1
        self.lived = self.stalled = 0
        self.epoch = max(network.now, self.epoch + 1)
        self._outboxes = {other: Outbox(self.starts) for other in ACTORS if other != self.name}
        self._inbox = Inbox()
        self._delivery = Delivery()
        self._queue: list[tuple[Message | None, Acknowledgement | None]] = []
        self._busy = False
        self._alarm: int | None = None
        marks.begins(self)
        self.actor = self._build(self)
        if self.name == "gossiper":
            network.opened(self)
            self.take(Opened())
        # Letters may well come before the word to begin.
        network.after(self.dice.randint(0, 20), self._if_same(self._begin))

    def _begin(self) -> None:
        """The node's word to begin, or another look whether it can be said."""
        word = self.node.start_word()
        if word is None:
            self.network.after(ASKED_AGAIN, self._if_same(self._begin))
        else:
            self.take(word)

    @property
    def mono(self) -> int:
        return self.network.mono

    def crash(self) -> None:
        self.actor = None

    def take(self, message: Message | None, acknowledgement: Acknowledgement | None = None) -> None:
        """Put a message into the queue; a batch is what has gathered there by the time the actor gets to it."""
        if self.actor is None:
            return
        self._queue.append((message, acknowledgement))
        if not self._busy:
            self._busy = True
            self._handle_soon()

    def _handle_soon(self) -> None:
        self.network.after(self.dice.randint(*PACE.get(self.name, (0, 2))), self._if_same(self._handle))

    def _if_same(self, action: Callable[[], None]) -> Callable[[], None]:
        """`action`, unless the process has crashed meanwhile."""
        actor = self.actor
        return lambda: action() if self.actor is actor and actor is not None else None

    def _later(self, action: Callable[[], None]) -> bool:
        """Whether the process stands still; then `action` is for when it goes on."""
        if self.network.now >= self.stalled:
            return False
        self.network.after(self.stalled - self.network.now, self._if_same(action))
        return True

    def _handle(self) -> None:
        assert self.actor is not None
        if self._later(self._handle):
            return
        batch, self._queue = self._queue[:LONGEST_BATCH], self._queue[LONGEST_BATCH:]
        effects: list[Effect] = []
        for message, acknowledgement in batch:
            if isinstance(message, Tick):
                self.actor.wake = None
            if message is not None:
                effects += self.actor.handle(message, self.node.clock())
            if acknowledgement is not None:
                self._delivery.owes(acknowledgement)
        # With this batch, as if earlier ones had waited already, or with later ones.
        self._delivery.patience = self.dice.choice((0, ACKNOWLEDGE_WITHIN))
        self.perform(effects)
        if self.actor is not None:
            self._busy = bool(self._queue)
            if self._busy:
                self._handle_soon()
            self._set_alarm()

    def perform(self, effects: list[Effect]) -> None:
        """Perform a batch, up to the step before which the network wants this process to crash; one beyond the last is after them all."""
        self._delivery.handled(effects)
        steps = self._delivery.steps(self.mono)
        stop = self.network.crashes(self, steps)
        self.batches += 1
        for number, step in enumerate(steps):
            if self.node.full and isinstance(step, Keep | Commit | WriteJournal):
                self.network.saw(f"the disk is full for the {marks.kind(step)}")
                stop = number
            if number == stop:
                break
            self._perform(step)
        self.lived += 1
        if stop is not None and stop <= len(steps):
            marks.falls(self, steps, stop)
            self.network.kill(self.node.name, self.name, self.down)

    def _perform(self, step: Step) -> None:
        match step:
            case Keep(key, data, held):
                self.node.models.put(key, data, held)
            case Touch(key):
                self.node.models.touch(key)
            case Commit(height, block):
                self.node.chain.append(height, block)
            case WriteJournal(writes):
                self.journal.commit(writes)
            case Deliver():
                self._deliver()
            case Acknowledge(letters):
                self._acknowledge(letters)
            case Effect():
                self._speak(step)

    def _speak(self, effect: Effect) -> None:
        network, node = self.network, self.node
        if isinstance(effect, Tell | Send | Answer):
            network.saw(f"{self.name} says {type(effect.message).__name__}")
            marks.says(self, effect.message)
        if isinstance(effect, Publish):
            for listener in effect.message.hears:
                body = codec.encode(effect.message)
                network.inside(node, self.name, listener, self._if_same(partial(node.event, listener, body)))
        elif isinstance(effect, Tell):
            self._outboxes[effect.message.hears[0]].add(codec.encode(effect.message))
        elif isinstance(effect, Note):
            network.note(node.name, self.name, events.name_of(type(effect.event)), events.fields_of(effect.event))
        elif isinstance(effect, Announce):
            network.announce(node, effect.epoch, effect.number, codec.encode(effect.news))
        elif isinstance(effect, Send):
            network.send(node, effect.neighbour, codec.encode(effect.message))
        elif isinstance(effect, Answer):
            network.answer(node, effect.peer, codec.encode(effect.message), b"")
        elif isinstance(effect, Serve):
            self._serve(effect)

    def _serve(self, effect: Serve) -> None:
        with self.node.models.view(effect.model) as data:
            if data is None:
                return
            for index in range(effect.first, effect.last):
                head = codec.encode(Chunk(model=effect.model, index=index))
                self.network.answer(self.node, effect.peer, head, bytes(chunk_of(data, index)))

    # --- letters and events

    def _deliver(self) -> None:
        for other, outbox in self._outboxes.items():
            for number, body in outbox.due(self.mono) if len(outbox) else ():
                header = outbox.header(number)
                arrives = partial(self.node.letter, self.name, other, header, body)
                self.network.inside(self.node, self.name, other, self._if_same(arrives))
                outbox.sent(number, self.mono)

    def _acknowledge(self, letters: Sequence[Acknowledgement]) -> None:
        for who, header in {who: max(header for other, header in letters if other == who) for who, _ in letters}.items():
            to = who.decode()
            self.network.inside(self.node, self.name, to, partial(self.node.acknowledged, self.name, to, header))

    def on_letter(self, sender: str, header: bytes, body: bytes) -> None:
        new = self._inbox.take(sender.encode(), *HEADER.unpack(header))
        if not new:
            self.network.saw("a letter comes after a gap" if new is None else "a letter comes twice")
        if new is not None:
            self.take(codec.decode(LETTER, body) if new else None, (sender.encode(), header[: NUMBERS.size]))

    def on_acknowledged(self, sender: str, header: bytes) -> None:
        self._outboxes[sender].acknowledged(header, self.mono)
        self._deliver()

    def on_event(self, body: bytes) -> None:
        self.take(codec.decode(EVENT, body))

    def refuse(self, error: Refused) -> None:
        """Bytes from outside that are no message: noted, never raised."""
        self.network.note(self.node.name, self.name, "refused", {"what": "bytes", "id": "", "code": error.code, "by": ""})

    # --- time

    def _set_alarm(self) -> None:
        assert self.actor is not None
        # While a batch is on its way the acknowledgements go with it.
        wishes = (
            self.actor.wake,
            None if self._busy else self._delivery.wake,
            *(box.wake() for box in self._outboxes.values() if len(box)),
        )
        times = [time for time in wishes if time is not None]
        due = max(min(times, default=0), self.mono + 1)
        if times and (self._alarm is None or due < self._alarm):
            self._alarm = due
            self.network.after(due - self.mono, self._if_same(partial(self._ring, due)))

    def _ring(self, due: int) -> None:
        assert self.actor is not None
        if self._alarm != due or self._later(partial(self._ring, due)):
            return
        self._alarm = None
        if self.actor.wake is not None and self.mono >= self.actor.wake:
            self.actor.wake = None
            self.take(Tick())
        else:
            self.perform([])
        if self.actor is not None:
            self._set_alarm()
