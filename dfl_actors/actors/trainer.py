"""The trainer owns the model and the optimiser's state.

A full batch trains a step; after the configured number of steps the model becomes a signed transaction. Its sequence number
is journalled before it leaves, so it is never used twice, and after a crash the last transaction is sent again byte for
byte. What the keeper averages comes back as a difference, so that a step trained meanwhile is not lost.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Literal, Protocol

import msgspec
import numpy as np

from dfl_actors.actors.base import Actor, JournalReader, Models, Settings
from dfl_actors.core import events
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import digest, encode, model_digest, reread, sha256
from dfl_actors.core.effects import Effect, Journal, Keep, Note, Publish, Tell, Touch
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.messages import Averaged, Fed, Injected, Pull, Settled, Trained, Versioned
from dfl_actors.core.objects import Record, Transaction, issue
from dfl_actors.core.words import Started, Stopping, Tick
from dfl_actors.errors import our_own
from dfl_actors.learning.momentum import Course, Optimiser
from dfl_actors.learning.privacy import FED as FED_BREAKS
from dfl_actors.learning.stock import FED
from dfl_actors.learning.weights import TrainState, decode_model, known_model

Offer = Callable[[np.ndarray, int, Mapping[str, np.ndarray]], np.ndarray]
"""What a malicious node offers in place of its own model, having offered so many before and knowing these of others."""

IN_FLIGHT = 4  # Transactions without receipts that stop a trainer which runs as fast as it can: it waits for its neighbours.


class Learner(Protocol):
    """What the trainer needs of the learning code; samples are named by their indices."""

    @property
    def optimiser(self) -> Optimiser | None: ...

    def start(self, weights: np.ndarray) -> TrainState: ...

    def train(self, state: TrainState, samples: np.ndarray, velocity: np.ndarray | None = None) -> tuple[TrainState, float]: ...

    def measure(self, weights: np.ndarray, samples: np.ndarray) -> tuple[int, int]: ...

    def encode(self, weights: np.ndarray, codec: str) -> bytes: ...


class Pool(Protocol):
    """The samples a node has received, which are its test samples too."""

    def add(self, indices: np.ndarray) -> None: ...

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray: ...

    def __len__(self) -> int: ...


class Checkpoint(Record, frozen=True, kw_only=True):
    """Where training stands: the last model, in the model store, and how far the schedule is. `serving` is the model that the node answers
    with, where its algorithm has made one."""

    sequence: int
    iteration: int
    steps: int
    samples: int
    applied: int
    model: str
    optimizer: str = ""
    serving: str = ""


class TrainerSettings(Settings, frozen=True, kw_only=True):
    """How the node trains, and what its transactions say."""

    role: Literal["normal", "observer"]
    codec: str
    ttl: int
    expiry: int
    heartbeat: int
    batch: int
    steps: int
    rate: float
    tests: int
    stock: int
    """Different samples that the node trains on, which its transactions state."""
    optimizer: str = ""
    noised: events.Noised | None = None
    """What it says of its noise, if it trains with some: the size of its batches is then drawn."""


class Trainer(Actor):
    """Publishes `Versioned`; tells the gossiper `Trained` and the injector `Pull`."""

    name = "trainer"
    settings: TrainerSettings

    def __init__(
        self,
        settings: TrainerSettings,
        key: KeyPair,
        learner: Learner,
        initial: np.ndarray,
        models: Models,
        journal: JournalReader,
        pool: Pool,
        rng: np.random.Generator,
        offer: Offer | None = None,
    ) -> None:
        super().__init__(settings)
        self._key, self._learner, self._models, self._journal, self._offer = key, learner, models, journal, offer
        self._pool, self._rng = pool, rng
        self._waiting: deque[int] = deque()
        self._in_flight: dict[str, int] = {}
        self._seen: dict[str, tuple[str, str]] = {}
        self._pulled = 0
        self._since = 0
        self._next = self._size()
        self._taken = self._fed = int(journal.get(b"fed") or b"0")
        self._owes_fed = False
        self._running = self._stopped = False
        self.model = ""
        self._point = Checkpoint(sequence=-1, iteration=0, steps=0, samples=0, applied=0, model="")
        self.state, self._course = self._recover(initial)

    def _recover(self, initial: np.ndarray) -> tuple[TrainState, Course]:
        """The state a clean stop saved, with the optimiser's, else the last transaction's model, else the initial weights."""
        saved = self._journal.get(b"point")
        if saved is not None:
            self._point = reread(Checkpoint, saved)
        self.counts.update(steps=self._point.steps, sent=self._point.sequence + 1, samples=self._point.samples)
        whole = self._journal.get(b"state")
        if whole is not None:
            vectors = np.frombuffer(whole, "<f4")
            weights, slots = vectors[: initial.size].copy(), vectors[initial.size :].copy()
            rested, course = self._at_rest(weights)
            # A topology that names another optimiser now: its state begins at rest, and the weights stay.
            fits = self._point.optimizer == self._trained_by(course) and slots.size == rested.slots.size
            fits = fits and course.take(np.frombuffer(self._journal.get(b"course") or b"", "<f4"))
            return rested._replace(slots=slots) if fits else rested, course
        with self._models.view(self._point.model) as data, our_own("model"):
            weights = initial if data is None else decode_model(data, self.settings.codec, initial.size).copy()
        return self._at_rest(weights)

    def _at_rest(self, weights: np.ndarray) -> tuple[TrainState, Course]:
        return self._learner.start(weights)._replace(iteration=self._point.iteration), Course(self._learner.optimiser, weights)

    def _trained_by(self, course: Course) -> str:
        """The name of the optimiser whose state a journal holds: that of the topology, or the one that its algorithm brings."""
        return self.settings.optimizer or course.name

    @property
    def answer(self) -> str:
        """The model that the node answers with, in the model store."""
        serving = self._point.serving
        return serving if serving and self._models.size(serving) is not None else self.model

    def on_started(self, message: Started, now: Now) -> Iterator[Effect]:
        self._running = True
        if message.adoption is not None and message.adoption.held.sequence > self._point.sequence:
            self._point = msgspec.structs.replace(self._point, sequence=message.adoption.held.sequence)
            self.counts["sent"] = self._point.sequence + 1
            yield Journal(b"point", encode(self._point))
        last = self._journal.get(b"transaction")
        if last is not None and (transaction := reread(Transaction, last)).expires > now.wall:
            yield Tell(Trained(transaction=transaction))
        yield Journal(b"state", None)
        yield Journal(b"course", None)
        yield from self._keep()
        yield Publish(Versioned(model=self.model, applied=self._point.applied))
        yield Tell(Fed(upto=self._fed, next=self._taken, again=1))
        yield from self._say_noised()
        yield from self._pull(now)

    def _say_noised(self) -> Iterator[Effect]:
        if (noised := self.settings.noised) is not None:
            yield Note(msgspec.structs.replace(noised, unclaimed=FED_BREAKS if self._taken else noised.unclaimed))

    def on_stopping(self, _: Stopping, now: Now) -> Iterator[Effect]:
        """Begin no step; save the weights and the optimiser's state, so that a resumed run goes on exactly here."""
        self._running, self._stopped, self.wake = False, True, None
        with self._models.view(self._point.serving) as data:
            answer = [] if data is None else [Keep(self._point.serving, bytes(data), held=True)]
        yield from answer  # which stays in the store: others go on to come, and it has yet to be measured and saved
        yield from self._keep()
        yield Journal(b"fed", str(self._fed).encode())
        yield Journal(b"state", self.state.weights.tobytes() + self.state.slots.tobytes())
        yield Journal(b"course", self._course.held().tobytes())
        stands = {"iteration": self.state.iteration, "optimizer": self._trained_by(self._course), "model": self.model}
        yield Journal(b"point", encode(msgspec.structs.replace(self._point, **stands)))

    def on_injected(self, message: Injected, now: Now) -> Iterator[Effect]:
        if message.samples and message.samples[0] >= FED:
            yield from self._on_fed(message.samples, now)
            return
        self._pool.add(np.asarray(message.samples, np.uint32))
        self._pulled = max(0, self._pulled - len(message.samples))
        self.count("samples", len(message.samples))
        if not self._running or self.settings.role == "observer":
            return
        self._waiting.extend(message.samples)
        yield from self._go_on(now)

    def _on_fed(self, samples: tuple[int, ...], now: Now) -> Iterator[Effect]:
        """What was fed to the node, each sample once and in order. A gap is told; what comes again is passed over, and told
        too: an injector that was restarted does not know how far we are."""
        first = samples[0] - FED
        if first > self._taken or first + len(samples) <= self._taken:
            yield Tell(Fed(upto=self._fed, next=self._taken, again=int(first > self._taken)))
        if not first <= self._taken < first + len(samples) or not self._running:
            return
        new, begun = samples[self._taken - first :], self._taken
        self._taken += len(new)
        if not begun:
            yield from self._say_noised()
        self._pool.add(np.asarray(new, np.uint32))
        self.count("samples", len(new))
        if self.settings.role == "observer":
            self._fed = self._taken
            yield from self._say_fed()
            return
        self._waiting.extend(new)
        yield from self._go_on(now)

    def _say_fed(self) -> Iterator[Effect]:
        """More of what was fed is in the model: written down, and told the injector once the neighbours keep pace."""
        yield Journal(b"fed", str(self._fed).encode())
        self._owes_fed = True
        yield from self._tell_fed()

    def _tell_fed(self) -> Iterator[Effect]:
        if self._owes_fed and len(self._in_flight) < IN_FLIGHT:
            self._owes_fed = False
            yield Tell(Fed(upto=self._fed, next=self._taken, again=0))

    def on_settled(self, message: Settled, now: Now) -> Iterator[Effect]:
        self._in_flight.pop(message.transaction, None)
        yield from self._go_on(now)

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        """What was pulled did not come: the injector was restarted, or the event was lost. Or a transaction's time is up."""
        self._pulled = 0
        if self.settings.role == "observer":
            # An observer's model changes by the keeper alone: one that was restarted would never hear of it otherwise.
            yield Publish(Versioned(model=self.model, applied=self._point.applied))
        yield from self._go_on(now)

    def _go_on(self, now: Now) -> Iterator[Effect]:
        """Train on what lies waiting, as far as the neighbours keep pace, and ask for more. At a fixed rate that may be much: one
        transaction at a time, for its model waits in memory until all is handled."""
        self._in_flight = {identity: expires for identity, expires in self._in_flight.items() if expires > now.mono}
        yield from self._tell_fed()
        last, rate = self._point.sequence, self.settings.rate
        while self._may_train() and not (rate and self._point.sequence > last):
            yield from self._train(now)
        yield from self._pull(now)
        if rate and self._may_train():
            self.wake = now.mono

    def _may_train(self) -> bool:
        return self._running and self._room() and len(self._waiting) >= self._wanted()

    def _room(self) -> bool:
        """Whether another transaction may go out: always at a fixed rate, else while the neighbours answer."""
        return bool(self.settings.rate) or len(self._in_flight) < IN_FLIGHT

    def on_averaged(self, message: Averaged, now: Now) -> Iterator[Effect]:
        self._seen |= message.received
        if message.number <= self._point.applied or self._stopped:
            # A letter that came again after a crash is in the weights of the last transaction already; one that comes after the stop
            # would change what was written down, and measured, as the node's last model.
            return
        self._point = msgspec.structs.replace(self._point, applied=message.number, serving=message.serving)
        with self._models.view(message.delta) as delta:
            if delta is None:
                yield Note(events.Lost(what="delta", id=message.delta))
                return
            weights = self.state.weights + np.frombuffer(delta, "<f4")
        self._course.average(self.state.weights, weights)
        self.state = self.state._replace(weights=weights)
        if self.settings.role == "observer":
            yield from self._keep()
            # It makes no transactions: after a crash it goes on with this model, and until then others find it by this.
            self._point = msgspec.structs.replace(self._point, model=self.model)
            yield Journal(b"point", encode(self._point))
            yield Publish(Versioned(model=self.model, applied=message.number))

    def _encoded(self, weights: np.ndarray | None = None) -> bytes:
        return self._learner.encode(self.state.weights if weights is None else weights, self.settings.codec)

    def _keep(self) -> Iterator[Effect]:
        """Put the node's present model into the store; `model` names it."""
        data = self._encoded()
        self.model = model_digest(data)
        yield Keep(self.model, data, held=True)

    def _pull(self, now: Now) -> Iterator[Effect]:
        """Ask for the samples of two transactions ahead, unless the neighbours have yet to answer; as an observer, for new tests."""
        observer = self.settings.role == "observer"
        if self._running and observer:
            self.wake = now.mono + self.settings.heartbeat
        if not self._running or self.settings.rate:
            return
        if observer:
            # Without end: the samples are for the validator too, and one that was restarted has none.
            need = max(0, self.settings.tests - self._pulled)
        elif not self._room():
            need = 0
        else:
            ahead = max(2 * self.settings.batch * self.settings.steps, self._wanted())
            need = max(0, ahead - len(self._waiting) - self._pulled)
        if need:
            self._pulled += need
            yield Tell(Pull(samples=need))
        self.wake = now.mono + self.settings.heartbeat if self._pulled or observer else min(self._in_flight.values(), default=None)

    def _wanted(self) -> int:
        """Samples that make a call of the learner worth while: all the transaction still lacks when pulled, else a batch."""
        if self.settings.noised is not None:
            return self._next
        return self.settings.batch * (1 if self.settings.rate else self.settings.steps - self._since)

    def _train(self, now: Now) -> Iterator[Effect]:
        batches = self._batches()
        steps = len(batches)
        self.state, loss = self._course.train(
            self.state, steps, lambda state, which, velocity: self._learner.train(state, batches[which], velocity)
        )
        self._fed = max(self._fed, int(batches.max(initial=0)) - FED + 1)
        self._since += steps
        self.count("steps", steps)
        if self._since >= self.settings.steps:
            self._since = 0
            yield from self._transact(loss, now)

    def _batches(self) -> np.ndarray:
        """The next batches of the samples that wait [steps, batch]; with noise one, maybe empty, in which no sample is twice."""
        if self.settings.noised is not None:
            drawn, self._next = np.unique(self._popped(self._next)), self._size()
            return drawn[None]
        steps = min(len(self._waiting) // self.settings.batch, self.settings.steps - self._since)
        return self._popped(steps * self.settings.batch).reshape(steps, self.settings.batch)

    def _popped(self, count: int) -> np.ndarray:
        return np.array([self._waiting.popleft() for _ in range(count)], np.uint32)

    def _size(self) -> int:
        """Samples of the next batch."""
        return self.settings.batch if self.settings.noised is None else int(self._rng.poisson(self.settings.batch))

    def _transact(self, loss: float, now: Now) -> Iterator[Effect]:
        tests = self._pool.draw(self.settings.tests, self._rng)
        correct, tested = self._learner.measure(self.state.weights, tests)
        data = self._encoded()
        own = model_digest(data)
        if self._offer is not None:
            yield Keep(own, data, held=True)
            data = self._offered(self._offer)
        transaction = self._sign(own if self._offer is None else model_digest(data), len(data), correct, tested, now)
        self._in_flight[digest(transaction)] = now.mono + self.settings.expiry
        self.model = own
        self.count("sent")
        self.counts["own_accuracy"] = correct / tested
        yield Keep(transaction.model, data, held=transaction.model == own)
        if self._point.serving:
            yield Touch(self._point.serving)
        yield from self._hand_over(transaction, loss)

    def _hand_over(self, transaction: Transaction, loss: float) -> Iterator[Effect]:
        """What was made is written down, then said."""
        sequence, correct, tested = transaction.sequence, transaction.correct, transaction.tested
        steps, samples = int(self.counts["steps"]), int(self.counts["samples"])
        made = {"sequence": sequence, "iteration": self.state.iteration, "model": self.model}
        self._point = msgspec.structs.replace(self._point, **made, steps=steps, samples=samples)
        raw = encode(transaction)
        yield Journal(b"transaction", raw)
        yield Journal(b"point", encode(self._point))
        if self._taken:
            yield from self._say_fed()
        yield Tell(Trained(transaction=transaction))
        yield Publish(Versioned(model=self.model, applied=self._point.applied, correct=correct, tested=tested))
        tx, loss = sha256(raw), round(loss, 6)
        yield Note(events.Trained(sequence=sequence, tx=tx, steps=steps, samples=samples, correct=correct, tested=tested, loss=loss))

    def _offered(self, offer: Offer) -> bytes:
        """The bytes of the model that an attacker offers. It sees what the store still holds of the models that were averaged."""
        with ExitStack() as stack:
            found = [(sender, stack.enter_context(self._models.view(model)), codec) for sender, (model, codec) in self._seen.items()]
            others = {sender: known_model(data, codec) for sender, data, codec in found if data is not None}
            return self._encoded(offer(self.state.weights, self._point.sequence + 1, others))

    def _sign(self, model: str, size: int, correct: int, tested: int, now: Now) -> Transaction:
        its = self.settings
        life = {"created": now.wall, "expires": now.wall + its.expiry, "ttl": its.ttl}
        what = {"model": model, "codec": its.codec, "size": size, "correct": correct, "tested": tested, "samples": its.stock}
        return issue(Transaction, self._key, its.genesis, sequence=self._point.sequence + 1, **life, **what)
