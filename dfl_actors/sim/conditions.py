"""What events have made of a simulated network by now: who is away or silent, which links are cut, how fast nodes are, what they draw."""

from collections.abc import Callable, Iterable, Iterator

from dfl_actors.config import Config
from dfl_actors.config.events import attack_after, link_ends, tick, timetable
from dfl_actors.config.sections import Event, LabelWeights, Parameter


class Conditions:
    """Holds what has happened so far; `happen` is to be asked for every tick in its order. `drifts` are the label weights of nodes that
    draw others than at first."""

    def __init__(self, config: Config, silences: Callable[[str, dict[str, Parameter]], bool] = lambda attack, parameters: False) -> None:
        """`silences`: whether a node that attacks so sends nothing."""
        self._config, self._tick_s, self._silences = config, config.sim.tick_s, silences
        self._numbers = {node.name: place for place, node in enumerate(config.nodes)}
        self._begin()

    def _begin(self) -> None:
        self._to_come = timetable(self._config)
        self._next, self._past = next(self._to_come, None), 0
        self._present = tuple(range(len(self._numbers)))
        self._speeds = [1.0] * len(self._numbers)
        self._cut: set[frozenset[int]] = set()
        self._silent: set[int] = set()
        self.drifts: dict[int, LabelWeights] = {}
        for number, node in enumerate(self._config.nodes):
            self._attacks(number, node.attack, node.attack_parameters)

    def happen(self, now: int) -> Iterator[Event]:
        """The events of a tick, each after it has happened."""
        while self._next is not None and tick(self._next, self._tick_s) <= now:
            event = self._next
            self._take(event)
            yield event

    def _take(self, event: Event) -> None:
        self._past, self._next = self._past + 1, next(self._to_come, None)
        match event.do:
            case "leave":
                self._present = tuple(number for number in self._present if number != self.number(event.node or ""))
            case "join":
                self._present = tuple(sorted({*self._present, self.number(event.node or "")}))
            case "slow":
                self._speeds[self.number(event.node or "")] = event.factor or 1.0
            case "drift":
                self.drifts[self.number(event.node or "")] = event.label_weights or ()
            case "attack" | "honest":
                self._attacks(self.number(event.node or ""), *self.attack(event))
            case "link" | "unlink":
                self._cut ^= {frozenset(self._numbers[end] for end in link_ends(self._config, event.link or "") or ())}

    def _attacks(self, number: int, attack: str | None, parameters: dict[str, Parameter]) -> None:
        if attack is not None and self._silences(attack, parameters):
            self._silent.add(number)
        else:
            self._silent.discard(number)

    def number(self, name: str) -> int:
        """The place of a node."""
        return self._numbers[name]

    def attack(self, event: Event) -> tuple[str | None, dict[str, Parameter]]:
        """What a node attacks with from `event` on, and its parameters; its own attack when the event names none."""
        return attack_after(self._config, event)

    def present(self) -> tuple[int, ...]:
        """The nodes that are there, in their order."""
        return self._present

    def among(self, nodes: Iterable[int]) -> list[int]:
        """Those of `nodes` that are there."""
        return [node for node in nodes if node in self._present]

    def reaches(self, sender: int, receiver: int) -> bool:
        """Whether a model that is sent now finds its way."""
        if sender in self._silent:
            return False
        if not self._past:
            return True
        return receiver in self._present and frozenset((sender, receiver)) not in self._cut

    def interval(self, number: int, drawn: int) -> int:
        """The ticks until a node's next training, of those drawn for it at its own speed."""
        return max(1, round(drawn / self._speeds[number]))

    def state(self) -> int:
        """What a checkpoint keeps: how many events are past."""
        return self._past

    def restore(self, past: int) -> None:
        self._begin()
        while self._past < past and self._next is not None:
            self._take(self._next)
