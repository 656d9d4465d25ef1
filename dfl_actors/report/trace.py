"""The trace of a transaction over all nodes: what happened to it, where and when, and what it waited for.

A trace goes through the `STEPS`: the generator trains and announces a transaction; every witness fetches its model, measures it and
signs a receipt, which arrives at the generator; the generator drafts a block with it, the witnesses confirm the draft, the block is
final. `Traces` gathers them from what the actors wrote into the metrics (`traces`) or from what watchers hear (`tail/tree.py`). A draft
names its transactions, a confirmation its draft, a final block its height. Runs of versions that did not write all of it have fewer steps.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import msgspec

from dfl_actors.core.events import Announced, Confirmed, Drafted, Expired, Fetched, Final, ReceiptArrived, Refused, Scored, Trained
from dfl_actors.learning.score import told
from dfl_actors.report.load import Run
from dfl_actors.runtime.header import SHORT

STEPS = ("trained", "announced", "fetched", "measured", "receipt", "drafted", "confirmed", "final")
"""What happens to a transaction, in the order of its way."""

WAITS = STEPS[1:]  # What a transaction waits for.
ENDS = ("refused", "expired")  # What may happen besides: a witness refuses it, or its time is up before it has its receipts.
ORDER = {step: place for place, step in enumerate((*STEPS, *ENDS))}


class Step(msgspec.Struct, frozen=True):
    """What happened at a node, and when (ms since the epoch, by that node's clock).

    `step` is one of `STEPS` or `ENDS`. `other` is the other node: from whom it was fetched, the witness of a receipt, the generator
    whose draft was confirmed. `detail` is for people.
    """

    t: int
    node: str
    step: str
    other: str = ""
    detail: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What happens once: the same again, after a crash for instance, is no new step."""
        return self.step, self.node, self.other if self.step == "receipt" else ""


class Trace(msgspec.Struct, frozen=True):
    """One transaction. The steps are in the order of time; `generator` is a node's name, empty when nobody has said it."""

    tx: str
    generator: str
    steps: tuple[Step, ...]

    @property
    def over(self) -> bool:
        """Whether nothing more can happen to it."""
        return any(step.step in ("final", "expired") for step in self.steps)


class _Draft(msgspec.Struct):
    """What is known of a draft: whose, at which height, and the transactions in it."""

    node: str
    height: int
    txs: dict[str, None]


class Traces:
    """Gathers the traces of the transactions that begin with `prefix`, in whatever order their steps become known.

    A transaction may be named by the first `SHORT` digits of its digest, which tell it apart. The methods return whether that was news.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._names: dict[str, str] = {}
        self._generators: dict[str, str] = {}
        self._steps: dict[str, dict[tuple[str, str, str], Step]] = defaultdict(dict)
        self._witnesses: dict[str, set[str]] = defaultdict(set)
        self._drafts: dict[str, _Draft] = {}
        self._heights: dict[tuple[str, int], _Draft] = {}

    def found(self) -> dict[str, Trace]:
        """The traces so far, by digest, in the order in which they began."""
        made = [self._trace(short, steps) for short, steps in self._steps.items()]
        return {trace.tx: trace for trace in sorted(made, key=lambda trace: trace.steps[0].t)}

    def _trace(self, short: str, steps: Mapping[tuple[str, str, str], Step]) -> Trace:
        in_order = sorted(steps.values(), key=lambda step: (step.t, ORDER[step.step]))
        return Trace(self._names.get(short, short), self._generators.get(short, ""), tuple(in_order))

    def wanted(self, tx: str) -> bool:
        """Whether the digest, or its beginning, fits the prefix."""
        length = min(len(tx), len(self._prefix))
        return tx[:length] == self._prefix[:length]

    def generated(self, tx: str, generator: str) -> None:
        """Whose a transaction is."""
        if generator:
            self._generators.setdefault(tx[:SHORT], generator)

    def add(self, tx: str, step: Step) -> bool:
        """A step of a transaction."""
        if not self.wanted(tx):
            return False
        if len(tx) > SHORT:
            self._names[tx[:SHORT]] = tx
        steps = self._steps[tx[:SHORT]]
        new = step.key not in steps
        steps.setdefault(step.key, step)
        if step.step == "receipt":
            self._witnesses[tx[:SHORT]].add(step.other)
        return new

    def _add_to_all(self, txs: Iterable[str], step: Step) -> bool:
        news = [self.add(tx, step) for tx in txs]
        return any(news)

    def merge(self, traces: Iterable[Trace]) -> None:
        """What others have gathered."""
        for trace in traces:
            self.generated(trace.tx, trace.generator)
            for step in trace.steps:
                self.add(trace.tx, step)

    def drafted(self, t: int, node: str, height: int, draft: str, txs: Sequence[str]) -> bool:
        """A draft with these transactions, perhaps only a part of them. A draft without any that is wanted is forgotten."""
        if not any(map(self.wanted, txs)):
            return False
        known = self._drafts.setdefault(draft, _Draft(node, height, {}))
        self._heights[node, height] = known
        known.txs |= dict.fromkeys(txs)
        return self._add_to_all(txs, Step(t, node, "drafted", detail=f"block {height}"))

    def confirmed(self, t: int, node: str, draft: str, txs: Sequence[str] = (), generator: str = "") -> bool:
        """A witness confirmed its receipts in a draft; without `txs`, all for which it signed one."""
        known = self._drafts.get(draft) or _Draft(generator, -1, {})
        own = txs or [tx for tx in known.txs if node in self._witnesses[tx[:SHORT]]]
        detail = f"block {known.height}" if known.height >= 0 else ""
        return self._add_to_all(own, Step(t, node, "confirmed", known.node, detail))

    def final(self, t: int, node: str, height: int, more: str = "") -> bool:
        """A block is final."""
        known = self._heights.get((node, height)) or _Draft(node, height, {})
        return self._add_to_all(known.txs, Step(t, node, "final", detail=f"block {height}{more}"))


def score(correct: int | None, tested: int | None) -> str:
    """ "87 of 100"; nothing where nothing was tested."""
    return told(correct or 0, tested, " of ") if tested else ""


# --- from the metrics


def traces(run: Run) -> dict[str, Trace]:
    """The trace of every transaction of the run, by its digest, in the order in which they were trained."""
    found, named = Traces(), cache(run.node_named)
    for trained in run.of(Trained):
        found.generated(trained.tx, trained.node)
        found.add(trained.tx, Step(trained.t, trained.node, "trained", detail=score(trained.correct, trained.tested)))
    for announced in run.of(Announced):
        found.add(announced.tx, Step(announced.t, announced.node, "announced"))
    for fetched in run.of(Fetched):
        found.add(fetched.tx, Step(fetched.t, fetched.node, "fetched", named(fetched.source), f"in {fetched.ms} ms"))
    for scored in run.of(Scored):
        found.generated(scored.tx, named(scored.generator) if scored.generator else "")
        detail = f"{score(scored.correct, scored.tested)} at ttl {scored.ttl}"
        found.add(scored.tx, Step(scored.t, scored.node, "measured", detail=detail))
    for refused in run.of(Refused):
        if refused.what == "transaction" and refused.id:
            found.add(refused.id, Step(refused.t, refused.node, "refused", detail=refused.code))
    for expired in run.of(Expired):
        found.add(expired.tx, Step(expired.t, expired.node, "expired"))
    for receipt in run.of(ReceiptArrived):
        witnessed = score(receipt.correct, receipt.tested)
        found.add(receipt.tx, Step(receipt.t, receipt.node, "receipt", named(receipt.creator), witnessed))
    for drafted in run.of(Drafted):
        found.drafted(drafted.t, drafted.node, drafted.height, drafted.draft, drafted.txs)
    for confirmed in run.of(Confirmed):
        found.confirmed(confirmed.t, confirmed.node, confirmed.draft)
    for final in run.of(Final):
        given = f"{final.confirmations} of {final.expected} confirmed" if final.confirmations else "abandoned: nobody confirmed it"
        found.final(final.t, final.node, final.height, f", {given}")
    return found.found()


# --- where the time goes


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


def latencies(run: Run, most: int = 20) -> Latencies:
    """The slowest transactions whose block was final; of a run without any, the slowest so far."""
    made = [latency(trace, run) for trace in traces(run).values() if trace.steps[0].step == "trained"]
    finished = [one for one in made if one.finished]
    counted = finished or [one for one in made if one.waits]
    slowest = sorted(counted, key=lambda one: (-one.total, one.tx))
    typical = slowest[len(slowest) // 2] if slowest else None
    return Latencies(slowest[:most], typical, len(counted), len(made) - len(counted))


def latency(trace: Trace, run: Run) -> Latency:
    """What a transaction waited for, in running time: the pause before a resume does not count.

    Witnesses work side by side, so a step is over when the last of them has done it; what comes after the generator has drafted its
    block (a receipt too late for it) is on nobody's way. A step that nobody wrote down is counted with the next one.
    """
    times: dict[str, list[int]] = defaultdict(list)
    for step in trace.steps:
        times[step.step].append(round(1000 * run.seconds(step.t)))
    now, waits = times["trained"][0], {}
    for wait in WAITS:
        until = times["drafted" if ORDER[wait] <= ORDER["drafted"] else "final"]
        inside = [t for t in times[wait] if not until or t <= until[0]]
        if inside:
            end = max(now, *inside)
            waits[wait], now = end - now, end
    return Latency(trace.tx, trace.generator, waits, "final" in waits)
