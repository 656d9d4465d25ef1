"""An actor's sockets inside its node: events out (XPUB) and in (SUB), a mailbox (ROUTER), a way (DEALER) to each
mailbox it writes to.

An event is [type, body]; a letter [header, body]; its acknowledgement [header]. The start barrier: a listener subscribes
last to `@` and its own name, so when the publisher has seen that of every listener, all their subscriptions stand.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import zmq

from dfl_actors.core import codec
from dfl_actors.core.family import Event, Letter, Message, heard_by, said_by
from dfl_actors.core.letters import ACKNOWLEDGEMENT, Inbox, Outbox, read_header, read_oldest
from dfl_actors.core.messages import EVENT, LETTER
from dfl_actors.runtime import sockets

MOST = 64
"""Messages taken from one socket before the others have their turn."""

_event = msgspec.json.Decoder(EVENT)
_letter = msgspec.json.Decoder(LETTER)

Acknowledgement = tuple[bytes, bytes]


class Post:
    """The sockets of one actor in one node."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], directory: Path, node: str, actor: str, epoch: int) -> None:
        def endpoint(of: str, what: str) -> str:
            return sockets.ipc(directory, node, of, what)

        self._actor, self._epoch = actor, epoch
        self._listeners = {f"@{name}".encode() for event in said_by(actor, Event) for name in event.hears}
        self._inbox = Inbox()
        self.publisher = sockets.make(context, zmq.XPUB, sockets.SUBSCRIPTION_LIMIT, sockets.HIGH_WATER)
        sockets.bind(self.publisher, endpoint(actor, "news"))
        self.mailbox = sockets.make(context, zmq.ROUTER, sockets.LETTER_LIMIT, sockets.HIGH_WATER)
        self.mailbox.setsockopt(zmq.ROUTER_HANDOVER, 1)
        sockets.bind(self.mailbox, endpoint(actor, "mail"))
        self.subscriber = sockets.make(context, zmq.SUB, sockets.LETTER_LIMIT, sockets.HIGH_WATER)
        events = heard_by(actor, Event)
        for event in events:
            self.subscriber.setsockopt(zmq.SUBSCRIBE, event.__name__.encode())
        self.subscriber.setsockopt(zmq.SUBSCRIBE, f"@{actor}".encode())
        for publisher in {event.says for event in events}:
            self.subscriber.connect(endpoint(publisher, "news"))
        self.ways: dict[str, zmq.Socket[bytes]] = {}
        self._outboxes: dict[str, Outbox] = {}
        for other in sorted({letter.hears[0] for letter in said_by(actor, Letter)}):
            way = sockets.make(context, zmq.DEALER, sockets.LETTER_LIMIT, sockets.HIGH_WATER)
            way.setsockopt(zmq.ROUTING_ID, actor.encode())
            way.connect(endpoint(other, "mail"))
            self.ways[other], self._outboxes[other] = way, Outbox(epoch)

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """Those to wait for."""
        return [self.publisher, self.mailbox, self.subscriber, *self.ways.values()]

    @property
    def listened(self) -> bool:
        """Whether every listener of our events has subscribed."""
        return not self._listeners

    def waiting(self) -> int:
        """Letters not yet acknowledged."""
        return sum(map(len, self._outboxes.values()))

    # --- out

    def publish(self, message: Message) -> int:
        """Send an event to its listeners; returns its size in bytes."""
        body = codec.encode(message)
        sockets.send(self.publisher, type(message).__name__.encode(), body)
        return len(body)

    def tell(self, message: Message) -> int:
        """Put a letter into the outbox of its recipient; returns its size in bytes."""
        body = codec.encode(message)
        self._outboxes[message.hears[0]].add(body)
        return len(body)

    def deliver(self, now: int) -> None:
        """Put the letters that are due on their way; what the sockets do not take now stays."""
        for name, outbox in self._outboxes.items():
            for number, body in outbox.due(now):
                try:
                    sockets.send(self.ways[name], outbox.header(number), body)
                except zmq.Again:
                    break
                outbox.sent(number, now)

    def wake(self) -> int | None:
        """When letters have to go again."""
        return min((time for outbox in self._outboxes.values() if (time := outbox.wake()) is not None), default=None)

    def acknowledge(self, letters: list[Acknowledgement]) -> None:
        """Tell the senders that these letters have been dealt with: one word for each, for its last letter."""
        newest: dict[bytes, bytes] = {}
        for sender, header in letters:
            newest[sender] = max(header, newest.get(sender, b""))
        for sender, header in newest.items():
            try:
                sockets.send(self.mailbox, sender, header)
            except (zmq.Again, zmq.ZMQError):
                # The sender was restarted and will send again, in a new epoch.
                continue

    # --- in

    def events(self) -> Iterator[Message]:
        for _, body in receive(self.subscriber):
            yield _event.decode(body)

    def letters(self) -> Iterator[tuple[Message | None, Acknowledgement]]:
        """New letters with what to acknowledge; a repeat has no message."""
        for sender, header, body in receive(self.mailbox):
            epoch, number = read_header(header)
            new = self._inbox.take(sender, epoch, number, read_oldest(header))
            if new is not None:
                message = _letter.decode(body) if new else None
                yield message, (sender, header[:ACKNOWLEDGEMENT])

    def acknowledgements(self, name: str, now: int) -> None:
        for (header,) in receive(self.ways[name]):
            self._outboxes[name].acknowledged(*read_header(header), now)

    def subscriptions(self) -> None:
        for (frame,) in receive(self.publisher):
            if frame[:1] == b"\x01":
                self._listeners.discard(frame[1:])


def receive(socket: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    """Messages that are there already, at most `MOST`."""
    for frames in sockets.arrived(socket, MOST):
        yield [frame.bytes for frame in frames]


def receive_frames(socket: zmq.Socket[bytes]) -> Iterator[list[memoryview]]:
    """The same without a copy: each frame is a view of ZeroMQ's own memory, valid as long as it is held."""
    for frames in sockets.arrived(socket, MOST):
        yield [frame.buffer for frame in frames]
