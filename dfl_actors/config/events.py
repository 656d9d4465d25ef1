"""What happens to nodes and links on purpose while they learn: `[[event]]`, a trace of who was there when, and churn drawn at random.

Times are ticks of the simulator or seconds of a run; `sim.tick_s` turns one into the other, so that a topology means the same to both. An
event that could not happen (a node that joins without having left) is refused when the file is read.
"""

import math
from collections.abc import Callable, Iterator
from heapq import merge
from random import Random

import msgspec

from dfl_actors.config.checks import label_ranges, weights_problem
from dfl_actors.config.config import Config, Node
from dfl_actors.config.sections import Event, Parameter
from dfl_actors.config.toml_text import Mistakes, Path, Table, convert, listed, nearest
from dfl_actors.config.topology import Link
from dfl_actors.config.trace import read_trace
from dfl_actors.errors import ConfigError

OF_LINKS = ("link", "unlink")
PRESENCE = ("leave", "join")
READS = (
    "network.nodes",
    "network.links",
    "node.role",
    "node.attack",
    "data.task",
    "churn.trace",
    "churn.up_s",
    "churn.down_s",
    "sim.tick_s",
)
Problem = tuple[str, str] | None
"""The key of an event that is wrong, and `what is wrong; remedy`."""


# --- reading


def read_events(given: object, config: Config, mistakes: Mistakes) -> Config:
    """The configuration with its events, those of `churn.trace` among them. What is wrong is noted; such an event stands as one that does
    nothing, so that the others keep their numbers."""
    if not isinstance(given, list):
        mistakes.add(("event",), "is no list of tables; write each event as a table of its own, [[event]]")
        return config
    found = [(number, _read(table, number, mistakes)) for number, table in enumerate(given, start=1)]
    events = [(number, event) for number, event in found if event is not None]
    if mistakes.touch(READS):
        return config
    traced = _traced(config, mistakes)
    _check_order(events, config, {event.node for event in traced}, mistakes)
    if config.churn.trace and config.churn.up_s:
        mistakes.add(("churn", "up_s"), "a trace says already who leaves when; remove trace, or this")
    churn = msgspec.structs.replace(config.churn, trace="")  # what it says is in the events from here on
    return msgspec.structs.replace(config, churn=churn, events=(*(event or Event() for _, event in found), *traced))


def _read(table: object, number: int, mistakes: Mistakes) -> Event | None:
    """One event, None when it is wrong."""
    before, path = len(mistakes.found), ("event", str(number))
    event = convert(Event, table, path, mistakes)
    if len(mistakes.found) == before and (problem := _problem(event)) is not None:
        mistakes.add((*path, problem[0]), problem[1])
    return event if len(mistakes.found) == before else None


def _problem(event: Event) -> Problem:
    """What is wrong with an event by itself."""
    if event.do is None:
        return "do", 'missing; say what happens, such as do = "leave"'
    if (event.tick is None) == (event.at_s is None):
        both = "an event has one time, give tick or at_s, not both" if event.tick is not None else "missing, as is at_s; give one of them"
        return "tick", both
    wanted, other = ("link", "node") if event.do in OF_LINKS else ("node", "link")
    if getattr(event, other) is not None:
        return other, f'has no meaning with do = "{event.do}"; name a {wanted}'
    if getattr(event, wanted) is None:
        return wanted, f'missing; do = "{event.do}" needs the {wanted} that it happens to'
    if (event.factor is None) == (event.do == "slow"):
        return "factor", "missing; give what the node's speed is to be multiplied by, such as 0.5" if event.do == "slow" else _alien(event)
    if event.attack is not None and event.do != "attack":
        return "attack", _alien(event)
    if event.attack_parameters is not None and event.attack is None:
        return "attack_parameters", "there is no attack that takes them; name one with attack, or remove this"
    return _drift_problem(event)


def _drift_problem(event: Event) -> Problem:
    if event.label_weights is None:
        missing = 'missing; give the labels that the node draws from then on, such as { "8" = 1 }'
        return ("label_weights", missing) if event.do == "drift" else None
    problem = weights_problem(event.label_weights) if event.do == "drift" else _alien(event)
    return ("label_weights", problem) if problem else None


