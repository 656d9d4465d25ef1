"""Kill a running network with `kill -9`, hundreds of times, and see that nothing is lost, nothing doubled, and everybody soon works again.

    python tools/crash.py [--only random,named,recovery,supervisor,silence] [--scale .05] [--seed N] [--out FILE]

    random      200 kills at random moments: actors, the evaluator, the fork server, all actors of a node, the supervisor
    named       260 kills of actors before or after a step that they perform, each kind of step in turn
    recovery    40 kills of actors that come back: before or after the making of a part, or at one of their first steps
    supervisor  10 kills of the supervisor while it starts the actors of a run that is gone on with
    silence     10 times a node of a line is silent for 12 s: stopped, or cut off by a firewall where this machine allows one

Each part kills a network of its own, prints what was seen beside what is wanted, and appends it to FILE. Exit code 1 when a figure of
safety is not met. Times depend on what else the machine does: its load is printed too.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import crash_silence
import orjson
from crash_stage import Ended, Net, made, removed
from ending import orderly

from dfl_actors.core.family import ACTORS

SLOW = ("trainer", "validator")  # They start TensorFlow.
NOT_REACHED = 6.0  # Seconds after which a point is taken for one that does not come now.


class Times(NamedTuple):
    """How long (s) it took until those worked again that were killed."""

    actors: list[float]
    slow: list[float]
    nodes: list[float]
    silence: list[float]
    stages: dict[str, list[float]]


class Attack:
    """One part's network, what may be drawn, and what was seen."""

    def __init__(self, net: Net, rng: random.Random, scale: float) -> None:
        self.net, self.rng, self.scale = net, rng, scale
        self.times = Times([], [], [], [], {})
        self.kills: Counter[str] = Counter()
        self.lost: list[str] = []
        self.ended: list[str] = []
        self.missed: Counter[str] = Counter()

    def number(self, full: int) -> int:
        return max(1, round(full * self.scale))

    def victim(self) -> str:
        """An actor that may be killed once more, those first that were killed least."""
        net = self.net
        free = [who for who in net.actors if not net.spared(who)]
        while not free:
            time.sleep(0.5)
            free = [who for who in net.actors if not net.spared(who)]
        least = min(self.kills[who] for who in free)
        return self.rng.choice([who for who in free if self.kills[who] <= least + 1])

    def came_back(self, who: str, since: float) -> None:
        """An actor was killed at a monotonic time: note how long it takes."""
        took = self.net.working([who], since)
        actor = who.partition("/")[2]
        (self.times.slow if actor in SLOW else self.times.actors).append(took)
        life = self.net.lives[who][-1].when
        for stage, at in life.items():
            self.times.stages.setdefault(f"{actor} {stage}", []).append(at - since)

    def strike(self, who: str) -> float:
        self.net.remember()
        self.kills[who] += 1
        return self.net.kill(who)

    def check(self) -> None:
        if lost := self.net.lost():
            self.lost += [one for one in lost if one not in self.lost]

    def revive(self, why: Ended) -> None:
        """The run ended though nobody ended it: it is told, and gone on with."""
        self.ended.append(str(why))
        print(f"  the run ended: {why}", flush=True)
        self.net.destroy()
        self.net.resume()
        self.net.crashes.clear()
        self.net.working(self.net.actors, time.monotonic() - 1)


# --- parts


def randoms(attack: Attack) -> None:
    for _ in range(attack.number(200)):
        time.sleep(attack.rng.uniform(0, 0.6))
        kind = attack.rng.choices(("actor", "evaluator", "server", "node", "supervisor"), (80, 4, 3, 8, 5))[0]
        guarded(attack, partial(BLOWS[kind], attack))


def guarded(attack: Attack, blow: Callable[[], None]) -> None:
    try:
        blow()
        attack.check()
    except Ended as why:
        attack.revive(why)


def actor(attack: Attack) -> None:
    who = attack.victim()
    attack.came_back(who, attack.strike(who))


def evaluator(attack: Attack) -> None:
    """It is no part of the network: all that is wanted is that it measures again."""
    net, found = attack.net, attack.net.called("dfl evaluator")
    if found is None or net.spared("evaluator"):
        return
    net.crashes["evaluator"].append(time.monotonic())
    attack.kills["evaluator"] += 1
    found.kill()
    known = len(net.events("evaluated"))
    net.until(lambda: len(net.events("evaluated")) > known, "measurement")


