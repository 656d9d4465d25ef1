"""An actor's sockets inside its node: events out (XPUB) and in (SUB), a mailbox (ROUTER), a way (DEALER) to each
mailbox it writes to.

An event is [type, body]; a letter [header, body]; its acknowledgement [header]. The start barrier: a listener subscribes
last to `@` and its own name, so when the publisher has seen that of every listener, all their subscriptions stand.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar, cast

import msgspec
import zmq

from dfl_actors.core import codec
from dfl_actors.core.delivery import Acknowledgement
from dfl_actors.core.family import Event, Letter, Message, heard_by, said_by
from dfl_actors.core.letters import HEADER, NUMBERS, Inbox, Outbox
from dfl_actors.core.messages import EVENT, LETTER
from dfl_actors.errors import Refused
from dfl_actors.runtime import sockets

M = TypeVar("M", bound=Message)


class Mail:
    """The sockets of one actor in one node."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], directory: Path, node: str, actor: str, epoch: int) -> None:
        def endpoint(of: str, what: str) -> str:
            return sockets.ipc(directory, node, of, what)

        self._listeners = {f"@{name}".encode() for event in said_by(actor, Event) for name in event.hears}
        self._inbox = Inbox()
        self._writers = {letter.says.encode() for letter in heard_by(actor, Letter)}
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
        """Put a letter into the outbox of its recipient; returns its size in bytes, 0 when it has no room."""
        body = codec.encode(message)
        return len(body) if self._outboxes[message.hears[0]].add(body) else 0

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

    def acknowledge(self, letters: Sequence[Acknowledgement]) -> None:
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

    def events(self) -> Iterator[Message | Refused]:
        return sockets.read(self.subscriber, range(2, 3), lambda name, body: decoded(EVENT, body))

    def letters(self) -> Iterator[tuple[Message | Refused | None, Acknowledgement] | Refused | None]:
        """New letters with what to acknowledge; a repeat has no message, and one after a gap is nothing."""
        return sockets.read(self.mailbox, range(3, 4), self._letter)

    def _letter(self, sender: zmq.Frame, header: zmq.Frame, body: zmq.Frame) -> tuple[Message | Refused | None, Acknowledgement] | None:
        who, head = sender.bytes, header.bytes
        if who not in self._writers or len(head) != HEADER.size:
            # A pipe that a successor took over goes on under a name of ZeroMQ's making: its writer is dead.
            raise Refused("frames", "a letter of nobody who writes here")
        new = self._inbox.take(who, *HEADER.unpack(head))
        if new is None:
            return None
        acknowledgement = (who, head[: NUMBERS.size])
        try:
            return decoded(LETTER, body) if new else None, acknowledgement
        except Refused as error:
            return error, acknowledgement

    def acknowledgements(self, name: str, now: int) -> Iterator[Refused | None]:
        return sockets.read(self.ways[name], range(1, 2), lambda header: self._acknowledged(name, header.bytes, now))

    def _acknowledged(self, name: str, header: bytes, now: int) -> None:
        if len(header) != NUMBERS.size:
            raise Refused("frames", f"an acknowledgement of {len(header)} bytes")
        self._outboxes[name].acknowledged(header, now)

    def subscriptions(self) -> Iterator[Refused | None]:
        return sockets.read(self.publisher, range(1, 2), self._subscribed)

    def _subscribed(self, frame: zmq.Frame) -> None:
        said = frame.bytes
        if said.startswith(b"\x01"):
            self._listeners.discard(said[1:])
        elif not said.startswith(b"\x00"):
            raise Refused("frames", "no subscription")


def decoded(kind: type[M], body: zmq.Frame) -> M:
    """A message of our own node. Raises `Refused`."""
    try:
        return cast("M", codec.decoder(kind).decode(body.buffer))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused("malformed", str(error)) from None
