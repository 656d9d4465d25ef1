"""When a run ran: its sessions, made from its events as they are read, and the seconds in them."""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from dfl_actors.core.events import Event, Ready, Stopped


class Session(msgspec.Struct, frozen=True):
    """A stretch of running without a break, from ready to the end, in ms since the epoch. `stopped`: it has an end, rather than goes on or
    was killed."""

    start: int
    end: int
    stopped: bool = False


class Timeline:
    """The sessions of a run, one for each ready, as its events come in the order of their file. A session ends when it was stopped, or with
    its last event if it was killed. `last` is the latest time of any event."""

    def __init__(self, started: int) -> None:
        """`started`: when a run began that was never ready."""
        self._started, self.last = started, 0
        self._starts: list[int] = []
        self._ends: dict[int, int] = {}  # The last event before the next session began, by when the session did.
        self._stops: list[int] = []

    def add(self, event: Event) -> None:
        if isinstance(event, Ready):
            if self._starts:
                self._ends[self._starts[-1]] = self.last
            self._starts.append(event.t)
        elif isinstance(event, Stopped):
            self._stops.append(event.t)
        self.last = max(self.last, event.t)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """In the order of time, none of them into the next, for a clock may have been set back."""
        if len(self._starts) < 2 and not self._stops:  # most runs, while they go on: this is asked at every event
            start = self._starts[0] if self._starts else self._started
            return (Session(start, max(self.last, start)),)
        starts = sorted(set(self._starts)) or [self._started]
        bounds = [*starts[1:], max(self.last, starts[-1]) + 1]
        return tuple(self._session(start, bound) for start, bound in zip(starts, bounds, strict=True))

    def _session(self, start: int, bound: int) -> Session:
        within = [stop for stop in self._stops if start <= stop < bound]
        if within:
            return Session(start, max(within), stopped=True)
        return Session(start, min(max(self._ends.get(start, self.last), start), bound))


def seconds_in(sessions: Sequence[Session], t: int) -> float:
    """Seconds of running until `t`, as `Run.seconds` says."""
    if len(sessions) == 1:  # most runs: this is asked for every point of every chart
        only = sessions[0]
        return max((min(t, only.end) if only.stopped else t) - only.start, 0) / 1000
    index = max(bisect_right(sessions, t, key=lambda session: session.start) - 1, 0)
    earlier = sum(session.end - session.start for session in sessions[:index])
    here = sessions[index]
    over = here.stopped or index < len(sessions) - 1
    return (earlier + max((min(t, here.end) if over else t) - here.start, 0)) / 1000
