"""The keeper owns the reputations and the model buffer.

When the buffer is full it runs the reputation and averaging algorithm on the node's own model and those received, and hands
the result to the trainer as a difference against the model it started from. Differences that the trainer's latest published
model does not contain yet are added to it first, so that none is counted twice or lost.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Protocol

import numpy as np
import orjson

from dfl_actors.actors.base import Actor, JournalReader, Models, Settings, refused
from dfl_actors.core import events
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import model_digest, sha256
from dfl_actors.core.effects import Effect, Journal, Keep, Note, Publish, Tell, Touch
from dfl_actors.core.messages import Averaged, Scored, Updated, Versioned
from dfl_actors.core.words import Started, Stopping
from dfl_actors.errors import Refused
from dfl_actors.learning.plain import UNREADABLE, Unkept, packed, unpacked
from dfl_actors.learning.weights import check_norm, encode_model, known_model, norm_bound
from dfl_actors.sdk.interface import ReceivedModel, Result

MOST_PENDING = 16
"""Differences on their way to the trainer that are remembered. One that a crash swallowed is forgotten with the next that
arrives; the limit only bounds the memory while the trainer publishes nothing."""

MILLION = 1_000_000

Weighed = list[tuple[Scored, np.ndarray]]
"""Received models with their weights [P]."""


class Apply(Protocol):
    """The algorithm with its context bound: own model, received ones, reputations, own accuracy and how many own models there were since
    the last average in, the result out."""

    def __call__(
        self,
        state: object,
        own: np.ndarray,
        received: list[ReceivedModel],
        reputations: dict[str, float],
        own_accuracy: float | None,
        own_models: int,
    ) -> Result: ...


class KeeperSettings(Settings, frozen=True, kw_only=True):
    """The codec of the node's own models, and how many received ones are averaged at once."""

    codec: str
    buffer: int
    algorithm: str = ""
    """What remembers: a state of another algorithm's is not gone on with."""


