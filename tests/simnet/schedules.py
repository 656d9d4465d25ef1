"""Schedules: a network and what befalls it, all of it drawn from one seed. FoundationDB's simulation and TigerBeetle's VOPR are the models.

`drawn(seed)` is the schedule of a seed, `written` makes a line of it that `read` takes back. Faults are apart from each other, and each
process and way has dice of its own, so that one may be left out and the others stay what they were (`shrinking`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import msgspec

from dfl_actors.core.family import ACTORS
from dfl_actors.core.gossip import CHUNK
from dfl_actors.core.score import HALF_LIFE
from tests.scenarios.interface import Plan, full, line, ring
from tests.simnet.faults import ClockSet, Crash, Cut, DiskFull, Fault, Freeze, Loss, Mischief, PowerCut, Stall, Storm
from tests.simnet.mischief import ACTS, NAME

HOUR = 3_600_000
LONGEST = 20
"""Faults of a schedule, at most but for what a swizzle adds."""

BRISK = {
    "receipt_wait": 1_000, "deadline": 2_000, "expiry": 6_000, "fetch_timeout": 500, "heartbeat": 1_000, "rate": 3.0, "abandon": 8_000,
}  # fmt: skip
"""Settings of all worlds: everything takes seconds, and a node makes three transactions in four."""


AROUND: dict[str, tuple[str, ...]] = {
    "Keep": ("trainer", "keeper", "gossiper"), "Commit": ("builder",), "WriteJournal": ("trainer", "validator", "builder", "keeper"),
    "Tell": ACTORS[1:], "Publish": ("injector", "trainer", "validator", "keeper"), "Announce": ("gossiper",), "Note": ACTORS[1:],
    "Deliver": ACTORS, "Acknowledge": ACTORS,
}  # fmt: skip
"""Kinds of steps that crashes are drawn around, and whose batches have them."""


@dataclass(frozen=True)
class World:
    """A network for schedules, how often it is drawn, who in it breaks the rules, after how long (ms) a bad message counts half, and how
    many bytes a chunk of a model has; `loses`: one node loses its directory."""

    plan: Plan
    share: int = 1
    rogues: tuple[str, ...] = ()
    half_life: int = HALF_LIFE
    chunk: int = CHUNK
    loses: bool = False


def world(links: tuple[tuple[str, str], ...], share: int = 1, rogues: tuple[str, ...] = (), **settings: object) -> World:
    observers = ("o",) if any("o" in link for link in links) else ()
    return World(Plan(links, observers, {**BRISK, **settings}), share, rogues)


WORLDS: dict[str, World] = {
    "two": world(full("a", "b"), 3),
    "two at full speed": world(full("a", "b"), rate=0.0, steps=16),
    "two with small stores": world(full("a", "b"), models=6),
    "three": world(full("a", "b", "c"), 3),
    "three, half of the confirmations": world(full("a", "b", "c"), confirmations=0.5, per="transaction"),
    "three, two receipts": world(full("a", "b", "c"), receipts=2),
    "a line over two hops": world(line("a", "b", "c"), 2, ttl=2),
    "an observer": world(full("a", "b", "o")),
    "a ring": world(ring("a", "b", "c", "d"), ttl=2, rate=2.0),
    "a neighbour that breaks the rules": world(full("a", "b", NAME), 4, (NAME,)),
    "a neighbour that is soon forgiven": replace(world(full("a", "b", NAME), 2, (NAME,)), half_life=1_500),
    "models of several chunks": replace(world(full("a", "b", "c"), 2), chunk=6),
    "a lost directory": replace(world(full("a", "b", "c"), 2), loses=True),
    "a relay that breaks the rules": world((*full("a", "b"), (NAME, "a"), (NAME, "b")), 2, (NAME,), ttl=2),
}


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A network (`world` names it), the seed of its chance, how long (ms) the faults go on, and which they are."""

    world: str
    seed: int
    lasts: int
    faults: tuple[Storm | Cut | Stall | ClockSet | Freeze | Crash | PowerCut | Loss | DiskFull | Mischief, ...] = ()


def written(schedule: Schedule) -> str:
    """One line, which `read` takes back."""
    return msgspec.json.encode(schedule).decode()


def read(text: str) -> Schedule:
    return msgspec.json.decode(text, type=Schedule)


def drawn(seed: int, faults: int | None = None) -> Schedule:
    """The schedule of a seed, with so many faults if that is said."""
    dice = Random(f"schedule/{seed}")
    name = dice.choices(list(WORLDS), [one.share for one in WORLDS.values()])[0]
    lasts = dice.choice((2_000, 3_000, 4_000, 8_000))
    wanted = faults or dice.choice((1, 2, 3, 5, 8, 13, LONGEST))
    draw = _Draw(dice, WORLDS[name], lasts)
    found: list[Fault] = draw.loss() if WORLDS[name].loses else []
    while len(found) < wanted:
        found += draw.some()
    in_time = sorted(found[: faults or len(found)], key=lambda one: one.at)
    return msgspec.convert({"world": name, "seed": seed, "lasts": lasts, "faults": msgspec.to_builtins(in_time)}, Schedule)


