"""Attack a running network, and see that it goes on: one part after the other, or those that are asked for.

    python tools/hostile.py [--only frames,promises,...] [--scale .05] [--seed N] [--out FILE]

Strangers without a key attack the ports of one of two nodes on loopback, without CURVE: the worst case, for between hosts a stranger does
not get past its handshake. A neighbour with a key attacks a node beside an honest neighbour. `inside` is for the sockets within a node, and
`forged` needs no network. Each part prints what was seen beside what is wanted; exit code 1 when something is not met. `--scale` does a
part of each. The honest neighbour's receipts are timed before and after each attack too: where they are late without it, the machine is
the cause, and the row says `load`.
"""

import argparse
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import NamedTuple

import hostile_forged
import hostile_inside
import hostile_mutants
import orjson
from ending import orderly
from hostile_attacks import ATTACKS, Assault, Row
from hostile_neighbour import Neighbour
from hostile_stage import Stage, hosts, stage, wall
from hostile_wire import GREETING, MORE, RESET, Peer, frame, message

from dfl_actors.core import codec
from dfl_actors.core.messages import Fetch, Hello
from dfl_actors.core.objects import Genesis
from dfl_actors.runtime.keyfiles import load_key


class Attack(NamedTuple):
    """What an attack may use: the network, a seeded generator, and how much of the full measure is wanted."""

    on: Stage
    rng: random.Random
    scale: float

    def times(self, full: int) -> int:
        return max(1, round(full * self.scale))


def frames(attack: Attack) -> Iterator[Row]:
    """200,000 mutated frames, half of them to each server. Whoever is disconnected connects again."""
    genesis, sent = genesis_of(attack.on), 0
    for port, kind in ((attack.on.port, "SUB"), (attack.on.port + 1, "DEALER")):
        left = attack.times(100_000)
        while left > 0:
            batch = list(hostile_mutants.hostile(genesis, attack.rng, min(left, 40)))
            with suppress(OSError), Peer(port, kind) as peer:
                peer.say(batch)
                peer.closed(0.002)
            sent += sum(map(len, batch))
            left -= sum(map(len, batch))
            attack.on.memory()
    time.sleep(1.5)  # the last second's refusals are one line once it is over
    yield Row("mutated frames sent", f"{sent:,}", f"{attack.times(200_000):,}", sent >= attack.times(200_000))
    yield Row("refused", counted(attack.on), "each connection at least", attack.on.refused().total() >= sent // 200)


def connections(attack: Attack) -> Iterator[Row]:
    """20,000 raw connections that end, are reset, say nonsense, or half a greeting, or stay."""
    kept: list[socket.socket] = []
    words = (b"", b"\xff", GREETING[:20], GREETING, b"GET / HTTP/1.1\r\n\r\n", attack.rng.randbytes(200), GREETING + b"\x06" + b"\xff" * 8)
    made = 0
    for number in range(attack.times(20_000)):
        with suppress(OSError):
            wire = socket.create_connection(("127.0.0.1", attack.on.port + number % 2), 5)
            made += 1
            wire.sendall(attack.rng.choice(words))
            if number % 3 == 0:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            if number % 5 or len(kept) > 600:
                wire.close()
            else:
                kept.append(wire)
        if not number % 200:
            attack.on.memory()
    for wire in kept:
        wire.close()
    yield Row("raw connections", f"{made:,}", f"{attack.times(20_000):,}", made >= 0.99 * attack.times(20_000))


def resets(attack: Attack) -> Iterator[Row]:
    """Requests of 184 kB, of 60 kB and of 3 kB until nobody takes more, then a reset, while heartbeats are due."""
    rounds = attack.times(200)
    for number in range(rounds):
        body = message([b"x" * (184_000, 60_000, 3_000)[number % 3]])
        with suppress(OSError):
            peer = Peer(attack.on.port + 1, "DEALER")
            for _ in range(1_600):
                if not peer.send(body):
                    break
            peer.reset()
        attack.on.memory()
        time.sleep(attack.rng.uniform(0, 0.2))
    yield Row("rounds of resets", str(rounds), f"{rounds}", True)


def memory(attack: Attack) -> Iterator[Row]:
    """20,500 subscriptions of 1,000 and of 100 bytes, messages without end, 280 requests of 4 MB before a greeting."""
    on = attack.on
    floods: tuple[tuple[int, str, Callable[[], bytes], int], ...] = (
        (on.port, "SUB", lambda: frame(b"\x01" + attack.rng.randbytes(999)), 20_500),
        (on.port, "SUB", lambda: frame(b"\x01" + attack.rng.randbytes(99)), 20_500),
        (on.port, "SUB", lambda: frame(b"x", MORE) * 20_000, 300),
        (on.port + 1, "DEALER", lambda: frame(b"x", MORE) * 20_000, 300),
        (on.port + 1, "DEALER", lambda: frame(bytes(4 << 20), MORE), 300),
        (on.port + 1, "DEALER", lambda: frame(b"\0" * 60_000, MORE) * 20, 300),
        (on.port + 1, "DEALER", lambda: message([b"x" * 4_000_000]), 280),
        (on.port + 1, "DEALER", lambda: frame(b"\x04PING\0\0", 4) * 5_000, 300),
    )
    for port, kind, flood, times in floods:
        for _ in range(max(1, attack.times(10))):
            with suppress(OSError), Peer(port, kind) as peer:
                for number in range(times):
                    if not peer.send(flood()):
                        break
                    if not number % 50:
                        on.memory()
    yield Row("floods", str(len(floods) * max(1, attack.times(10))), "", True)


def disk(attack: Attack) -> Iterator[Row]:
    """Unknown fields of 4 kB and of 4 MB, 2,000 times: a stranger fills no disk."""
    path, times = attack.on.out / "metrics.jsonl", attack.times(2_000)
    before, begun = path.stat().st_size, time.monotonic()
    for number in range(times):
        with suppress(OSError), Peer(attack.on.port + 1, "DEALER") as peer:
            peer.say([[b'{"type":"Hello","' + b"k" * (4_000_000 if not number % 100 else 3_000) + b'":1}']] * 4)
    refusals = sum(len(line) for line in path.read_bytes()[before:].splitlines() if b'"event":"refused"' in line)
    rate = refusals / max(5.0, time.monotonic() - begun)
    yield Row("refusals in the metrics, bytes a second", f"{rate:,.0f}", "at most 10,000", rate <= 10_000)


def blame(attack: Attack) -> Iterator[Row]:
    """Unsigned greetings that name node 1, then requests: nobody is blamed."""
    on, key = attack.on, load_key(attack.on.out / "nodes" / "1")
    liar = Hello(genesis=genesis_of(on), address=key.address, public_key=key.public, nonce=hostile_mutants.NONCE)
    fetch = codec.encode(Fetch(model=hostile_mutants.NONCE, first=0, count=1))
    since = wall()
    for _ in range(attack.times(100)):
        with suppress(OSError), Peer(on.port + 1, "DEALER") as peer:
            peer.say([[codec.encode(liar)], [fetch]])
    on.until(lambda: on.refused(since)["not_admitted"], "refusal")
    blamed = sum(event["by"] == key.address for event in on.events("refused", since))
    yield Row("refusals that blame the node that was named", str(blamed), "0", blamed == 0)


def inside(attack: Attack) -> Iterator[Row]:
    """200,000 mutated frames to each of the sockets inside node 0: mailboxes, events, taps, inlet."""
    yield from hostile_inside.inside(attack.on, attack.rng, attack.times(200_000))


PARTS: dict[str, Callable[[Attack], Iterator[Row]]] = {
    part.__name__: part for part in (frames, connections, resets, memory, disk, blame, inside)
}
"""What strangers do."""


def genesis_of(on: Stage) -> str:
    return codec.digest(codec.decode(Genesis, (on.out / "genesis.json").read_bytes(), limit=1 << 24))


def counted(on: Stage) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in on.refused().most_common()) or "nothing"


