"""A run whose nodes are on the machines of a Ray cluster: placed, begun together, watched, stopped together, and gathered.

Each is a node on a host of its own, so what is between them is what is between hosts: encrypted links, an allow-list of keys.
"""

import select
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dfl_actors.api.cluster.elsewhere import Cluster, Process, cluster
from dfl_actors.api.cluster.files import Piece, named_files, put
from dfl_actors.api.cluster.gather import Gathered, gather
from dfl_actors.api.cluster.seat import FROM_SEAT, Go, Gone, Seated, Seen, Told, encode, sit
from dfl_actors.api.crew import put_off
from dfl_actors.api.topology import Topology
from dfl_actors.config import Config, scaled
from dfl_actors.config.listen import host_port
from dfl_actors.config.toml_text import dump_table
from dfl_actors.core.control import Failed
from dfl_actors.core.keys import address_of
from dfl_actors.errors import ActorError, DflError
from dfl_actors.files import whole
from dfl_actors.processes import faults
from dfl_actors.processes.signals import Stop
from dfl_actors.runtime.policies import reached
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.status import NetworkStatus, NodeStatus
from dfl_actors.runtime.supervisor import Outcome, Watcher

LOOK = 0.25  # Seconds between two looks at signals, and two pictures.
PLACED_WITHIN = 180.0  # Seconds in which every node has a machine, a key and ports.
SILENT = 90.0  # Seconds after which nodes of which nothing comes any more are given up, once they were told to stop.


@contextmanager
def on_cluster(address: str | None) -> Iterator[tuple[Cluster, Stop]]:
    """What a run works with for the time of one call: a cluster to which we are being connected, and Ctrl-C put off."""
    with put_off() as stop, cluster(address) as found:
        yield found, stop


class Seat:
    """A node on its machine."""

    def __init__(self, name: str, process: Process) -> None:
        self.name, self.process = name, process
        self.seated: Seated | None = None
        self.seen: NetworkStatus | None = None
        self.gone: Gone | None = None
        self.told: Counter[str] = Counter()

    @property
    def listen(self) -> str:
        """Where its neighbours reach it."""
        host = self.process.machine
        return f"tcp://{f'[{host}]' if ':' in host else host}:{self.seated.port if self.seated else 0}"

    @property
    def node(self) -> NodeStatus:
        """How it is."""
        return self.seen.nodes[0] if self.seen is not None and self.seen.nodes else NodeStatus(name=self.name)


