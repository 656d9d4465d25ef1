"""The figures of a run: what each node did, its blocks (the paper's tables V and VII), its CPU (tables IV and VI).

`summarise` counts, `render` shows. Counts are of distinct objects (a transaction, a receipt, a block is counted once,
however often a restarted actor reported it). CPU that an actor used outside the named tasks' three kinds of work is
called "unattributed" and is part of everything outside learning, so that no cost can hide.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from math import fsum
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from dfl_actors.config.toml_text import counted
from dfl_actors.core import events
from dfl_actors.learning.score import at_target
from dfl_actors.report.findings import findings, kept_out
from dfl_actors.report.headline import Stood, headline, headline_text
from dfl_actors.report.judged import judged, judged_by, judged_lines
from dfl_actors.report.kinds import NORMAL, kind_text
from dfl_actors.report.load import Run, by_node
from dfl_actors.report.privacy import privacy_lines, spent
from dfl_actors.report.refusals import Refusal, by_verdict, refusal_columns, refusals
from dfl_actors.report.table import Column, accuracy_text, grid, kind_column, name_text, names_column, reputations_column, troubles_column
from dfl_actors.report.tally import Sealed
from dfl_actors.runtime.remarks import off_text, step_text

TASKS = ("generate_block", "generate_transaction", "update_model", "receive_transaction", "inject", "other")
WORK = ("learning", "blockchain", "network")
PER_BLOCK = ("transactions", "confirmations", "expected")
BRIEF = {"transactions": "tx/block", "confirmations": "confirmed", "expected": "expected"}  # What a narrow table calls them.
WATCHERS = ("supervisor", "evaluator")  # Processes of the run that belong to no node: they start it and measure it.
MOST_RESTARTS = 5  # Restarts by actor and reason that have a line each.
MOST_REFUSALS = 8  # Rows of the closing summary.
ROWS = 16  # Nodes shown in the closing summary; summary.json has all.

Figures = dict[str, Any]


def summarise(run: Run, target: float | None = None) -> Figures:
    """The summary of `run`, ready for JSON. `target` is an accuracy, overrides the run's own, and 0 is none.

    Seconds are since the network was ready; accuracies are fractions, None where nothing was measured; a mean over
    nothing is None too.
    """
    goal = run.target if target is None else target or None
    nodes, stops = _nodes(run, goal), run.of(events.Stopped)
    privacy = spent(run)
    return {
        "name": run.name,
        "directory": str(run.path),
        "started": run.started,
        "ready_seconds": run.ready_seconds,
        "elapsed": run.elapsed,
        "stopped": stops[-1].reason if stops else None,
        "skipped_lines": run.skipped,
        "measured_by": run.measured_by,
        "sessions": len(run.sessions),
        "headline": stands(run),
        "target": {"accuracy": goal, "seconds": None if goal is None else seconds_to_target(run, goal)},
        "nodes": nodes,
        "blocks": {name: _blocks(run.tally.chain_of(name), len(run.neighbours(name))) for name in run.nodes},
        "cpu": _cpu(run, {name: node["sent"] + node["received"] for name, node in nodes.items()}),
        "links": _links(run),
        "refusals": [{**msgspec.to_builtins(one), "fault": one.fault, "why": one.words} for one in refusals(run)],
        "findings": findings(run, stood(run)),
        "remarks": [*_remarks(run), *privacy_lines(privacy)],
        **({"privacy": privacy} if privacy else {}),
    }


def stood(run: Run) -> list[Stood]:
    """Each node as it was measured last on the test samples, and how long that was before the end, or before what is known last."""
    latest = {event.node: event for event in sorted(run.of(events.Evaluated), key=lambda event: event.t) if event.tested}
    return [
        Stood(name, its.correct / its.tested, name in run.attacks, max(run.elapsed - run.seconds(its.t), 0.0))
        if (its := latest.get(name)) is not None
        else Stood(name, None, name in run.attacks)
        for name in run.nodes
    ]


def stands(run: Run) -> Figures:
    """The headline's figures and its `text`, of a run or a simulation."""
    head, unit = headline(stood(run)), "tick" if run.simulated else "s"
    return {**msgspec.to_builtins(head), "text": headline_text(head, unit, "before the end" if is_over(run) else "ago")}


