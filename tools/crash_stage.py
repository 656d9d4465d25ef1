"""A network of real processes that is to be killed, and what is seen of it: one `dfl-actors run` of nodes with a linear model."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import orjson
import psutil
from crash_points import Line, Order
from hostile_stage import MODEL, ROOT, free_port

from dfl_actors.core.codec import sha256
from dfl_actors.core.family import ACTORS
from dfl_actors.core.verdicts import SENDERS, SIGNERS
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import ChainStore

TOPOLOGY = """
[network]
nodes = {nodes}
links = {links}
seed = 3
[training]
model = "tiny.py:build"
batch = 16
[data]
test_samples = 32
[update]
buffer = 4
[run]
evaluate_samples = 200
[transport]
port = {port}
"""
USUAL = ("data.rate=96", "block.transactions=4", "run.evaluate_s=2")
PATIENCE = 120.0  # Seconds for what must happen before a kill counts as one that ended the network.
OFTEN, WHILE = 4, 62.0  # An actor is killed no more often in so many seconds: one more, and the run ends, as it should.


class Ended(Exception):
    """The run has ended, or does not go on, though nobody ended it."""


class Life:
    """What one process of an actor has told: the monotonic time of each thing."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.when: dict[str, float] = {}


KINDS = ("trained", "fetched", "evaluated", "refused", "restarted")


