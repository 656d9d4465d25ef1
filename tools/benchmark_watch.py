"""Measure what `dfl-actors watch` costs on a long run: 10 nodes, all linked, 10,000 transactions, of which each has nine witnesses.

    python tools/benchmark_watch.py [--nodes N] [--transactions N] [--updates N]

The metrics are made up, of the kinds and numbers of a real run. Measured is the server's own code in this process: how long it takes to
read the run when it begins, and then the CPU time of an update, in which a second of such a run has come (ten transactions) and a page
shows all charts, or those on top; how large what is sent is; and the memory that this process takes more than before.
"""

import argparse
import gzip
import statistics
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

import msgspec
import orjson
import psutil

from dfl_actors.report.charts import IDS
from dfl_actors.watch.views import Place, RunView

START = 1_700_000_000_000
PLACE = Place(events="/events", update="/update", nodes="/node/")
ALL = (*IDS.values(), "cpu-tasks", "cpu-nodes")
TOP = ("accuracy", "nodes", "weight-difference", "chains")
WANTED_MS = 50.0


def address(name: str) -> str:
    return sha256(name.encode()).hexdigest()


class Made:
    """The events of a run, as many as one wants."""

    def __init__(self, nodes: int) -> None:
        self.names = [str(number) for number in range(nodes)]
        self._addresses = {name: address(name) for name in self.names}
        self._rng, self._heights, self._waiting = Random(1), dict.fromkeys(self.names, 0), {name: list[str]() for name in self.names}
        self.count = 0

    def about(self) -> bytes:
        links = [[a, b] for place, a in enumerate(self.names) for b in self.names[place + 1 :]]
        return orjson.dumps({"name": "made", "started": START - 8000, "nodes": self._addresses, "links": links, "genesis": "ab" * 32})

    def append(self, place: Path, transactions: int) -> None:
        """So many more come."""
        with (place / "metrics.jsonl").open("ab") as file:
            for _ in range(transactions):
                file.writelines(self.transaction())

    def transaction(self) -> Iterator[bytes]:
        """All that is written of one, and of the block and the update that it completes; ten in a second."""
        name = self.names[self.count % len(self.names)]
        t, tx = START + 100 * self.count, sha256(f"{self.count}".encode()).hexdigest()
        self.count += 1
        score = {"correct": min(100, 10 + self.count // 100 + self._rng.randrange(8)), "tested": 100}
        yield self._line(
            t, name, "trained", tx=tx, sequence=self._heights[name], steps=self.count, samples=64 * self.count, loss=0.5, **score
        )
        yield self._line(t + 1, name, "announced", tx=tx)
        for other in self.names:
            if other != name:
                yield self._line(t + 20, name, "sent", tx=tx, to=self._addresses[other], bytes=1_724_320)
                yield self._line(t + 30, other, "fetched", tx=tx, ms=20, **{"from": self._addresses[name]})
                yield self._line(t + 60, other, "scored", tx=tx, generator=self._addresses[name], ttl=1, **score)
                yield self._line(t + 80, name, "receipt", tx=tx, creator=self._addresses[other], ms=80, **score)
        yield from self._updates(t, name)
        self._waiting[name].append(tx)
        if len(self._waiting[name]) == 4:
            yield from self._block(t + 400, name)
        if self.count % 5 == 0:
            yield self._line(t, name, "evaluated", correct=score["correct"] * 100, tested=10_000)

    def _updates(self, t: int, name: str) -> Iterator[bytes]:
        """Every other node has one model more: of four it makes an average."""
        others = [self._addresses[other] for other in self.names if other != name]
        for _ in range(len(others) // 4):
            trust = {other: round(self._rng.uniform(0.8, 1), 3) for other in others}
            said = dict.fromkeys(others[:4], "taken")
            yield self._line(t + 90, name, "updated", models=4, senders=dict.fromkeys(others), reputations=trust, notes={"senders": said})

    def _block(self, t: int, name: str) -> Iterator[bytes]:
        txs, height, self._waiting[name] = self._waiting[name], self._heights[name], []
        self._heights[name] += 1
        draft, block = (sha256(f"{what}{name}{height}".encode()).hexdigest() for what in ("draft", "block"))
        yield self._line(t, name, "drafted", height=height, draft=draft, transactions=4, receipts=36, txs=txs)
        for other in self.names:
            if other != name:
                yield self._line(t + 40, other, "confirmed", draft=draft, generator=self._addresses[name], confirmations=4)
        yield self._line(t + 80, name, "final", height=height, block=block, transactions=4, confirmations=36, expected=36, ms=80)

    def _line(self, t: int, node: str, event: str, **fields: object) -> bytes:
        return orjson.dumps({"t": t, "node": node, "actor": "x", "event": event, **fields}) + b"\n"


def write_made(made: Made, place: Path, transactions: int) -> int:
    """A run directory with so many transactions; how many bytes of metrics those are."""
    (place / "run.json").write_bytes(made.about())
    ready = orjson.dumps({"t": START, "node": "", "actor": "supervisor", "event": "ready", "seconds": 8.0})
    (place / "metrics.jsonl").write_bytes(ready + b"\n")
    made.append(place, transactions)
    return (place / "metrics.jsonl").stat().st_size


def measured(nodes: int, transactions: int, updates: int, place: Path) -> None:
    """Make the run, follow it, and print what that cost."""
    made, process = Made(nodes), psutil.Process()
    size = write_made(made, place, transactions)
    before, began = megabytes(process), time.process_time()
    view = RunView(place, "made")
    view.advance()
    print(f"{nodes} nodes, {transactions:,} transactions: {size / 1e6:.0f} MB of metrics")
    print(f"read when it begins: {time.process_time() - began:.2f} s of CPU, then {megabytes(process) - before:.0f} MB of memory")
    began = time.process_time()
    page = view.page(PLACE)
    print(f"the page when it is opened: {1000 * (time.process_time() - began):.0f} ms, {len(page) / 1e3:.0f} kB")
    for words, near in (("all charts", ALL), ("the charts on top", TOP)):
        spent, sent = zip(*(one(view, made, place, near) for _ in range(updates)), strict=True)
        figures = f"median {statistics.median(spent):.1f} ms, at most {max(spent):.1f}, wanted {WANTED_MS:.0f}"
        packed = len(gzip.compress(sent[-1]))
        print(f"an update with {words}: {figures}; {len(sent[-1]) / 1e3:.0f} kB ({packed / 1e3:.0f} packed)")
    now = megabytes(process)
    print(f"memory after {2 * updates} updates: {now - before:.0f} MB more than before; in all {now:.0f}")


def megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def one(view: RunView, made: Made, place: Path, near: tuple[str, ...]) -> tuple[float, bytes]:
    """A second of the run comes, and a page is told: ms of CPU, and what is sent."""
    made.append(place, 10)
    began = time.process_time()
    view.advance()
    sent = msgspec.json.encode(view.update(near, PLACE))
    return 1000 * (time.process_time() - began), sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument("--updates", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured(given.nodes, given.transactions, given.updates, Path(place))


if __name__ == "__main__":
    main()
