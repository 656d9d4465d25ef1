"""The trace of a transaction over all nodes: what happened to it, where and when.

A trace goes through the `STEPS`: the generator trains and announces a transaction; every witness fetches its model, measures it and
signs a receipt, which arrives at the generator; the generator drafts a block with it, the witnesses confirm the draft, the block is
final. `Traces` gathers them from what the actors wrote into the metrics (`traces`) or from what watchers hear (`tail/tree.py`). A draft
names its transactions, a confirmation its draft, a final block its height. Runs of versions that did not write all of it have fewer steps.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import msgspec

from dfl_actors.core.events import Announced, Confirmed, Drafted, Event, Expired, Fetched, Final, ReceiptArrived, Refused, Scored, Trained
from dfl_actors.learning.score import told
from dfl_actors.report.load import Run
from dfl_actors.runtime.header import SHORT

STEPS = ("trained", "announced", "fetched", "measured", "receipt", "drafted", "confirmed", "final")
"""What happens to a transaction, in the order of its way."""

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

    def of(self, tx: str) -> Trace | None:
        """The trace of one transaction, if anything is known of it."""
        steps = self._steps.get(tx[:SHORT])
        return self._trace(tx[:SHORT], steps) if steps else None

    def forget(self, tx: str) -> None:
        """All that is known of a transaction."""
        for known in (self._names, self._generators, self._steps, self._witnesses):
            known.pop(tx[:SHORT], None)

    def forget_block(self, node: str, height: int) -> list[str]:
        """All that is known of a block and its draft. Returns the transactions in it."""
        known = self._heights.pop((node, height), None)
        self._drafts = {digest: draft for digest, draft in self._drafts.items() if draft.node != node or draft.height > height}
        return [] if known is None else list(known.txs)

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

Named = Callable[[str], str]  # The name of the node at an address.


def _trained(found: Traces, event: Trained, named: Named) -> None:
    found.generated(event.tx, event.node)
    found.add(event.tx, Step(event.t, event.node, "trained", detail=score(event.correct, event.tested)))


def _announced(found: Traces, event: Announced, named: Named) -> None:
    found.add(event.tx, Step(event.t, event.node, "announced"))


def _fetched(found: Traces, event: Fetched, named: Named) -> None:
    found.add(event.tx, Step(event.t, event.node, "fetched", named(event.source), f"in {event.ms} ms"))


def _scored(found: Traces, event: Scored, named: Named) -> None:
    found.generated(event.tx, named(event.generator) if event.generator else "")
    detail = f"{score(event.correct, event.tested)} at ttl {event.ttl}"
    found.add(event.tx, Step(event.t, event.node, "measured", detail=detail))


def _refused(found: Traces, event: Refused, named: Named) -> None:
    if event.what == "transaction" and event.id:
        found.add(event.id, Step(event.t, event.node, "refused", detail=event.code))


def _expired(found: Traces, event: Expired, named: Named) -> None:
    found.add(event.tx, Step(event.t, event.node, "expired"))


def _receipt(found: Traces, event: ReceiptArrived, named: Named) -> None:
    found.add(event.tx, Step(event.t, event.node, "receipt", named(event.creator), score(event.correct, event.tested)))


def _drafted(found: Traces, event: Drafted, named: Named) -> None:
    found.drafted(event.t, event.node, event.height, event.draft, event.txs)


def _confirmed(found: Traces, event: Confirmed, named: Named) -> None:
    found.confirmed(event.t, event.node, event.draft)


def _final(found: Traces, event: Final, named: Named) -> None:
    given = f"{event.confirmations} of {event.expected} confirmed" if event.confirmations else "abandoned: nobody confirmed it"
    found.final(event.t, event.node, event.height, f", {given}")


HEARD: dict[type[Event], Callable[..., None]] = {
    Trained: _trained, Announced: _announced, Fetched: _fetched, Scored: _scored, Refused: _refused, Expired: _expired,
    ReceiptArrived: _receipt, Drafted: _drafted, Confirmed: _confirmed, Final: _final,
}  # fmt: skip
"""What a trace hears of each kind of event. A draft is known before it is confirmed or final: this is the order to hear them in."""


def traces(run: Run) -> dict[str, Trace]:
    """The trace of every transaction of the run, by its digest, in the order in which they were trained."""
    found, named = Traces(), cache(run.node_named)
    for kind, hear in HEARD.items():
        for event in run.of(kind):
            hear(found, event, named)
    return found.found()
