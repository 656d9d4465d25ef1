"""Runs `dfl-actors` as a person does: in processes of its own, with real sockets and stores. Waits for events, never for a time.

Each command leads a session of its own, so that every process it started can be found by the session, and has a `TMPDIR` of its
own, so that whatever it leaves behind is seen.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import psutil

from tests.network.places import inside
from tests.patience import Stopwatch
from tests.warm.commands import Warm

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds that a test waits for what must happen before it fails."""

GONE_WITHIN = 5.0
"""Seconds the issue gives a stopped run to be gone."""

ORPHANED_WITHIN = 2.0
"""Seconds the issue gives actors whose supervisor died."""

NOISE = 2.0
"""Seconds of which other work on this machine may rob us, beyond what `tests/patience.py` makes up for."""

ACTORS = ("injector", "trainer", "gossiper", "validator", "builder", "keeper")

TINY_MODEL = '''
import keras


def build(shape, labels):
    """A linear model: it starts quickly."""
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(labels)])
'''

SMALL = """
[network]
nodes = 2
seed = 3

[training]
model = "tiny.py:build"
batch = 16

[data]
rate = 64
test_samples = 32

[block]
transactions = 2

[update]
buffer = 2

[run]
evaluate_s = 0
"""


class Command:
    """A `dfl-actors` command under way, or ended."""

    def __init__(
        self,
        place: Path,
        *arguments: str | Path,
        out: Path | None = None,
        limit: Callable[[], None] | None = None,
        namespace: str = "",
        cold: bool = False,
        **more: str,
    ) -> None:
        """Start it in the directory `place`; `out` is its run directory; `limit` is called in the child before it begins; `namespace` is
        the network it is in; `cold`: by an interpreter of its own (`tests/warm/`); `more` are variables of its environment."""
        self.out, self._diary = out, None if out is None else Diary(out / "metrics.jsonl")
        self._log = place / f"{time.monotonic_ns()}"
        self.temporary = Path(f"{self._log}.tmp")
        self.temporary.mkdir(parents=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), "COLUMNS": "120", **more}
        said = [str(argument) for argument in arguments]
        files = (Path(f"{self._log}.out"), Path(f"{self._log}.err"))
        with files[0].open("wb") as stdout, files[1].open("wb") as stderr:
            self.process: subprocess.Popen[bytes] | Warm
            if not cold and limit is None:
                self.process = Warm(said, place, environment, *files, namespace)
                return
            self.process = subprocess.Popen(
                [*inside(namespace), sys.executable, "-m", "dfl_actors", *said],
                cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True,
                preexec_fn=limit,  # noqa: PLW1509 - it sets a limit of the child, which no flag does
            )  # fmt: skip

    @property
    def stdout(self) -> str:
        return Path(f"{self._log}.out").read_text()

    @property
    def stderr(self) -> str:
        return Path(f"{self._log}.err").read_text()

    def story(self) -> str:
        """All that is known of it, for the message of a failed test."""
        logs = [] if self.out is None else [path for path in sorted(self.out.glob("nodes/*/log/*.log")) if path.stat().st_size]
        texts = "".join(f"\n--- {path}\n{path.read_text(errors='replace')[-2000:]}" for path in logs)
        return f"exit code {self.process.poll()}\n--- stdout\n{self.stdout[-3000:]}\n--- stderr\n{self.stderr[-3000:]}{texts}"

    # --- waiting

    def until(self, condition: Callable[[], Any], what: str, within: float = PATIENCE) -> None:
        """Wait for the condition while the command runs."""
        watch = Stopwatch()
        while not condition():
            assert self.process.poll() is None, f"ended before {what}: {self.story()}"
            assert watch.read() < within, f"no {what} within {within:.0f} s: {self.story()}"
            time.sleep(0.02)

    def ended(self, code: int, within: float = PATIENCE) -> None:
        """Wait for its end with this exit code, and that nothing of it is left."""
        watch = Stopwatch()
        while (found := self.process.poll()) is None:
            assert watch.read() < within, f"not ended within {within:.0f} s: {self.story()}"
            time.sleep(0.02)
        assert found == code, self.story()
        self.gone(GONE_WITHIN + NOISE)
        assert not list(self.temporary.iterdir()), f"left behind: {list(self.temporary.rglob('*'))}"
        assert self.out is None or not (self.out / "lock").exists()

    def gone(self, within: float) -> None:
        """Wait until no process of the session is left."""
        watch = Stopwatch()
        while left := self.family():
            assert watch.read() < within, f"still there after {within:.1f} s: {[self.role(process) for process in left]}"
            time.sleep(0.02)

    def ready(self) -> None:
        """Wait until the network works: every node has a block."""
        self.until(lambda: self.nodes() and self.nodes() <= {event["node"] for event in self.events("final")}, "block of every node")

    # --- what it is doing

    def nodes(self) -> set[str]:
        assert self.out is not None
        path = self.out / "run.json"
        return set(orjson.loads(path.read_bytes())["nodes"]) if path.exists() and path.stat().st_size else set()

    def events(self, kind: str, node: str | None = None) -> list[dict[str, Any]]:
        """The metrics of one kind so far."""
        assert self._diary is not None
        return [event for event in self._diary.notes(kind) if node in (None, event["node"])]

    def height(self, node: str) -> int:
        """Blocks of a node so far."""
        return max((event["height"] + 1 for event in self.events("final", node)), default=0)

    def family(self) -> list[psutil.Process]:
        """Every process of its session that still runs."""
        return [process for process in psutil.process_iter() if session(process.pid) == self.process.pid and alive(process)]

    def actor(self, node: str, actor: str) -> psutil.Process | None:
        """The process of an actor: the one that writes its log."""
        return next((process for process in self.family() if self.role(process) == f"{node}/{actor}"), None)

    def role(self, process: psutil.Process) -> str:
        """`node/actor`, or the command line of a process that is no actor."""
        try:
            logs = [Path(file.path) for file in process.open_files() if file.path.endswith(".log") and "/log/" in file.path]
            return f"{logs[0].parents[1].name}/{logs[0].stem}" if logs else " ".join(process.cmdline())[:120]
        except psutil.NoSuchProcess:
            return "gone"

    # --- ending it

    def signal(self, number: int, group: bool = False) -> None:
        """Send a signal, or as a terminal does to the whole foreground group."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def destroy(self) -> None:
        """End what a failed test left running; only processes of this command's session."""
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self.process.wait()


class Diary:
    """A run's metrics, read on from where the last reading ended."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0
        self._notes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def notes(self, event: str) -> list[dict[str, Any]]:
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                whole, _, _ = file.read().rpartition(b"\n")
            self._read += len(whole) + 1 if whole else 0
            for line in whole.splitlines():
                self._take(line)
        return self._notes[event]

    def _take(self, line: bytes) -> None:
        try:
            note = orjson.loads(line)
        except orjson.JSONDecodeError:
            return  # its writer was killed in the middle of it
        self._notes[note["event"]].append(note)


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def metrics(out: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of metrics.jsonl."""
    path = out / "metrics.jsonl"
    if path.exists():
        yield from (orjson.loads(line) for line in path.read_bytes().split(b"\n")[:-1])


def one_line(text: str) -> str:
    """The only line of an error; a second one, or a traceback, fails the test."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("error: "), text
    return lines[0]


def free_ports(start: int = 0) -> int:
    """A port, from `start` on, that is free, and the one after it too."""
    for port in range(start or 21000 + 97 * os.getpid() % 9000, 32000, 2):
        with socket.socket() as first, socket.socket() as second, suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no free ports")
