"""Pseudo-terminals, and what their screens show."""

import os
import struct
from fcntl import ioctl
from termios import TIOCGWINSZ, TIOCSWINSZ

import pyte
from rich.console import Console, ConsoleDimensions


class Terminal:
    """A real pseudo-terminal, and what a screen behind it shows."""

    def __init__(self, width: int, height: int) -> None:
        self._ours, theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self.screen, self.file = pyte.Screen(width, height), os.fdopen(theirs, "w")
        self._stream = pyte.ByteStream(self.screen)
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        ioctl(self.file.fileno(), TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.screen.resize(height, width)

    @property
    def size(self) -> tuple[int, int]:
        height, width = struct.unpack("HHHH", ioctl(self.file.fileno(), TIOCGWINSZ, b" " * 8))[:2]
        return width, height

    def lines(self) -> list[str]:
        """What stands on the screen."""
        self.file.flush()
        try:
            while said := os.read(self._ours, 65536):
                self._stream.feed(said)
        except BlockingIOError:
            pass
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def close(self) -> None:
        self.file.close()
        os.close(self._ours)


class Attached(Console):
    """Reads the size of a terminal that is not our own."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        super().__init__(file=terminal.file, force_terminal=True, _environ={"TERM": "xterm-256color"})

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        return ConsoleDimensions(*self._terminal.size)