class Diary:
    """What the metrics say of these kinds, read on from where the last look ended."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._read: defaultdict[int, int] = defaultdict(int)
        self._notes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def notes(self, kind: str) -> list[dict[str, Any]]:
        for path in filter(Path.exists, self._run.metrics_files()):
            with path.open("rb") as file:
                number = os.fstat(file.fileno()).st_ino
                file.seek(self._read[number])
                whole, _, _ = file.read().rpartition(b"\n")
            self._read[number] += len(whole) + 1 if whole else 0
            for line in whole.splitlines():
                self._take(line)
        return self._notes[kind]

    def _take(self, line: bytes) -> None:
        for kind in KINDS:
            if f'"event":"{kind}"'.encode() in line:
                with suppress(orjson.JSONDecodeError):  # its writer was killed in the middle of it
                    self._notes[kind].append(orjson.loads(line))


class Net:
    """The network. `who` names an actor, `0/trainer`."""

    def __init__(self, place: Path, nodes: int = 3, ring: bool = False, options: Sequence[str] = USUAL, namespace: str = "") -> None:
        self.namespace = namespace
        self.place, self.out, self.stage = place, place / "run", place / "stage"
        self.port, self.names = free_port(), [str(number) for number in range(nodes)]
        self.links = [f"{one}--{one + 1}" for one in range(nodes - 1)] + [f"{nodes - 1}--0"] * ring
        self.actors = [f"{name}/{actor}" for name in self.names for actor in ACTORS]
        self.stage.mkdir()
        (self.stage / "clock").write_bytes(bytes(8))
        (place / "tiny.py").write_text(MODEL, encoding="utf-8")
        text = TOPOLOGY.format(nodes=nodes, links=orjson.dumps(self.links).decode(), port=self.port)
        (place / "net.toml").write_text(text, encoding="utf-8")
        self.lives: defaultdict[str, list[Life]] = defaultdict(list)
        self.points: defaultdict[str, set[str]] = defaultdict(set)
        self.crashes: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=OFTEN))
        self.final: defaultdict[str, dict[int, str]] = defaultdict(dict)
        self.diary = Diary(RunDirectory(self.out))
        self._orders, self._read = 0, 0
        self._said = (place / "said").open("ab")
        self.process = self._command(
            "run", "net.toml", "--out", "run", "--quiet", *(word for option in options for word in ("--set", option))
        )

    # --- its life

    def _command(self, *words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.place), "CRASH_STAGE": str(self.stage)}
        inside = ("ip", "netns", "exec", self.namespace) if self.namespace else ()
        return subprocess.Popen(
            [*inside, sys.executable, str(Path(__file__).with_name("crash_command.py")), *words],
            cwd=self.place, env=environment, stdout=self._said, stderr=self._said, start_new_session=True,
        )  # fmt: skip

    def resume(self) -> None:
        """Go on with the run, whose command has ended."""
        self.process.wait()
        self.gone()
        self.process = self._command("run", "--resume", "run", "--quiet")

    def gone(self) -> None:
        """Wait until no process of the command's session is left. Raises `Ended`."""
        deadline = time.monotonic() + PATIENCE
        while self.family():
            if time.monotonic() > deadline:
                raise Ended("processes stay when their supervisor is dead")
            time.sleep(0.02)

    def family(self) -> list[psutil.Process]:
        """Every process of the command's session that runs."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def called(self, title: str) -> psutil.Process | None:
        """The process that `ps` shows as this."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if " ".join(process.cmdline()).strip() == title:
                    return process
        return None

    def close(self) -> None:
        """End it in order, or not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        self.destroy()

    def destroy(self) -> None:
        for process in self.family():
            with suppress(psutil.Error):
                process.kill()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    # --- waiting

    def until(self, condition: Callable[[], object], what: str, within: float = PATIENCE) -> None:
        """Raises `Ended` when it does not come, or the run ends."""
        deadline = time.monotonic() + within
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Ended(f"no {what}; exit code {self.process.poll()}: {self.words()}")
            time.sleep(0.01)

    def words(self) -> str:
        """The last that the command has said."""
        return (self.place / "said").read_text(errors="replace")[-2000:]

    def look(self) -> None:
        """Take in what lives have told since the last look."""
        path = self.stage / "lives"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            whole, _, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + 1 if whole else 0
        for raw in whole.splitlines():
            self._take(msgspec.json.decode(raw, type=Line))

    def _take(self, line: Line) -> None:
        if line.what.startswith("at "):
            self.points[line.who.partition("/")[2]].add(line.what[3:])
            return
        if line.what == "born":
            self.lives[line.who].append(Life(line.pid))
        self.lives[line.who][-1].when.setdefault(line.what, line.at)

    def last(self, who: str) -> Life:
        self.look()
        return self.lives[who][-1]

    def work(self, who: list[str], since: float) -> bool:
        """Whether they work that were born since."""
        self.look()
        return all(self.lives[one] and self.lives[one][-1].when["born"] > since and "works" in self.lives[one][-1].when for one in who)

    def working(self, who: list[str], since: float) -> float:
        """Wait until they work again, and say how long (s) that took. Raises `Ended`."""
        self.until(lambda: self.work(who, since), f"work of {', '.join(who)}")
        return max(self.lives[one][-1].when["works"] for one in who) - since

    def ready(self) -> None:
        """Wait until every node has blocks."""
        self.until(lambda: all(self.height(name) > 1 for name in self.names), "blocks of all nodes")

    # --- kills

    def spared(self, who: str) -> bool:
        """Whether an actor has been killed so often lately that one more would end the run."""
        times = self.crashes[who]
        return len(times) == OFTEN and time.monotonic() - times[0] < WHILE

    def kill(self, *who: str) -> float:
        """Kill actors, all at once; the monotonic time."""
        pids = [self.last(one).pid for one in who]
        now = time.monotonic()
        for one, pid in zip(who, pids, strict=True):
            self.crashes[one].append(now)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return now

    def order(self, who: str, point: str, nth: int = 1, newborn: bool = False) -> Callable[[], float | None]:
        """Let an actor fall at a point; what is returned says when it fell."""
        self._orders += 1
        order = Order(self._orders, who, point, nth, time.monotonic() if newborn else 0.0)
        written = self.stage / "order.part"
        written.write_bytes(msgspec.json.encode(order))
        known = len(self.lives[who])
        written.replace(self.stage / "order")

        def fell() -> float | None:
            self.look()
            return next((life.when["falls"] for life in self.lives[who][max(0, known - 1) :] if "falls" in life.when), None)

        return fell

    def withdraw(self) -> None:
        (self.stage / "order").unlink(missing_ok=True)

    # --- what must hold

    def chains(self) -> Iterator[tuple[str, ChainStore]]:
        for name in self.names:
            path = RunDirectory(self.out).node(name).chain
            if (path / "data.mdb").exists():
                with ChainStore(path, readonly=True) as store:
                    yield name, store

    def height(self, name: str) -> int:
        return {one: store.height for one, store in self.chains()}.get(name, 0)

    def remember(self) -> None:
        """What is final now."""
        for name, store in self.chains():
            if height := store.height:
                self.final[name][height - 1] = sha256(store.block(height - 1) or b"")

    def lost(self) -> list[str]:
        """Blocks that were final at some time and are others now, or none."""
        return [
            f"node {name}, block {height}"
            for name, store in self.chains()
            for height, digest in self.final[name].items()
            if sha256(store.block(height) or b"") != digest
        ]

    def doubled(self) -> Counter[str]:
        """Of each kind, how often something else was signed where there may be one only."""
        found: dict[tuple[str, str], str] = {}
        twice: Counter[str] = Counter()
        for line in (self.stage / "said").read_text().splitlines():
            kind, one, digest = line.split()
            twice[kind] += found.setdefault((kind, one), digest) != digest
        return twice

    def events(self, kind: str, since: int = 0) -> list[dict[str, Any]]:
        """The metrics of one of `KINDS`, from a wall time in milliseconds on."""
        return [event for event in self.diary.notes(kind) if event["t"] >= since]

    def blamed(self) -> Counter[str]:
        """For what nodes, which are all honest, were refused that only a liar does."""
        lies = SENDERS | SIGNERS | {"shut_out"}
        lied = [event for event in self.events("refused") if event["by"] and event["code"] in lies]
        return Counter(f"{event['code']} of {event['what']}: {event['detail'][:80]}" for event in lied)

    def errors(self) -> list[str]:
        """What the actors' logs hold: nothing."""
        return [
            f"{path.parents[1].name}/{path.stem}: {text[:1500]}"
            for path in self.out.glob("nodes/*/log/*.log")
            if "remarks" not in path.name and (text := path.read_text())
        ]

    def verified(self) -> str:
        """What `chain verify`, and the other verifier on an export, find wrong; nothing."""
        told, second = [], str(Path(__file__).with_name("verify_chain.py"))
        for words in (("-m", "dfl_actors", "chain", "verify", "run"), ("-m", "dfl_actors", "chain", "export", "run"), (second, "chains")):
            ended = subprocess.run(
                [sys.executable, *words], cwd=self.place, check=False, capture_output=True, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            if "export" in words:
                (self.place / "chains").write_text(ended.stdout, encoding="utf-8")
            if ended.returncode or ("verify" in words and "evidence" in ended.stdout):
                told.append(f"{' '.join(words[-3:])}: exit code {ended.returncode}, {ended.stdout[-300:]}{ended.stderr[-500:]}")
        return "; ".join(told)


def made() -> Path:
    """A folder with a short path, as Unix sockets need."""
    return Path(tempfile.mkdtemp(prefix="crash-"))


def removed(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
