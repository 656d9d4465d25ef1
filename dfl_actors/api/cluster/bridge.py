"""A process of its own between us and Ray: whatever Ray prints goes to a log, and when it ends its process, ours goes on.

It connects to a cluster, or starts one on this machine, and does what it is told until its parent has gone. Ray ends the actors of a
driver that has gone, so that nothing stays on the cluster.
"""

import os
import pickle
import socket
from collections import Counter
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dfl_actors import __version__
from dfl_actors.api.cluster.relay import Relay
from dfl_actors.api.cluster.words import TO_BRIDGE, Begin, Connected, End, Ended, Placed, Say, Word, encode
from dfl_actors.errors import TransportError
from dfl_actors.processes import signals
from dfl_actors.processes.channel import Channel

LOOK = 0.05  # Seconds between two looks at what the parent says.
ANSWERS_WITHIN = 5.0  # Seconds in which somebody must listen at the address of a cluster.
NEEDS = "ModuleNotFoundError"  # Stands in what Ray says when a machine lacks a package.
LONGEST = 300  # Characters of an error of Ray that are shown.


def bridge(parent: Channel, address: str) -> None:
    """The life of the process. Raises `TransportError` when there is no cluster at `address`."""
    _connect(address)
    try:
        total, free = ray.cluster_resources(), ray.available_resources()
        parent.send(encode(Connected(total.get("CPU", 0.0), free.get("CPU", 0.0))))
        _Bridge(parent).run()
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    _check_answers(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        ray.init(address or None, include_dashboard=False, log_to_driver=False, logging_level="error")
    except Exception as error:
        raise TransportError(
            f"no Ray cluster at {address or 'this machine'} ({_line(error)}): start one (`ray start --head`), call this on one of its"
            " machines, or correct --address"
        ) from error
    signals.ignore()  # Ray answers SIGTERM by ending at once


def _check_answers(address: str) -> None:
    """Ray itself would wait for half a minute. Raises `TransportError`."""
    host, colon, port = address.rpartition(":")
    if not colon or "://" in address:
        if address not in ("", "auto", "local"):
            raise TransportError(f"--address {address}: not understood; write host:port, auto, or local")
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWERS_WITHIN).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TransportError(f"no Ray cluster at {address} ({reason}): start one (`ray start --head`), or correct --address") from error


class _Seat:
    """An actor of Ray, and what is to be said to its process."""

    def __init__(self, actor: Any) -> None:
        self.actor, self.waiting = actor, list[bytes]()


class _Bridge:
    def __init__(self, parent: Channel) -> None:
        self._parent, self._seats = parent, dict[int, _Seat]()
        self._placing: dict[Any, int] = {}
        self._calls: dict[Any, int] = {}
        self._closing: dict[Any, Any] = {}
        self._claimless: Counter[str] = Counter()

    def run(self) -> None:
        """Until the parent has gone, and every process too."""
        while not self._parent.ended or self._closing:
            for raw in self._parent.receive():
                self._obey(TO_BRIDGE.decode(raw))
            if self._parent.ended:
                for number in list(self._seats):
                    self._forget(number)
            pending = [*self._placing, *self._calls, *self._closing]
            if not pending:
                self._parent.wait(LOOK)
                continue
            ready, _ = ray.wait(pending, num_returns=len(pending), timeout=LOOK)
            for reference in ready:
                self._answered(reference)
            self._parent.flush()

    def _obey(self, word: Word) -> None:
        match word:
            case Begin():
                self._begin(word)
            case Say() if word.number in self._seats:
                self._seats[word.number].waiting.append(word.body)
            case End() if word.number in self._seats:
                self._forget(word.number)

    def _begin(self, word: Begin) -> None:
        where = "SPREAD" if word.cpus else NodeAffinitySchedulingStrategy(self._emptiest(), soft=False)
        remote = ray.remote(Relay).options(num_cpus=word.cpus, scheduling_strategy=where, max_restarts=0)
        seat = self._seats[word.number] = _Seat(remote.remote(*pickle.loads(word.job)))
        self._placing[seat.actor.place.remote()] = word.number

    def _emptiest(self) -> str:
        """The machine with fewest processes that claim no processor, for each of its processors: Ray itself does not spread these."""
        alive = {one["NodeID"]: one["Resources"].get("CPU", 0.0) for one in ray.nodes() if one["Alive"]}
        chosen: str = min(alive, key=lambda node: (self._claimless[node] + 1) / max(alive[node], 0.1))
        self._claimless[chosen] += 1
        return chosen

    def _answered(self, reference: Any) -> None:
        """Pass on what a process said, and call its actor again."""
        if (closed := self._closing.pop(reference, None)) is not None:
            ray.kill(closed)
            return
        number = self._placing.pop(reference, None)
        placing = number is not None
        number = self._calls.pop(reference) if number is None else number
        if (seat := self._seats.get(number)) is None:
            return
        try:
            value = ray.get(reference)
        except (ActorDiedError, ActorUnavailableError) as error:
            died = str(error)
            self._over(number, _line(error) if NEEDS in died else "its process or its machine has died", fatal=NEEDS in died)
            return
        except (RayError, RuntimeError) as error:
            self._over(number, _line(error), fatal=NEEDS in str(error))
            return
        if placing:
            self._place(number, *value)
        else:
            for body in value[0]:
                self._say(Say(number, body))
            if value[1] is not None:
                self._over(number, value[1])
                return
        self._calls[seat.actor.exchange.remote(seat.waiting)] = number
        seat.waiting = []

    def _place(self, number: int, node: str, version: str) -> None:
        machine = next((one["NodeManagerAddress"] for one in ray.nodes() if one["NodeID"] == node), "")
        if version == __version__:
            self._say(Placed(number, machine))
        else:
            self._over(number, f"dfl-actors is {version} on {machine}: install {__version__}", fatal=True)

    def _over(self, number: int, how: str, *, fatal: bool = False) -> None:
        self._say(Ended(number, how, fatal))
        self._forget(number)

    def _forget(self, number: int) -> None:
        """End the process in order, then its actor; one that Ray has not placed yet has no process."""
        actor = self._seats.pop(number).actor
        if number in self._placing.values():
            ray.kill(actor)
        else:
            self._closing[actor.close.remote()] = actor

    def _say(self, word: Word) -> None:
        self._parent.send(encode(word))


def _line(error: BaseException) -> str:
    """What Ray has to say in one line: of a traceback the error at its end."""
    text = str(error).strip()
    if NEEDS in text:
        missing = text[text.index(NEEDS) :].splitlines()[0]
        return f"a machine lacks what it needs ({missing}): install dfl-actors {__version__} with all of its extras that are used"
    return " ".join(text.split())[:LONGEST] or type(error).__name__