def is_over(run: Run) -> bool:
    """Whether it has ended, rather than goes on or was killed."""
    stops, readies = run.of(events.Stopped), run.of(events.Ready)
    return bool(stops) and (not readies or stops[-1].t >= readies[-1].t)


def seconds_to_target(run: Run, target: float, sure: bool = True) -> float | None:
    """When the latest measurement of every node stood at `target` or above for the first time; None if it never did. `sure`: of the run's
    own target the latest that leaves no doubt, as it is ended by them."""
    latest = dict.fromkeys(run.nodes, -1.0)
    for event in sorted(_deciding(run, target) if sure else run.of(events.Evaluated), key=lambda event: event.t):
        if event.node in latest and event.tested:
            latest[event.node] = event.correct / event.tested
            if min(latest.values()) >= target:
                return run.seconds(event.t)
    return None


def _deciding(run: Run, target: float | None) -> list[events.Evaluated]:
    """The measurements that say when a target was reached: of the run's own those that leave no doubt, as it is ended by them."""
    measured = run.of(events.Evaluated)
    if target is None or target != run.target:
        return measured
    whole: dict[str, int] = {}
    for event in measured:
        whole[event.node] = max(event.tested, whole.get(event.node, 0))
    return [event for event in measured if _decides(event, target, event.tested == whole[event.node])]


def _decides(event: events.Evaluated, target: float, complete: bool) -> bool:
    below = bool(event.tested) and event.correct / event.tested < target
    return below or at_target(event.correct, event.tested, target, complete)


def _counted(refused: Iterable[events.Refused]) -> dict[str, int]:
    """How much was refused, by code."""
    counts: Counter[str] = Counter()
    for event in refused:
        counts[event.code] += event.count
    return dict(sorted(counts.items()))


def _nodes(run: Run, target: float | None) -> dict[str, Figures]:
    counts, trained, evaluated = run.tally, by_node(run.of(events.Trained)), by_node(run.of(events.Evaluated))
    refused, dropped = by_node(run.of(events.Refused)), by_node(run.of(events.Dropped))
    updated, restarted = by_node(run.of(events.Updated)), by_node(run.of(events.Restarted))
    deciding = by_node(_deciding(run, target))
    lost = by_node(run.of(events.Lost))
    return {
        name: {
            "address": address,
            "role": run.roles.get(name, NORMAL),
            "attack": run.attacks.get(name),
            "samples": max((event.samples for event in trained.get(name, [])), default=0),
            "steps": max((event.steps for event in trained.get(name, [])), default=0),
            "sent": counts.sent[name],
            "received": counts.received[name],
            "receipts": counts.receipts[name],
            "refused": _counted(refused.get(name, [])),
            "dropped": sum(event.messages for event in dropped.get(name, [])),
            "lost": len(lost.get(name, [])),
            "expired": counts.expired[name],
            "updates": counts.updates[name],
            "restarts": len(restarted.get(name, [])),
            "test_accuracy": _last_accuracy(evaluated.get(name, [])),
            "own_accuracy": _last_accuracy(trained.get(name, [])),
            "reputations": _reputations(run, updated.get(name, [])),
            "judged": judged(run, name),
            "target_seconds": _first_at(run, deciding.get(name, []), target),
        }
        for name, address in run.nodes.items()
    }


def _last_accuracy(measured: Sequence[events.Evaluated | events.Trained]) -> float | None:
    latest = sorted((event for event in measured if event.tested), key=lambda event: event.t)[-1:]
    return next((event.correct / event.tested for event in latest), None)


