"""What happens in which tick, before any of it is computed: who trains on which samples, who receives, who averages, what is measured.

The order within a tick is the reference simulation's: every node whose training tick has come trains a step and puts the model it sends
into the buffer of each receiver; then every node whose buffer is full averages and empties it; then the services: the mean that is forced
on everybody, accuracies, differences, and peer control. A model that is delayed or lost on a link comes later, at the beginning of its
tick, or never. None of this depends on what the models turn out to be, so it is drawn here, in order, by generators of its own for
each node, and the jobs that come out may be computed in any order that respects what they need: the result is the same on one worker
and on many. Events (`config.events`) come first in their tick. A node that is away neither trains nor averages, nothing is sent to it, and
its model is measured as it stands; what its buffer held, and what was on its way to it, is there when it comes back. Peer control alone
asks for accuracies: while it waits for them (`waits`), the next tick must not be asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypedDict

import numpy as np
import numpy.typing as npt

from dfl_actors.config.sections import Event, LabelWeights, Parameter, Sim
from dfl_actors.sim.conditions import Conditions
from dfl_actors.sim.generators import Drawn, draw_on, drawn
from dfl_actors.sim.peers import Change, Peers, PeersState

Indices = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Member:
    """A node of a simulation. `receivers` are those it sends to; `intervals` the ticks that may lie between two trainings, each
    as likely; `offers` is false for an observer, which trains nothing; `measures` what it receives, `judges` its own model, at updates.
    `accomplices` see what it averages."""

    receivers: tuple[int, ...]
    intervals: tuple[int, ...]
    buffer: int
    offers: bool = True
    measures: bool = False
    judges: bool = False
    accomplices: tuple[int, ...] = ()


class Offered(NamedTuple):
    """A model on its way: its number, and who sent it."""

    model: int
    sender: int


class Train(NamedTuple):
    """A node trains a step on these samples of the training set, and offers model `model` to so many `readers`."""

    tick: int
    node: int
    samples: Indices
    model: int
    readers: int


class Measure(NamedTuple):
    """A node measures received models, each on its own row of samples of the test set [models, tests]."""

    tick: int
    node: int
    models: tuple[int, ...]
    samples: Indices


class Update(NamedTuple):
    """A node averages what its buffer holds; `measured` says whether a `Measure` of the same models comes before. `own` are the samples
    of the test set on which it measures its own model first, if it does."""

    tick: int
    node: int
    received: tuple[Offered, ...]
    measured: bool
    own: Indices | None


class See(NamedTuple):
    """A node that attacks together with others sees what one of them averages in this tick."""

    tick: int
    node: int
    received: tuple[Offered, ...]


class Broadcast(NamedTuple):
    """These nodes get the mean of all their models."""

    tick: int
    nodes: tuple[int, ...]


class Turn(NamedTuple):
    """A node attacks from now on with `attack`, or is honest (None)."""

    tick: int
    node: int
    attack: str | None
    parameters: dict[str, Parameter]


class Check(NamedTuple):
    """A node's model is measured on these samples of the test set."""

    tick: int
    node: int
    samples: Indices


class Compare(NamedTuple):
    """The difference of all models (equation 5)."""

    tick: int


class Judge(NamedTuple):
    """A node's model is measured on samples of its own label weights, for peer control."""

    tick: int
    node: int
    samples: Indices


Job = Train | Measure | See | Update | Broadcast | Check | Compare | Judge | Turn


class Draw(Protocol):
    """Draws the samples of one node: a batch to train on, so many rows to measure models on, one row for the accuracy.
    From a `drift` on all but the last are by these label weights. `state` and `restore` are for checkpoints."""

    def batch(self) -> Indices: ...

    def tests(self, models: int) -> Indices: ...

    def check(self) -> Indices: ...

    def drift(self, given: LabelWeights) -> None: ...

    def state(self) -> list[Drawn]: ...

    def restore(self, state: list[Drawn]) -> None: ...