CALM = 10.0  # Seconds before and after an attack, at full measure.
SECONDS = 20.0  # That a neighbour's attack goes on.


class Watch:
    """Times the honest neighbour's receipts with and without an attack."""

    def __init__(self, on: Stage, calm: float) -> None:
        self._on, self._calm, self._waits, self._seconds = on, max(3.0, calm), list[int](), 0.0
        self._pass()

    def _pass(self) -> None:
        """Some time without an attack."""
        since, begun = wall(), time.monotonic()
        while time.monotonic() - begun < self._calm:
            time.sleep(0.1)
        self._waits += self._on.waits(since)
        self._seconds += time.monotonic() - begun

    def rows(self, since: int, seconds: float) -> Iterator[Row]:
        """Of an attack that began at that wall time and went on for so long."""
        waits = self._on.waits(since)
        self._pass()
        usual, worst = late(sorted(self._waits)), late(waits)
        figure = f"{worst} ({usual} without, x{worst / max(1, usual):.1f})"
        yield Row("its neighbour's receipts, p99 ms", figure, "at most 250", worst <= 250, load=worst <= 1.5 * usual)
        rate = len(waits) / seconds / max(0.01, len(self._waits) / self._seconds)
        yield Row("its transactions answered, of the usual rate", f"{rate:.2f}", "at least 0.50", rate >= 0.5)


def seen(on: Stage, within: int = 300) -> Iterator[Row]:
    """What is wanted of all parts alike."""
    yield Row("crashes of actors", str(on.crashes()), "0", on.crashes() == 0)
    yield Row("errors in logs", str(len(on.errors())), "0", not on.errors())
    yield Row(f"gossiper, MB ({on.at_start} before)", str(on.most), f"under {within}", on.most < within)
    for text in on.errors():
        print(text, file=sys.stderr)