class Keeper(Actor):
    """Publishes `Updated`; tells the trainer `Averaged`, with the models averaged when the node's attack is to see them (`watched`)."""

    name = "keeper"
    settings: KeeperSettings

    def __init__(
        self, settings: KeeperSettings, apply: Apply, state: object, models: Models, journal: JournalReader, watched: bool = False
    ) -> None:
        super().__init__(settings)
        self._apply, self._models, self._journal, self._watched = apply, models, journal, watched
        self._state = self._remembered(state)
        saved = journal.get(b"reputations")
        self.reputations: dict[str, float] = dict.fromkeys(settings.neighbours, 1.0) if saved is None else orjson.loads(saved)
        self._number = int(journal.get(b"number") or b"0")
        self._own: str | None = None
        self._own_accuracy: float | None = None
        self._made = 0  # own models since the last average
        self._pending: dict[int, np.ndarray] = {}
        self._left: dict[int, str] = {}  # The keys of the pending differences in the model store.
        self._buffer: list[Scored] = []

    def _remembered(self, first: object) -> object:
        """The state of the algorithm that a clean stop saved, if it is this one's; else its first."""
        saved = self._journal.get(b"memory")
        with suppress(*UNREADABLE):
            held = unpacked(saved or b"")
            return held["state"] if held["algorithm"] == self.settings.algorithm else first
        return first

    def on_started(self, _: Started, now: Now) -> Iterator[Effect]:
        """What was saved is out of date from here on."""
        yield Journal(b"memory", None)

    def on_stopping(self, _: Stopping, now: Now) -> Iterator[Effect]:
        """Save what the algorithm remembers, if it can be written: else a resumed run begins with its first state."""
        with suppress(Unkept):
            yield Journal(b"memory", packed({"algorithm": self.settings.algorithm, "state": self._state}))

    def on_versioned(self, message: Versioned, now: Now) -> None:
        self._own = message.model
        # Differences on their way change the model; its accuracy is known again with the next transaction.
        self._own_accuracy = message.correct / message.tested if message.tested else None
        self._made += message.tested > 0  # measured: of a new transaction
        self._pending = {number: delta for number, delta in self._pending.items() if number > message.applied}
        self._left = {number: key for number, key in self._left.items() if number in self._pending}

    def on_scored(self, message: Scored, now: Now) -> Iterator[Effect]:
        self._buffer.append(message)
        if self._own is not None:
            # Neighbours' models must not push out our own while the trainer waits for them, nor what it has yet to take up.
            yield from map(Touch, (self._own, *self._left.values()))
        if len(self._buffer) >= self.settings.buffer and self._own is not None:
            scores, self._buffer = self._buffer, []
            yield from self._update(self._own, scores, now)
        del self._buffer[: -self.settings.buffer]

    def _update(self, own_key: str, scores: list[Scored], now: Now) -> Iterator[Effect]:
        with ExitStack() as stack:
            own = self._load(stack, own_key, self.settings.codec)
            loaded = [(score, self._load(stack, score.model, score.codec)) for score in scores]
            received = [(score, weights) for score, weights in loaded if weights is not None]
            if own is None or len(received) < len(scores):
                yield Note(events.Lost(what="model", id=own_key))
            if own is None or not received:
                return
            for pending in self._pending.values():
                own = own + pending
            received, notes = within_norm(own, received)
            yield from notes
            if not received:
                return
            models = [
                ReceivedModel(score.generator, weights, score.correct / score.tested, score.samples or None) for score, weights in received
            ]
            result = self._apply(self._state, own, models, self.reputations, self._own_accuracy, self._made)
            delta = result.weights - own
        self._state, self.reputations, self._made = result.state, dict(result.reputations), 0
        # In order of arrival: of several models of a sender the last stays.
        seen = {score.generator: (score.model, score.codec) for score, _ in received}
        yield from self._hand_over(delta, models, seen if self._watched else {}, result, now)

    def _hand_over(
        self, delta: np.ndarray, models: list[ReceivedModel], seen: dict[str, tuple[str, str]], result: Result, now: Now
    ) -> Iterator[Effect]:
        self._number += 1
        self._pending[self._number] = delta
        if len(self._pending) > MOST_PENDING:
            self._left.pop(min(self._pending), None)
            del self._pending[min(self._pending)]
        # With the time: a number may come twice when a crash came before the journal, and a store keeps what it has first.
        key = sha256(f"{self.settings.address}/delta/{self._number}/{now.wall}".encode())
        self._left[self._number] = key
        self.count("updates")
        yield Keep(key, delta.data.cast("B"))
        serving = b"" if result.serving is None else encode_model(result.serving, self.settings.codec)
        answer = model_digest(serving) if serving else ""
        if serving:
            yield Keep(answer, serving)
        yield Journal(b"number", str(self._number).encode())
        yield Journal(b"reputations", orjson.dumps(self.reputations))
        yield Tell(Averaged(delta=key, number=self._number, received=seen, serving=answer))
        yield Publish(Updated(models=len(models), reputations={who: round(value * MILLION) for who, value in self.reputations.items()}))
        senders = {model.sender: model.accuracy for model in models}
        yield Note(events.Updated(models=len(models), senders=senders, reputations=self.reputations, notes=dict(result.notes)))

    def _load(self, stack: ExitStack, key: str, codec: str) -> np.ndarray | None:
        data = stack.enter_context(self._models.view(key))
        return None if data is None else known_model(data, codec)


def within_norm(own: np.ndarray, received: Weighed) -> tuple[Weighed, list[Effect]]:
    """Those whose norm `own` [P] allows to be averaged with it, and the notes of those that are refused."""
    bound, sound, notes = norm_bound(own), list[tuple[Scored, np.ndarray]](), list[Effect]()
    for score, weights in received:
        try:
            check_norm(weights, bound)
            sound.append((score, weights))
        except Refused as error:
            notes.append(refused(error, "model", score.model, score.generator))
    return sound, notes
