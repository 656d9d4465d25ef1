"""Run directories for tests, written the way the program writes them: realistic ones by chance, small ones by hand."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from math import exp
from pathlib import Path
from random import Random
from typing import Any

import orjson

START = 1_700_000_000_000
ACTORS = ("injector", "trainer", "gossiper", "validator", "builder", "keeper")
TASKS = ("generate_transaction", "receive_transaction", "update_model", "generate_block", "inject", "other")

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
