"""Every ZeroMQ socket of the program is made here, with every option that matters.

Limits: a frame above `MAXMSGSIZE` ends the connection; what a publisher may receive (subscriptions) is kept small, because a
subscription is input too. High-water marks count messages, on both ends. `LINGER` is 0: what must arrive is acknowledged
and sent again, never left to a closing socket.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import zmq

from dfl_actors.errors import Refused, TransportError
from dfl_actors.runtime.mishaps import OURS, mishap

T = TypeVar("T")
LETTER_LIMIT = 64 << 20  # Bytes in a frame inside a node.
WIRE_LIMIT = 4 << 20  # Bytes in a frame of a neighbour's servers; a chunk of a model has 2 MiB, and the configuration keeps drafts below.
REQUEST_LIMIT = 64 << 10  # Bytes in a frame of a request, whoever sends it.
GREETING_LIMIT = 4 << 10  # Bytes in a request of a peer that has not proved who it is.
SUBSCRIPTION_LIMIT = 512  # Bytes in a subscription; a CURVE handshake has more than 256.
HIGH_WATER = 10_000  # Small messages waiting on one socket.
REPLIES_WAITING = 1_000  # Replies waiting for one neighbour: it may ask for 512 pieces of news at once.
NEWS_WAITING = 256  # News waiting for one neighbour. ZeroMQ gives room back by halves of it and late: with 64, bursts of 20 lost some.
BATCHES = 16  # Batches of samples that have come to an inlet, and wait.
SUBSCRIPTIONS_WAITING = 64  # Our own, of which there is one.
REQUESTS_WAITING = 1_000  # Our own requests, which are small, waiting for one neighbour.
UNLIMITED = 0
"""What comes in between nodes: there bytes are limited, of those who come by the doors (`runtime.doors`), of others by `BACKLOG`."""
BACKLOG = 64 << 20  # Bytes of one neighbour's news, or of its replies, that have come and wait to be read.


HEARTBEAT = 2_000  # Milliseconds between ZMTP pings on tcp; a peer silent for three of them is disconnected.

NOW, NOW_MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
"""How a frame is sent or received without waiting; more frames of its message follow."""

READABLE = int(zmq.POLLIN)
MOST = 64  # Messages read from one socket before the others have their turn.
LONGEST_IPC = 107  # Bytes in the path of a Unix socket.


def make(context: zmq.Context[zmq.Socket[bytes]], kind: int, limit: int, high_water: int, coming: int | None = None) -> zmq.Socket[bytes]:
    """A socket with the options that all of ours have. `high_water` is for what goes out and, without `coming`, for what comes in."""
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, limit)
    socket.setsockopt(zmq.SNDHWM, high_water)
    socket.setsockopt(zmq.RCVHWM, high_water if coming is None else coming)
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    if kind == zmq.DEALER:
        socket.setsockopt(zmq.IMMEDIATE, 1)
    if kind == zmq.XPUB:
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
    return socket


def heartbeats(socket: zmq.Socket[bytes]) -> None:
    """What a socket between hosts needs besides. It must have no mark for what comes in: libzmq 4.3.5 ends the process when a connection
    is reset while its queue stands at its mark, and a ping, or the answer to one, is then due."""
    socket.setsockopt(zmq.HANDSHAKE_IVL, 10_000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * HEARTBEAT)
    socket.setsockopt(zmq.HEARTBEAT_TTL, 3 * HEARTBEAT)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1_000)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, 2_000)  # the system's own attempts follow each other ever more slowly
    socket.setsockopt(zmq.IPV6, 1)


def bind(socket: zmq.Socket[bytes], endpoint: str) -> str:
    """Bind, and say where. Raises `TransportError` when the address is taken or not ours."""
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise TransportError(f"{endpoint} is in use by another program: choose another transport.port or node listen") from None
        raise TransportError(
            f"{endpoint} cannot be bound ({zmq.strerror(error.errno or 0)}): correct transport.host or node listen"
        ) from None
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def send(socket: zmq.Socket[bytes], *frames: bytes | zmq.Frame) -> None:
    """Send a message now, whole. A `Frame` is not copied, so several messages may share one. Raises `zmq.Again` when there is no room.

    pyzmq's `send_multipart` looks at every frame once more and adds up its flags as enumerations, which takes twice as long.
    """
    for frame in frames[:-1]:
        socket.send(frame, NOW_MORE, copy=type(frame) is bytes)
    socket.send(frames[-1], NOW, copy=type(frames[-1]) is bytes)


def read(
    socket: zmq.Socket[bytes], frames: range, decode: Callable[..., T], wrong: Callable[[zmq.Frame], None] = lambda _: None
) -> Iterator[T | Refused]:
    """At most `MOST` messages that are there already, each decoded from its frames, which are not copied.

    The one way in which a socket of this program is read, and nothing that arrives ends its reader, whatever its shape: a message with
    a number of frames that is not in `frames`, or one that `decode` refuses or fails at, comes out as what it is refused for. `wrong` gets
    the first frame of such a one.
    Whether there is another message is asked beforehand: the exception that says no costs twice as much.
    """
    for number in range(MOST):
        if number and not more(socket):
            return
        try:
            parts = [socket.recv(NOW, copy=False)]
        except zmq.Again:
            return
        count = 1 + _rest(socket, parts, frames.stop - 1)
        found = _decoded(parts, count, frames, decode)
        if isinstance(found, Refused):
            wrong(parts[0])
        yield found


def more(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message is there to be read."""
    return bool(int(socket.get(zmq.EVENTS)) & READABLE)


def _rest(socket: zmq.Socket[bytes], parts: list[zmq.Frame], room: int) -> int:
    """Read the frames of a message after the first; how many there are. Those there is room for are added to `parts`.

    A publisher's message may lack its end: ZeroMQ takes a frame of it that looks like a subscription for one, and the frame before it still
    says that more follow. What is missing counts as a frame.
    """
    count, more = 0, parts[0].more
    while more:
        count += 1
        try:
            part = socket.recv(NOW, copy=False)
        except zmq.Again:
            break
        more = part.more
        if len(parts) < room:
            parts.append(part)
    return count


def _decoded(parts: list[zmq.Frame], count: int, frames: range, decode: Callable[..., T]) -> T | Refused:
    if count not in frames:
        return Refused("frames", f"a message of {count} frames")
    try:
        return decode(*parts)
    except Refused as error:
        return error
    except OURS:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes do to a decoder costs these bytes
        return mishap(error, "message")


def ipc(directory: Path, node: str, actor: str, what: str) -> str:
    """Endpoint of an actor's socket inside its node. Raises `TransportError` when the path is too long."""
    path = f"{directory}/{node}.{actor}.{what}"
    if len(path.encode()) > LONGEST_IPC:
        raise TransportError(f"{path} is too long for a Unix socket ({LONGEST_IPC} bytes): set TMPDIR to a shorter path")
    return f"ipc://{path}"
