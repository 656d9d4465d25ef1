"""What the processes of these tests do: functions of a module, for a process finds its work by its name."""

import importlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dfl_actors.errors import ChainError, ConfigError
from dfl_actors.processes.channel import Channel


def echo(parent: Channel) -> None:
    while (message := parent.next()) is not None:
        parent.send(message)


def sleep(parent: Channel) -> None:
    """Through the death of everybody else."""
    time.sleep(1000)


def fail(parent: Channel) -> None:
    raise ConfigError("nodes is 0: give at least one")


def leave(parent: Channel) -> None:
    sys.exit("enough")


def crash(parent: Channel) -> None:
    raise ValueError("a mistake in the program")


def talk(parent: Channel, size: int) -> None:
    """A large last word."""
    parent.send(bytes(size))
    parent.finish()


def look(parent: Channel) -> None:
    """Where modules are looked for, what stdin, stdout and stderr are, and which signals are ignored."""
    parent.send(repr(sys.path).encode())
    parent.send(repr([str(Path(f"/proc/self/fd/{number}").readlink()) for number in range(3)]).encode())
    parent.send(repr([signal.getsignal(number) == signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]).encode())


def imported(parent: Channel, modules: Sequence[str]) -> None:
    """Which of these are, and that the others can be."""
    there = [module for module in modules if module in sys.modules]
    importlib.import_module("matplotlib.pyplot")
    parent.send(" ".join(there).encode())


def upper(text: str) -> str:
    return text.upper()


def joined(first: bytes, second: bytes) -> bytes:
    return first + second


def refuse(path: Path) -> str:
    raise ChainError(f"{path}: block 3 has another previous")


def err(path: Path) -> str:
    raise ValueError("a mistake in the program")


def die(path: Path, number: int) -> str:
    os.kill(os.getpid(), number)
    return "alive"


def write(parent: Channel, folder: Path) -> None:
    """New files, as fast as it can, whatever anybody says."""
    for number in range(1 << 30):
        (folder / f"{os.getpid()}-{number}").touch()
        if not number:
            parent.send(b"begun")
