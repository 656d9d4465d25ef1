"""The doors of a node: who has connected to the gossiper's two servers, and how much each connection may bring.

ZeroMQ limits a frame (`MAXMSGSIZE`) and counts whole messages (the high-water mark), for all peers of a socket alike. It limits neither
the frames of one message, nor subscriptions, nor what comes before anybody has proved who it is; and where a queue stands at its mark
while its connection is reset, it ends the process (`docs/reliability.md`). So the servers have no mark for what comes in: each connection
has an allowance in bytes instead, which the operating system counts (`TCP_INFO`), a small one until its peer has proved who it is. What
brings more, or tells the publisher anything but the one subscription, is disconnected.

ZeroMQ names the connection that a message came by with its file descriptor (`runtime.connections`), and tells of those that come and go
through a monitor.
"""

import struct
from collections.abc import Iterator

import msgspec
import zmq

from dfl_actors.errors import Refused
from dfl_actors.runtime.connections import descriptor_of, received, shut

MOST_UNPROVED = 256  # Connections to one server that have proved nothing; of more the oldest is closed.
MOST_PROVED = 256  # Those that have; of more the newest is closed.
LOOK_EVERY = 25  # Milliseconds between two looks while some have proved nothing: what they bring meanwhile is held in memory.
SLOWLY = 1_000  # Milliseconds between two looks otherwise.

EVENT = struct.Struct("=Hi")  # What a monitor tells: the event, and the descriptor.


class Allowance(msgspec.Struct, frozen=True):
    """Bytes that a connection may bring at once, and in a second."""

    most: int
    rate: int


SMALL = Allowance(16 << 10, 1 << 10)  # Some forty greetings, and then two a second: until a peer has proved who it is.
WIDE = Allowance(8 << 20, 1 << 20)  # What neighbours ask for is far below.


class Connection(msgspec.Struct):
    """One that is open: what it may bring at the monotonic time `at`, by when it had `brought` so much, and whether it is to stay."""

    left: float
    at: int
    brought: int = 0
    proved: bool = False

    def pays(self, brought: int, now: int, allowance: Allowance) -> bool:
        """Whether it may have brought so much by now."""
        grown = min(allowance.most, self.left + allowance.rate * (now - self.at) / 1_000)
        self.left, self.at, self.brought = grown - (brought - self.brought), now, brought
        return self.left >= 0


class Door:
    """The connections of one server, by their descriptors. Those of peers that have proved who they are may bring what `proved` says."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", server: "zmq.Socket[bytes]", proved: Allowance) -> None:
        """To be made before the server is bound."""
        self._server, self._proved, self._open, self._cut = server, proved, dict[int, Connection](), set[int]()
        self._port = self._due = self._now = 0
        place = f"inproc://door-{id(self):x}"
        server.monitor(place, zmq.Event.ACCEPTED | zmq.Event.DISCONNECTED | zmq.Event.CLOSED)
        self.bell = context.socket(zmq.PAIR)
        self.bell.setsockopt(zmq.LINGER, 0)
        self.bell.setsockopt(zmq.RCVHWM, 0)  # With a mark, ZeroMQ's own thread would wait here until we read.
        self.bell.connect(place)

    def bound(self, endpoint: str) -> None:
        """Where the server listens."""
        self._port = int(endpoint.rpartition(":")[2])

    def close(self) -> None:
        self._server.disable_monitor()
        self.bell.close()

    def _hear(self) -> None:
        """Who has come, and gone."""
        while int(self.bell.get(zmq.EVENTS)) & zmq.POLLIN:
            event, descriptor = EVENT.unpack(self.bell.recv_multipart()[0])
            self._open.pop(descriptor, None)
            if event == zmq.Event.ACCEPTED:
                self._cut.discard(descriptor)
                self._open[descriptor] = Connection(SMALL.most, self._now)
                self._due = min(self._due, self._now + LOOK_EVERY)

    def rung(self, now: int) -> Iterator[Refused]:
        """Take in who has come and gone; too many that have proved nothing are refused."""
        self._now = now
        self._hear()
        unproved = [descriptor for descriptor, one in self._open.items() if not one.proved]
        for descriptor in unproved[: max(0, len(unproved) - MOST_UNPROVED)]:
            yield self.refuse(descriptor, f"more than {MOST_UNPROVED} connections that have proved nothing")

    @property
    def wake(self) -> int:
        """When to look again, in monotonic time."""
        return self._due

    def look(self, now: int) -> Iterator[Refused]:
        """Disconnect who has brought more than it may, if it is time."""
        self._now = now
        if now < self._due:
            return
        for descriptor, one in list(self._open.items()):
            brought = received(descriptor, self._port)
            if brought is None:
                del self._open[descriptor]
            elif not one.pays(brought, now, self._proved if one.proved else SMALL):
                yield self.refuse(descriptor, f"{brought} bytes on a connection")
        self._due = now + (SLOWLY if all(one.proved for one in self._open.values()) else LOOK_EVERY)

    def prove(self, frame: zmq.Frame) -> bool:
        """Whoever sent this is to stay; false when that was known. Raises `Refused` when there are enough."""
        if descriptor_of(frame) not in self._open:
            self._hear()
        one = self._open.get(descriptor_of(frame))
        if one is None or one.proved:
            return one is None
        if sum(other.proved for other in self._open.values()) >= MOST_PROVED:
            raise self.refuse(descriptor_of(frame), f"more than {MOST_PROVED} connections")
        one.proved, one.left = True, self._proved.most
        return True

    def bears(self, frame: zmq.Frame) -> bool:
        """Whether the connection of a peer that has proved nothing may have brought what it has. If not it is disconnected, and what it
        still had in the queue is not borne either."""
        descriptor = descriptor_of(frame)
        if descriptor not in self._open:
            self._hear()
        one, brought = self._open.get(descriptor), received(descriptor, self._port)
        if one is not None and brought is not None and not one.pays(brought, self._now, SMALL):
            self.refuse(descriptor, "")
        return descriptor not in self._cut

    def turn_out(self, frame: zmq.Frame) -> None:
        """Disconnect whoever sent this."""
        self.refuse(descriptor_of(frame), "")

    def refuse(self, descriptor: int, why: str) -> Refused:
        """Disconnect it. ZeroMQ finds its connection ended, as if the peer had done it."""
        self._open.pop(descriptor, None)
        self._cut.add(descriptor)
        shut(descriptor, self._port)
        return Refused("flood", why)
