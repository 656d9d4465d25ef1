"""The life of a transaction over all nodes, put together from what the actors wrote into the metrics.

A life goes through the `STEPS`: its generator trains and announces it; every witness fetches its model, measures it and signs
a receipt, which arrives at the generator; the generator drafts a block with it, the witnesses confirm the draft, the block is
final. Nodes write what they know: a draft names its transactions, a confirmation its draft, a final block its height.
Runs of versions that did not write all of it have lives with fewer steps.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import msgspec

from dfl_actors.report.load import (
    Announced,
    Confirmed,
    Drafted,
    Expired,
    Fetched,
    Final,
    ReceiptArrived,
    Refused,
    Run,
    Scored,
    Trained,
)

STEPS = ("trained", "announced", "fetched", "measured", "receipt", "drafted", "confirmed", "final")
"""What happens to a transaction, in the order of its way."""

ENDS = ("refused", "expired")
"""What may happen besides: a witness refuses it, or its time is up before it has its receipts."""

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


class Life(msgspec.Struct, frozen=True):
    """One transaction. The steps are in the order of time; `generator` is a node's name, empty when no one said it."""

    tx: str
    generator: str
    steps: tuple[Step, ...]


def lives(run: Run) -> dict[str, Life]:
    """The life of every transaction of the run, by its digest, in the order in which they were trained."""
    found: dict[str, dict[tuple[str, str, str], Step]] = defaultdict(dict)
    named = cache(run.node_named)
    for tx, step in _steps(run, named):
        found[tx].setdefault(step.key, step)
    generators = {event.tx: named(event.generator) for event in run.of(Scored) if event.generator}
    generators |= {event.tx: event.node for event in run.of(Trained)}
    made = (Life(tx, generators.get(tx, ""), in_order(steps.values())) for tx, steps in found.items())
    return {life.tx: life for life in sorted(made, key=lambda life: life.steps[0].t)}


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """By time, and at one time by the order of a life."""
    return tuple(sorted(steps, key=lambda step: (step.t, ORDER[step.step])))


def _steps(run: Run, named: Callable[[str], str]) -> Iterator[tuple[str, Step]]:
    """Every step with the digest of its transaction; `named` gives the node at an address."""
    for trained in run.of(Trained):
        yield trained.tx, Step(trained.t, trained.node, "trained", detail=score(trained.correct, trained.tested))
    for announced in run.of(Announced):
        yield announced.tx, Step(announced.t, announced.node, "announced")
    for fetched in run.of(Fetched):
        yield fetched.tx, Step(fetched.t, fetched.node, "fetched", named(fetched.source), f"in {fetched.ms} ms")
    for scored in run.of(Scored):
        yield scored.tx, Step(scored.t, scored.node, "measured", detail=f"{score(scored.correct, scored.tested)} at ttl {scored.ttl}")
    for refused in run.of(Refused):
        if refused.what == "transaction" and refused.id:
            yield refused.id, Step(refused.t, refused.node, "refused", detail=refused.code)
    for expired in run.of(Expired):
        yield expired.tx, Step(expired.t, expired.node, "expired")
    yield from _steps_of_blocks(run, named)


def _steps_of_blocks(run: Run, named: Callable[[str], str]) -> Iterator[tuple[str, Step]]:
    """From the receipts on, all is the generator's and the witnesses': who confirms a draft confirms all its own receipts in it."""
    witnesses: dict[str, set[str]] = defaultdict(set)
    for receipt in run.of(ReceiptArrived):
        witness = named(receipt.creator)
        witnesses[receipt.tx].add(witness)
        yield receipt.tx, Step(receipt.t, receipt.node, "receipt", witness, score(receipt.correct, receipt.tested))
    drafts, heights = {}, {}
    for drafted in run.of(Drafted):
        drafts[drafted.draft] = heights[drafted.node, drafted.height] = drafted
        for tx in drafted.txs:
            yield tx, Step(drafted.t, drafted.node, "drafted", detail=f"block {drafted.height}")
    for confirmed in run.of(Confirmed):
        draft = drafts.get(confirmed.draft)
        for tx in () if draft is None else draft.txs:
            if draft is not None and confirmed.node in witnesses[tx]:
                yield tx, Step(confirmed.t, confirmed.node, "confirmed", draft.node, f"block {draft.height}")
    for final in run.of(Final):
        draft = heights.get((final.node, final.height))
        for tx in () if draft is None else draft.txs:
            detail = f"block {final.height}, {final.confirmations} of {final.expected} confirmed"
            yield tx, Step(final.t, final.node, "final", detail=detail)


def score(correct: int, tested: int) -> str:
    """ "87 of 100"; nothing where nothing was tested."""
    return f"{correct} of {tested}" if tested else ""
