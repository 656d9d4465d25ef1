"""What lies between the nodes: weather, ways that are cut, one of the two directions alone if so wished, and ways that hold back all that
would pass, as a connection does that stalls, until they are released.

A way is one direction of a link: (from, to). Every way has dice of its own, so what happens on one changes nothing on another.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

Way = tuple[str, str]
Action = Callable[[], None]


@dataclass(frozen=True)
class Weather:
    """What happens between nodes: delays in ms, the share of messages lost and repeated, and whether they overtake each other."""

    delay: tuple[int, int] = (1, 10)
    loss: float = 0.0
    repeat: float = 0.0
    overtake: bool = False


class Time(Protocol):
    """What the wires need of the network."""

    def after(self, delay: int, action: Action) -> None: ...

    def in_order(self, way: tuple[object, ...], delay: int, action: Action) -> None: ...

    def dice(self, *names: object) -> Random: ...

    def saw(self, mark: str) -> None: ...


class Wires:
    """All ways of a network. `over` holds the ways that have weather of their own."""

    def __init__(self, time: Time, weather: Weather) -> None:
        self._time, self.weather = time, weather
        self.over: dict[Way, Weather] = {}
        self.cut: set[Way] = set()
        self._held: dict[Way, list[Action]] = {}
        self._sent: defaultdict[Way, int] = defaultdict(int)
        self._arrived: defaultdict[Way, int] = defaultdict(int)

    def part(self, way: Way) -> None:
        """Nothing passes any more this way."""
        self.cut.add(way)
        if way[::-1] not in self.cut:
            self._time.saw("a way is cut whose way back is not")

    def hold(self, way: Way) -> None:
        """Hold back what arrives from here on."""
        self._held.setdefault(way, [])

    def release(self, way: Way) -> None:
        """What was held back arrives now, in order, and what comes after it."""
        held = self._held.pop(way, [])
        if held:
            self._time.saw("a way that stalled gives what it held back")
        if next(iter(self._held), way) != way and self._held:
            self._time.saw("ways are released in another order than they were stopped")
        for action in held:
            self._time.in_order(("released", way), 1, action)

    def calm(self) -> set[Way]:
        """Everything is as in the beginning; which ways were cut."""
        self.over.clear()
        for way in list(self._held):
            self.release(way)
        cut, self.cut = self.cut, set()
        return cut

    def cross(self, kind: str, way: Way, arrive: Action) -> None:
        """Let a message of this kind go its way: `arrive` is called once, never or twice."""
        weather, dice = self.over.get(way, self.weather), self._time.dice("way", kind, *way)
        for copy in (0, 1):
            if dice.random() < (weather.repeat if copy else 1 - weather.loss):
                self._send(kind, way, weather, dice.randint(*weather.delay), arrive)
                if copy:
                    self._time.saw("a message comes twice")
            elif not copy:
                self._time.saw("a message is lost")

    def _send(self, kind: str, way: Way, weather: Weather, delay: int, arrive: Action) -> None:
        self._sent[way] += 1
        number = self._sent[way]
        if weather.overtake:
            self._time.after(delay, lambda: self._arrive(way, number, arrive))
        else:
            self._time.in_order((kind, way), delay, lambda: self._arrive(way, number, arrive))

    def _arrive(self, way: Way, number: int, arrive: Action) -> None:
        if way in self.cut:
            self._time.saw("a message is lost")
        elif way in self._held:
            self._held[way].append(arrive)
        else:
            if number < self._arrived[way]:
                self._time.saw("a message overtakes another")
            self._arrived[way] = max(number, self._arrived[way])
            arrive()
