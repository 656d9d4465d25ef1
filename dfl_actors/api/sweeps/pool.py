"""The processes that simulate cells on this machine: one a processor, each busy with a cell of its own until none is left.

A process that is killed is followed by another, which goes on with its cell. A cell whose process dies again and again is given up, and
so is one that cannot be simulated; the others do not wait for it.
"""

import select
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from dfl_actors.api.sweeps.cells import Order, Word, work
from dfl_actors.api.sweeps.folder import Folder
from dfl_actors.api.sweeps.plan import Cell
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.forkserver import ForkServer, Process
from dfl_actors.processes.signals import Stop

DEATHS = 3  # Processes that may die of one cell.
LOOK = 0.25  # Seconds between two looks at signals and at who has died.
STOP = b"stop"

Watch = Callable[[Cell | None, str], None]
"""Is told of each cell that is over, with "" or why it failed, of each warning, and now and then, without a cell."""


class Pool:
    """Simulates `cells` into `folder`, `jobs` at once. `digests` are those of the data sets of cells that are over, by their source."""

    def __init__(
        self, folder: Folder, cells: Sequence[Cell], digests: Mapping[str, str], jobs: int, server: ForkServer, stop: Stop, watch: Watch
    ) -> None:
        self._folder, self._waiting, self._jobs = folder, deque(cells), min(jobs, len(cells))
        self._server, self._stop, self._watch, self._digests = server, stop, watch, digests
        self._busy: dict[Process, Cell] = {}
        self._done: dict[Process, float] = {}
        self._deaths: Counter[str] = Counter()
        self._told = False

    @property
    def under_way(self) -> float:
        """How much of the cells that are under way is done, in cells."""
        return sum(self._done.get(process, 0.0) for process in self._busy)

    def run(self) -> None:
        """Until no cell is left, or, once signals want us to stop, none is under way. Raises `ActorError`."""
        try:
            while self._busy or (self._waiting and not self._stop):
                while self._waiting and len(self._busy) < self._jobs and not self._stop:
                    self._give(self._server.start("cell", work, Path.cwd(), self._server.folder))
                self._wait()
                self._tell_to_stop()
        finally:
            self._server.end(list(self._busy))

    def _give(self, process: Process) -> None:
        """The next cell, to a process that has nothing to do."""
        cell = self._waiting.popleft()
        self._busy[process], self._done[process] = cell, 0.0
        data = self._digests.get(cell.source, "")
        order = Order(cell.config, str(self._folder.part(cell)), str(self._folder.over(cell)), data)
        process.channel.send(msgspec.json.encode(order))

    def _wait(self) -> None:
        """Hear what the processes have to say."""
        heard: list[ForkServer | Channel] = [self._server, *(process.channel for process in self._busy)]
        select.select(heard, [], [], LOOK)
        self._server.hear()
        for process in list(self._busy):
            for raw in process.channel.receive():
                self._hear(process, msgspec.json.decode(raw, type=Word))
            if process.channel.ended and process in self._busy:
                self._died(process)
        self._watch(None, "")

    def _hear(self, process: Process, word: Word) -> None:
        if word.kind == "progress":
            self._done[process] = word.done
            return
        if word.kind == "warning":
            self._watch(None, word.text)
            return
        cell = self._busy.pop(process)
        if word.kind != "stopped":
            self._watch(cell, word.text)
        if self._waiting and word.kind != "stopped" and not self._stop:
            self._give(process)
        else:
            process.kill()  # it waits for an order

    def _died(self, process: Process) -> None:
        cell = self._busy.pop(process)
        self._deaths[cell.name] += 1
        if self._deaths[cell.name] < DEATHS:
            self._waiting.appendleft(cell)
        else:
            self._watch(cell, f"its process died {DEATHS} times: give it more memory, or fewer --jobs")

    def _tell_to_stop(self) -> None:
        if self._stop and not self._told:
            self._told = True
            for process in self._busy:
                process.channel.send(STOP)
