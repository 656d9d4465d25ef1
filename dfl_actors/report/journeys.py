"""Where the time of a transaction goes: its way from trained to final, cut at the steps.

Witnesses work side by side, so a step is over when the last of them has done it; what comes after the generator has drafted
its block (a receipt too late for it) is on nobody's way and does not count. A step that no one wrote down is counted with the
next one.
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

import msgspec

from dfl_actors.report.lives import STEPS, Life, lives
from dfl_actors.report.load import Run

PARTS = STEPS[1:]
"""What a transaction waits for; the first step begins its way."""


class Journey(msgspec.Struct, frozen=True):
    """A transaction's milliseconds by step. `finished`: its block was final; `begun`: ms since the network was ready."""

    tx: str
    generator: str
    begun: int
    parts: dict[str, int]
    finished: bool

    @property
    def total(self) -> int:
        return sum(self.parts.values())


class Journeys(msgspec.Struct, frozen=True):
    """The slowest first; `typical` is the median of each step over all `count`. `unfinished` are not among them, unless all are."""

    slowest: list[Journey]
    typical: dict[str, float]
    count: int
    unfinished: int


def journeys(run: Run, most: int = 20) -> Journeys:
    """The slowest transactions whose block was final; of a run without any, the slowest so far."""
    made = [journey(life, run) for life in lives(run).values() if life.steps and life.steps[0].step == "trained"]
    finished = [way for way in made if way.finished]
    counted = finished or [way for way in made if way.parts]
    typical = {part: float(median(way.parts.get(part, 0) for way in counted)) for part in PARTS} if counted else {}
    slowest = sorted(counted, key=lambda way: (-way.total, way.tx))[:most]
    return Journeys(slowest, typical, len(counted), len(made) - len(counted))


def journey(life: Life, run: Run) -> Journey:
    """The way of one transaction that its generator trained, in running time: the pause before a resume does not count."""
    times: dict[str, list[int]] = defaultdict(list)
    for step in life.steps:
        times[step.step].append(round(1000 * run.seconds(step.t)))
    now = begun = times["trained"][0]
    parts = {}
    for part in PARTS:
        until = times[_bound(part)]
        inside = [t for t in times[part] if not until or t <= until[0]]
        if inside:
            end = max(now, *inside)
            parts[part], now = end - now, end
    return Journey(life.tx, life.generator, begun, parts, "final" in parts)


def _bound(part: str) -> str:
    """The step after which `part` no longer matters."""
    return "drafted" if PARTS.index(part) <= PARTS.index("drafted") else "final"


def in_steps(way: Journey) -> Sequence[int]:
    """Milliseconds of every step of `PARTS`, 0 where there was none."""
    return [way.parts.get(part, 0) for part in PARTS]
