"""What transactions wait for on their way into a block, gathered as the events come.

Of a transaction whose block is final only what it waited for is kept: a run has very many of them. It is worked out once what other nodes
wrote of it has surely come, `LATE` ms afterwards.
"""

from bisect import insort
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from functools import cache

import msgspec

from dfl_actors.core.events import Event, Final, Refused, Trained
from dfl_actors.core.recent import Recent
from dfl_actors.report.load import Run
from dfl_actors.report.trace import HEARD, ORDER, STEPS, Named, Trace, Traces
from dfl_actors.runtime.header import SHORT

WAITS = STEPS[1:]  # What a transaction waits for.
LATE = 2000  # How many ms after others an event may be read.
KEPT = 20_000  # Of so many the waits are kept one by one; of more every second.
SLOWEST = 100  # Of which all are kept.
LONGEST = 600.0  # How many seconds of running a transaction is followed that comes into no block.
GONE = 50_000  # Transactions of which it is known that they are worked out.

PLACES = {kind: place for place, kind in enumerate(HEARD)}

Seconds = Callable[[int], float]  # Seconds of running until a moment.


class Latency(msgspec.Struct, frozen=True):
    """The milliseconds that a transaction waited for each of `WAITS`; `finished`: its block was final."""

    tx: str
    generator: str
    waits: dict[str, int]
    finished: bool

    @property
    def total(self) -> int:
        return sum(self.waits.values())


class Latencies(msgspec.Struct, frozen=True):
    """The slowest first; `typical` is the one at the median of all `count` totals, a whole one, for medians of single waits do not add up
    to any that there was. `unfinished` are not among them, unless all are."""

    slowest: list[Latency]
    typical: Latency | None
    count: int
    unfinished: int


class Waits:
    """Give it every event (`add`), say at times until when all have surely come (`settle`), and ask for the slowest (`found`)."""

    def __init__(self, named: Named, seconds: Seconds) -> None:
        self._named, self._seconds = cache(named), seconds
        self._pending: list[Event] = []
        self._traces = Traces()
        self._known: OrderedDict[str, int] = OrderedDict()  # a plain one looks for its first past all that were forgotten
        self._begun: dict[str, str] = {}
        self._ending: deque[Final] = deque()
        self._gone: Recent[str, None] = Recent(GONE)
        self._finished: list[tuple[int, str, Latency]] = []
        self._count = self._given_up = 0

    def add(self, event: Event) -> None:
        """One event of any kind."""
        if type(event) in HEARD and getattr(event, "tx", None) != "":  # a simulation's training makes no transactions
            self._pending.append(event)

    def settle(self, until: float) -> None:
        """All events before this moment have come."""
        due = sorted((event for event in self._pending if event.t <= until), key=lambda event: PLACES[type(event)])
        self._pending = [event for event in self._pending if event.t > until]
        for event in due:
            self._hear(event)
        while self._ending and self._ending[0].t <= until - LATE:
            self._end(self._ending.popleft())
        while self._known and until < float("inf"):
            tx, t = next(iter(self._known.items()))
            if self._seconds(round(until)) - self._seconds(t) <= LONGEST:
                break
            self._given_up += tx in self._begun
            self._forget(tx)

    def _hear(self, event: Event) -> None:
        tx = (event.id if isinstance(event, Refused) else getattr(event, "tx", ""))[:SHORT]
        if tx in self._gone:
            return
        if tx:
            self._known.setdefault(tx, event.t)
        if isinstance(event, Trained):
            self._begun[tx] = event.node
        HEARD[type(event)](self._traces, event, self._named)
        if isinstance(event, Final):
            self._ending.append(event)

    def _end(self, final: Final) -> None:
        """A block is final, and all that was said of it has come."""
        for tx in self._traces.forget_block(final.node, final.height):
            trace = self._traces.of(tx)
            if trace is not None and trace.steps[0].step == "trained":
                made = latency(trace, self._seconds)
                self._count += 1
                insort(self._finished, (-made.total, made.tx, made), key=lambda one: one[:2])
            self._forget(tx[:SHORT])
        if len(self._finished) > KEPT:
            del self._finished[SLOWEST + 1 :: 2]

    def _forget(self, tx: str) -> None:
        self._known.pop(tx, None)
        self._begun.pop(tx, None)
        self._traces.forget(tx)
        self._gone.put(tx, None)

    @property
    def waiting(self) -> Counter[str]:
        """How many transactions of each node are in no final block yet."""
        return Counter(self._begun.values())

    def found(self, most: int = 20) -> Latencies:
        """The slowest whose block was final; where there is none, the slowest so far."""
        if self._finished:
            typical = self._finished[len(self._finished) // 2][2]
            return Latencies([one for _, _, one in self._finished[:most]], typical, self._count, len(self._begun) + self._given_up)
        made = [latency(trace, self._seconds) for trace in self._traces.found().values() if trace.steps[0].step == "trained"]
        slowest = sorted((one for one in made if one.waits), key=lambda one: (-one.total, one.tx))
        middle = slowest[len(slowest) // 2] if slowest else None
        return Latencies(slowest[:most], middle, len(slowest), len(made) - len(slowest) + self._given_up)


def latencies(run: Run, most: int = 20) -> Latencies:
    """The slowest transactions whose block was final; of a run without any, the slowest so far."""
    waits = run.waits or Waits(run.node_named, run.seconds)
    if run.waits is None:
        for group in run.events.values():
            for event in group:
                waits.add(event)
        waits.settle(float("inf"))
    return waits.found(most)


def latency(trace: Trace, seconds: Seconds) -> Latency:
    """What a transaction waited for, in running time: the pause before a resume does not count.

    Witnesses work side by side, so a step is over when the last of them has done it; what comes after the generator has drafted its
    block (a receipt too late for it) is on nobody's way. A step that nobody wrote down is counted with the next one.
    """
    times: dict[str, list[int]] = defaultdict(list)
    for step in trace.steps:
        times[step.step].append(round(1000 * seconds(step.t)))
    now, waits = times["trained"][0], {}
    for wait in WAITS:
        until = times["drafted" if ORDER[wait] <= ORDER["drafted"] else "final"]
        inside = [t for t in times[wait] if not until or t <= until[0]]
        if inside:
            end = max(now, *inside)
            waits[wait], now = end - now, end
    return Latency(trace.tx, trace.generator, waits, "final" in waits)
