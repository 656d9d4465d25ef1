"""The one line that says how a network stands, the same on every screen: live, at the end, in the report, in lists and comparisons.

It speaks of the honest nodes. Attackers are apart: the model of one that lies to others may well be the best of all. It says how many nodes
were measured, and how long ago at most, so that nobody takes figures of different moments, or of half of the nodes, for the whole.
"""

from collections.abc import Iterable

import msgspec

from dfl_actors.config.toml_text import counted


class Stood(msgspec.Struct, frozen=True):
    """A node: what it was measured at last, in 0..1, None where it never was, and how long ago; whether it attacks."""

    name: str
    score: float | None
    attacks: bool = False
    age: float | None = None


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of the line. `mean`, `worst` and `spread`, from worst to best, are of the honest nodes or, where there is none, of the
    attackers; `oldest` is the age of the oldest measurement of all nodes."""

    nodes: int
    attackers: int
    measured: int
    mean: float | None = None
    worst: float | None = None
    worst_node: str = ""
    spread: float | None = None
    oldest: float | None = None


def headline(nodes: Iterable[Stood]) -> Headline:
    """The figures of these nodes."""
    given = list(nodes)
    measured = [node for node in given if node.score is not None]
    told = [node for node in given if not node.attacks] or given
    scores = {node.name: node.score for node in told if node.score is not None}
    counts = Headline(
        nodes=len(given),
        attackers=sum(node.attacks for node in given),
        measured=len(measured),
        oldest=max((node.age for node in measured if node.age is not None), default=None),
    )
    if not scores:
        return counts
    worst, least = min(scores.items(), key=lambda item: item[1])
    mean, spread = sum(scores.values()) / len(scores), max(scores.values()) - least
    return msgspec.structs.replace(counts, mean=mean, worst=least, worst_node=worst, spread=spread)


def headline_text(head: Headline, unit: str = "s", since: str = "ago") -> str:
    """The line; ages are in seconds, or in what `unit` names, `since` now ("ago") or since the end of what is over ("before the end").

    >>> headline_text(headline([Stood("ben", 0.91, age=6), Stood("amy", 0.94, age=1), Stood("dan", 0.99, attacks=True, age=2)]))
    'honest nodes: mean 0.925, worst 0.910 (ben), spread 0.030; 1 attacker apart; 3 of 3 measured, at most 6 s ago'
    """
    none = "not measured yet" if since == "ago" else "not measured"  # and of what is over never will be
    return "; ".join([_whole(head, none), *_apart(head), _measured(head, none, unit, since)])


def _whole(head: Headline, none: str) -> str:
    honest = head.nodes - head.attackers
    one = max(honest, head.attackers if not honest else 0) == 1
    who = ("honest node" if honest else "attacker" if one else "attackers alone") + ("s" if honest and not one else "")
    if head.mean is None:
        return f"{who}: {none}"
    if one:
        return f"{who} {head.worst_node}: {head.mean:.3f}"
    return f"{who}: mean {head.mean:.3f}, worst {head.worst:.3f} ({head.worst_node}), spread {head.spread:.3f}"


def _apart(head: Headline) -> list[str]:
    return [f"{counted(head.attackers, 'attacker')} apart"] if 0 < head.attackers < head.nodes else []


def _measured(head: Headline, none: str, unit: str, since: str) -> str:
    missing = head.nodes - head.measured
    age = "" if head.oldest is None else f", at most {_age(round(head.oldest), unit)} {since}"
    if not head.measured:
        return f"none of {head.nodes} measured"
    if missing:
        return f"{missing} of {head.nodes} {none}{age.replace('at most', 'the others at most')}"
    return f"{head.measured} of {head.nodes} measured{age}"


def _age(age: int, unit: str) -> str:
    return f"{age} s" if unit == "s" else counted(age, unit)
