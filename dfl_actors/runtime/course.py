"""What the topology's events have made of the nodes of a supervisor by now, and the actors that begin, end and begin anew because of it.

The course of a run goes on where its last start left it: how long the network has run is kept in the run directory.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from dfl_actors.config import Config, Node
from dfl_actors.config.events import after, link_ends, seconds, timetable
from dfl_actors.config.sections import Event
from dfl_actors.core.control import Quit, Stop
from dfl_actors.core.family import ACTORS
from dfl_actors.files import read_bytes, whole
from dfl_actors.runtime.children import Child
from dfl_actors.runtime.policies import Ending, ending

FILE = "events.json"  # In the run directory: for how many seconds the network has run, of a run that has events.
KEPT_EVERY = 10.0  # Seconds after which that is written again.


class Course:
    """Which nodes are away, which links are cut, and what else has become of each node."""

    def __init__(self, config: Config, folder: Path, resumed: bool) -> None:
        """Raises `StoreError` for a damaged file."""
        self._config, self._path = config, folder / FILE
        self._to_come = timetable(config)
        self._next = next(self._to_come, None)
        self._nodes = {node.name: node for node in config.nodes}
        self._cut: set[frozenset[str]] = set()
        self.away: set[str] = set()
        self._before = self._kept = self._past() if resumed and self._next is not None else 0.0
        if self._before:
            for event in self._until(self._before):
                self._take(event)

    def _past(self) -> float:
        """For how long the network had run when that was last written down."""
        try:
            return msgspec.json.decode(read_bytes(self._path), type=dict[str, float])["elapsed"]
        except (OSError, msgspec.MsgspecError, KeyError):
            return 0.0

    def due(self, elapsed: float) -> Iterator[Event]:
        """What happens now, `elapsed` seconds after the network was ready this time, each once it holds. Raises `StoreError`."""
        now = self._before + elapsed
        for event in self._until(now):
            self._take(event)
            self.keep(now)
            yield event
        if self._next is not None and now - self._kept > KEPT_EVERY:
            self.keep(now)

    def _until(self, now: float) -> Iterator[Event]:
        while self._next is not None and seconds(self._next, self._config.sim.tick_s) <= now:
            event, self._next = self._next, next(self._to_come, None)
            yield event

    def keep(self, now: float) -> None:
        """Write down how far it is. Raises `StoreError`."""
        self._kept = now
        with whole(self._path) as draft:
            draft.write_bytes(msgspec.json.encode({"elapsed": round(now, 3)}))

    def stopped(self, elapsed: float) -> None:
        """The run ends. Raises `StoreError`."""
        if self._next is not None:
            self.keep(self._before + elapsed)

    def _take(self, event: Event) -> None:
        name = event.node or ""
        match event.do:
            case "leave":
                self.away.add(name)
            case "join":
                self.away.discard(name)
            case "link" | "unlink":
                self._cut ^= {frozenset(self.ends(event))}
            case _:
                self._nodes[name] = after(self._config, self._nodes[name], event)

    def ends(self, event: Event) -> tuple[str, ...]:
        """The nodes whose link it is."""
        return link_ends(self._config, event.link or "") or ()

    def node(self, name: str) -> Node:
        """What the node is by now."""
        return self._nodes[name]

    def parted(self, one: str, other: str) -> bool:
        """Whether the link between two nodes is cut."""
        return frozenset((one, other)) in self._cut


class Pause(msgspec.Struct):
    """Actors that are being ended in order, and are then started `again` or not."""

    children: list[Child]
    since: float
    again: bool
    quitting: bool = False


class Pauses:
    """All of them. `start` is called for each child that is to be started again."""

    def __init__(self, start: Callable[[Child], None]) -> None:
        self._start, self._pauses = start, list[Pause]()

    def begin(self, children: Collection[Child], now: float, again: bool) -> None:
        """End these: stop, wait for what is under way, quit. Whoever is in a pause already belongs to this one from now on."""
        for pause in self._pauses:
            pause.children = [child for child in pause.children if child not in children]
        self._pauses = [pause for pause in self._pauses if pause.children]
        self._pauses.append(Pause(list(children), now, again))
        for child in children:
            child.say(Stop())

    def back(self, children: Collection[Child]) -> None:
        """These are wanted again: at once, or when they have ended."""
        for child in children:
            pause = next((pause for pause in self._pauses if child in pause.children), None)
            if pause is None:
                self._start(child)
            else:
                pause.again = True

    def holds(self, child: Child) -> bool:
        """Whether its end is no crash."""
        return any(child in pause.children for pause in self._pauses)

    def step(self, now: float) -> None:
        """Go on with all of them."""
        for pause in list(self._pauses):
            if not any(child.alive for child in pause.children):
                self._pauses.remove(pause)
                for child in pause.children if pause.again else ():
                    self._start(child)
            else:
                self._hurry(pause, now)

    @staticmethod
    def _hurry(pause: Pause, now: float) -> None:
        idle = all(_idle(child) for child in pause.children)
        step = ending(now - pause.since, idle, pause.quitting, gone=False, evaluated=True)
        for child in pause.children:
            if step is Ending.QUIT:
                child.say(Quit())
            elif step is Ending.OVER:
                child.kill()
        pause.quitting = pause.quitting or step is Ending.QUIT


def _idle(child: Child) -> bool:
    return not child.alive or (child.status is not None and child.status.stopped and child.status.idle)


class Happenings:
    """Lets events happen to the nodes whose `actors` these are, each named NODE/ACTOR. `start` begins an actor anew as what its node is by
    now; `tell` says an event; `relink` tells a node's gossiper which links there are."""

    def __init__(
        self,
        course: Course,
        actors: Mapping[str, Child],
        start: Callable[[Child], None],
        tell: Callable[[Event], None],
        relink: Callable[[str], None],
    ) -> None:
        self._course, self._actors, self._tell, self._relink = course, actors, tell, relink
        self._nodes = {child.node for child in actors.values()}
        self._pauses = Pauses(start)
        self.holds = self._pauses.holds

    def begin(self, now: float) -> None:
        """The network is ready: nodes that were away when the run was left are away again."""
        for name in self._course.away & self._nodes:
            self._pauses.begin(self._of(name, ACTORS), now, again=False)

    def step(self, elapsed: float, now: float) -> None:
        """What is due `elapsed` seconds after the network was ready. Raises `StoreError`."""
        for event in self._course.due(elapsed):
            if self._nodes & {event.node, *self._course.ends(event)}:
                self._tell(event)
                self._happen(event, event.node or "", now)
        self._pauses.step(now)

    def _happen(self, event: Event, name: str, now: float) -> None:
        match event.do:
            case "leave":
                self._pauses.begin(self._of(name, ACTORS), now, again=False)
            case "join":
                self._pauses.back(self._of(name, ACTORS))
            case "slow" | "drift":
                self._change(name, ("injector",), now)
            case "attack" | "honest":
                self._change(name, ("trainer", "keeper"), now)
            case _:
                for end in self._nodes.intersection(self._course.ends(event)):
                    self._relink(end)

    def _change(self, name: str, actors: Sequence[str], now: float) -> None:
        """Let these actors begin anew; those of a node that is away do so when it is back."""
        if name not in self._course.away:
            self._pauses.begin(self._of(name, actors), now, again=True)

    def _of(self, name: str, actors: Sequence[str]) -> list[Child]:
        return [self._actors[f"{name}/{actor}"] for actor in actors]
