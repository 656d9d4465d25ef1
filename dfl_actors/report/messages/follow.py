"""One transaction's life as a tree, with the milliseconds between its steps.

The steps come from the metrics of a run (`lives`) or from what watchers hear (`Heard`), live or out of a recording; both make the
same `Life`. A record names the transactions of a draft by the first digits of their digests, which is enough to tell
them apart.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from rich.text import Text
from rich.tree import Tree

from dfl_actors.errors import ConfigError
from dfl_actors.report.lives import Life, Step, in_order, score
from dfl_actors.report.messages.watching import moment, printable
from dfl_actors.runtime.header import SHORT, Record

LEAST_DIGITS = 4
"""Hexadecimal digits that begin to mean one transaction."""

MOST_SAID = 5
"""Transactions that an error names."""

NAME, TIME = 9, 11
"""Columns of a step's name in the tree, at least, and of a time."""

STEM, GUIDE = 2, 4
"""Levels of the tree above which names are wider, each by a guide's columns, so that times stand below each other."""


# --- from records to lives


class _Draft(msgspec.Struct):
    """What is known of a draft: whose, at which height, and the transactions in it by their first digits."""

    node: str
    height: int
    txs: dict[str, None]


class Heard:
    """Gathers the lives of the transactions that begin with `prefix` from records, in whatever order they come."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._names: dict[str, str] = {}
        self._generators: dict[str, str] = {}
        self._steps: dict[str, dict[tuple[str, str, str], Step]] = defaultdict(dict)
        self._drafts: dict[str, _Draft] = {}
        self._heights: dict[tuple[str, int], str] = {}

    def add(self, record: Record) -> bool:
        """Take what a record says; whether that was news."""
        if record.tx and self._wanted(record.tx):
            self._names.setdefault(record.tx[:SHORT], record.tx)
            if record.generator:
                self._generators.setdefault(record.tx[:SHORT], record.generator)
        new = False
        for tx, step in self._steps_of(record):
            new |= self._wanted(tx) and self._put(tx[:SHORT], step)
        return new

    def merge(self, lives: Mapping[str, Life]) -> None:
        """Take what the metrics say."""
        for life in lives.values():
            if self._wanted(life.tx):
                self._names[life.tx[:SHORT]] = life.tx
                self._generators.setdefault(life.tx[:SHORT], life.generator)
                for step in life.steps:
                    self._put(life.tx[:SHORT], step)

    def lives(self) -> dict[str, Life]:
        """The lives so far, by digest."""
        names = {short: self._names.get(short, short) for short in self._steps}
        return {tx: Life(tx, self._generators.get(short, ""), in_order(self._steps[short].values())) for short, tx in names.items()}

    def _wanted(self, tx: str) -> bool:
        length = min(len(tx), len(self._prefix))
        return tx[:length] == self._prefix[:length]

    def _put(self, short: str, step: Step) -> bool:
        new = step.key not in self._steps[short]
        self._steps[short].setdefault(step.key, step)
        return new

    def _steps_of(self, record: Record) -> Iterator[tuple[str, Step]]:
        reader = READERS.get((record.kind, record.type))
        if reader is not None and record.tx:
            yield record.tx, reader(record)
        elif record.type == "Drafted":
            yield from self._on_drafted(record)
        elif record.type == "Confirmed":
            draft = self._drafts.get(record.draft)
            for tx in record.txs:
                height = "" if draft is None else f"block {draft.height}"
                yield tx, _step(record, "confirmed", record.sender if draft is None else draft.node, height)
        elif record.type == "Finalised" and record.height is not None:
            draft = self._drafts.get(self._heights.get((record.node, record.height), ""))
            for tx in () if draft is None else draft.txs:
                yield tx, _step(record, "final", detail=f"block {record.height}")

    def _on_drafted(self, record: Record) -> Iterator[tuple[str, Step]]:
        """The record has the draft's transactions, or a part of them. Drafts without any that is wanted are forgotten."""
        if record.height is None or not any(map(self._wanted, record.txs)):
            return
        draft = self._drafts.setdefault(record.draft, _Draft(record.node, record.height, {}))
        self._heights[record.node, record.height] = record.draft
        for tx in record.txs:
            draft.txs[tx] = None
            yield tx, _step(record, "drafted", detail=f"block {record.height}")