def _first_at(run: Run, evaluated: Sequence[events.Evaluated], target: float | None) -> float | None:
    if target is None:
        return None
    return next((run.seconds(event.t) for event in evaluated if event.tested and event.correct / event.tested >= target), None)


def _reputations(run: Run, updated: Sequence[events.Updated]) -> dict[str, float]:
    latest = updated[-1].reputations if updated else {}
    return {run.node_named(address): value for address, value in latest.items()}


def _blocks(sealed: Sealed, peers: int) -> Figures:
    """Tables V and VII for a node, and how many blocks hold every confirmation they could have, and how many none."""
    means = {f"{what}_per_block": getattr(sealed, what) / sealed.blocks if sealed.blocks else None for what in PER_BLOCK}
    return {"blocks": sealed.all, **means, "complete": sealed.complete, "abandoned": sealed.abandoned, "peers": peers}


def _links(run: Run) -> dict[str, Figures]:
    """Models sent over each link in each direction; `repeated` counts those that crossed it before."""
    ways = {f"{node}->{run.node_named(to)}": way for (node, to), way in run.tally.carried.items()}
    return {link: msgspec.to_builtins(way) for link, way in sorted(ways.items())}


def _remarks(run: Run) -> list[str]:
    """That links were not encrypted, what was told of clocks since the last start and held at the end, who was restarted and why, whose
    models were rejected, and what of the metrics is left out."""
    begun = run.sessions[-1].start
    off = {(event.node, run.node_named(event.by)): event.ms for event in run.of(events.ClockOff) if event.t >= begun}
    sets = [event.ms for event in run.of(events.ClockSet) if event.t >= begun][-1:]
    clocks = [off_text(*key, ms) for key, ms in off.items() if ms] + [step_text(ms) for ms in sets if ms]
    return [*filter(None, [run.exposed]), *clocks, *_restarts(run), *_rejections(run), *run.left_out]


def _rejections(run: Run) -> list[str]:
    """Of senders that no finding is about."""
    by = judged_by(run)
    return judged_lines(by, kept_out(by, run.attacks).keys())


def _restarts(run: Run) -> Iterator[str]:
    counts = Counter((event.node, event.actor, event.reason) for event in run.of(events.Restarted))
    for (node, actor, reason), count in counts.most_common(MOST_RESTARTS):
        who = f"{actor or 'an actor'} of node {node}" if node else actor or "an actor"
        yield f"{who} was restarted{f' {count} times' if count > 1 else ''}{f': {reason}' if reason else ''}"
    if len(counts) > MOST_RESTARTS:
        yield f"other restarts: {counts.total() - sum(count for _, count in counts.most_common(MOST_RESTARTS))}"


def _cpu(run: Run, handled: dict[str, int]) -> Figures:
    """CPU seconds of each node, of the watchers and of the whole network; `handled` counts transactions of each node."""
    nodes = {name: [event for event in run.of(events.Cpu) if event.node == name and event.actor not in WATCHERS] for name in run.nodes}
    watchers = {actor: [event for event in run.of(events.Cpu) if event.actor == actor] for actor in WATCHERS}
    return {
        "nodes": {name: _cpu_figures(its, handled[name]) for name, its in nodes.items()},
        "watchers": {actor: _cpu_figures(its, None) for actor, its in watchers.items() if its},
        "network": _cpu_figures([event for its in (*nodes.values(), *watchers.values()) for event in its], sum(handled.values())),
    }


def _cpu_figures(spent: Sequence[events.Cpu], handled: int | None) -> Figures:
    """CPU seconds by task and kind of work, and ms for each transaction handled (sent or received)."""
    tasks = {task: {work: _seconds(event.tasks.get(task, {}).get(work, 0.0) for event in spent) for work in WORK} for task in TASKS}
    kinds = {work: _seconds(tasks[task][work] for task in TASKS) for work in WORK}
    attributed = _seconds(kinds.values())
    total = max(_seconds(event.total for event in spent), attributed)
    each = {"blockchain": kinds["blockchain"], "outside_learning": total - kinds["learning"]}
    figures: Figures = {"total": total, **kinds, "unattributed": _seconds([total, -attributed]), "tasks": tasks}
    if handled is not None:
        figures["ms_per_transaction"] = {name: round(1000 * seconds / handled, 6) if handled else None for name, seconds in each.items()}
    return figures


