"""The gossiper's sockets between nodes: news out (XPUB) and in (a SUB for each neighbour), requests in (ROUTER) and out (a DEALER each).

News is [b"n", epoch and number, body]; a request [body]; a reply [body] or [body, bytes of a chunk]. Whatever does not decode to
exactly the bytes received is refused and counted, never raised. With CURVE, only keys on the allow-list get past the handshake.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import zmq

from dfl_actors.core import codec
from dfl_actors.core.control import Endpoints
from dfl_actors.core.family import Message
from dfl_actors.core.intake import Intake
from dfl_actors.core.letters import NUMBERS
from dfl_actors.core.messages import REPLY, REQUEST, AnyNews, Beat
from dfl_actors.core.objects import Address
from dfl_actors.core.words import Asked, Heard, Replied, Subscribed
from dfl_actors.errors import Refused
from dfl_actors.runtime import sockets
from dfl_actors.runtime.connections import Backlog
from dfl_actors.runtime.doors import SMALL, WIDE, Door
from dfl_actors.runtime.handshakes import Handshakes

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

TOPIC = b"n"
DOMAIN = b"dfl-actors"


class Curve(msgspec.Struct, frozen=True):
    """This node's transport keys (Z85) and the public keys that may connect."""

    public: bytes
    secret: bytes
    allowed: frozenset[bytes]


class AllowList:
    """Tells ZeroMQ's authenticator which public keys may connect."""

    def __init__(self, allowed: frozenset[bytes]) -> None:
        self._allowed = allowed

    def callback(self, domain: str, key: bytes) -> bool:
        return key in self._allowed


def authenticator(context: "zmq.Context[zmq.Socket[bytes]]", allowed: frozenset[bytes]) -> "ThreadAuthenticator":
    """Lets nobody but these keys into the sockets of a process that are `guarded`, until it is stopped."""
    # Here, for it brings asyncio and ssl with it, some 10 MB that a network on one machine has no use for.
    from zmq.auth.thread import ThreadAuthenticator

    made = ThreadAuthenticator(context)
    made.start()
    made.configure_curve_callback(DOMAIN.decode(), AllowList(allowed))
    return made


def guard(socket: "zmq.Socket[bytes]", curve: Curve) -> None:
    """Let the `authenticator` say who may connect."""
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = curve.public, curve.secret
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


