"""The trace of one transaction as a tree, with the milliseconds between its steps.

The steps come from the metrics of a run (`trace.traces`) or from what watchers hear (`hear`), live or out of a recording; both make the
same `Trace`. A record names the transactions of a draft by the first digits of their digests.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec
from rich.text import Text
from rich.tree import Tree

from dfl_actors.errors import ConfigError
from dfl_actors.report.tail.lines import moment, printable
from dfl_actors.report.trace import Step, Trace, Traces, score
from dfl_actors.runtime.header import SHORT, Record

LEAST_DIGITS = 4  # Hexadecimal digits that begin to mean one transaction.
MOST_SAID = 5  # Transactions that an error names.
NAME, TIME = 9, 11  # Columns of a step's name in the tree, at least, and of a time.
STEM, GUIDE = 2, 4  # Levels of the tree above which names are wider, each by a guide's columns, so that times stand below each other.


# --- from records


def hear(traces: Traces, record: Record) -> bool:
    """Take what a record says; whether that was news."""
    t, node = record.t // 1000, record.node
    if record.tx:
        traces.generated(record.tx, record.generator)
    reader = READERS.get((record.kind, record.type))
    if reader is not None and record.tx:
        return traces.add(record.tx, reader(record))
    if record.type == "Confirmed":
        return traces.confirmed(t, node, record.draft, record.txs, record.sender)
    if record.type == "Drafted" and record.height is not None:
        return traces.drafted(t, node, record.height, record.draft, record.txs)
    return record.type == "Finalised" and record.height is not None and traces.final(t, node, record.height)


def _step(record: Record, step: str, other: str = "", detail: str = "") -> Step:
    return Step(record.t // 1000, record.node, step, other, detail)


def _score(record: Record) -> str:
    return score(record.correct, record.tested)


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


def chosen(traces: Mapping[str, Trace], prefix: str, where: str) -> Trace:
    """The one transaction that begins with `prefix`. Raises `ConfigError` when there is none, or more than one."""
    found = [tx for tx in traces if tx.startswith(prefix) or prefix.startswith(tx)]
    if len(found) == 1:
        return traces[found[0]]
    if found:
        digits = next(count for count in range(len(prefix), 65) if len({tx[:count] for tx in found}) == len(found))
        some = ", ".join(tx[: digits + 4] for tx in found[:MOST_SAID])
        raise ConfigError(f"--follow {prefix}: {len(found)} transactions of {where} begin so ({some}): give {digits} digits or more")
    last = ", ".join(tx[:SHORT] for tx in list(traces)[-MOST_SAID:])
    known = f"it has {len(traces)}, the last are {last}" if traces else "it has none yet"
    raise ConfigError(f"--follow {prefix}: no transaction of {where} begins so; {known}")


# --- the tree

Earlier = Callable[[Step, Step], bool]

BEFORE: Mapping[str, Earlier] = {
    "fetched": lambda step, one: one.step == "measured" and one.node == step.other,
    "measured": lambda step, one: one.step == "fetched" and one.node == step.node,
    "refused": lambda step, one: one.step == "fetched" and one.node == step.node,
    "receipt": lambda step, one: one.step in ("fetched", "measured") and one.node == step.other,
    "drafted": lambda step, one: one.step == "receipt" and one.t <= step.t,
    "confirmed": lambda step, one: one.step == "drafted",
    "final": lambda step, one: one.step == "confirmed" and one.t <= step.t,
}
"""Whether `one` had to come before `step`, by the kind of step."""

OTHERWISE = {"trained": (), "announced": ("trained",), "final": ("drafted", "announced", "trained")}
"""What stands in where nobody wrote that down; `announced` or `trained` for all others."""


def before(trace: Trace, step: Step) -> Step | None:
    """The step that `step` waited for: of the known ones the last that had to come first."""
    came = BEFORE.get(step.step)
    ways = [[one for one in trace.steps if came is not None and came(step, one)]]
    ways += [[one for one in trace.steps if one.step == name] for name in OTHERWISE.get(step.step, ("announced", "trained"))]
    return max(next((way for way in ways if way), []), key=lambda one: one.t, default=None)


def longest(trace: Trace) -> Step | None:
    """Of the steps that the last one waited for, itself included, the one that took longest; None where none took any time."""
    last = next((step for step in trace.steps if step.step in ("final", "expired")), trace.steps[-1])
    way: list[tuple[int, Step]] = []
    step: Step | None = last
    while step is not None and (earlier := before(trace, step)) is not None and earlier.key not in {known.key for _, known in way}:
        way.append((step.t - earlier.t, step))
        step = earlier
    took, found = max(way, key=lambda one: one[0], default=(0, last))
    return found if took > 0 else None


def tree(trace: Trace) -> Tree:
    """The life as a tree: what the generator did, under `announced` a branch for each node that received it (under the node from which
    it came), under `drafted` the confirmations. The first figure is since the step before, the second since the beginning."""
    slowest = longest(trace)
    root = Tree(_title(trace), guide_style="dim")
    own = {step.step: step for step in trace.steps if step.step in ("trained", "announced", "drafted", "final", "expired")}
    branches: dict[str, Tree] = {}
    for name in ("trained", "announced", "drafted", "final", "expired"):
        if name in own:
            branches[name] = root.add(_row(trace, own[name], slowest, 0))
    _add_nodes(trace, branches.get("announced", root), slowest)
    for step in trace.steps:
        if step.step == "confirmed":
            branches.get("drafted", root).add(_row(trace, step, slowest, 1))
    return root


def _add_nodes(trace: Trace, stem: Tree, slowest: Step | None) -> None:
    """A branch for each node, with what happened there, and the receipt it gave."""
    of_node: dict[str, list[Step]] = defaultdict(list)
    for step in trace.steps:
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
            bough.add(_row(trace, step, slowest, level + 1))


def _title(trace: Trace) -> Text:
    begun = trace.steps[0].t
    of = f" of node {printable(trace.generator)}" if trace.generator else ""
    title = Text(f"transaction {trace.tx[:SHORT]}", style="bold")
    title.append(f"{of}, {moment(begun * 1000)}, ", style="not bold")
    title.append(outcome(trace), style="bold green" if any(step.step == "final" for step in trace.steps) else "bold yellow")
    return title


def outcome(trace: Trace) -> str:
    """How far it has come, and in which time."""
    last = next((step for step in trace.steps if step.step in ("final", "expired")), trace.steps[-1])
    word = f"{last.step} after" if trace.over else f"so far {last.step}, after"
    return f"{word} {last.t - trace.steps[0].t:,} ms"


def _row(trace: Trace, step: Step, slowest: Step | None, level: int) -> Text:
    begun, earlier = trace.steps[0].t, before(trace, step)
    since = "" if earlier is None else f"{step.t - earlier.t:+,} ms"
    name = f"{step.step:<{NAME + GUIDE * max(0, STEM - level)}}"
    row = Text(name, style="red" if step.step in ("refused", "expired") else "")
    row.append(f"{since:>{TIME}}", style="cyan")
    row.append(f"{step.t - begun:>{TIME},} ms", style="dim")
    row.append("".join(f"  {word}" for word in (_place(step), printable(step.detail)) if word))
    if step is slowest:
        row.append("  the longest step", style="bold yellow")
    return row


def _place(step: Step) -> str:
    if step.step == "fetched":
        return f"from node {printable(step.other)}" if step.other else ""
    if step.step == "receipt":
        return f"at node {printable(step.node)}"
    return f"by node {printable(step.node)}" if step.step == "confirmed" else ""


def as_object(trace: Trace) -> dict[str, object]:
    """The trace for programs; `ms` is since the step before, absent where that is not known, and `longest` marks one step."""
    earlier, slowest = [before(trace, step) for step in trace.steps], longest(trace)
    steps = [
        {
            **msgspec.structs.asdict(step),
            **({} if one is None else {"ms": step.t - one.t}),
            **({"longest": True} if step is slowest else {}),
        }
        for step, one in zip(trace.steps, earlier, strict=True)
    ]
    return {"tx": trace.tx, "generator": trace.generator, "over": trace.over, "steps": steps}
