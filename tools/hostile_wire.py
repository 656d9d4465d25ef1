"""A peer that speaks ZMTP by hand, over a plain TCP connection: so it can break every rule that a library would keep.

Greeting, READY, then frames: a byte of flags (1: more follow, 2: eight bytes of length, 4: a command), the length, the body.
"""

import socket
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Self

MORE, LONG, COMMAND = 1, 2, 4
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which a connection ends by a reset."""


def frame(body: bytes, flags: int = 0) -> bytes:
    """One frame, as it stands on the wire."""
    if len(body) > 255:
        return struct.pack(">BQ", flags | LONG, len(body)) + body
    return struct.pack(">BB", flags, len(body)) + body


def message(frames: Sequence[bytes]) -> bytes:
    """A whole message of several frames."""
    return b"".join(frame(body, MORE) for body in frames[:-1]) + frame(frames[-1])


def ready(kind: str) -> bytes:
    """The READY of a socket of that type."""
    properties = {"Socket-Type": kind.encode(), "Identity": b""}
    body = b"\x05READY" + b"".join(
        bytes([len(name)]) + name.encode() + struct.pack(">I", len(value)) + value for name, value in properties.items()
    )
    return frame(body, COMMAND)


class Peer:
    """A connection that has shaken hands as a socket of type `kind`: to a port, or one that was accepted at a server of ours."""

    def __init__(self, to: int | socket.socket, kind: str, patience: float = 5.0) -> None:
        self.wire = socket.create_connection(("127.0.0.1", to), patience) if isinstance(to, int) else to
        self.wire.settimeout(patience)
        self.wire.sendall(GREETING + ready(kind))
        self._read(len(GREETING))
        flags, size = self._read(2)
        if flags & LONG:
            size = int.from_bytes(bytes([size]) + self._read(7), "big")
        self._read(size)

    def _read(self, count: int) -> bytes:
        """Raises `ConnectionError` when it is closed."""
        got = b""
        while len(got) < count:
            more = self.wire.recv(count - len(got))
            if not more:
                raise ConnectionError("closed")
            got += more
        return got

    def send(self, raw: bytes) -> bool:
        """Whether the other side still takes it."""
        try:
            self.wire.sendall(raw)
        except OSError:
            return False
        return True

    def say(self, messages: Iterable[Sequence[bytes]]) -> bool:
        return self.send(b"".join(map(message, messages)))

    def closed(self, within: float = 2.0) -> bool:
        """Whether the other side ends the connection."""
        self.wire.settimeout(within)
        try:
            while self.wire.recv(1 << 16):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def reset(self) -> None:
        """End it as a machine does that has lost it."""
        with suppress(OSError):
            self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.wire.close()
