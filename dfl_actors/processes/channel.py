"""Whole messages between a process and the one that started it, over a pair of Unix sockets.

Neither end ever waits for the other: what it does not take yet stays here, in order, and goes with the next `flush`. Each process has a
channel of its own, so nothing that a dead one still had to say reaches its successor, and the end of a channel is the end of the process
at the other side of it.
"""

import os
import select
import socket
import struct
from collections.abc import Iterator
from multiprocessing.connection import Connection

LENGTH = struct.Struct(">I")
AT_ONCE = 1 << 18  # Bytes read in one go.


class Channel:
    """One end. `ended` is whether the other end is gone."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._arrived, self._waiting = bytearray(), bytearray()
        self.ended = False

    def fileno(self) -> int:
        """Readable when there are messages, or the other end is gone."""
        return self._end.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something that was sent lies here still."""
        return bool(self._waiting)

    def send(self, body: bytes) -> None:
        """Send now what can be sent, the rest later. To an end that is gone nothing is sent, which is no error."""
        self._waiting += LENGTH.pack(len(body)) + body
        self.flush()

    def flush(self) -> None:
        """Hand over what the other end takes now."""
        while self._waiting:
            try:
                del self._waiting[: self._end.send(self._waiting, socket.MSG_DONTWAIT)]
            except BlockingIOError:
                return
            except OSError:
                self._waiting.clear()

    def finish(self, within: float | None = None) -> None:
        """Wait until the other end has taken everything, at most so many seconds."""
        self.flush()
        while self._waiting and _ready(self, select.POLLOUT, within):
            self.flush()

    def wait(self, within: float | None = None) -> bool:
        """Wait, at most so many seconds, until there is something to `receive`, or the other end is gone; whether it came."""
        return bool(self._whole()) or _ready(self, select.POLLIN, within)

    def receive(self) -> Iterator[bytes]:
        """The whole messages that are there already."""
        self._fill()
        while end := self._whole():
            message = bytes(self._arrived[LENGTH.size : end])
            del self._arrived[:end]
            yield message

    def next(self) -> bytes | None:
        """The next message, waited for; None when none comes any more."""
        while True:
            for message in self.receive():
                return message
            if self.ended:
                return None
            self.wait()

    def connection(self) -> Connection:
        """Another way to the same end, whose calls wait, for two that only ever answer each other."""
        return Connection(os.dup(self._end.fileno()))

    def close(self) -> None:
        self._end.close()

    def _whole(self) -> int:
        """Where the first message ends that has arrived whole; 0 if none has."""
        end = LENGTH.size + LENGTH.unpack_from(self._arrived)[0] if len(self._arrived) >= LENGTH.size else 0
        return end if len(self._arrived) >= end else 0

    def _fill(self) -> None:
        while not self.ended:
            try:
                part = self._end.recv(AT_ONCE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                part = b""
            self._arrived += part
            self.ended = not part


def _ready(channel: Channel, event: int, within: float | None) -> bool:
    poll = select.poll()
    poll.register(channel, event)
    return bool(poll.poll(None if within is None else 1000 * within))