def _alien(event: Event) -> str:
    return f'has no meaning with do = "{event.do}"; remove it'


def _traced(config: Config, mistakes: Mistakes) -> list[Event]:
    if not config.churn.trace:
        return []
    try:
        return read_trace(config.churn.trace, [node.name for node in config.nodes])
    except ConfigError as error:
        mistakes.add(("churn", "trace"), str(error))
        return []


# --- whether events can happen, one after the other


class _Course:
    """What has become of nodes and links by the events so far."""

    def __init__(self, config: Config, traced: set[str | None]) -> None:
        self._config, self._traced = config, traced
        self._attacks = {node.name: node.attack is not None for node in config.nodes}
        self._away: set[str] = set()
        self._cut: set[Link] = set()
        self._does: dict[str, Callable[[Event, str], Problem]] = {
            "leave": self._leave, "join": self._join, "attack": self._attack, "honest": self._honest,
            "slow": self._slow, "drift": self._drift,
        }  # fmt: skip

    def happens(self, event: Event) -> Problem:
        """Take the event in; what is wrong with it."""
        if event.link is not None:
            return self._link(event, event.link)
        name = event.node or ""
        if name not in self._attacks:
            return "node", f'no node "{name}"; {nearest(name, self._attacks)}'
        if name in self._traced and event.do in (*PRESENCE, "slow"):
            return "node", f'churn.trace says already what node "{name}" does; remove the event, or the node from the trace'
        return self._does[event.do or ""](event, name)

    def _leave(self, _: Event, name: str) -> Problem:
        if name in self._away:
            return "do", f'node "{name}" has left already; let it join before, or remove this'
        self._away.add(name)
        return None

    def _join(self, _: Event, name: str) -> Problem:
        if name not in self._away:
            return "do", f'node "{name}" has not left; let it leave before (at 0, if it is to come later), or remove this'
        self._away.remove(name)
        return None

    def _slow(self, _: Event, name: str) -> Problem:
        return None

    def _drift(self, _: Event, name: str) -> Problem:
        task = self._config.data.task
        return None if task == "classification" else ("do", f'data.task = "{task}" has no classes to draw by; remove it')

    def _attack(self, event: Event, name: str) -> Problem:
        node = self._config.node(name)
        if node.role == "observer":
            return "node", f'node "{name}" is an observer and offers nothing to attack with; name another, or give it role = "normal"'
        if event.attack is None and node.attack is None:
            return "attack", f'missing, and node "{name}" has none of its own; name one, such as attack = "sign_flip"'
        self._attacks[name] = True
        return None

    def _honest(self, _: Event, name: str) -> Problem:
        if not self._attacks[name]:
            return "do", f'node "{name}" is honest then; let it attack before, or remove this'
        self._attacks[name] = False
        return None

    def _link(self, event: Event, text: str) -> Problem:
        ends = link_ends(self._config, text)
        if ends is None:
            links = [f"{one}--{other}" for one, other in self._config.links]
            return "link", f'no link "{text}"; {nearest(text, links)}'
        if (event.do == "unlink") == (ends in self._cut):
            said = "is down already" if event.do == "unlink" else "is not down"
            return "do", f'link "{text}" {said}; {"link" if event.do == "unlink" else "unlink"} it before, or remove this'
        self._cut ^= {ends}
        return None


def link_ends(config: Config, text: str) -> Link | None:
    """The link that `a--b` names, whichever end comes first, as the configuration has it; None when there is none. A link that leads one
    way may be written `a->b` too."""
    for one, other in config.links:
        ways = {f"{one}--{other}", f"{other}--{one}"}
        ways |= {f"{a}->{b}" for a, b in config.arrows if {a, b} == {one, other}}
        if text in ways:
            return one, other
    return None