def node(attack: Attack) -> None:
    """All actors of a node at once, as when its memory is used up."""
    net = attack.net
    name = attack.rng.choice(net.names)
    whole = [who for who in net.actors if who.startswith(f"{name}/")]
    if any(map(net.spared, whole)):
        actor(attack)
        return
    net.remember()
    attack.kills["whole node"] += 1
    attack.times.nodes.append(net.working(whole, net.kill(*whole)))


def server(attack: Attack) -> None:
    """The fork server, and with it everybody."""
    net, found = attack.net, attack.net.called("dfl fork server")
    if found is None or any(map(net.spared, net.actors)):
        actor(attack)
        return
    net.remember()
    attack.kills["fork server"] += 1
    now = time.monotonic()
    for who in net.actors:
        net.crashes[who].append(now)
    found.kill()
    attack.times.nodes.append(net.working(net.actors, now))


def supervisor(attack: Attack) -> None:
    """Its death ends the run, within 2 s, and is gone on with."""
    net = attack.net
    net.remember()
    attack.kills["supervisor"] += 1
    net.process.kill()
    net.process.wait()
    dead = time.monotonic()
    net.gone()
    attack.times.stages.setdefault("supervisor: nothing is left", []).append(time.monotonic() - dead)
    resumed(attack)


def resumed(attack: Attack) -> None:
    now = time.monotonic()
    attack.net.resume()
    attack.net.crashes.clear()
    attack.times.nodes.append(attack.net.working(attack.net.actors, now))


BLOWS: dict[str, Callable[[Attack], None]] = {blow.__name__: blow for blow in (actor, evaluator, node, server, supervisor)}


def named(attack: Attack) -> None:
    """Each kind of step of each actor in turn, before it and after it."""
    net, done = attack.net, Counter[tuple[str, str]]()
    while (left := attack.number(260) - sum(attack.kills.values())) > 0:
        who = attack.victim()
        points = steps(net, who)
        least = min(done[who[2:], point] for point in points)
        point = attack.rng.choice([point for point in points if done[who[2:], point] == least])
        done[who[2:], point] += 1
        guarded(attack, partial(fall, attack, who, point))
        if sum(attack.missed.values()) > 3 * left + 60:
            break


def steps(net: Net, who: str) -> list[str]:
    """The points that an actor of this kind has been at while it performed."""
    net.look()
    return sorted(point for point in net.points[who.partition("/")[2]] if point.partition(" ")[2] not in MAKING)


def fall(attack: Attack, who: str, point: str) -> None:
    net = attack.net
    net.remember()
    fell = net.order(who, point, attack.rng.randint(1, 3))
    deadline = time.monotonic() + NOT_REACHED
    while (at := fell()) is None and time.monotonic() < deadline:
        net.until(lambda: True, "run")
        time.sleep(0.01)
    net.withdraw()
    if at is None:
        attack.missed[f"{who[2:]} {point}"] += 1
        return
    attack.kills[who] += 1
    net.crashes[who].append(at)
    attack.came_back(who, at)


MAKING = frozenset(("Owned", "network", "Mail", "build", "tap_of", "Driver"))


def recovery(attack: Attack) -> None:
    """Killed, and killed again while it comes back."""
    for _ in range(attack.number(40)):
        who = attack.victim()
        attack.net.look()
        points = sorted(attack.net.points[who.partition("/")[2]])
        first = [point for point in points if point.partition(" ")[2] in MAKING]
        point = attack.rng.choice(first if attack.rng.random() < 0.5 else points)
        guarded(attack, partial(again, attack, who, point))


def again(attack: Attack, who: str, point: str) -> None:
    net = attack.net
    fell = net.order(who, point, newborn=True)
    since = attack.strike(who)
    deadline = time.monotonic() + 2 * NOT_REACHED
    while (at := fell()) is None and time.monotonic() < deadline:
        net.until(lambda: True, "run")
        time.sleep(0.01)
    net.withdraw()
    if at is not None:
        attack.kills["during recovery"] += 1
        net.crashes[who].append(at)
    else:
        attack.missed[f"{who[2:]} {point}"] += 1
    attack.came_back(who, at or since)


def supervisors(attack: Attack) -> None:
    """The supervisor, again and again while it starts its actors."""
    for _ in range(attack.number(10)):
        guarded(attack, lambda: supervisor(attack))
        net = attack.net
        net.process.kill()
        net.resume()
        time.sleep(attack.rng.uniform(0.2, 6))
        attack.kills["supervisor, during recovery"] += 1
        net.process.kill()
        guarded(attack, lambda: resumed(attack))


