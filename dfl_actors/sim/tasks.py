"""What the engine keeps track of: jobs on their way to workers, and the slots of the slab that models on their way lie in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dfl_actors.sim.timeline import Job


@dataclass
class Task:
    """A job on its way: what it waits for, who does it (None: anybody), and what becomes of the answer."""

    job: Job | None
    name: str
    arguments: tuple[object, ...]
    done: Callable[[Any], object] = lambda nothing: None
    worker: int | None = None
    waits: int = 0
    after: list["Task"] = field(default_factory=list)
    finished: bool = False

    def follow(self, other: "Task | None") -> None:
        """Wait for `other`."""
        if other is not None and not other.finished:
            self.waits += 1
            other.after.append(self)


class Slots:
    """The slots of the slab: who holds which, and which are free."""

    def __init__(self, number: int) -> None:
        self._free = list(range(number))[::-1]
        self._slot: dict[int, int] = {}
        self._readers: dict[int, int] = {}

    def __len__(self) -> int:
        """How many are free."""
        return len(self._free)

    def take(self, model: int, readers: int) -> int:
        """A slot for a model that so many jobs will read."""
        self._slot[model], self._readers[model] = self._free.pop(), readers
        return self._slot[model]

    def of(self, model: int) -> int:
        return self._slot[model]

    def hold(self, model: int) -> None:
        """One more job will read a model that is still here."""
        self._readers[model] += 1

    def read(self, model: int) -> bool:
        """One of its readers is done; whether it was the last."""
        self._readers[model] -= 1
        if self._readers[model]:
            return False
        del self._readers[model]
        self._free.append(self._slot.pop(model))
        return True

    def held(self) -> Mapping[int, int]:
        """The slot of each model."""
        return self._slot