def _seconds(values: Iterable[float]) -> float:
    return round(fsum(values), 6)


def render(summary: Figures, console: Console) -> None:
    """Print the closing summary: nodes, blocks, CPU by task, and where everything lies."""
    width = console.width
    console.print(Text(_title(summary), style="bold"))
    console.print(Text(summary["headline"]["text"]))
    for finding in summary["findings"]:
        console.print(Text(finding, style="yellow"))
    console.print()
    for part, table in (("nodes", node_columns), ("blocks", partial(_blocks_told, summary["nodes"]))):
        rows = list(summary[part].items())
        alarm = [bool(summary["nodes"][name]["attack"]) for name, _ in rows[:ROWS]]
        console.print(grid(table(rows[:ROWS]), width, alarm=alarm))
        if len(rows) > ROWS:
            console.print(Text(f"... and {len(rows) - ROWS} more in summary.json"))
        console.print()
    if summary["refusals"]:
        found = refusals_in(summary)
        columns = refusal_columns(found, MOST_REFUSALS, partial(_called, summary["nodes"]))
        console.print(grid(columns, width, alarm=[one.fault for one in found]))
        if len(found) > MOST_REFUSALS:
            console.print(Text(f"... and {len(found) - MOST_REFUSALS} more in summary.json"))
        console.print()
    console.print(grid(cpu_columns(summary["cpu"]), width, footer=True))
    console.print(Text(_cost_line(summary["cpu"]["network"]["ms_per_transaction"])))
    for remark in summary["remarks"]:
        console.print(Text(remark, style="yellow"))
    console.print()
    console.print(Text(f"everything lies in {summary['directory']}"), soft_wrap=True)


def _called(nodes: Figures, name: str) -> str:
    """A node's name with what it is, where that is known and not normal."""
    kind = kind_text(nodes[name]["role"], nodes[name]["attack"]) if name in nodes else NORMAL
    return name_text(name) if kind == NORMAL else f"{name_text(name)} ({name_text(kind)})"


def refusals_in(summary: Figures) -> list[Refusal]:
    """What stands in a summary."""
    return [Refusal(one["refuser"], one["refused"], one["code"], one["count"]) for one in summary["refusals"]]


def _title(summary: Figures) -> str:
    start = summary["ready_seconds"]
    times = f"{ran_text(summary)} after a start of {start:.1f} s" if start else f"{ran_text(summary)}, before all its actors were ready"
    parts = [f"{summary['name']}: {counted(len(summary['nodes']), 'node')}, {times}"]
    target = summary["target"]
    if target["accuracy"] is not None:
        reached = "not reached by every node" if target["seconds"] is None else f"reached by every node after {target['seconds']:.1f} s"
        parts.append(f"{target['accuracy']:g} {reached}")
    if summary["stopped"]:
        parts.append(f"stopped: {summary['stopped']}")
    return "; ".join(parts)


def ran_text(summary: Figures) -> str:
    """How long it ran, pauses left out; of a run that was resumed with how many sessions that were."""
    sessions = summary["sessions"]
    return f"{summary['elapsed']:.1f} s" + (f" in {sessions} sessions" if sessions > 1 else "")


