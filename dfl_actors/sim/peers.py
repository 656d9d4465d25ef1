"""Peer control: a node's models go to more neighbours while it learns well, and to fewer while it does not (a service of the reference).

Every node begins with no receivers. When it was last found at least `peer_high` accurate, on samples of its own label weights, it adds
the first of its planned receivers that it has not got; at most `peer_low` accurate, it drops one at random; and after a change it leaves
everything as it is for `peer_interval` ticks. With a `linear` `peer_buffer` a node waits for fewer models while fewer neighbours send to
it: its planned buffer times the share of its planned senders that send now, rounded, at least 1.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np

from dfl_actors.config.sections import Sim


class Change(NamedTuple):
    """Node `node`, found `accuracy` accurate, added or dropped the receiver `peer`, whose buffer is `buffer` from now on."""

    node: int
    accuracy: float
    added: bool
    peer: int
    buffer: int


class PeersState(TypedDict):
    """What a checkpoint keeps: of each node its receivers, its buffer, when it last changed and was last measured, and its accuracy."""

    receivers: list[list[int]]
    buffers: list[int]
    changed: list[int]
    measured: list[int]
    accuracy: list[float]


class Peers:
    """Who sends to whom. `planned` are each node's receivers, `buffers` each node's planned buffer."""

    def __init__(self, planned: Sequence[Sequence[int]], buffers: Sequence[int], sim: Sim, rng: np.random.Generator) -> None:
        self._planned, self._planned_buffers, self._sim, self._rng = planned, tuple(buffers), sim, rng
        self._senders = [sum(node in receivers for receivers in planned) for node in range(len(planned))]
        self.receivers: list[list[int]] = [[] if sim.peer_control else list(those) for those in planned]
        self.buffers = list(buffers)
        self._changed = [0] * len(planned)
        self._measured = [0] * len(planned)
        self._accuracy = [0.0] * len(planned)

    @property
    def controlled(self) -> bool:
        return self._sim.peer_control

    def to_measure(self, tick: int) -> list[int]:
        """The nodes whose accuracy is not fresh any more."""
        if not self.controlled:
            return []
        return [node for node, measured in enumerate(self._measured) if tick - measured >= self._sim.peer_interval]

    def measured(self, tick: int, node: int, accuracy: float) -> None:
        """A node was found so accurate."""
        self._measured[node], self._accuracy[node] = tick, accuracy

    def change(self, tick: int, present: Sequence[int]) -> list[Change]:
        """What these nodes change at the end of a tick, in their order."""
        if not self.controlled:
            return []
        due = [node for node in present if tick - self._changed[node] >= self._sim.peer_interval]
        return [change for node in due if (change := self._change(tick, node)) is not None]

    def _change(self, tick: int, node: int) -> Change | None:
        present, accuracy = self.receivers[node], self._accuracy[node]
        missing = [peer for peer in self._planned[node] if peer not in present]
        if accuracy >= self._sim.peer_high and missing:
            peer, added = missing[0], True
            present.append(peer)
        elif accuracy <= self._sim.peer_low and present:
            peer, added = present.pop(int(self._rng.integers(len(present)))), False
        else:
            return None
        self._changed[node] = tick
        if self._sim.peer_buffer == "linear":
            self.buffers[peer] = self._buffer(peer)
        return Change(node, accuracy, added, peer, self.buffers[peer])

    def _buffer(self, node: int) -> int:
        senders = sum(node in receivers for receivers in self.receivers)
        return max(1, int(self._planned_buffers[node] * senders / self._senders[node] + 0.5))

    def state(self) -> PeersState:
        """What a checkpoint keeps; `restore` takes it."""
        return {
            "receivers": [list(those) for those in self.receivers],
            "buffers": list(self.buffers),
            "changed": list(self._changed),
            "measured": list(self._measured),
            "accuracy": list(self._accuracy),
        }

    def restore(self, state: PeersState) -> None:
        self.receivers, self.buffers = state["receivers"], state["buffers"]
        self._changed, self._measured, self._accuracy = state["changed"], state["measured"], state["accuracy"]
