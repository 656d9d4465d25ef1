"""Which cell is whose: hands, each busy with a cell of its own until none is left, wherever the engine has them.

A hand that is killed is followed by another, which goes on with its cell. A cell whose hands die again and again is given up, and so is
one that cannot be simulated; the others do not wait for it.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from dfl_actors.api.sweeps.cells import Order, Word
from dfl_actors.api.sweeps.engine import Engine, Hand
from dfl_actors.api.sweeps.folder import Folder
from dfl_actors.api.sweeps.plan import Cell
from dfl_actors.processes.signals import Stop

DEATHS = 3  # Hands that may die of one cell.

Watch = Callable[[Cell | None, str], None]
"""Is told of each cell that is over, with "" or why it failed, of each warning, and now and then, without a cell."""


class Pool:
    """Simulates `cells` into `folder`, `jobs` at once. `digests` are those of the data sets of cells that are over, by their source."""

    def __init__(
        self, folder: Folder, cells: Sequence[Cell], digests: Mapping[str, str], jobs: int, engine: Engine, stop: Stop, watch: Watch
    ) -> None:
        self._folder, self._waiting, self._jobs = folder, deque(cells), min(jobs, len(cells))
        self._engine, self._stop, self._watch, self._digests = engine, stop, watch, digests
        self._busy: dict[Hand, Cell] = {}
        self._done: dict[Hand, float] = {}
        self._deaths: Counter[str] = Counter()
        self._told = False

    @property
    def under_way(self) -> float:
        """How much of the cells that are under way is done, in cells."""
        return sum(self._done.get(hand, 0.0) for hand in self._busy)

    def run(self) -> None:
        """Until no cell is left, or, once signals want us to stop, none is under way. Raises the `DflError` for which none can be."""
        try:
            while self._busy or (self._waiting and not self._stop):
                while self._waiting and len(self._busy) < self._jobs and not self._stop:
                    self._give(self._engine.start())
                self._wait()
                self._tell_to_stop()
        finally:
            self._engine.end()

    def _give(self, hand: Hand) -> None:
        """The next cell, to a hand that has nothing to do."""
        cell = self._waiting.popleft()
        self._busy[hand], self._done[hand] = cell, 0.0
        data = self._digests.get(cell.source, "")
        hand.give(Order(cell.config, str(self._folder.part(cell)), str(self._folder.over(cell)), data))

    def _wait(self) -> None:
        """Hear what the hands have to say."""
        self._engine.wait()
        for hand in list(self._busy):
            for word in hand.words():
                self._hear(hand, word)
            if hand.ended and hand in self._busy:
                self._died(hand)
        self._watch(None, "")

    def _hear(self, hand: Hand, word: Word) -> None:
        if word.kind == "progress":
            self._done[hand] = word.done
            return
        if word.kind == "warning":
            self._watch(None, word.text)
            return
        cell = self._busy.pop(hand)
        if word.kind != "stopped":
            self._watch(cell, word.text)
        if self._waiting and word.kind != "stopped" and not self._stop:
            self._give(hand)
        else:
            hand.kill()  # it waits for an order

    def _died(self, hand: Hand) -> None:
        cell = self._busy.pop(hand)
        self._deaths[cell.name] += 1
        if self._deaths[cell.name] < DEATHS:
            self._waiting.appendleft(cell)
        else:
            self._watch(cell, f"its process died {DEATHS} times: give it more memory, or fewer --jobs")

    def _tell_to_stop(self) -> None:
        if self._stop and not self._told:
            self._told = True
            for hand in self._busy:
                if self._done[hand]:
                    hand.stop()
                else:
                    hand.kill()  # Reading its samples, which may take long; it has nothing to lose, or has its checkpoint.
