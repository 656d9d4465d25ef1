"""Some nodes in one run directory under one `dfl-actors` command: started, read, crippled and ended from outside.

The supervisor restarts whoever is killed. It takes no part in the protocol, so one that is stopped (SIGSTOP) changes nothing but
that: this is how an actor is killed for good, or for longer than it usually takes.
"""

import math
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfl_actors.core import codec
from dfl_actors.core.objects import FinalBlock
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.runtime.stores import ChainStore
from tests.network.harness import ROOT, Command, Diary, alive


class Host:
    """`begin` are the arguments of the first command, `go_on` those of every later one."""

    def __init__(self, place: Path, nodes: Sequence[str], out: Path, begin: Sequence[str | Path], go_on: Sequence[str | Path]) -> None:
        self.nodes, self.out = tuple(nodes), out
        self.run = RunDirectory(out)
        self._place, self._begin, self._go_on = place, begin, go_on
        self._command: Command | None = None
        self._held_until = 0.0
        self._diary = Diary(self.run.metrics)
        self.clock = MachineClock(place / f"{out.name}.clock")

    # --- its life

    @property
    def running(self) -> bool:
        return self._command is not None

    @property
    def crippled(self) -> bool:
        """Whether an actor that was killed stays away."""
        return math.isinf(self._held_until)

    @property
    def command(self) -> Command:
        assert self._command is not None, f"{self.out.name} was not started"
        return self._command

    def start(self) -> None:
        said = self._go_on if self.run.run.exists() else self._begin
        self._command = Command(self._place, *said, out=self.out, limit=None, cold=False, **self.clock.environment)

    def end(self) -> None:
        """Kill every process of it."""
        if self._command is not None:
            self._command.destroy()
        self._command, self._held_until = None, 0.0

    def check(self) -> None:
        """Nobody had anything to complain of: an actor that breaks down says why in its log, the command on its standard error."""
        written = [path for path in self.out.glob("nodes/*/log/*.log") if path.stat().st_size and path.stem != "remarks"]
        logs = {str(path): path.read_text(errors="replace") for path in written}
        assert not logs
        assert self._command is None or not self._command.stderr, self._command.stderr

    # --- crashes

    def kill(self, node: str, actor: str) -> None:
        """Kill an actor; it is dead when this returns."""
        self.command.until(lambda: self.command.actor(node, actor), f"{actor} of node {node}")
        victim = self.command.actor(node, actor)
        assert victim is not None
        victim.kill()
        self.command.until(lambda: not alive(victim), f"death of the {actor} of node {node}")

    def hold(self, seconds: float) -> None:
        """For so long nobody is restarted."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)
        self.command.signal(signal.SIGSTOP)

    def release(self) -> None:
        """Restart whom we killed."""
        self._held_until = 0.0
        self.command.signal(signal.SIGCONT)

    def tend(self) -> None:
        """What has become due; the command must still run."""
        if self._command is None:
            return
        assert self._command.process.poll() is None, "the command has ended"
        if 0 < self._held_until <= time.monotonic():
            self.release()

    # --- what it has written

    @property
    def genesis(self) -> str:
        return read_about(self.run).genesis

    def chain(self, node: str) -> list[FinalBlock]:
        if not self.run.run.exists():
            return []
        with ChainStore(self.run.node(node).chain, readonly=True) as store:
            return [codec.decode(FinalBlock, raw, 1 << 30) for raw in store.blocks()]

    def notes(self, event: str) -> list[dict[str, Any]]:
        return self._diary.notes(event)


class MachineClock:
    """The wall clock that the processes of a host see; `ahead` ms of the right time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set(0)
        folder = Path(__file__).parent / "clock"
        self.environment = {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), "MACHINE_CLOCK": str(path)}

    def set(self, ms: int) -> None:
        """Written in place, for the processes have the file mapped."""
        self.ahead = ms
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write((ms * 1_000_000).to_bytes(8, "little", signed=True))
