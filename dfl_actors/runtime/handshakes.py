"""Which neighbours a gossiper gets no encrypted link with, as monitors of its sockets to them see it, and which sockets are given up."""

from collections import Counter
from collections.abc import Iterator

import zmq
from zmq.utils.monitor import recv_monitor_message

from dfl_actors.core.objects import Address

KEY, DOOR = "key", "door"  # The neighbour has another key than we expect; or it does not know ours.
FAILURES = {zmq.Event.HANDSHAKE_FAILED_NO_DETAIL: KEY, zmq.Event.HANDSHAKE_FAILED_PROTOCOL: KEY, zmq.Event.HANDSHAKE_FAILED_AUTH: DOOR}

TWICE = 2
"""Failures in a row that are no accident: a neighbour may end in the middle of one handshake. To be turned away at the door is none."""

RENEWED_AFTER = (500, 1_000, 2_000)
"""Milliseconds after which sockets that were turned away are made anew: after the first time, the second, and every further one."""


class Handshakes:
    """A monitor for each socket to a neighbour. ZeroMQ itself connects again after any failure but one: after `DOOR` the socket is dead,
    though the neighbour may have been started again with our key since. Such ones are `given_up`, to be made anew."""

    def __init__(self) -> None:
        self._monitors: dict[Address, list[zmq.Socket[bytes]]] = {}
        self._watched: dict[Address, tuple[zmq.Socket[bytes], ...]] = {}
        self._failures: Counter[Address] = Counter()
        self._why: dict[Address, str] = {}
        self._away: dict[Address, int] = {}
        self._again: Counter[Address] = Counter()
        self._number = 0

    def watch(self, neighbour: Address, *watched: zmq.Socket[bytes]) -> None:
        """From before the sockets are connected."""
        events = zmq.Event.HANDSHAKE_SUCCEEDED
        for event in FAILURES:
            events |= event
        self._watched[neighbour], self._monitors[neighbour] = watched, []
        for socket in watched:
            # Under a name of its own: that of a monitor which has just ended may be taken still.
            self._number += 1
            self._monitors[neighbour].append(socket.get_monitor_socket(events, f"inproc://handshakes-{self._number}"))

    def forget(self, neighbour: Address) -> None:
        """Its sockets are about to be closed."""
        for monitor in self._monitors.pop(neighbour, ()):
            monitor.close(linger=0)
        for socket in self._watched.pop(neighbour, ()):
            socket.disable_monitor()
        self._away.pop(neighbour, None)

    def part(self, neighbour: Address) -> None:
        """It is no neighbour any more, and nothing is wrong with it."""
        self.forget(neighbour)
        del self._failures[neighbour], self._again[neighbour]

    def failing(self) -> dict[Address, str]:
        """With whom they fail at present, and why: `KEY` or `DOOR`."""
        self._look(0)
        return {neighbour: self._why[neighbour] for neighbour, count in self._failures.items() if count >= TWICE}

    def given_up(self, now: int) -> Iterator[Address]:
        """Whose sockets were turned away, and are to be made anew now."""
        self._look(now)
        for neighbour, since in list(self._away.items()):
            if now - since >= RENEWED_AFTER[min(self._again[neighbour], len(RENEWED_AFTER) - 1)]:
                self._again[neighbour] += 1
                yield neighbour

    def _look(self, now: int) -> None:
        for neighbour, monitors in self._monitors.items():
            for monitor in monitors:
                while monitor.poll(0):
                    self._take(neighbour, zmq.Event(recv_monitor_message(monitor)["event"]), now)

    def _take(self, neighbour: Address, event: zmq.Event, now: int) -> None:
        if event not in FAILURES:
            # The other of the two sockets may be turned away still, by one that has ended since.
            del self._failures[neighbour], self._again[neighbour]
            return
        why = self._why[neighbour] = FAILURES[event]
        self._failures[neighbour] += TWICE if why == DOOR else 1
        if why == DOOR:
            self._away.setdefault(neighbour, now)