def silence(attack: Attack) -> None:
    """A node of the line is silent for 12 s."""
    for number in range(attack.number(10)):
        guarded(attack, partial(silent, attack, cut=number % 2 == 1))
        attack.kills["silence"] += 1


def silent(attack: Attack, *, cut: bool) -> None:
    attack.times.silence.append(crash_silence.healed(attack.net, attack.rng, cut=cut))


PARTS: dict[str, Callable[[Attack], None]] = {
    "random": randoms, "named": named, "recovery": recovery, "supervisor": supervisors, "silence": silence,
}  # fmt: skip


class Row(NamedTuple):
    """What was seen, and whether it is as wanted; `safe` is what may never fail."""

    what: str
    figure: str
    wanted: str
    met: bool
    safe: bool = True


def rows(attack: Attack, wrong: str) -> Iterator[Row]:
    """`wrong` is what verifiers find in the chains."""
    net, doubled = attack.net, attack.net.doubled()
    yield Row("kills", f"{sum(attack.kills.values())}: {spread(attack.kills)}", "", True)
    yield Row("final blocks lost or altered", str(len(attack.lost)), "0", not attack.lost)
    for kind in ("receipt", "confirmation", "draft", "transaction"):
        yield Row(f"second {kind}s", str(doubled[kind]), "0", not doubled[kind])
    blamed = net.blamed()
    yield Row("refused as only a liar is", spread(blamed) or "0", "0", not blamed)
    yield Row("chains that do not verify", wrong or "0", "0", not wrong)
    yield Row("runs ended", str(len(attack.ended)), "0", not attack.ended)
    yield Row("errors in logs", str(len(net.errors())), "0", not net.errors())
    times = attack.times
    for what, taken, most in (
        ("an actor works again, s", times.actors, 2.0),
        ("a trainer or validator, s", times.slow, 3.0),
        ("a whole node, s", times.nodes, 8.0),
        ("healed after 12 s of silence, s", times.silence, 3.0),
    ):
        if taken:
            p50, p95, top = (quantile(taken, part) for part in (0.5, 0.95, 1.0))
            yield Row(
                f"{what}: p50, p95, max of {len(taken)}", f"{p50:.2f}, {p95:.2f}, {top:.2f}", f"p95 {most:.0f}", p95 <= most, safe=False
            )
    if attack.missed:
        yield Row("points that did not come", str(sum(attack.missed.values())), "", True, safe=False)


def quantile(taken: list[float], part: float) -> float:
    return sorted(taken)[round(part * (len(taken) - 1))]


def spread(counts: Counter[str]) -> str:
    kinds = Counter[str]()
    for who, count in counts.items():
        kinds[who.partition("/")[2] if who.partition("/")[2] in ACTORS else who] += count
    return ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))


@contextmanager
def attacked(part: str, scale: float, seed: int) -> Iterator[Attack]:
    """A part's network, killed."""
    place = made()
    net = Net(place, namespace=crash_silence.namespace() if part == "silence" else "")
    try:
        net.ready()
        attack = Attack(net, random.Random(seed), scale)
        PARTS[part](attack)
        net.close()
        yield attack
    finally:
        net.destroy()
        crash_silence.remove(net.namespace)
        removed(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART,...", help="[%(default)s]")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="a part of the full measure [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="[%(default)s]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append the rows, as JSON lines, to this file")
    parser.add_argument("--stages", action="store_true", help="print where the time of coming back goes")
    given = parser.parse_args()
    orderly()
    unsafe = 0
    for part in given.only.split(","):
        print(f"{part}: load {os.getloadavg()[0]:.1f}", flush=True)
        with attacked(part, given.scale, given.seed) as attack:
            for row in rows(attack, attack.net.verified()):
                print(f"  {row.what:48}  {row.figure:>24}  {row.wanted:>8}  {'met' if row.met else 'NOT MET'}", flush=True)
                unsafe += row.safe and not row.met
                if given.out is not None:
                    with given.out.open("ab") as file:
                        file.write(orjson.dumps({"part": part, "scale": given.scale, **row._asdict()}) + b"\n")
            for text in (*attack.ended, *attack.lost, *attack.net.errors()):
                print(text, file=sys.stderr)
            if given.stages:
                for stage, taken in sorted(attack.times.stages.items()):
                    print(f"    {stage:40} p50 {quantile(taken, 0.5):.2f}  p95 {quantile(taken, 0.95):.2f}  max {max(taken):.2f}")
    sys.exit(1 if unsafe else 0)


if __name__ == "__main__":
    main()
