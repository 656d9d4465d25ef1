"""The injector owns the node's stream of samples: it draws them from the node's partition at the configured rate.

With a rate of 0 the trainer sets the pace: it pulls as many samples as it has room for. A node that is to be slower than it can be
(`speed`) then waits before it answers, in proportion to the time that the trainer took since the last answer.

Samples that are fed to the node from outside come besides, each once: no more than `window` of them are ahead of what the trainer has
journalled, and what it has missed is published again.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from dfl_actors.actors.base import Actor, Settings
from dfl_actors.core.clock import Now
from dfl_actors.core.effects import Effect, Publish
from dfl_actors.core.messages import Fed, Injected, Pull
from dfl_actors.core.words import Started, Stocked, Stopping, Tick
from dfl_actors.learning.stock import FED

SHORTEST_WAIT = 50  # Milliseconds between two injections: faster rates inject several samples at once.
MOST = 2048  # Samples in one message.
SILENCE = 10_000  # Milliseconds without a word of the trainer after which samples that were fed are published again.
WAITING = 4  # Windows of samples that were fed, beyond which no more are taken.

LONGEST_PAUSE = 5_000
"""Milliseconds whose samples are made up for after a pause. Of a longer one (a stopped process, a machine that slept) the rest is left
out: what would have been drawn meanwhile must not come all at once."""


class Stream(Protocol):
    """An endless stream of indices into the node's training data."""

    def draw(self, n: int) -> np.ndarray: ...


class InjectorSettings(Settings, frozen=True, kw_only=True):
    """`rate` is 0 when the trainer sets the pace, at `speed` times its own. `window` samples that were fed may
    be under way to it. `ahead` samples are due at the start."""

    rate: float
    speed: float = 1.0
    window: int = 0
    ahead: int = 0


class Injector(Actor):
    """Publishes `Injected`."""

    name = "injector"
    settings: InjectorSettings

    def __init__(self, settings: InjectorSettings, stream: Stream, stocked: int = 0) -> None:
        """`stocked` samples have been fed to the node before: the trainer says which of them it still needs as soon as some come."""
        super().__init__(settings)
        self._heard_at = 0
        self._stocked, self._fed, self._sent, self._sent_before = stocked, 0, 0, 0
        self._stream = stream
        self._begun = self._last = 0
        self._injected = self._owed = 0
        self._running = False

    def on_started(self, _: Started, now: Now) -> Iterator[Effect]:
        self._begun = self._last = now.mono
        self._running = True
        yield from self._feed()
        self.wake = now.mono + self._wait() if self.settings.rate else None

    def on_stopping(self, _: Stopping, now: Now) -> None:
        self._running, self.wake = False, None

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        yield from self._feed_again(now)
        if self._running and not self.settings.rate:
            yield from self._answer(now)
        elif self._running:
            self._begun += max(0, now.mono - self._last - self._wait() - LONGEST_PAUSE)
            self._last, self.wake = now.mono, now.mono + self._wait()
            yield from self._inject(self.settings.ahead + due(self.settings.rate, now.mono - self._begun) - self._injected)

    def on_pull(self, message: Pull, now: Now) -> Iterator[Effect]:
        yield from self._feed_again(now)
        if not self._running or self.settings.rate:
            return
        self._owed += message.samples
        if self.settings.speed >= 1:
            yield from self._answer(now)
        elif self.wake is None:
            took = min(now.mono - self._last, LONGEST_PAUSE)
            self.wake = now.mono + round(took * (1 / self.settings.speed - 1))

    def _answer(self, now: Now) -> Iterator[Effect]:
        owed, self._owed, self._last = self._owed, 0, now.mono
        yield from self._inject(owed)

    def _inject(self, samples: int) -> Iterator[Effect]:
        self._injected += samples
        self.count("samples", samples)
        for begin in range(0, samples, MOST):
            yield Publish(Injected(samples=tuple(self._stream.draw(min(MOST, samples - begin)).tolist())))

    # --- samples that are fed to the node

    @property
    def full(self) -> bool:
        """Whether so many wait that no more are to be taken at present."""
        return self._stocked - self._fed >= WAITING * self.settings.window

    def on_stocked(self, message: Stocked, now: Now) -> Iterator[Effect]:
        if self._sent == self._fed:
            self._heard_at = now.mono
        self._stocked = message.count
        yield from self._feed()

    def on_fed(self, message: Fed, now: Now) -> Iterator[Effect]:
        """How far the trainer is. What it still lacks of what was published before its last word is lost, and published again."""
        self._fed, self._heard_at = message.upto, now.mono
        if message.again or message.next < self._sent_before or message.next > self._sent:
            self._sent = message.next
        self._sent_before = self._sent
        yield from self._feed()

    def _feed_again(self, now: Now) -> Iterator[Effect]:
        """What went out and was not spoken of for so long may be lost: the trainer passes over what it has."""
        if self._running and self._sent > self._fed and now.mono - self._heard_at > SILENCE:
            self._sent, self._heard_at = self._fed, now.mono
            yield from self._feed()

    def _feed(self) -> Iterator[Effect]:
        """Publish what may be under way."""
        while self._running and (count := min(self._stocked, self._fed + self.settings.window) - self._sent) > 0:
            first = FED + self._sent
            count = min(count, MOST)
            self._sent += count
            self.count("fed", count)
            yield Publish(Injected(samples=tuple(range(first, first + count))))

    def _wait(self) -> int:
        return max(SHORTEST_WAIT, round(1000 / self.settings.rate))


def due(rate: float, elapsed: int) -> int:
    """Samples that `rate` (a second) has brought after `elapsed` milliseconds."""
    return int(rate * elapsed / 1000)