def _cost_line(cost: Figures) -> str:
    return (
        f"for each transaction handled (sent or received): blockchain {_decimal(cost['blockchain'])} ms,"
        f" all outside learning {_decimal(cost['outside_learning'])} ms"
    )


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def node_columns(nodes: Sequence[tuple[str, Figures]]) -> list[Column]:
    counts = (("samples", 5), ("steps", 2), ("sent", 6), ("received", 6), ("receipts", 4), ("updates", 1))
    return [
        names_column(name for name, _ in nodes),
        *kind_column([kind_text(node["role"], node["attack"]) for _, node in nodes]),
        *(Column(key, [str(node[key]) for _, node in nodes], importance) for key, importance in counts),
        *troubles_column("refused", [by_verdict(node["refused"])[0] for _, node in nodes]),
        *(column for key in ("dropped", "expired", "restarts") for column in troubles_column(key, [node[key] for _, node in nodes])),
        Column("test", [accuracy_text(node["test_accuracy"]) for _, node in nodes], style="bold"),
        Column("own", [accuracy_text(node["own_accuracy"]) for _, node in nodes], 8),
        reputations_column([node["reputations"] for _, node in nodes], 1),
    ]


LOST = {"refused": "", "ignored": "", "expired": "expired", "messages dropped": "dropped", "models gone": "lost"}
"""What is counted of a node's losses, and as what it stands in its figures."""


def lost_columns(nodes: Sequence[tuple[str, Figures]]) -> list[Column]:
    """What nodes refused or ignored of others, and what of their own got lost or was too late; no row and no column without any of it."""
    rows = {name: (*by_verdict(node["refused"]), *(node[key] for key in LOST.values() if key)) for name, node in nodes}
    kept = {name: counts for name, counts in rows.items() if any(counts)}
    columns = zip(LOST, zip(*kept.values(), strict=True), strict=True) if kept else ()
    cells = [Column(header, [f"{count:,}" if count else "" for count in counts]) for header, counts in columns if any(counts)]
    return [names_column(kept), *cells]


def _blocks_told(nodes: Figures, blocks: Sequence[tuple[str, Figures]]) -> list[Column]:
    """What the nodes are besides."""
    kinds = kind_column([kind_text(nodes[name]["role"], nodes[name]["attack"]) for name, _ in blocks], 8)
    named, *others = block_columns(blocks)
    return [named, *kinds, *others]


def block_columns(nodes: Sequence[tuple[str, Figures]]) -> list[Column]:
    return [
        names_column(name for name, _ in nodes),
        Column("blocks", [str(block["blocks"]) for _, block in nodes]),
        *(_per_block(nodes, what) for what in PER_BLOCK),
        *troubles_column("abandoned", [block["abandoned"] for _, block in nodes]),
        Column("peers", [str(block["peers"]) for _, block in nodes], 8),
    ]


def _per_block(nodes: Sequence[tuple[str, Figures]], what: str) -> Column:
    cells = [_decimal(block[f"{what}_per_block"]) for _, block in nodes]
    return Column(f"{what}/block", cells, 7, short=cells, brief=BRIEF[what])


def cpu_columns(cpu: Figures) -> list[Column]:
    rows = _cpu_rows(cpu)
    whole = cpu["network"]["total"]
    return [
        Column("CPU seconds", list(rows), left=True),
        *(Column(what, [f"{row[what]:.2f}" if what in row else "" for row in rows.values()]) for what in (*WORK, "total")),
        Column("share", [f"{100 * row['total'] / whole:.1f} %" if whole else "-" for row in rows.values()], 8),
    ]


def _cpu_rows(cpu: Figures) -> dict[str, Figures]:
    """The nodes by task, then what has no task, then the watchers, then all together."""
    rows = {task.replace("_", " "): _node_task(cpu, task) for task in TASKS}
    if (unattributed := _seconds(node["unattributed"] for node in cpu["nodes"].values())) > 0:
        rows["unattributed"] = {"total": unattributed}
    return {**rows, **cpu["watchers"], "in all": cpu["network"]}


def _node_task(cpu: Figures, task: str) -> Figures:
    kinds = {work: _seconds(node["tasks"][task][work] for node in cpu["nodes"].values()) for work in WORK}
    return {**kinds, "total": _seconds(kinds.values())}