class Net:
    """The network sockets of one node."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], bind: Endpoints, curve: Curve | None) -> None:
        self._context, self._curve = context, curve
        self._authenticator = None if curve is None else authenticator(context, curve.allowed)
        self.publisher = self._server(zmq.XPUB, sockets.SUBSCRIPTION_LIMIT, sockets.NEWS_WAITING)
        self.router = self._server(zmq.ROUTER, sockets.REQUEST_LIMIT, sockets.REPLIES_WAITING)
        self._listeners, self._askers = Door(context, self.publisher, SMALL), Door(context, self.router, WIDE)
        self.doors = (self._listeners, self._askers)
        self.serves: Callable[[bytes], bool] = lambda peer: False
        self.endpoints = Endpoints(
            news=sockets.bind(self.publisher, bind.news),
            requests=sockets.bind(self.router, bind.requests),
            curve="" if curve is None else curve.public.decode(),
        )
        self._listeners.bound(self.endpoints.news)
        self._askers.bound(self.endpoints.requests)
        self.subscribers: dict[Address, zmq.Socket[bytes]] = {}
        self.dealers: dict[Address, zmq.Socket[bytes]] = {}
        self._backlogs: dict[zmq.Socket[bytes], Backlog] = {}
        self.handshakes = Handshakes()
        self._where: dict[Address, Endpoints] = {}
        self._keys: dict[str, Address] = {}
        self._intake: Intake[AnyNews] = Intake()

    def _server(self, kind: int, limit: int, waiting: int) -> zmq.Socket[bytes]:
        socket = sockets.make(self._context, kind, limit, waiting, sockets.UNLIMITED)
        sockets.heartbeats(socket)
        if self._curve is not None:
            guard(socket, self._curve)
        return socket

    def _client(self, kind: int, curve: str, place: str, going: int) -> zmq.Socket[bytes]:
        socket = sockets.make(self._context, kind, sockets.WIRE_LIMIT, going, sockets.UNLIMITED)
        self._backlogs[socket] = Backlog(int(place.rpartition(":")[2]), sockets.BACKLOG)
        sockets.heartbeats(socket)
        if self._curve is not None:
            socket.curve_serverkey = curve.encode()
            socket.curve_publickey, socket.curve_secretkey = self._curve.public, self._curve.secret
        return socket

    def connect(self, neighbours: Mapping[Address, Endpoints]) -> list[Address]:
        """Open the ways to neighbours that have none yet; returns those neighbours. The ways to others are to be closed before (`part`)."""
        new = []
        for address, where in neighbours.items():
            if address in self.dealers:
                continue
            self._open(address, where)
            new.append(address)
        return new

    def _open(self, address: Address, where: Endpoints) -> None:
        subscriber = self._client(zmq.SUB, where.curve, where.news, sockets.SUBSCRIPTIONS_WAITING)
        dealer = self._client(zmq.DEALER, where.curve, where.requests, sockets.REQUESTS_WAITING)
        subscriber.setsockopt(zmq.SUBSCRIBE, TOPIC)
        if self._curve is not None:
            self.handshakes.watch(address, subscriber, dealer)
        subscriber.connect(where.news)
        dealer.connect(where.requests)
        self._where[address], self._keys[where.curve] = where, address
        self.subscribers[address], self.dealers[address] = subscriber, dealer

    def renew(self, now: int) -> tuple[list[Address], list[zmq.Socket[bytes]]]:
        """Make the ways anew that ZeroMQ has given up; returns whose, and the sockets that are over, for the caller to close."""
        anew = list(self.handshakes.given_up(now))
        over = [socket for address in anew for socket in self._left(address)]
        for address in anew:
            self.handshakes.forget(address)
            self._open(address, self._where[address])
        return anew, over

    def part(self, neighbours: Container[Address]) -> list[zmq.Socket[bytes]]:
        """Forget the ways to all others but these; returns their sockets, for the caller to close."""
        gone = [address for address in self.dealers if address not in neighbours]
        for address in gone:
            self.handshakes.part(address)
        return [socket for address in gone for socket in self._left(address)]

    def _left(self, address: Address) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
        """Forget the ways to a neighbour."""
        ways = self.subscribers.pop(address), self.dealers.pop(address)
        for socket in ways:
            del self._backlogs[socket]
        return ways

    def close(self) -> None:
        for door in self.doors:
            door.close()
        if self._authenticator is not None:
            self._authenticator.stop()

    # --- out

    def announce(self, epoch: int, number: int, news: Message) -> int:
        body = codec.encode(news)
        sockets.send(self.publisher, TOPIC, NUMBERS.pack(epoch, number), body)
        return len(body)

    def send(self, neighbour: Address, message: Message) -> int:
        """A request; one that cannot leave now is dropped, and the gossiper asks again. Returns its size, 0 when dropped."""
        body = codec.encode(message)
        try:
            sockets.send(self.dealers[neighbour], body)
        except (zmq.Again, KeyError):
            return 0
        return len(body)

    def answer(self, peer: bytes, message: Message, body: zmq.Frame | None) -> int:
        """A reply; a peer that has gone is not an error. Returns its size, 0 when dropped."""
        head = codec.encode(message)
        try:
            sockets.send(self.router, peer, head, *(() if body is None else (body,)))
        except (zmq.Again, zmq.ZMQError):
            return 0
        return len(head) + len(body or b"")

    # --- in

    def subscriptions(self) -> Iterator[Message | Refused | None]:
        return sockets.read(self.publisher, range(1, 2), self._subscribed, self._listeners.turn_out)

    def _subscribed(self, frame: zmq.Frame) -> Subscribed | None:
        """One topic, once a connection; whoever says anything else is refused, and disconnected."""
        said = frame.bytes
        if said.startswith(b"\x00"):
            return None  # A subscription that ends; of a connection that has ended ZeroMQ says so itself.
        if said != b"\x01" + TOPIC or not self._listeners.prove(frame):
            raise Refused("flood", "no subscription that a listener of ours makes")
        return Subscribed()

    def news(self, address: Address, now: int) -> Iterator[Message | Refused]:
        """What a neighbour says, at its pace up to the monotonic time `now` (ms)."""
        return self._of(address, self.subscribers[address], range(3, 4), partial(self._heard, address, now))

    def _heard(self, address: Address, now: int, _: zmq.Frame, numbers: zmq.Frame, body: zmq.Frame) -> Heard:
        self._backlogs[self.subscribers[address]].took(body)
        if len(numbers) != NUMBERS.size:
            raise Refused("frames", f"{len(numbers)} bytes for epoch and number")
        epoch, number = NUMBERS.unpack(numbers.bytes)
        news = self._intake.take(address, body.bytes, decoded_news, now)
        if number == 0 and not isinstance(news, Beat):
            raise Refused("frames", "news without a number")
        return Heard(neighbour=address, epoch=epoch, number=number, news=news)

    def requests(self) -> Iterator[Message | Refused]:
        return sockets.read(self.router, range(2, 3), self._asked)

    def _asked(self, peer: zmq.Frame, request: zmq.Frame) -> Asked:
        """What a peer that has not proved who it is sends is short, or not looked at."""
        if self.serves(peer.bytes):
            self._askers.prove(request)
        elif not self._askers.bears(request):
            raise Refused("flood", "too much before its proof", self._proved(request))
        elif len(request) > sockets.GREETING_LIMIT:
            self._askers.turn_out(request)
            raise Refused("flood", f"{len(request)} bytes before its proof", self._proved(request))
        return Asked(peer=peer.bytes, request=codec.decode(REQUEST, request.bytes, sockets.REQUEST_LIMIT), by=self._proved(request))

    def _proved(self, request: zmq.Frame) -> Address:
        """The neighbour whose transport key a request's connection has proved to hold; empty without CURVE."""
        return "" if self._curve is None else self._keys.get(str(request.get("User-Id")), "")

    def replies(self, address: Address) -> Iterator[Message | Refused]:
        return self._of(address, self.dealers[address], range(1, 3), partial(self._replied, address))

    def _replied(self, address: Address, reply: zmq.Frame, body: zmq.Frame | None = None) -> Replied:
        """The bytes of a chunk are a view of ZeroMQ's own memory, valid as long as it is held."""
        self._backlogs[self.dealers[address]].took(reply if body is None else body)
        message = codec.decode(REPLY, reply.bytes, sockets.WIRE_LIMIT)
        return Replied(neighbour=address, reply=message, body=b"" if body is None else body.buffer)

    def _of(
        self, address: Address, socket: zmq.Socket[bytes], frames: range, decode: Callable[..., Message]
    ) -> Iterator[Message | Refused]:
        """What a neighbour sent. Bytes that are refused bear its name, and more of them waiting than may wait are refused in its name."""
        for arrival in sockets.read(socket, frames, decode):
            if isinstance(arrival, Refused):
                arrival.by = address
            yield arrival
        backlog = self._backlogs.get(socket)
        if backlog is not None and backlog.too_long(sockets.more(socket)):
            yield Refused("flood", f"more than {sockets.BACKLOG} bytes that wait to be read", address)


def decoded_news(body: bytes) -> AnyNews:
    return codec.decode(AnyNews, body, sockets.WIRE_LIMIT)
