"""Run directories for tests, written the way the program writes them: realistic ones by chance, small ones by hand."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from math import exp
from pathlib import Path
from random import Random
from typing import Any

import orjson

START = 1_700_000_000_000
ACTORS = ("injector", "trainer", "gossiper", "validator", "builder", "keeper")
TASKS = ("generate_transaction", "receive_transaction", "update_model", "generate_block", "inject", "other")

LONG = "a name that goes on until no chart has room for it, fifty-eight"
NASTY = ["amsterdam", "<img src=x onerror=hacked=1>", "c&d", 'say "q"', LONG, "%{x}", "$x$"]
"""Names that would break a page or a picture which took them for markup, and one that is too long for it."""

Line = dict[str, Any]


def address(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def write_run(path: Path, names: Iterable[str], lines: Iterable[Line], tail: bytes = b"", **about: Any) -> Path:
    """A run directory at `path` with a ring of `names`; `tail` follows the last line as it is."""
    nodes = {name: address(name) for name in names}
    ring = list(nodes)
    links = [sorted(pair) for pair in zip(ring, ring[1:] + ring[:1], strict=True)] if len(ring) > 1 else []
    links = [list(pair) for pair in dict.fromkeys(map(tuple, links))]
    run = {"name": path.name, "started": START - 8000, "nodes": nodes, "links": links, "genesis": "ab" * 32, "seed": 1, "version": "0.1.0"}
    path.mkdir(parents=True, exist_ok=True)
    (path / "run.json").write_bytes(orjson.dumps({**run, **about}))
    (path / "metrics.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines) + tail)
    return path


def ready(t: int = START, seconds: float = 8.0) -> Line:
    return {"t": t, "node": "", "actor": "supervisor", "event": "ready", "seconds": seconds, "actors": 24}


def realistic(names: list[str], seconds: int = 60, seed: int = 1, restarts: int = 0) -> Iterator[Line]:
    """What nodes on a full mesh would write: a step about every second, a block every twelve, a measurement every three."""
    rng = Random(seed)
    lines = [ready(), *(line for name in names for line in _node(name, names, seconds, rng))]
    lines += [_line(START + rng.randrange(seconds * 1000), rng.choice(names), rng.choice(ACTORS), "restarted") for _ in range(restarts)]
    lines += [_line(START + seconds * 1000, "", "supervisor", "stopped", reason="duration reached")]
    lines += [_cpu(START + seconds * 1000 + 5, name, actor, rng) for name in names for actor in ACTORS]
    lines += [_cpu(START + seconds * 1000 + 9, "", actor, rng) for actor in ("supervisor", "evaluator")]
    return iter(sorted(lines, key=lambda line: line["t"]))


def _line(t: int, node: str, actor: str, event: str, **fields: Any) -> Line:
    return {"t": t, "node": node, "actor": actor, "event": event, **fields}


def _node(name: str, names: list[str], seconds: int, rng: Random) -> Iterator[Line]:
    others = [other for other in names if other != name]
    speed = rng.uniform(0.08, 0.14)
    for number in range(1, seconds):
        t = START + number * 1000 + rng.randrange(-400, 400)
        skill = 0.1 + 0.87 * (1 - exp(-speed * number))
        own = min(100, max(0, round(100 * skill + rng.gauss(3 if number % 12 else -10, 3))))
        measured = {"correct": own, "tested": 100}
        tx = sha256(f"{name}{number}".encode()).hexdigest()
        yield _line(t, name, "trainer", "trained", sequence=number, tx=tx, steps=number, samples=64 * number, **measured, loss=None)
        for other in others[:4]:
            near = address(other)
            yield _line(t + 40, name, "gossiper", "sent", tx=tx, to=near, bytes=1_724_320)
            yield _line(t + 80, other, "validator", "scored", tx=tx, generator=address(name), **measured, ttl=1)
            yield _line(t + 90, name, "builder", "receipt", tx=tx, creator=near, **measured, ms=90)
        if number % 3 == 0:
            test = round(10_000 * min(1, max(0, skill + rng.gauss(0, 0.012))))
            yield _line(t + 500, name, "evaluator", "evaluated", correct=test, tested=10_000)
        if number % 12 == 0:
            reputations = {address(other): round(rng.uniform(0.8, 1), 2) for other in others}
            contents = {"transactions": 12, "confirmations": 36, "expected": 36}
            block = sha256(f"block {name}{number}".encode()).hexdigest()
            yield _line(t + 200, name, "keeper", "updated", models=8, senders=dict.fromkeys(reputations), reputations=reputations)
            yield _line(t + 300, name, "builder", "final", height=number // 12, block=block, ms=120, **contents)


def _cpu(t: int, node: str, actor: str, rng: Random) -> Line:
    tasks = {task: {"learning": rng.uniform(0, 1), "blockchain": rng.uniform(0, 0.1), "network": rng.uniform(0, 0.1)} for task in TASKS}
    total = sum(sum(work.values()) for work in tasks.values()) + 0.2
    return _line(t, node, actor, "cpu", total=total, tasks=tasks)


# --- a run in which everything happens

LAYERS = {"net/conv/kernel": 80.0, "net/conv/bias": 0.7, "net/dense/kernel": 420.0, "net/dense/bias": 0.1}
PAUSE = 3_600_000
Clock = Callable[[float], int]


def lively(path: Path, names: list[str], seconds: int = 40, seed: int = 1, **about: Any) -> Path:
    """Nodes with about four neighbours each: lives of transactions from end to end, a node that loses the others' trust, weights
    that come together, a restart, an injected fault, and a pause of an hour in the middle, after which the run is resumed."""
    rng = Random(seed)

    def clock(second: float) -> int:
        return START + round(1000 * second) + (PAUSE if second > seconds / 2 else 0)

    links = near_ring(names, rng)
    near = {name: [b if a == name else a for a, b in links if name in (a, b)] for name in names}
    lines = [ready(), _line(clock(seconds / 2), "", "supervisor", "stopped", reason="interrupted")]
    lines += [ready(clock(seconds / 2) + PAUSE), _line(clock(seconds), "", "supervisor", "stopped", reason="duration")]
    for name in names:
        lines += _lively_node(name, near[name], names[-1], seconds, clock, rng)
    lines += [_difference(clock(second), second, rng) for second in range(3, seconds, 2)]
    lines += [
        _line(clock(7), names[0], "trainer", "restarted", reason="killed by SIGKILL"),
        _line(clock(13), names[-1], "gossiper", "fault", what="link cut by hand"),
        _line(clock(9), names[0], "gossiper", "refused", what="TransactionNews", code="bad_signature", by=address(names[-1])),
        *(_line(clock(second), names[-1], "gossiper", "refused", code="busy", by=address(names[0]), count=4) for second in (5, 6)),
        *(_cpu(clock(seconds), name, actor, rng) for name in names for actor in ACTORS),
        *(_cpu(clock(seconds), "", actor, rng) for actor in ("supervisor", "evaluator")),
    ]
    return write_run(path, names, sorted(lines, key=lambda line: line["t"]), **{"links": links, "target": 0.9, **about})


def near_ring(names: list[str], rng: Random) -> list[list[str]]:
    """A ring with as many shortcuts by chance; of four nodes and fewer every link there is."""
    if len(names) <= 4:
        return [[a, b] for place, a in enumerate(names) for b in names[place + 1 :]]
    pairs = {tuple(sorted((place, (place + 1) % len(names)))) for place in range(len(names))}
    pairs |= {tuple(sorted(rng.sample(range(len(names)), 2))) for _ in names}
    return [[names[a], names[b]] for a, b in sorted(pairs)]


def _lively_node(name: str, near: list[str], rogue: str, seconds: int, clock: Clock, rng: Random) -> Iterator[Line]:
    speed, mine = rng.uniform(0.1, 0.2), address(name)
    waiting: list[str] = []
    for number in range(1, seconds):
        now = number + rng.uniform(-0.3, 0.3)
        skill = 0.1 + 0.86 * (1 - exp(-speed * number)) - (0.25 if name == rogue else 0)
        own = {"correct": min(100, max(0, round(100 * skill + rng.gauss(2, 3)))), "tested": 100}
        tx = sha256(f"{name} {number}".encode()).hexdigest()
        yield _line(clock(now), name, "trainer", "trained", sequence=number, tx=tx, steps=number, samples=64 * number, **own, loss=0.5)
        yield _line(clock(now + 0.01), name, "gossiper", "announced", tx=tx)
        for other in near:
            fetched = now + rng.uniform(0.02, 0.1)
            measured = fetched + rng.uniform(0.02, 0.15)
            yield _line(clock(fetched), name, "gossiper", "sent", tx=tx, to=address(other), bytes=1_724_320)
            yield _line(clock(fetched), other, "gossiper", "fetched", tx=tx, ms=20, **{"from": mine})
            yield _line(clock(measured), other, "validator", "scored", tx=tx, generator=mine, **own, ttl=1)
            yield _line(clock(measured + 0.02), name, "builder", "receipt", tx=tx, creator=address(other), **own, ms=90)
        waiting.append(tx)
        if len(waiting) == 4:
            yield from _lively_block(name, near, number // 4, waiting, now + 0.4, clock, rng)
            waiting = []
        if number % 3 == 0:
            test = round(10_000 * min(1, max(0, skill + rng.gauss(0, 0.01))))
            yield _line(clock(now), name, "evaluator", "evaluated", correct=test, tested=10_000)
        if number % 4 == 0:
            trust = {address(other): round(max(0.0, 1 - 0.05 * number / 2) if other == rogue else 1.0, 2) for other in near}
            yield _line(clock(now), name, "keeper", "updated", models=4, senders=dict.fromkeys(trust), reputations=trust)


def _lively_block(name: str, near: list[str], height: int, txs: list[str], now: float, clock: Clock, rng: Random) -> Iterator[Line]:
    draft, block = (sha256(f"{what}{name}{height}".encode()).hexdigest() for what in ("draft", "block"))
    expected = len(near) * len(txs)
    yield _line(clock(now), name, "builder", "drafted", height=height, draft=draft, transactions=len(txs), receipts=expected, txs=txs)
    for other in near:
        given = {"draft": draft, "generator": address(name), "confirmations": len(txs)}
        yield _line(clock(now + rng.uniform(0.01, 0.1)), other, "validator", "confirmed", **given)
    contents = {"transactions": len(txs), "confirmations": expected, "expected": expected, "ms": 120}
    yield _line(clock(now + 0.12), name, "builder", "final", height=height, block=block, **contents)


def _difference(t: int, second: int, rng: Random) -> Line:
    layers = {name: round(size * exp(-second / 20) * rng.uniform(0.8, 1.2), 6) for name, size in LAYERS.items()}
    return _line(t, "", "evaluator", "weight_difference", layers=layers, overall=round(sum(layers.values()), 6))
