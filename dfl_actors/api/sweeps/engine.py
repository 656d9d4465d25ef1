"""Who simulates the cells of a sweep. What a sweep asks of an engine stands here, and the engine of this machine: a process a processor."""

import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from dfl_actors.api.simulation import PRELOAD
from dfl_actors.api.sweeps.cells import Order, Word, work
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.forkserver import ForkServer, Process
from dfl_actors.processes.signals import Stop

MODULES = (*PRELOAD, "dfl_actors.api.sweeps.cells")  # What the fork server of the cells imports.
LOOK = 0.25  # Seconds between two looks at signals and at who has died.
STOP = b"stop"


class Hand(Protocol):
    """A process, anywhere, that simulates one cell after the other."""

    @property
    def ended(self) -> bool:
        """Whether it is gone."""

    def give(self, order: Order) -> None:
        """The next cell. What comes of it lies where the order says before the hand says so."""

    def stop(self) -> None:
        """Let it leave a checkpoint in the cell's place, and say "stopped"."""

    def words(self) -> Iterator[Word]:
        """What it has said meanwhile. Raises the `DflError` that ends the whole sweep."""

    def kill(self) -> None: ...


class Engine(Protocol):
    """Where hands are."""

    def ready(self, stop: Stop) -> int:
        """Wait until it can begin; how many hands are best. Raises `DflError`."""

    def start(self) -> Hand:
        """Another hand. Raises `ActorError`."""

    def wait(self) -> None:
        """Until one of the hands has something to say, a moment at most. Raises `DflError`."""

    def end(self) -> None:
        """Kill all hands, at once."""


class LocalHand:
    """A process of the fork server."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.kill = process.kill

    @property
    def ended(self) -> bool:
        return self.process.channel.ended

    def give(self, order: Order) -> None:
        self.process.channel.send(msgspec.json.encode(order))

    def stop(self) -> None:
        self.process.channel.send(STOP)

    def words(self) -> Iterator[Word]:
        return (msgspec.json.decode(raw, type=Word) for raw in self.process.channel.receive())


class Local:
    """This machine."""

    def __init__(self, server: ForkServer) -> None:
        self._server, self._processes = server, list[Process]()

    def ready(self, stop: Stop) -> int:
        return os.cpu_count() or 1

    def start(self) -> LocalHand:
        self._processes.append(self._server.start("cell", work, Path.cwd(), self._server.folder))
        return LocalHand(self._processes[-1])

    def wait(self) -> None:
        self._processes = [process for process in self._processes if process.exitcode is None]
        heard: list[ForkServer | Channel] = [self._server, *(process.channel for process in self._processes)]
        select.select(heard, [], [], LOOK)
        self._server.hear()

    def end(self) -> None:
        self._server.end(self._processes)
