"""Which neighbours a gossiper gets no encrypted link with, as monitors of its sockets to them see it."""

from collections import Counter

import zmq
from zmq.utils.monitor import recv_monitor_message

from dfl_actors.core.objects import Address

KEY, DOOR = "key", "door"  # The neighbour has another key than we expect; or it does not know ours.
FAILURES = {zmq.Event.HANDSHAKE_FAILED_NO_DETAIL: KEY, zmq.Event.HANDSHAKE_FAILED_PROTOCOL: KEY, zmq.Event.HANDSHAKE_FAILED_AUTH: DOOR}

TWICE = 2
"""Failures in a row that are no accident: a neighbour may end in the middle of one handshake. To be turned away at the door is none."""


class Handshakes:
    """One monitor a neighbour."""

    def __init__(self) -> None:
        self._monitors: dict[Address, zmq.Socket[bytes]] = {}
        self._failures: Counter[Address] = Counter()
        self._why: dict[Address, str] = {}

    def watch(self, neighbour: Address, socket: zmq.Socket[bytes]) -> None:
        """From before the socket is connected."""
        events = zmq.Event.HANDSHAKE_SUCCEEDED
        for event in FAILURES:
            events |= event
        self._monitors[neighbour] = socket.get_monitor_socket(events, f"inproc://handshakes-{neighbour}")

    def forget(self, neighbour: Address, socket: zmq.Socket[bytes]) -> None:
        """Before the socket is closed."""
        if self._monitors.pop(neighbour, None) is not None:
            socket.disable_monitor()
        del self._failures[neighbour]

    def failing(self) -> dict[Address, str]:
        """With whom they fail at present, and why: `KEY` or `DOOR`."""
        for neighbour, monitor in self._monitors.items():
            while monitor.poll(0):
                self._take(neighbour, zmq.Event(recv_monitor_message(monitor)["event"]))
        return {neighbour: self._why[neighbour] for neighbour, count in self._failures.items() if count >= TWICE}

    def _take(self, neighbour: Address, event: zmq.Event) -> None:
        if event in FAILURES:
            why = self._why[neighbour] = FAILURES[event]
            self._failures[neighbour] += TWICE if why == DOOR else 1
        else:
            del self._failures[neighbour]
