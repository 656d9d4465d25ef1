"""A small network under attack, and what is seen of it: two nodes with a linear model, on loopback without CURVE, the worst case."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import psutil

MODEL = """
import keras


def build(shape, labels):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(labels)])
"""
TOPOLOGY = """
[network]
nodes = 2
seed = 3
[training]
model = "tiny.py:build"
batch = 16
[data]
rate = 160
test_samples = 32
[block]
transactions = 2
[update]
buffer = 2
[run]
evaluate_s = 0
[transport]
port = {port}
"""
PATIENCE = 180.0
ROOT = Path(__file__).parents[1]


class Stage:
    """The network; node 0 is the victim. `port` is that of its news, the next one that of its requests."""

    def __init__(self, place: Path) -> None:
        self.place, self.port, self.most = place, free_port(), 0
        (place / "tiny.py").write_text(MODEL, encoding="utf-8")
        (place / "net.toml").write_text(TOPOLOGY.format(port=self.port), encoding="utf-8")
        self._said = (place / "said").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dfl_actors", "run", "net.toml", "--out", "run", "--quiet"],
            cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(place)}, stdout=self._said, stderr=self._said,
        )  # fmt: skip
        self.until(lambda: {event["node"] for event in self.events("final")} >= {"0", "1"}, "blocks of both nodes")
        self.at_start = self.memory()

    @property
    def out(self) -> Path:
        return self.place / "run"

    def until(self, condition: Callable[[], object], what: str, within: float = PATIENCE) -> None:
        """Raises `SystemExit` when it does not come, or the run ends."""
        deadline = time.monotonic() + within
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"no {what}; exit code {self.process.poll()}: {(self.place / 'said').read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def events(self, kind: str, since: int = 0) -> list[dict[str, Any]]:
        """The metrics of one kind, from a wall time in milliseconds on."""
        path, mark = self.out / "metrics.jsonl", f'"event":"{kind}"'.encode()
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        found = [orjson.loads(line) for line in lines if mark in line]
        return [event for event in found if event["t"] >= since]

    def gossiper(self) -> psutil.Process | None:
        """The victim's, which is called so in `ps`."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if "dfl 0/gossiper" in " ".join((process.name(), *process.cmdline())):
                    return process
        return None

    def memory(self) -> int:
        """MB that the gossiper has in memory, shared pages included; the most of all looks is kept."""
        with suppress(psutil.Error, AttributeError):
            self.most = max(self.most, now := self.gossiper().memory_info().rss // 1_000_000)  # type: ignore[union-attr]
            return int(now)
        return 0

    def refused(self, since: int = 0) -> Counter[str]:
        """How often node 0 refused something, by code."""
        counts: Counter[str] = Counter()
        for event in self.events("refused", since):
            if event["node"] == "0":
                counts[event["code"]] += event["count"]
        return counts

    def crashes(self) -> int:
        """Restarts of actors."""
        return len(self.events("restarted"))

    def errors(self) -> list[str]:
        """What the actors' logs hold: nothing."""
        return [
            f"{path.name}: {text[-600:]}"
            for path in self.out.glob("nodes/*/log/*.log")
            if "remarks" not in path.name and (text := path.read_text())
        ]

    def waits(self, since: int) -> list[int]:
        """Milliseconds from a transaction to a receipt for it, of node 1's: node 0, under attack, has to measure and to answer."""
        return sorted(event["ms"] for event in self.events("receipt", since) if event["node"] == "1")

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._said.close()


@contextmanager
def stage() -> Iterator[Stage]:
    """A network that is gone afterwards, with its files."""
    place = Path(tempfile.mkdtemp(prefix="hostile-"))
    made = Stage(place)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(place, ignore_errors=True)


def free_port() -> int:
    """Four free ports in a row."""
    for first in range(25_000 + os.getpid() % 500 * 8, 32_000, 8):
        with suppress(OSError):
            for port in range(first, first + 4):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            return first
    raise SystemExit("no free ports")


def wall() -> int:
    return time.time_ns() // 1_000_000