class TimelineState(TypedDict):
    """What a checkpoint keeps of a timeline between two ticks."""

    due: list[int]
    models: int
    steps: list[int]
    buffers: list[list[Offered]]
    coming: list[tuple[int, list[tuple[int, Offered]]]]
    peers: PeersState
    conditions: int
    rngs: list[Drawn]
    draws: list[list[Drawn]]


class Timeline:
    """The jobs of a simulation, tick after tick."""

    def __init__(
        self, members: Sequence[Member], draws: Sequence[Draw], sim: Sim, rngs: Sequence[np.random.Generator], conditions: Conditions
    ) -> None:
        """`rngs`: one for the intervals, one for links, one for peer control, one for shared test models."""
        self._conditions = conditions
        self._members, self._draws, self._sim, self._rngs = members, draws, sim, rngs
        self._rng, self._link_rng, self._peer_rng, self._test_rng = rngs
        planned = [member.receivers for member in members]
        self._peers = Peers(planned, [member.buffer for member in members], sim, self._peer_rng)
        self.steps = [0] * len(members)  # how often each node has trained by the end of the last tick that was asked for
        self._due = [0] * len(members)
        self._buffers: list[list[Offered]] = [[] for _ in members]
        self._coming: dict[int, list[tuple[int, Offered]]] = defaultdict(list)
        self._models = 0
        self._judging = 0
        self._changes: list[tuple[int, Change | Event]] = []

    @property
    def waits(self) -> bool:
        """Whether accuracies are still to come before the next tick can be asked for."""
        return self._judging > 0

    def tick(self, tick: int) -> Iterator[Job]:
        """The jobs of one tick, in an order in which they may be done; ticks are asked for one after the other, from 0 on."""
        for event in self._conditions.happen(tick):
            self._changes.append((tick, event))
            yield from self._turned(tick, event)
        for receiver, offered in self._coming.pop(tick, ()):
            self._buffers[receiver].append(offered)
        present = self._conditions.present()
        for number in present:
            member = self._members[number]
            if member.offers and self._due[number] <= tick:
                self._due[number] = tick + self._conditions.interval(number, int(self._rng.choice(member.intervals)))
                self.steps[number] += 1
                yield self._train(tick, number)
        full = [number for number in present if len(self._buffers[number]) >= self._peers.buffers[number]]
        updates = [job for number in full for job in self._update(tick, number, self._members[number])]
        yield from self._shared(updates) if self._sim.share_test_models else updates
        yield from self._serve(tick)

    def _turned(self, tick: int, event: Event) -> Iterator[Turn]:
        if event.do in ("attack", "honest"):
            number = self._conditions.number(event.node or "")
            yield Turn(tick, number, *self._conditions.attack(event))
        elif event.label_weights is not None:
            self._draws[self._conditions.number(event.node or "")].drift(event.label_weights)

    def _shared(self, jobs: Sequence[Job]) -> list[Job]:
        """Updates of one tick in which nodes take each other's models for their own when they measure, as in the reference simulation.

        There is one test model for the first models of all buffers, one for the second, and so on. All nodes set a test model before any
        measures it: it holds what the last one has set, and any may be the last.
        """
        measures = [job.models for job in jobs if isinstance(job, Measure)]
        places = range(max(map(len, measures), default=0))
        last = tuple(self._last_set([models[place] for models in measures if place < len(models)]) for place in places)
        return [job._replace(models=last[: len(job.models)]) if isinstance(job, Measure) else job for job in jobs]

    def _last_set(self, models: Sequence[int]) -> int:
        return models[int(self._test_rng.integers(len(models)))]

    def _serve(self, tick: int) -> Iterator[Job]:
        if tick and _due(tick, self._sim.broadcast_every):
            yield Broadcast(tick, self._conditions.present())
        if _due(tick, self._sim.check_every):
            for number in range(len(self._members)):
                yield Check(tick, number, self._draws[number].check())
        if _due(tick, self._sim.compare_every):
            yield Compare(tick)
        for number in self._conditions.among(self._peers.to_measure(tick)):
            self._judging += 1
            yield Judge(tick, number, self._draws[number].tests(1)[0])
        self._settle(tick)

    def _train(self, tick: int, number: int) -> Train:
        model = self._models
        self._models += 1
        readers = sum(self._send(tick, receiver, Offered(model, number)) for receiver in self._peers.receivers[number])
        return Train(tick, number, self._draws[number].batch(), model, readers)

    def _send(self, tick: int, receiver: int, offered: Offered) -> bool:
        """Put a model on its way; whether it will arrive."""
        if not self._conditions.reaches(offered.sender, receiver):
            return False
        loss, delays = self._sim.loss, self._sim.delay
        if loss and self._link_rng.random() < loss:
            return False
        delay = int(self._link_rng.choice(delays)) if len(delays) > 1 else delays[0]
        if delay:
            self._coming[tick + delay].append((receiver, offered))
        else:
            self._buffers[receiver].append(offered)
        return True

    def _update(self, tick: int, number: int, member: Member) -> Iterator[Job]:
        received = tuple(self._buffers[number])
        self._buffers[number].clear()
        if member.measures:
            models = tuple(offered.model for offered in received)
            yield Measure(tick, number, models, self._draws[number].tests(len(models)))
        yield from (See(tick, other, received) for other in member.accomplices)
        judges = member.judges or self._peers.controlled
        self._judging += self._peers.controlled
        yield Update(tick, number, received, member.measures, self._draws[number].tests(1)[0] if judges else None)

    def judged(self, tick: int, node: int, accuracy: float) -> None:
        """The accuracy of a node's own model, found in this tick."""
        if self._peers.controlled:
            self._judging -= 1
            self._peers.measured(tick, node, accuracy)
            self._settle(tick)

    def _settle(self, tick: int) -> None:
        """Let the nodes change their receivers, once all accuracies of the tick are known."""
        if not self._judging:
            self._changes += [(tick, change) for change in self._peers.change(tick, self._conditions.present())]

    def changes(self) -> list[tuple[int, Change | Event]]:
        """What peer control changed, and the events that happened, since the last call, with the tick."""
        changes, self._changes = self._changes, []
        return changes

    def waiting(self) -> dict[int, int]:
        """The models on their way or in buffers, and how many will read each."""
        return Counter(offered.model for offered in self._offered())

    def _offered(self) -> Iterator[Offered]:
        for buffer in self._buffers:
            yield from buffer
        for coming in self._coming.values():
            yield from (offered for _, offered in coming)

    def state(self) -> TimelineState:
        """What a checkpoint keeps between two ticks, as plain values; `restore` takes it."""
        return {
            "due": list(self._due),
            "models": self._models,
            "steps": list(self.steps),
            "buffers": [list(buffer) for buffer in self._buffers],
            "coming": [(tick, list(coming)) for tick, coming in self._coming.items()],
            "peers": self._peers.state(),
            "conditions": self._conditions.state(),
            "rngs": drawn(self._rngs),
            "draws": [draw.state() for draw in self._draws],
        }

    def restore(self, state: TimelineState) -> None:
        """Go on where another timeline of the same simulation was when it gave `state`."""
        self._due, self._models, self.steps = state["due"], state["models"], state["steps"]
        self._buffers = [[Offered(*one) for one in buffer] for buffer in state["buffers"]]
        for tick, coming in state["coming"]:
            self._coming[tick] = [(receiver, Offered(*offered)) for receiver, offered in coming]
        self._peers.restore(state["peers"])
        self._conditions.restore(state["conditions"])
        draw_on(self._rngs, state["rngs"])
        for number, given in self._conditions.drifts.items():
            self._draws[number].drift(given)
        for draw, its in zip(self._draws, state["draws"], strict=True):
            draw.restore(its)


def _due(tick: int, every: int) -> bool:
    return bool(every) and tick % every == 0