def _check_order(events: list[tuple[int, Event]], config: Config, traced: set[str | None], mistakes: Mistakes) -> None:
    course = _Course(config, traced)
    for number, event in sorted(events, key=lambda item: seconds(item[1], config.sim.tick_s)):
        if (problem := course.happens(event)) is not None:
            path: Path = ("event", str(number), problem[0])
            mistakes.add(path, problem[1])


# --- when they happen


def seconds(event: Event, tick_s: float) -> float:
    """When an event happens, in seconds since the start."""
    return event.at_s if event.at_s is not None else (event.tick or 0) * tick_s


def tick(event: Event, tick_s: float) -> int:
    """When an event happens, in ticks."""
    return event.tick if event.tick is not None else math.floor((event.at_s or 0.0) / tick_s + 0.5)


def timetable(config: Config) -> Iterator[Event]:
    """All events in the order of time, those that churn draws among them, which have no end. Of one moment those of the file come first,
    in their order. The same for a seed, whoever asks."""

    def when(event: Event) -> float:
        return seconds(event, config.sim.tick_s)

    settled = {event.node for event in config.events if event.do in PRESENCE}
    drawn = [_comings(config, node.name) for node in config.nodes if config.churn.up_s and node.name not in settled]
    return merge(sorted(config.events, key=when), *drawn, key=when)


def _comings(config: Config, name: str) -> Iterator[Event]:
    """A node leaves and joins for ever: the times that it stays and is away are exponential."""
    rng, now = Random(f"churn {config.network.seed} {name}"), 0.0
    while True:
        now += _exponential(rng, config.churn.up_s)
        yield Event(at_s=now, do="leave", node=name)
        now += _exponential(rng, config.churn.down_s)
        yield Event(at_s=now, do="join", node=name)


def _exponential(rng: Random, mean: float) -> float:
    return -mean * math.log(1.0 - rng.random())


def hasten(table: Table, speed: float) -> None:
    """Let the events and the churn of a whole configuration's table happen `speed` times as fast, as in a run, whose time is seconds."""
    churn, tick_s = table["churn"], table["sim"]["tick_s"]
    churn |= {key: churn[key] / speed for key in ("up_s", "down_s")}
    for event in table.get("event", []):
        at_tick = event.pop("tick", None)
        event["at_s"] = (event["at_s"] if at_tick is None else at_tick * tick_s) / speed


def attack_after(config: Config, event: Event) -> tuple[str | None, dict[str, Parameter]]:
    """What a node attacks with from an `attack` or `honest` on, and its parameters: its own attack when the event names none."""
    if event.do == "honest":
        return None, {}
    node = config.node(event.node or "")
    return (node.attack, node.attack_parameters) if event.attack is None else (event.attack, event.attack_parameters or {})


def after(config: Config, node: Node, event: Event) -> Node:
    """What an event makes of the node that it happens to."""
    match event.do:
        case "slow":
            return msgspec.structs.replace(node, speed=event.factor or 1.0)
        case "attack" | "honest":
            attack, parameters = attack_after(config, event)
            return msgspec.structs.replace(node, attack=attack, attack_parameters=parameters)
        case "drift":
            return msgspec.structs.replace(node, label_weights=label_ranges(event.label_weights or ()))
        case _:
            return node


def told(event: Event) -> str:
    """An event in words, for a person."""
    match event.do:
        case "leave" | "join":
            return f"node {event.node} {'leaves' if event.do == 'leave' else 'joins'}"
        case "link" | "unlink":
            return f"link {event.link} is {'up again' if event.do == 'link' else 'cut'}"
        case "slow":
            return f"node {event.node} goes at {event.factor:g} times its speed"
        case "attack":
            return f"node {event.node} attacks{f' with {event.attack}' if event.attack else ''}"
        case "drift":
            return f"node {event.node} draws label {listed(_labels(event))} from now on"
        case _:
            return f"node {event.node} is honest"


def _labels(event: Event) -> list[str]:
    """Those that have a weight, as they are given."""
    ranges = label_ranges(event.label_weights or ())
    rows = ranges.items() if isinstance(ranges, dict) else enumerate(ranges)
    return [str(label) for label, (_, most) in rows if most]
