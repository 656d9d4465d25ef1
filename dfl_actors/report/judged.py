"""What nodes said of the models that they received, in the updates of an algorithm that gives its reasons (`sdk.reasons`)."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import msgspec

from dfl_actors.config.toml_text import counted
from dfl_actors.report.load import Run
from dfl_actors.report.table import Column, name_text
from dfl_actors.sdk.reasons import REJECTED

MOST = 8  # Senders that have a line each in a summary.
MOST_ROWS = 200  # Of a table.

LESS = {"rejected": "rejected", "in part": "in_part"}  # Ways to be held back: headers of columns, and where a `Judged` counts them.

Judged = dict[str, str | int]
By = Mapping[str, Mapping[str, Judged]]
"""What each node said of each sender, by their names."""


def judged(run: Run, name: str) -> dict[str, Judged]:
    """For each sender of a node: in how many of its updates its model was there, was taken in part or was rejected, why at last, and in
    how many it has not been rejected since."""
    said = {run.node_named(sender): its for sender, its in run.tally.said.get(name, {}).items()}
    return {sender: msgspec.to_builtins(its) for sender, its in sorted(said.items())}


def judged_by(run: Run) -> dict[str, dict[str, Judged]]:
    """The same of every node that has averaged."""
    return {name: judged(run, name) for name in run.tally.updates}


def judged_in(nodes: Mapping[str, Mapping[str, Mapping[str, Judged]]]) -> By:
    """The same as it stands in the summaries of nodes."""
    return {name: node["judged"] for name, node in nodes.items()}


def judged_lines(by: By, told: Collection[str] = ()) -> list[str]:
    """Who was rejected how often by whom, and why at last; those most often rejected, without senders of whom it was `told` already."""
    rows = [row for row in _rows(by) if row[2]["rejected"] and row[1] not in told]
    lines = [f"node {node} rejected {sender} in {its['rejected']} of {_why(its)}" for node, sender, its in rows]
    return lines[:MOST] + ([f"... and {len(lines) - MOST} more, in summary.json"] if len(lines) > MOST else [])


def _rows(by: By) -> list[tuple[str, str, Judged]]:
    """Node, sender and what the one said of the other; those first of whom most was held back."""
    rows = [(node, sender, its) for node, senders in by.items() for sender, its in senders.items()]
    return sorted(rows, key=lambda row: (-int(row[2]["rejected"]), -int(row[2]["in_part"]), row[0], row[1]))


def _why(its: Judged) -> str:
    ago = f" {counted(int(its['since']), 'update')} ago" if its["since"] else ""
    return f"{counted(int(its['updates']), 'update')}, last{ago}: {last_reason(its)}"


def last_reason(its: Judged) -> str:
    """Why one was rejected last, or taken in part where none was."""
    return str(its["last"]).removeprefix(f"{REJECTED}: ")


def judged_columns(by: By) -> list[Column]:
    """A row for each node and sender, at most `MOST_ROWS`; none where no algorithm gave reasons."""
    rows = list(islice(_rows(by), MOST_ROWS))
    if not rows:
        return []
    nodes, senders = [row[0] for row in rows], [row[1] for row in rows]
    return [
        Column("node", list(map(name_text, nodes)), left=True, style="cyan", nodes=nodes),
        Column("sender", list(map(name_text, senders)), left=True, nodes=senders),
        *(Column(header, [str(its[key]) for _, _, its in rows]) for header, key in {"updates": "updates", **LESS}.items()),
        Column("why not more, at last", [str(its["last"]) for _, _, its in rows], left=True),
    ]


def held_back(by: By, names: Sequence[str]) -> list[Column]:
    """Of each of these nodes, in how many hundredths of the updates that had a model of it others rejected it, or took it in part."""
    if not any(by.values()):
        return []
    of = {name: [senders[name] for senders in by.values() if name in senders] for name in names}
    return [Column(header, [_share(of[name], key) for name in names]) for header, key in LESS.items()]


def _share(said: Sequence[Judged], key: str) -> str:
    updates = sum(int(its["updates"]) for its in said)
    return f"{100 * sum(int(its[key]) for its in said) / updates:.0f} %" if updates else "-"
