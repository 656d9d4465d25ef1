"""A small network under attack, and what is seen of it: two nodes with a linear model, on loopback without CURVE, the worst case.

`stage()` runs both in one directory, for strangers; `hosts()` each as on a host of its own, with a neighbour and its accomplices whose keys
the tool holds: members of the network like any other.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import psutil

from dfl_actors.core.keys import KeyPair
from dfl_actors.runtime.keyfiles import new_key

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
HOSTS = """
[network]
name = "hostile"
nodes = {names}
links = {links}
seed = 3
[training]
model = "tiny.py:build"
batch = 16
[data]
rate = 160
test_samples = 32
[gossip]
fetch_timeout_s = 1
[block]
transactions = 2
[update]
buffer = 2
[run]
evaluate_s = 0
[transport]
curve = "off"
"""
ACCOMPLICES = 20  # Members beside the hostile neighbour; their signatures are what it may use.
PATIENCE = 180.0
ROOT = Path(__file__).parents[1]


class Stage:
    """The network; node 0 is the victim. `port` is that of its news, the next one that of its requests; `commands` are what is started,
    by the directory that each makes, the victim's first."""

    def __init__(self, place: Path, port: int, topology: str, commands: Mapping[str, tuple[str, ...]]) -> None:
        self.place, self.port, self.most = place, port, 0
        (place / "tiny.py").write_text(MODEL, encoding="utf-8")
        (place / "net.toml").write_text(topology, encoding="utf-8")
        self._said = (place / "said").open("wb")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(place)}
        self.outs = [place / name for name in commands]
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "dfl_actors", command, "net.toml", "--out", out, "--quiet", *more],
                cwd=place, env=environment, stdout=self._said, stderr=self._said,
            )
            for out, (command, *more) in commands.items()
        ]  # fmt: skip
        self.until(lambda: {event["node"] for event in self.events("final")} >= {"0", "1"}, "blocks of both nodes")
        self.at_start = self.memory()
        self.address = orjson.loads((self.out / "run.json").read_bytes())["nodes"]["0"]

    @property
    def out(self) -> Path:
        """The victim's."""
        return self.outs[0]

    @property
    def sockets(self) -> Path:
        """Where the victim's actors have theirs."""
        return Path(orjson.loads((self.out / "run.json").read_bytes())["sockets"])

    def until(self, condition: Callable[[], object], what: str, within: float = PATIENCE) -> None:
        """Raises `SystemExit` when it does not come, or the run ends."""
        deadline = time.monotonic() + within
        while not condition():
            codes = [process.poll() for process in self.processes]
            if any(code is not None for code in codes) or time.monotonic() > deadline:
                self.close()
                sys.exit(f"no {what}; exit codes {codes}: {(self.place / 'said').read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def events(self, kind: str, since: int = 0) -> list[dict[str, Any]]:
        """The metrics of one kind, from a wall time in milliseconds on."""
        mark = f'"event":"{kind}"'.encode()
        paths = [out / "metrics.jsonl" for out in self.outs]
        lines = [line for path in paths if path.exists() for line in path.read_bytes().split(b"\n")[:-1]]
        found = [orjson.loads(line) for line in lines if mark in line]
        return [event for event in found if event["t"] >= since]

    def gossiper(self) -> psutil.Process | None:
        """The victim's, which is called so in `ps`."""
        for process in psutil.Process(self.processes[0].pid).children(recursive=True):
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

    def spent(self) -> dict[str, float]:
        """CPU seconds so far of the victim's actors that a neighbour's words come to."""
        found: dict[str, float] = {}
        for process in psutil.Process(self.processes[0].pid).children(recursive=True):
            with suppress(psutil.Error):
                name = " ".join((process.name(), *process.cmdline()))
                found |= {actor: sum(process.cpu_times()[:2]) for actor in ("gossiper", "validator") if f"dfl 0/{actor}" in name}
        return found

    def settled(self, by: str) -> None:
        """Until the victim's validator has answered all that this neighbour brought."""
        before, since = -1, time.monotonic()
        while time.monotonic() - since < 2.0:
            found = [*self.events("scored"), *self.events("refused")]
            now = sum(event["node"] == "0" and by in (event.get("generator"), event.get("by")) for event in found)
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.2)

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
            for out in self.outs
            for path in out.glob("nodes/*/log/*.log")
            if "remarks" not in path.name and (text := path.read_text())
        ]

    def waits(self, since: int) -> list[int]:
        """Milliseconds from a transaction to a receipt for it, of node 1's: node 0, under attack, has to measure and to answer."""
        found = (event for event in self.events("receipt", since) if event["node"] == "1" and event["creator"] == self.address)
        return sorted(event["ms"] for event in found)

    def close(self) -> None:
        """End it, as a person would."""
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            if process.poll() is None:
                process.kill()
                process.wait()
        self._said.close()


@contextmanager
def stage() -> Iterator[Stage]:
    """A network that is gone afterwards, with its files."""
    port = free_port()
    with place() as where, closing(Stage(where, port, TOPOLOGY.format(port=port), {"run": ("run",)})) as on:
        yield on


@contextmanager
def hosts() -> Iterator[tuple[Stage, dict[str, KeyPair], int]]:
    """Such a network where node 0 has a third neighbour, `m`; the keys of all, and where `m` is to listen."""
    names = ["0", "1", "m", *(f"x{number}" for number in range(ACCOMPLICES))]
    links = ["0--1", "0--m", *(f"m--{name}" for name in names[3:])]
    port = free_port()
    text = HOSTS.format(names=names, links=links).replace("'", '"')
    with place() as where:
        keys = {name: new_key(where / f"key-{name}") for name in names}
        for number, name in enumerate(names):
            text += f'[node.{name}]\nlisten = "tcp://127.0.0.1:{port + 2 * number}"\npublic_key = "{keys[name].public}"\n'
        commands = {f"run-{name}": ("node", "--name", name, "--keys", f"key-{name}") for name in "01"}
        with closing(Stage(where, port, text, commands)) as on:
            yield on, keys, port + 4


@contextmanager
def place() -> Iterator[Path]:
    """A directory that is gone afterwards."""
    where = Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        yield where
    finally:
        shutil.rmtree(where, ignore_errors=True)


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