def _step(record: Record, step: str, other: str = "", detail: str = "") -> Step:
    return Step(record.t // 1000, record.node, step, other, detail)


def _score(record: Record) -> str:
    return score(record.correct or 0, record.tested or 0)


READERS: Mapping[tuple[str, str], Callable[[Record], Step]] = {
    ("letter", "Trained"): lambda record: _step(record, "trained", detail=_score(record)),
    ("letter", "Announced"): lambda record: _step(record, "announced"),
    ("letter", "Fetched"): lambda record: _step(record, "fetched", record.sender),
    ("letter", "Witnessed"): lambda record: _step(record, "measured", detail=f"{_score(record)} at ttl {record.ttl}"),
    ("letter", "ReceiptArrived"): lambda record: _step(record, "receipt", record.witness, _score(record)),
    ("refused", "transaction"): lambda record: _step(record, "refused", detail=record.code),
    ("note", "expired"): lambda record: _step(record, "expired"),
}
"""Which record means which step of the transaction it names."""


# --- choosing one


def checked_prefix(text: str) -> str:
    """What a person gave as the beginning of a digest. Raises `ConfigError`."""
    prefix = text.lower()
    if not re.fullmatch(rf"[0-9a-f]{{{LEAST_DIGITS},64}}", prefix):
        raise ConfigError(f"--follow {text[:70]}: give the first {LEAST_DIGITS} or more hexadecimal digits of a transaction's digest")
    return prefix


def chosen(lives: Mapping[str, Life], prefix: str, where: str) -> Life:
    """The one transaction that begins with `prefix`. Raises `ConfigError` when there is none, or more than one."""
    found = [tx for tx in lives if tx.startswith(prefix) or prefix.startswith(tx)]
    if len(found) == 1:
        return lives[found[0]]
    if found:
        digits = next(count for count in range(len(prefix), 65) if len({tx[:count] for tx in found}) == len(found))
        some = ", ".join(tx[: digits + 4] for tx in found[:MOST_SAID])
        raise ConfigError(f"--follow {prefix}: {len(found)} transactions of {where} begin so ({some}): give {digits} digits or more")
    last = ", ".join(tx[:SHORT] for tx in list(lives)[-MOST_SAID:])
    known = f"it has {len(lives)}, the last are {last}" if lives else "it has none yet"
    raise ConfigError(f"--follow {prefix}: no transaction of {where} begins so; {known}")


def over(life: Life) -> bool:
    """Whether nothing more can happen to it."""
    return any(step.step in ("final", "expired") for step in life.steps)


# --- the tree


def before(life: Life, step: Step) -> Step | None:
    """The step that `step` waited for: of the known ones the last that had to come first."""
    steps = {other: [one for one in life.steps if one.step == other] for other in ("trained", "announced", "drafted")}
    here = [one for one in life.steps if one.node == step.node]
    way: list[Step] = []
    if step.step == "measured" or step.step == "refused":
        way = [one for one in here if one.step == "fetched"]
    elif step.step == "fetched":
        way = [one for one in life.steps if one.step == "measured" and one.node == step.other]
    elif step.step == "receipt":
        way = [one for one in life.steps if one.step in ("fetched", "measured") and one.node == step.other]
    elif step.step == "drafted":
        way = [one for one in life.steps if one.step == "receipt" and one.t <= step.t]
    elif step.step == "confirmed":
        way = steps["drafted"]
    elif step.step == "final":
        way = [one for one in life.steps if one.step == "confirmed" and one.t <= step.t] or steps["drafted"]
    if not way and step.step not in ("trained", "announced"):
        way = steps["announced"]
    if not way and step.step != "trained":
        way = steps["trained"]
    return max(way, key=lambda one: one.t, default=None)


def tree(life: Life) -> Tree:
    """The life as a tree: what the generator did, under `announced` a branch for each node that received it (under the node from which
    it came), under `drafted` the confirmations. The first figure is since the step before, the second since the beginning."""
    begun = life.steps[0].t
    root = Tree(_title(life), guide_style="dim")
    own = {step.step: step for step in life.steps if step.step in ("trained", "announced", "drafted", "final", "expired")}
    branches: dict[str, Tree] = {}
    for name in ("trained", "announced", "drafted", "final", "expired"):
        if name in own:
            branches[name] = root.add(_row(life, own[name], begun, 0))
    _add_nodes(life, branches.get("announced", root), begun)
    for step in life.steps:
        if step.step == "confirmed":
            branches.get("drafted", root).add(_row(life, step, begun, 1))
    return root


def _add_nodes(life: Life, stem: Tree, begun: int) -> None:
    """A branch for each node, with what happened there, and the receipt it gave."""
    of_node: dict[str, list[Step]] = defaultdict(list)
    for step in life.steps:
        if step.step in ("fetched", "measured", "refused"):
            of_node[step.node].append(step)
        elif step.step == "receipt":
            of_node[step.other].append(step)
    sources = {node: step.other for node, steps in of_node.items() for step in steps if step.step == "fetched"}
    branches: dict[str, tuple[Tree, int]] = {}

    def branch(node: str, above: tuple[str, ...] = ()) -> tuple[Tree, int]:
        """The branch of a node, and its level."""
        if node not in branches:
            source = sources.get(node, "")
            below = source in of_node and source not in (*above, node)
            parent, level = branch(source, (*above, node)) if below else (stem, 0)
            branches[node] = parent.add(Text(f"node {printable(node)}", style="bold")), level + 1
        return branches[node]

    for node, steps in of_node.items():
        bough, level = branch(node)
        for step in steps:
            bough.add(_row(life, step, begun, level + 1))


def _title(life: Life) -> Text:
    begun = life.steps[0].t
    of = f" of node {printable(life.generator)}" if life.generator else ""
    title = Text(f"transaction {life.tx[:SHORT]}", style="bold")
    title.append(f"{of}, {moment(begun * 1000)}, ", style="not bold")
    title.append(outcome(life), style="bold green" if any(step.step == "final" for step in life.steps) else "bold yellow")
    return title


def outcome(life: Life) -> str:
    """How far it has come, and in which time."""
    last = next((step for step in life.steps if step.step in ("final", "expired")), life.steps[-1])
    word = f"{last.step} after" if over(life) else f"so far {last.step}, after"
    return f"{word} {last.t - life.steps[0].t:,} ms"


def _row(life: Life, step: Step, begun: int, level: int) -> Text:
    earlier = before(life, step)
    since = "" if earlier is None else f"{step.t - earlier.t:+,} ms"
    name = f"{step.step:<{NAME + GUIDE * max(0, STEM - level)}}"
    row = Text(name, style="red" if step.step in ("refused", "expired") else "")
    row.append(f"{since:>{TIME}}", style="cyan")
    row.append(f"{step.t - begun:>{TIME},} ms", style="dim")
    row.append("".join(f"  {word}" for word in (_place(step), printable(step.detail)) if word))
    return row


def _place(step: Step) -> str:
    if step.step == "fetched":
        return f"from node {printable(step.other)}" if step.other else ""
    if step.step == "receipt":
        return f"at node {printable(step.node)}"
    return f"by node {printable(step.node)}" if step.step == "confirmed" else ""


def as_object(life: Life) -> dict[str, Any]:
    """The life for programs; `ms` is since the step before, absent where that is not known."""
    steps = []
    for step in life.steps:
        earlier = before(life, step)
        since = {} if earlier is None else {"ms": step.t - earlier.t}
        steps.append({**msgspec.to_builtins(step), **since})
    return {"tx": life.tx, "generator": life.generator, "over": over(life), "steps": steps}
