"""The injector owns the node's stream of samples: it draws them from the node's partition at the configured rate.

With a rate of 0 the trainer sets the pace: it pulls as many samples as it has room for.
"""

from collections.abc import Iterator
from typing import ClassVar, Protocol

import numpy as np

from dfl_actors.actors.base import Actor, Settings
from dfl_actors.core.effects import Effect, Publish
from dfl_actors.core.messages import Injected, Pull, Started, Stopping, Tick

SHORTEST_WAIT = 50
"""Milliseconds between two injections: faster rates inject several samples at once."""

MOST = 2048
"""Samples in one message."""


class Stream(Protocol):
    """An endless stream of indices into the node's training data."""

    def draw(self, n: int) -> np.ndarray: ...


class Injector(Actor):
    """Publishes `Injected`."""

    name = "injector"
    task: ClassVar[str] = "inject"

    def __init__(self, settings: Settings, stream: Stream) -> None:
        super().__init__(settings)
        self._stream = stream
        self._begun = 0
        self._injected = 0
        self._running = False

    def on_started(self, _: Started, now: int) -> Iterator[Effect]:
        self._begun, self._running = now, True
        self.wake = now + self._wait() if self.settings.rate else None
        yield from ()

    def on_stopping(self, _: Stopping, now: int) -> Iterator[Effect]:
        self._running, self.wake = False, None
        yield from ()

    def on_tick(self, _: Tick, now: int) -> Iterator[Effect]:
        if self._running and self.settings.rate:
            self.wake = now + self._wait()
            yield from self._inject(due(self.settings.rate, now - self._begun) - self._injected)

    def on_pull(self, message: Pull, now: int) -> Iterator[Effect]:
        if self._running and not self.settings.rate:
            yield from self._inject(message.samples)

    def _inject(self, samples: int) -> Iterator[Effect]:
        self._injected += samples
        self.count("samples", samples)
        for begin in range(0, samples, MOST):
            yield Publish(Injected(samples=tuple(self._stream.draw(min(MOST, samples - begin)).tolist())))

    def _wait(self) -> int:
        return max(SHORTEST_WAIT, round(1000 / self.settings.rate))


def due(rate: float, elapsed: int) -> int:
    """Samples that `rate` (a second) has brought after `elapsed` milliseconds."""
    return int(rate * elapsed / 1000)
