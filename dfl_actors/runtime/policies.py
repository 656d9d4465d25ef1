"""What the supervisor decides by: small policies without processes or clocks, each a table of rows in the tests.

`now` is in seconds of a monotonic clock; an actor is named by whatever its caller likes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from math import isfinite

from dfl_actors.config import Config
from dfl_actors.config.sections import Run
from dfl_actors.core.control import Endpoints
from dfl_actors.core.objects import Address
from dfl_actors.errors import ConfigError

MOST_RESTARTS, RESTART_WINDOW = 5, 60.0  # An actor that crashes more often than that within so many seconds ends the run.
SILENT, BUSY = 20.0, 180.0  # Seconds after which an actor that says nothing hangs: one that does nothing either, and any.
QUIET = 10.0  # Seconds without a word after which that is told.


class Rendezvous:
    """Who must be there before anything starts. Gossipers learn where their neighbours listen once all of them are known; the start is
    when every actor has said that it is ready."""

    def __init__(
        self, actors: Iterable[str], neighbours: Mapping[Address, Sequence[Address]], elsewhere: Mapping[Address, Endpoints]
    ) -> None:
        self.waiting = dict.fromkeys(actors)
        self._neighbours, self._places = neighbours, dict(elsewhere)

    def listens(self, node: Address, place: Endpoints) -> dict[Address, dict[Address, Endpoints]]:
        """A node listens: what to tell which nodes, nothing until all their neighbours are known."""
        self._places[node] = place
        if any(other not in self._places for others in self._neighbours.values() for other in others):
            return {}
        return {address: self.around(address) for address in self._neighbours}

    def around(self, node: Address) -> dict[Address, Endpoints]:
        """Where the neighbours of a node listen, all of which are known."""
        return {other: self._places[other] for other in self._neighbours[node]}

    def ready(self, actor: str) -> bool:
        """An actor is ready: whether everybody is now."""
        self.waiting.pop(actor, None)
        return not self.waiting

    def lost(self, actor: str) -> None:
        """It crashed, and has to become ready again."""
        self.waiting[actor] = None


class Restarts:
    """How often an actor is started again: `most` times within `window` seconds."""

    def __init__(self, most: int = MOST_RESTARTS, window: float = RESTART_WINDOW) -> None:
        self.most, self._window = most, window
        self._crashes: deque[float] = deque(maxlen=most)

    def crashed(self, now: float) -> bool:
        """Whether it is started again this time."""
        if len(self._crashes) == self.most and now - self._crashes[0] < self._window:
            return False
        self._crashes.append(now)
        return True


class Ending(Enum):
    """What a run that stops does next."""

    WAIT = "wait for what is under way"
    QUIT = "say quit"
    KILL = "kill what has not ended"
    OVER = "end what is left"


DRAIN = 1.5  # Seconds for what is under way when the run stops: open drafts and letters.
GONE_WITHIN = 4.5  # Seconds after which whatever still runs is killed.
LAST_ROUND = 30.0  # Seconds for measuring all last models, once the actors have gone; a run that somebody stops has none to spare.


def ending(waited: float, idle: bool, quitting: bool, gone: bool, evaluated: bool, patience: float = GONE_WITHIN - 0.5) -> Ending:
    """`waited` seconds after the stop; `idle`: nobody has anything unfinished; `quitting`: quit was said; `gone`: all actors have ended;
    `evaluated`: the last models are saved and measured; `patience` is for the evaluator."""
    if waited > patience or (quitting and gone and evaluated):
        return Ending.OVER
    if waited > GONE_WITHIN and not gone:
        return Ending.KILL
    return Ending.QUIT if not quitting and (idle or waited > DRAIN) else Ending.WAIT


def reached(limits: Run, ran: float, accuracies: Iterable[float], heights: Iterable[int]) -> str:
    """Why a run of `ran` seconds, whose nodes are so accurate and have so many blocks, is to stop: "duration", "target", or "" if it goes
    on. Heights are looked at only once all are accurate enough."""
    if limits.duration_s and ran >= limits.duration_s:
        return "duration"
    there = limits.target and all(accuracy >= limits.target for accuracy in accuracies) and min(heights, default=0) >= limits.blocks
    return "target" if there else ""


class Liveness:
    """Who hangs: an actor reports every second, so one that has said nothing for `silent` seconds, and neither computed nor waited for
    the disk meanwhile, is stuck; after `busy` seconds it is whatever it did.

    Time counts only while it can be held against an actor: while we ourselves are awake (a step of ours longer than `NAP` counts as
    that much, so a machine that was suspended or a supervisor that was not scheduled accuses nobody), and while others are heard (all
    silent at once is the machine's doing).
    """

    NAP = 1.0
    HEARD_WITHIN = 5.0

    def __init__(self, silent: float = SILENT, busy: float = BUSY) -> None:
        self._silent, self._busy = silent, busy
        self._time = 0.0
        self._step: float | None = None
        self._anybody = 0.0
        self._heard: dict[str, float] = {}
        self._work: dict[str, tuple[float, float]] = {}
        self._told = set[str]()

    def heard(self, actor: str, now: float) -> None:
        """It said something; from the first word on it is watched."""
        self._anybody = now
        self._heard[actor] = self._time
        self._work.pop(actor, None)

    def forget(self, actor: str) -> None:
        """It ended, or need not say anything."""
        self._heard.pop(actor, None)
        self._work.pop(actor, None)
        self._told.discard(actor)

    def quiet(self) -> list[str]:
        """Who has said nothing for `QUIET` seconds, which may be its way; each once until it ends."""
        found = [actor for actor, heard in self._heard.items() if self._time - heard >= QUIET and actor not in self._told]
        self._told |= {*found}
        return found

    def silent(self, now: float, work: Callable[[str], float]) -> list[str]:
        """Who is to be killed. `work` is what an actor has done by now, a number that grows, infinite while it waits
        for the disk."""
        if self._step is not None and now - self._anybody < self.HEARD_WITHIN:
            self._time += min(now - self._step, self.NAP)
        self._step = now
        return [actor for actor, heard in self._heard.items() if self._time - heard >= self._silent / 2 and self._hangs(actor, work(actor))]

    def _hangs(self, actor: str, work: float) -> bool:
        done, since = self._work.setdefault(actor, (work if isfinite(work) else 0.0, self._heard[actor]))
        if work > done:
            since = self._time
            self._work[actor] = (work if isfinite(work) else done), since
        return self._time - since >= self._silent or self._time - self._heard[actor] >= self._busy


def check_secure(config: Config, insecure: bool) -> None:
    """Raises `ConfigError` for links that leave the machine unencrypted, unless somebody has said that they may."""
    if config.exposed and not insecure:
        raise ConfigError(
            f"{config.network.name}: {config.exposed.removeprefix('INSECURE: ')}: whoever reaches its ports can listen and disturb;"
            " leave transport.curve away, or give --insecure"
        )
