"""What a scenario asks of a network, whichever driver performs it.

A scenario gets `make(plan) -> Network`. Times are in milliseconds of the network's own clock: virtual over `tests/simnet`, the
wall clock over real processes (`tests/network/processes.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

from dfl_actors.core.objects import FinalBlock

SOON = 300
"""Milliseconds in which an actor that was killed is restarted by itself, more or less."""

USUAL: dict[str, Any] = {"batch": 4, "tests": 20, "transactions": 2, "rate": 8.0, "fetch_timeout": 2_000}
"""Settings of every plan, unless it has its own: two transactions a second, a block each second."""


@dataclass(frozen=True)
class Plan:
    """A network: its links, who only observes, and what differs from the defaults, in the names and units of the actors' settings."""

    links: tuple[tuple[str, str], ...]
    observers: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    """For every node."""
    by_node: dict[str, dict[str, Any]] = field(default_factory=dict)
    seed: int = 1

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(sorted({name for link in self.links for name in link}))

    def neighbours(self, node: str) -> tuple[str, ...]:
        return tuple(sorted({a if b == node else b for a, b in self.links if node in (a, b)}))


class Network(Protocol):
    """A running network."""

    plan: Plan

    @property
    def genesis(self) -> str: ...

    @property
    def now(self) -> int: ...

    def start(self, *nodes: str) -> None:
        """Start these nodes, or all. One that runs goes on; one that was ended begins again from its stores."""

    def end(self, *nodes: str) -> None:
        """End these nodes, or all, at once, as a power cut does."""

    def kill(self, node: str, actor: str, restart_after: int | None = SOON) -> None:
        """End one actor as `kill -9` does. It is restarted by itself, unless `restart_after` is None."""

    def restart(self, node: str, actor: str) -> None:
        """Start an actor that was killed for good."""

    def cut(self, a: str, b: str) -> None:
        """Nothing passes between two nodes."""

    def heal(self, a: str, b: str) -> None: ...

    def set_clock(self, ms: int, *nodes: str) -> None:
        """Set the clocks of the machines that these nodes, or all, run on: so far ahead of the right time, or behind it."""

    def run(self, until: Callable[[], bool], within: int) -> bool:
        """Go on until the condition holds; False when it does not within so many milliseconds."""

    def address(self, node: str) -> str: ...

    def chain(self, node: str) -> list[FinalBlock]:
        """The final blocks in the node's store."""

    def notes(self, event: str, node: str | None = None) -> list[dict[str, Any]]:
        """The metrics of one event: fields, and t, node and actor."""


Make = Callable[[Plan], Network]


def full(*nodes: str) -> tuple[tuple[str, str], ...]:
    """Everyone linked with everyone."""
    return tuple((a, b) for i, a in enumerate(nodes) for b in nodes[i + 1 :])


def line(*nodes: str) -> tuple[tuple[str, str], ...]:
    return tuple(pairwise(nodes))


def ring(*nodes: str) -> tuple[tuple[str, str], ...]:
    return (*line(*nodes), (nodes[-1], nodes[0]))
