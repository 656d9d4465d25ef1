"""Attack a running network without a key, and see that it goes on: one part after the other, or those that are asked for.

    python tools/hostile.py [--only frames,connections,...] [--scale .05] [--seed N]

Each part attacks the ports of one of two nodes on loopback, without CURVE: the worst case, for between hosts a stranger does not get past
its handshake. It then prints what was seen beside what is wanted; exit code 1 when something is not met. `--scale` does a part of each.
"""

import argparse
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import hostile_mutants
import orjson
from hostile_stage import Stage, stage, wall
from hostile_wire import GREETING, MORE, RESET, Peer, frame, message

from dfl_actors.core import codec
from dfl_actors.core.messages import Fetch, Hello
from dfl_actors.core.objects import Genesis
from dfl_actors.runtime.keyfiles import load_key


class Row(NamedTuple):
    """What was seen, and whether it is as wanted."""

    what: str
    figure: str
    wanted: str
    met: bool


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


PARTS: dict[str, Callable[[Attack], Iterator[Row]]] = {part.__name__: part for part in (frames, connections, resets, memory, disk, blame)}


def genesis_of(on: Stage) -> str:
    return codec.digest(codec.decode(Genesis, (on.out / "genesis.json").read_bytes(), limit=1 << 24))


def counted(on: Stage) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in on.refused().most_common()) or "nothing"


def attacked(part: Callable[[Attack], Iterator[Row]], scale: float, seed: int) -> Iterator[Row]:
    """One part on a network of its own: what it is about, and what is wanted of all parts alike."""
    with stage() as on:
        time.sleep(3)
        calm = on.waits(0)
        usual, since, begun = len(calm) / max(0.1, ran(on)), wall(), time.monotonic()
        yield from part(Attack(on, random.Random(seed), scale))
        on.until(lambda: time.monotonic() - begun > 5, "end of the attack")
        took, waits = time.monotonic() - begun, on.waits(since)
        rate = len(waits) / took / max(usual, 0.01)
        yield Row("crashes of actors", str(on.crashes()), "0", on.crashes() == 0)
        yield Row("errors in logs", str(len(on.errors())), "0", not on.errors())
        yield Row(f"gossiper, MB ({on.at_start} before)", str(on.most), "under 300", on.most < 300)
        worst = late(waits)
        yield Row(f"its neighbour's receipts, p99 ms ({late(calm)} before)", str(worst), "at most 250", worst <= 250)
        yield Row("its transactions answered, of the usual rate", f"{rate:.2f}", "at least 0.50", rate >= 0.5)
        for text in on.errors():
            print(text, file=sys.stderr)


def late(waits: list[int]) -> int:
    """The 99th percentile of sorted times."""
    return waits[int(0.99 * (len(waits) - 1))] if waits else 10**6


def ran(on: Stage) -> float:
    """Seconds since the network was ready."""
    return float(wall() - on.events("ready")[0]["t"]) / 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART,...", help="[%(default)s]")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="a part of the full measure [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="[%(default)s]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append the rows, as JSON lines, to this file")
    given = parser.parse_args()
    missed = 0
    for name in given.only.split(","):
        print(f"{name}: {(PARTS[name].__doc__ or '').strip()}", flush=True)
        for row in attacked(PARTS[name], given.scale, given.seed):
            print(f"  {row.what:48}  {row.figure:>24}  {row.wanted:>24}  {'met' if row.met else 'NOT MET'}", flush=True)
            missed += not row.met
            if given.out is not None:
                with given.out.open("ab") as file:
                    file.write(orjson.dumps({"part": name, "scale": given.scale, **row._asdict()}) + b"\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
