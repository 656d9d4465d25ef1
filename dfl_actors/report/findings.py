"""What stands out in a run, in words, made from its figures: a node that signed two things about one, or that was shut out, a defence that
failed, a node that fell behind, transactions in vain."""

from collections.abc import Iterable, Mapping
from statistics import fmean

from dfl_actors.config.toml_text import counted
from dfl_actors.report.headline import Stood
from dfl_actors.report.kinds import attack_text

BEHIND = 0.1  # A node so far below the mean of the honest has fallen behind.
LATER = 10.0  # Seconds, or ticks, between measurements that can be compared.


def told_of(told: Iterable[tuple[str, str, str]], text: str) -> list[str]:
    """What nodes have told of others, as rows of who told it, of whom, and the detail: each detail once, with all who told it. `text` has
    places for `of`, `detail` and `by`."""
    by: dict[tuple[str, str], list[str]] = {}
    for teller, of, detail in told:
        tellers = by.setdefault((of, detail), [])
        if teller not in tellers:
            tellers.append(teller)
    return [text.format(of=of, detail=detail, by=", ".join(tellers)) for (of, detail), tellers in by.items()]


def failed_defences(trust: Mapping[str, Mapping[str, float]], attacks: Mapping[str, str]) -> list[str]:
    """Attackers whom the honest trust as much as an honest node; `trust` is what each node thinks of others, at last."""
    of = {name for others in trust.values() for name in others}
    said = {name: [others[name] for node, others in trust.items() if node not in attacks and name in others] for name in of}
    standing = {name: fmean(values) for name, values in sorted(said.items()) if values}
    honest = {name: value for name, value in standing.items() if name not in attacks}
    if not honest:
        return []
    least, low = min(honest.items(), key=lambda item: item[1])
    return [
        f"node {name} ({attack_text(attacks[name])}) kept a reputation of {value:.2f}, "
        + (f"above honest {least}'s {low:.2f}" if value > low else f"that of honest {least}")
        for name, value in standing.items()
        if name in attacks and value >= low
    ]


def fallen_behind(nodes: Iterable[Stood], word: str) -> list[str]:
    """Honest nodes far below the mean of the honest; `word` says what their scores are. Compared is only what was measured at
    about one moment: a node that was measured long before the others is not behind for that."""
    known = {node.name: (node.score, node.age or 0.0) for node in nodes if node.score is not None and not node.attacks}
    newest = min((age for _, age in known.values()), default=0.0)
    scores = {name: score for name, (score, age) in known.items() if age <= newest + LATER}
    mean = fmean(scores.values()) if scores else 0.0
    return [
        f"node {name} fell behind: its {word} is {score:.3f}, the honest nodes' mean {mean:.3f}"
        for name, score in scores.items()
        if mean - score > BEHIND
    ]


def in_vain(expired: Mapping[str, int], sent: Mapping[str, int]) -> list[str]:
    """Nodes whose transactions expired before they had their receipts."""
    return [
        f"{count} of {counted(sent[name], 'transaction')} of node {name} expired before enough neighbours had witnessed them"
        for name, count in expired.items()
        if count
    ]