class _Draw:
    """Draws faults of one network that last no longer than the storm."""

    def __init__(self, dice: Random, of: World, lasts: int) -> None:
        self._dice, self._lasts = dice, lasts
        self._ways = [way for a, b in of.plan.links for way in ((a, b), (b, a))]
        self._nodes = [name for name in of.plan.nodes if name not in of.rogues]
        kinds: list[tuple[Callable[[], Iterator[Fault]], int]] = [
            (self._storm, 4), (self._cut, 3), (self._swizzle, 2), (self._clock, 2), (self._freeze, 2), (self._crash, 6), (self._power, 2),
            (self._disk, 2), (self._mischief, 16 if of.rogues else 0), (self._alone, 3 if of.rogues else 0),
        ]  # fmt: skip
        self._kinds, self._weights = zip(*kinds, strict=True)

    def some(self) -> list[Fault]:
        return list(self._dice.choices(self._kinds, self._weights)[0]())

    def _when(self, longest: int = 4_000) -> tuple[int, int]:
        """When a fault begins, and how long it lasts."""
        at = self._dice.randrange(self._lasts)
        return at, min(self._lasts - at, self._dice.randint(50, max(50, longest)))

    def _someone(self) -> str:
        return self._dice.choice(self._nodes)

    def _storm(self) -> Iterator[Fault]:
        at, lasts = self._when(self._lasts)
        dice, badly = self._dice, self._dice.choice((5, 20, 50))
        for way in dice.sample(self._ways, dice.randint(1, len(self._ways))):
            kinds = {"loss": dice.choice((0, badly)), "repeat": dice.choice((0, badly)), "delay": dice.choice((10, 60, 400))}
            yield Storm(at=at, way=way, lasts=lasts, overtake=dice.random() < 0.5, **kinds)

    def _cut(self) -> Iterator[Fault]:
        at, lasts = self._when(8_000)
        way = self._dice.choice(self._ways)
        yield Cut(at=at, way=way, lasts=lasts)
        if self._dice.random() < 0.5:
            yield Cut(at=at, way=way[::-1], lasts=lasts)

    def _swizzle(self) -> Iterator[Fault]:
        """Some ways stop one by one, and are released in another order."""
        dice = self._dice
        ways = dice.sample(self._ways, dice.randint(2, min(4, len(self._ways))))
        times = sorted(dice.randrange(self._lasts) for _ in range(2 * len(ways)))
        ends = dice.sample(times[len(ways) :], len(ways))
        for way, begin, end in zip(ways, times, ends, strict=False):
            yield Stall(at=begin, way=way, lasts=end - begin)

    def _clock(self) -> Iterator[Fault]:
        at, _ = self._when()
        node, ms = self._someone(), self._dice.choice((HOUR, -HOUR, 30_000, -30_000, 3_000, -3_000))
        yield ClockSet(at=at, node=node, ms=ms)
        if self._dice.random() < 0.5:
            yield PowerCut(at=min(at + 100, self._lasts), nodes=(node,), lasts=200)

    def _freeze(self) -> Iterator[Fault]:
        at, lasts = self._when(5_000)
        yield Freeze(at=at, node=self._someone(), actor=self._dice.choice(ACTORS), lasts=lasts)

    def _crash(self) -> Iterator[Fault]:
        at, _ = self._when()
        dice = self._dice
        around = dice.choice(("", "", *AROUND))
        actor = dice.choice(AROUND.get(around, ACTORS))
        crash = partial(Crash, node=self._someone(), actor=actor, down=dice.choice((20, 300, 1_500)))
        yield crash(at=at, around=around, step=dice.randint(0, 7) if not around else dice.randint(0, 1))
        for again in range(dice.choice((0, 0, 1, 2))):
            yield crash(at=at + again, step=dice.randint(0, 7), again=dice.randint(1, 3))

    def _power(self) -> Iterator[Fault]:
        at, lasts = self._when(3_000)
        nodes = self._nodes if self._dice.random() < 0.3 else [self._someone()]
        loses, tears = self._dice.choice((0, 1, 3, 100)), self._dice.random() < 0.5
        yield PowerCut(at=at, nodes=tuple(nodes), lasts=lasts, loses=loses, tears=tears)
        if self._dice.random() < 0.3:
            yield PowerCut(at=at + lasts + self._dice.randint(1, 60), nodes=tuple(nodes), lasts=100)

    def loss(self) -> list[Fault]:
        """Once in a schedule: of two that lost what they signed neither could confirm the other's."""
        at, lasts = self._when(2_000)
        return [Loss(at=max(at, 1_000), node=self._someone(), lasts=lasts)]

    def _disk(self) -> Iterator[Fault]:
        at, lasts = self._when(self._dice.choice((200, 3_000)))
        yield DiskFull(at=at, node=self._someone(), lasts=lasts)

    def _alone(self) -> Iterator[Fault]:
        """The honest are parted, and have the receipts of one witness alone, which confirms nothing."""
        at, _ = self._when()
        for way in ((a, b) for a in self._nodes for b in self._nodes if a != b):
            yield Cut(at=at, way=way, lasts=6_000)
        for moment in range(at + 600, at + 6_000, 600):
            yield Mischief(at=moment, act="gives_receipts")

    def _mischief(self) -> Iterator[Fault]:
        """A few acts, and what the neighbour needs for some: transactions with receipts."""
        at, _ = self._when(1)
        yield Mischief(at=min(at, 600), act="trains")
        for act in self._dice.sample(ACTS, self._dice.randint(1, 4)):
            yield Mischief(at=max(at, 1_000) + self._dice.randrange(500), act=act, times=self._dice.choice((1, 1, 5)))
        yield Mischief(at=self._lasts - 1, act="trains")
