"""TCP connections below ZeroMQ's sockets: how much one has brought, by the operating system's count, and how to end a single one.

ZeroMQ names the connection that a message came by with its file descriptor, which may be something else's by the time it is looked at.
"""

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import zmq

TCP_INFO = getattr(socket, "TCP_INFO", None)  # Linux alone has it, and `tcpi_bytes_received` at this place in it.
BYTES_RECEIVED = struct.Struct("=128xQ")

Port = Callable[[socket.socket], int]


def own_port(connection: socket.socket) -> int:
    return int(connection.getsockname()[1])


def port_of_the_other(connection: socket.socket) -> int:
    return int(connection.getpeername()[1])


def descriptor_of(frame: zmq.Frame) -> int:
    """Of the connection that a frame came by; -1 for what ZeroMQ says itself."""
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return -1


@contextmanager
def _opened(descriptor: int, port: int, at: Port) -> Iterator[socket.socket | None]:
    """The connection, if the descriptor is still that of one with this port."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        yield copy if copy.family in (socket.AF_INET, socket.AF_INET6) and at(copy) == port else None


def received(descriptor: int, port: int, at: Port = own_port) -> int | None:
    """Bytes that it has brought so far (0 where the system does not count them); None when there is no such connection any more."""
    with suppress(OSError), _opened(descriptor, port, at) as connection:
        if connection is not None:
            if TCP_INFO is None:
                return 0
            info = connection.getsockopt(socket.IPPROTO_TCP, TCP_INFO, BYTES_RECEIVED.size)
            return int(BYTES_RECEIVED.unpack(info)[0]) if len(info) == BYTES_RECEIVED.size else 0
    return None


def shut(descriptor: int, port: int, at: Port = own_port) -> None:
    """End it. ZeroMQ finds it ended, as if the peer had done it."""
    with suppress(OSError), _opened(descriptor, port, at) as connection:
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)


class Backlog:
    """What has come by a connection that we opened, and waits to be read: at most `most` bytes, for no mark bounds it
    (`docs/reliability.md`). It is counted from when more messages wait than are read at once, until none does."""

    def __init__(self, port: int, most: int) -> None:
        self._port, self._most = port, most
        self._descriptor, self._read, self._since = -1, 0, -1

    def took(self, frame: zmq.Frame) -> None:
        """A message was read, of which this is the longest frame."""
        self._read += len(frame)
        if (descriptor := descriptor_of(frame)) != self._descriptor:
            self._descriptor, self._since = descriptor, -1

    def too_long(self, more: bool) -> bool:
        """After reading: whether too much waits, of a connection that has been ended then. `more`: something is there to be read."""
        brought = received(self._descriptor, self._port, port_of_the_other) if more else None
        if brought is None:
            self._since = -1
        elif self._since < 0:
            self._since, self._read = brought, 0
        elif brought - self._since - self._read > self._most:
            shut(self._descriptor, self._port, port_of_the_other)
            self._since = -1
            return True
        return False
