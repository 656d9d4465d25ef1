"""What nodes said of the models that they received: the note `senders` of their updates, in which an algorithm gives its reasons.

A text that is "taken" alone says that nothing was held back; one that begins with "rejected" that nothing was taken.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from dfl_actors.core.events import Updated
from dfl_actors.report.load import Run, by_node

WHOLE, NOTHING = "taken", "rejected"
MOST = 8  # Senders that have a line each in a summary.

Judged = dict[str, str | int]


def said_of(update: Updated) -> Iterator[tuple[str, str]]:
    """Each sender's address, with what the update said of it."""
    senders = update.notes.get("senders")
    if isinstance(senders, Mapping):
        yield from ((str(sender), str(words)) for sender, words in senders.items())


def judged(run: Run, updates: Sequence[Updated]) -> dict[str, Judged]:
    """For each sender of a node: in how many of its updates its model was there, was taken in part or was rejected, and the last reason."""
    found: dict[str, list[str]] = defaultdict(list)
    for update in updates:
        for sender, words in said_of(update):
            found[run.node_named(sender)].append(words)
    return {sender: _counted(words) for sender, words in sorted(found.items())}


def _counted(words: Sequence[str]) -> Judged:
    reasons = [one for one in words if one != WHOLE]
    rejected = sum(one.startswith(NOTHING) for one in reasons)
    return {"updates": len(words), "rejected": rejected, "in_part": len(reasons) - rejected, "last": reasons[-1] if reasons else ""}


def judged_lines(run: Run) -> list[str]:
    """Who was rejected how often by whom, and why at last; those most often rejected."""
    of_nodes = {name: judged(run, updates) for name, updates in by_node(run.of(Updated)).items()}
    rows = [(int(its["rejected"]), node, sender, its) for node, senders in of_nodes.items() for sender, its in senders.items()]
    rows = sorted((row for row in rows if row[0]), key=lambda row: (-row[0], row[1], row[2]))
    lines = [f"node {node} rejected {sender} in {count} of {_why(its)}" for count, node, sender, its in rows]
    return lines[:MOST] + ([f"... and {len(lines) - MOST} more, in summary.json"] if len(lines) > MOST else [])


def _why(its: Judged) -> str:
    return f"{its['updates']} updates, last: " + str(its["last"]).removeprefix(f"{NOTHING}: ")