def attacked(part: Callable[[Attack], Iterator[Row]], scale: float, seed: int) -> Iterator[Row]:
    """What strangers do, on a network of its own."""
    with stage() as on:
        watch, since, begun = Watch(on, CALM * scale), wall(), time.monotonic()
        yield from part(Attack(on, random.Random(seed), scale))
        on.until(lambda: time.monotonic() - begun > 5, "end of the attack")
        yield from watch.rows(since, time.monotonic() - begun)
        yield from seen(on)


def assaulted(attack: Callable[[Assault], Iterator[Row]], scale: float, seed: int) -> Iterator[Row]:
    """What a neighbour does; in the end every frame of its was counted under one verdict."""
    with hosts() as (on, keys, port):
        by = Neighbour(keys, genesis_of(on), on.address, on.port, port, parameters(on))
        try:
            by.join()
            watch, since, begun, spent, sent = Watch(on, CALM * scale), wall(), time.monotonic(), on.spent(), by.sent
            yield from attack(Assault(on, by, random.Random(seed), scale, max(4.0, SECONDS * scale)))
            drained = by.drained()
            yield Row("all of it read", "yes" if drained else "no", "yes", drained)
            yield costs(on.spent(), spent, by.sent - sent, time.monotonic() - begun)
            yield from watch.rows(since, time.monotonic() - begun)
            on.settled(by.key.address)
            yield from seen(on)
            on.close()
            yield counted_once(on, by)
        finally:
            by.close()


def costs(now: dict[str, float], before: dict[str, float], messages: int, seconds: float) -> Row:
    """What an attack takes of the victim's processors, beside what its own work takes of them: whatever else the machine does."""
    each = {actor: now[actor] - before[actor] for actor in now if actor in before}
    said = ", ".join(f"{actor} {cpu / seconds:.2f}" for actor, cpu in each.items())
    return Row(f"processors while {messages:,} messages came", said, "each under 1", all(cpu < seconds for cpu in each.values()))


def counted_once(on: Stage, by: Neighbour) -> Row:
    """Of the frames that the neighbour sent, how many were accepted, refused or ignored, or refused where nobody is named."""
    found = [event for event in on.events("frames") if event["node"] == "0" and event["by"] == by.key.address]
    counted = sum(event["accepted"] + sum(event["refused"].values()) + sum(event["ignored"].values()) for event in found)
    nobody = sum(event["count"] for event in on.events("refused") if event["node"] == "0" and not event["by"])
    return Row("its frames counted under one verdict", f"{counted + nobody:,} of {by.sent:,}", "all", counted + nobody == by.sent)


def parameters(on: Stage) -> int:
    genesis = codec.decode(Genesis, (on.out / "genesis.json").read_bytes(), limit=1 << 24)
    return sum(prod(layer.shape) for layer in genesis.layers)


def forged(scale: float, seed: int) -> Iterator[Row]:
    """10,000 forged, moved, doubled and late receipts and confirmations, to the actors and to both verifiers of chains."""
    yield from hostile_forged.forged(random.Random(seed), max(1, round(10_000 * scale)))


def late(waits: list[int]) -> int:
    """The 99th percentile of sorted times."""
    return waits[int(0.99 * (len(waits) - 1))] if waits else 10**6


def part_of(name: str, scale: float, seed: int) -> tuple[str, Iterator[Row]]:
    """What a part does, and its rows. Raises `SystemExit` for one that does not exist."""
    if name in PARTS:
        return str(PARTS[name].__doc__), attacked(PARTS[name], scale, seed)
    if name in ATTACKS:
        return f"a neighbour: {ATTACKS[name].__doc__}", assaulted(ATTACKS[name], scale, seed)
    if name != "forged":
        sys.exit(f"no part {name}: {', '.join(NAMES)}")
    return str(forged.__doc__), forged(scale, seed)


NAMES = (*PARTS, *ATTACKS, "forged")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(NAMES), metavar="PART,...", help="[%(default)s]")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="a part of the full measure [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="[%(default)s]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append the rows, as JSON lines, to this file")
    given = parser.parse_args()
    orderly()
    missed = 0
    for name in given.only.split(","):
        what, rows = part_of(name, given.scale, given.seed)
        print(f"{name}: {what.strip()}", flush=True)
        for row in rows:
            word = "met" if row.met else "load" if row.load else "NOT MET"
            print(f"  {row.what:52}  {row.figure:>26}  {row.wanted:>20}  {word}", flush=True)
            missed += word == "NOT MET"
            if given.out is not None:
                with given.out.open("ab") as file:
                    file.write(orjson.dumps({"part": name, "scale": given.scale, **row._asdict()}) + b"\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
