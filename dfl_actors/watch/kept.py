"""The events of a run that goes on, as few of them as its charts need.

What is counted is in the tally; here stands what is drawn or told. Of what is drawn over time each node keeps so many points: when they are
twice as many, of each four the least and the greatest stay. What is told again and again (refusals, dropped messages) is added up, of what
changes the last stays, and of the rest the newest `MOST`.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import msgspec

from dfl_actors.core.events import (
    Announced,
    ClockOff,
    ClockSet,
    Confirmed,
    Drafted,
    Dropped,
    Evaluated,
    Event,
    Expired,
    Fetched,
    Final,
    Frames,
    ModelSent,
    ReceiptArrived,
    Refused,
    RefusedBy,
    Scored,
    Trained,
    Updated,
    WeightDifference,
)
from dfl_actors.core.recent import Recent

POINTS = 1500  # Of all nodes together, of each kind of what is drawn.
LEAST = 60  # And of each node at least.
OPINIONS = 3  # A third of that of updates: each is an opinion of everybody.
MOST = 1000  # Of each other kind.

Key = Callable[[Any], Hashable]

DRAWN: dict[type[Event], Callable[[Any], float]] = {
    Trained: lambda event: event.correct / max(event.tested, 1),
    Evaluated: lambda event: event.correct / max(event.tested, 1),
    Updated: lambda event: 0.0,
    WeightDifference: lambda event: event.overall,
    Final: lambda event: event.height,
}
"""The value that each kind of event is drawn by."""

DETAILED = ("contradiction", "shut_out")  # Codes whose every detail is told.

ADDED_UP: dict[type[Event], tuple[str, Key]] = {
    Refused: ("count", lambda event: (event.node, event.what, event.code, event.by, event.detail if event.code in DETAILED else "")),
    RefusedBy: ("count", lambda event: (event.node, event.what, event.code, event.by)),
    Dropped: ("messages", lambda event: (event.node, event.actor, event.what)),
}
"""The field that is added up, and what it is added up by."""

LAST: dict[type[Event], Key] = {
    ClockOff: lambda event: (event.node, event.by),
    ClockSet: lambda event: None,
    Frames: lambda event: (event.node, event.by),
}

COUNTED_ONLY = frozenset((Announced, ModelSent, Confirmed, Drafted))
"""What stands in the tally, and in what transactions waited for."""

TRANSACTIONS = 1000  # So many of which it is kept how far they came, in case that they expire.


class Kept:
    """The events of so many nodes. `sums` and `last` differ in what becomes of an earlier one of the same key."""

    def __init__(self, nodes: int) -> None:
        self._most = max(POINTS // max(nodes, 1), LEAST)
        self._drawn: dict[type[Event], dict[str, list[Event]]] = {kind: {} for kind in DRAWN}
        self._merged: dict[type[Event], dict[Hashable, Event]] = {kind: {} for kind in (*ADDED_UP, *LAST)}
        self._rest: dict[type[Event], deque[Event]] = {}
        self._transactions: Recent[str, list[Event]] = Recent(TRANSACTIONS)

    def add(self, event: Event) -> None:
        """Keep an event, or what it adds to those that are kept."""
        kind = type(event)
        if kind in COUNTED_ONLY:
            return
        if isinstance(event, Fetched | Scored | ReceiptArrived):
            self._witness(event.tx, event)
        elif isinstance(event, Expired):
            for one in (event, *self._transactions.pop(event.tx, ())):
                self._rest.setdefault(type(one), deque(maxlen=MOST)).append(one)
        elif kind in DRAWN:
            points = self._drawn[kind].setdefault(event.node, [])
            points.append(event)
            if len(points) > 2 * (self._most // OPINIONS if kind is Updated else self._most):
                points[:] = thinned(points, DRAWN[kind])
        elif kind in self._merged:
            self._merge(kind, event)
        else:
            self._rest.setdefault(kind, deque(maxlen=MOST)).append(event)

    def _witness(self, tx: str, event: Event) -> None:
        if tx not in self._transactions:
            self._transactions.put(tx, [])
        self._transactions[tx].append(event)

    def _merge(self, kind: type[Event], event: Event) -> None:
        field, key = ADDED_UP.get(kind, ("", LAST.get(kind)))
        assert key is not None
        merged, place = self._merged[kind], key(event)
        before = merged.get(place)
        if field and before is not None:
            event = msgspec.structs.replace(event, **{field: getattr(before, field) + getattr(event, field)})
        merged[place] = event

    def events(self) -> dict[type[Event], list[Event]]:
        """Those that are kept, by kind, each kind about in the order in which they came."""
        drawn = {kind: [event for points in nodes.values() for event in points] for kind, nodes in self._drawn.items()}
        merged = {kind: list(its.values()) for kind, its in self._merged.items()}
        rest = {kind: list(events) for kind, events in self._rest.items()}
        return {kind: events for kind, events in {**drawn, **merged, **rest}.items() if events}


def thinned(points: Sequence[Event], value: Callable[[Any], float]) -> list[Event]:
    """Of each four the least and the greatest, in their order; the last four stay."""
    kept: list[Event] = []
    for place in range(0, len(points) - 4, 4):
        four = points[place : min(place + 4, len(points) - 4)]
        places = sorted(range(len(four)), key=lambda n: value(four[n]))
        ends = sorted({places[0], places[-1]})
        kept += [four[n] for n in ends]
    return kept + list(points[-4:])