class Network:
    """One run of `config` into the directory `run`. `begun` is the monotonic time of the command."""

    def __init__(self, config: Config, run: RunDirectory, cluster: Cluster, stop: Stop, watcher: Watcher, begun: float) -> None:
        self._config, self._run, self._cluster, self._signals, self._watcher, self._begun = config, run, cluster, stop, watcher, begun
        self._limits = scaled(config).run
        self._seats: list[Seat] = []
        self._told: Counter[str] = Counter()
        self._started: float | None = None
        self._stopping: float | None = None
        self._reason = ""
        self._error: DflError | None = None
        self._heard = time.monotonic()

    def go(self) -> Outcome:
        """Until it has ended and all is gathered. Raises `DflError` when it cannot begin."""
        try:
            self._place()
            self._begin()
            self._follow()
            return self._outcome()
        finally:
            shutil.rmtree(self._run.path / "part", ignore_errors=True)

    # --- the beginning

    def _place(self) -> None:
        """A machine, a key and ports for every node. Raises `DflError`."""
        self._watcher.event("waiting for the Ray cluster")
        self._cluster.connect(self._signals)
        for node in self._config.nodes:
            port = host_port(node.listen)[1] if node.listen else 0
            self._seats.append(Seat(node.name, self._cluster.start(f"node {node.name}", sit, node.name, port, cpus=0.0)))
        deadline = time.monotonic() + PLACED_WITHIN
        while any(seat.seated is None or not seat.process.machine for seat in self._seats):
            self._signals.check()
            self._hear()
            self._raise_first()
            if time.monotonic() > deadline:
                late = ", ".join(seat.name for seat in self._seats if seat.seated is None)
                raise ActorError(f"Ray has not placed {late} within {PLACED_WITHIN:.0f} s: see `ray status`")
        places = ", ".join(f"{seat.name} on {seat.process.machine}" for seat in self._seats)
        self._watcher.event(f"placed: {places}")

    def _begin(self) -> None:
        """Tell every node of all the others."""
        table = self._config.table()
        for seat in self._seats:
            assert seat.seated is not None
            keys = {"listen": seat.listen, "public_key": seat.seated.public, "curve_key": seat.seated.curve}
            table.setdefault("node", {}).setdefault(seat.name, {}).update(keys)
        self._text = dump_table(table)
        name = self._config.network.name
        self._config = Topology(name, text=self._text).deployed()
        table["run"] |= {"duration_s": 0.0, "target": 0.0}  # no node ends before the others
        if self._limits.target:  # which no sample decides
            table["run"] |= {"evaluate_samples": 0}
        files = named_files(self._config)
        for seat in self._seats:
            seat.process.send(encode(Go(name, dump_table(table), files)))

    # --- while it runs

    def _follow(self) -> None:
        """Until every node has ended, or is lost. Raises `DflError` as long as the network has not begun."""
        while not all(seat.process.ended for seat in self._seats):
            try:
                self._hear()
            except DflError as error:
                self._fail(error)
                break
            self._check()
            self._watcher.update(self._picture())
        if self._started is None:
            self._raise_first()
            self._signals.check()

    def _hear(self) -> None:
        """Take in what the nodes say. Raises `DflError` when the cluster is lost."""
        select.select([self._cluster], [], [], LOOK)
        self._cluster.hear()
        for seat in self._seats:
            for raw in seat.process.receive():
                self._heard = time.monotonic()
                self._take(seat, FROM_SEAT.decode(raw))
            if seat.process.ended and seat.gone is None:
                self._fail(ActorError(f"node {seat.name} on {seat.process.machine} was lost ({seat.process.how})"))

    def _take(self, seat: Seat, word: Seated | Seen | Told | Piece | Gone) -> None:
        match word:
            case Seated():
                seat.seated = word
            case Seen(status=status):
                seat.seen = status
            case Told(text=text):
                self._tell(seat, text)
            case Piece():
                put(word, self._run.path / "part" / seat.name)
            case Gone():
                seat.gone = word
                if word.error:
                    self._fail(faults.raised(Failed(text=word.error, exit_code=word.exit_code)))

    def _tell(self, seat: Seat, text: str) -> None:
        """Tell once what several nodes say alike."""
        seat.told[text] += 1
        if seat.told[text] > self._told[text]:
            self._told[text] += 1
            self._watcher.event(text)

    def _check(self) -> None:
        """Begin to count when all run; stop when it is time."""
        now = time.monotonic()
        nodes = [seat.node for seat in self._seats]
        if self._signals:
            self._stop(self._signals.why)
        elif self._started is None:
            if all(node.state == "running" for node in nodes):
                self._started = now
                self._write()
        elif reason := self._reached(now - self._started, nodes):
            self._stop(reason)
        if self._stopping is not None and now - max(self._heard, self._stopping) > SILENT:
            for seat in self._seats:
                seat.process.kill()

    def _reached(self, ran: float, nodes: Sequence[NodeStatus]) -> str:
        """Why it is time to stop, if it is."""
        accuracies = (node.test_accuracy or 0.0 for node in nodes)
        return reached(self._limits, ran, accuracies, (node.height for node in nodes if node.role == "normal"))

    def _write(self) -> None:
        """From now on the directory is that of a run."""
        with whole(self._run.config) as draft:
            draft.write_text(self._text, encoding="utf-8")
        self._gather()

    def _stop(self, reason: str) -> None:
        """Begin to stop. A second call changes nothing."""
        if self._stopping is None:
            self._reason, self._stopping = reason, time.monotonic()
            for seat in self._seats:
                seat.process.send(b"stop")

    def _fail(self, error: DflError) -> None:
        self._error = self._error or error
        self._stop("failed")

    def _raise_first(self) -> None:
        if self._error is not None:
            raise self._error

    def _picture(self) -> NetworkStatus:
        state = "stopping" if self._stopping is not None else "starting" if self._started is None else "running"
        remarks = dict.fromkeys(remark for seat in self._seats if seat.seen is not None for remark in seat.seen.remarks)
        return NetworkStatus(
            name=self._config.network.name,
            state=state,
            elapsed=(self._stopping or time.monotonic()) - (self._started or self._begun),
            duration=self._limits.duration_s or None,
            target=self._limits.target or None,
            nodes=tuple(seat.node for seat in self._seats),
            remarks=tuple(remarks),
        )

    # --- the end

    def _outcome(self) -> Outcome:
        """Everything that came, put together, and how the run ended."""
        missing, started, error = self._gather(), self._started or self._begun, self._error
        if missing or error is not None:
            lost = f"; of {', '.join(missing)} nothing could be gathered" if missing else ""
            text = error or "not all nodes have sent what they left"
            error = type(error or ActorError())(f"{text}{lost}; what there is lies in {self._run.path}")
        elapsed = (self._stopping or time.monotonic()) - started
        return Outcome(reason=self._reason, elapsed=elapsed, ready_seconds=started - self._begun, error=error)

    def _gather(self) -> list[str]:
        """Put together what has come; the nodes of which nothing has."""
        addresses = {seat.name: address_of(seat.seated.public) for seat in self._seats if seat.seated is not None}
        ready = None if self._started is None else self._started - self._begun
        return gather(self._run, Gathered(self._config, addresses, self._reason, ready, tuple(sys.argv)))
