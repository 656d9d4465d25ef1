"""What stands out in a run or a simulation, in words, made from its figures: a node that signed two things about one, or that was shut out,
whose models the others rejected, a defence that failed, a node that fell behind, transactions in vain and where they waited."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean, median

from dfl_actors.config.toml_text import counted
from dfl_actors.core import events
from dfl_actors.report.headline import Stood
from dfl_actors.report.judged import By, Judged, judged_by, last_reason
from dfl_actors.report.kinds import attack_text
from dfl_actors.report.load import Run
from dfl_actors.report.refusals import BAD, Refusal, refusals

BEHIND = 0.1  # A node so far below the mean of the honest has fallen behind.
STILL, STILLER = 60.0, 5  # Seconds without a block after which a chain stands still, and how many times the others'.
MANY = 3  # Blocks in the median after which a node without any is missed.
SILENT = "silent"  # The attack that offers nothing.
KEPT_OUT = 0.5  # Of the updates in which the honest had a node's model: rejected in more of them, it was kept out.
LET_IN = 5  # Updates without a rejection, after which it is so no longer.
MOST_RULES = 2  # Broken rules that are named.
MOST_WAITS = 3  # Places where transactions waited that are named.
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


def shut_out(told: Iterable[tuple[str, str, str]], found: Sequence[Refusal]) -> list[str]:
    """Whom nodes shut out for a while, and for what: the rules that it broke most often, or what was told with it."""
    broken: dict[str, Counter[str]] = {}
    for one in found:
        if one.code in BAD:
            broken.setdefault(one.refused, Counter())[one.words] += one.count
    why = {
        of: ", ".join(f"{words} ({counted(count, 'time')})" for words, count in its.most_common(MOST_RULES)) for of, its in broken.items()
    }
    return told_of([(by, of, why.get(of, detail)) for by, of, detail in told], "node {of} was shut out by {by} for a while: {detail}")


def failed_defences(trust: Mapping[str, Mapping[str, float]], attacks: Mapping[str, str]) -> list[str]:
    """Attackers whom the honest trust as much as an honest node; `trust` is what each node thinks of others, at last. Of one that says
    nothing nobody can think ill."""
    of = {name for others in trust.values() for name in others}
    said = {name: [others[name] for node, others in trust.items() if node not in attacks and name in others] for name in of}
    standing = {name: fmean(values) for name, values in sorted(said.items()) if values}
    honest = {name: value for name, value in standing.items() if name not in attacks}
    if not honest:
        return []
    least, low = min(honest.items(), key=lambda item: item[1])
    return [
        f"node {name} ({attack_text(attacks[name])}) kept a reputation of {value:.2f}, "
        + (f"above honest {least}'s {low:.2f}" if round(value, 2) > round(low, 2) else f"as honest {least} did")
        for name, value in standing.items()
        if name in attacks and attacks[name] != SILENT and value >= low
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


def stood_still(ages: Mapping[str, float | None], blocks: Mapping[str, int]) -> list[str]:
    """Nodes whose chains grow no more while the others' do; `ages` is how long before the end the last block was final, None where there is
    none, `blocks` how many there are."""
    told = []
    for name, age in ages.items():
        others = [other for node, other in ages.items() if node != name and other is not None]
        usual = median(others) if others else float("inf")
        many = median([count for node, count in blocks.items() if node != name] or [0])
        if age is None and many >= MANY:
            told.append(f"node {name} has no final block, the others {many:.0f} in the median")
        elif age is not None and age > max(STILL, STILLER * usual):
            for_them = f"the others' for {usual:.0f} s in the median"
            told.append(f"the chain of node {name} stood still: no block for the last {age:.0f} s, {for_them}")
    return told


def kept_out(by: By, attacks: Mapping[str, str]) -> dict[str, str]:
    """Whose models the honest rejected more often than not, and why at last; by their names."""
    of: dict[str, dict[str, Judged]] = {}
    for node, senders in by.items():
        for sender, its in senders.items() if node not in attacks else ():
            of.setdefault(sender, {})[node] = its
    return {sender: _kept_out(sender, said, attacks) for sender, said in sorted(of.items()) if _share(said.values()) > KEPT_OUT}


def _share(said: Collection[Judged]) -> float:
    return _sum(said, "rejected") / max(_sum(said, "updates"), 1)


def _sum(said: Iterable[Judged], key: str) -> int:
    return sum(int(its[key]) for its in said)


def _kept_out(sender: str, said: Mapping[str, Judged], attacks: Mapping[str, str]) -> str:
    who = f"node {sender} ({attack_text(attacks[sender])})" if sender in attacks else f"honest node {sender}"
    by = {node: its for node, its in said.items() if its["rejected"]}
    nodes = f"node {next(iter(by))}" if len(by) == 1 else f"{len(by)} nodes"
    rejected = f"rejected its models in {100 * _share(said.values()):.0f} % of {_sum(said.values(), 'updates'):,} updates"
    if (since := min(int(its["since"]) for its in by.values())) >= LET_IN:
        return f"{who} was kept out and then let in: {nodes} {rejected}, and in none of the last {since}"
    why = last_reason(max(by.values(), key=lambda its: int(its["rejected"])))
    return f"{who} was kept out: {nodes} {rejected}" + (f"; at last: {why}" if why else "")


Waits = Mapping[tuple[str, str], int]
"""How many transactions waited for what (a text with a place for the node) of whom."""


def in_vain(expired: Mapping[str, int], sent: Mapping[str, int], waits: Mapping[str, Waits]) -> list[str]:
    """Nodes whose transactions expired before they had their receipts, and where these waited."""
    return [
        f"{count} of {counted(sent[name], 'transaction')} of node {name} expired before enough neighbours had witnessed them"
        + _waits_text(waits.get(name, {}))
        for name, count in expired.items()
        if count
    ]


def _waits_text(waits: Waits) -> str:
    most = sorted(waits.items(), key=lambda item: (-item[1], item[0]))[:MOST_WAITS]
    told = [f"{count} {text.format(name)}" for (text, name), count in most]
    return f": {', '.join(told)}{', ...' if len(waits) > MOST_WAITS else ''}" if told else ""


# --- from a run

NOT_FETCHED, NOT_MEASURED = "never fetched by {}", "not measured by {}"
NOT_BACK, NOT_ANSWERED = "measured by {}, whose receipt did not come back", "never answered by {}"


def findings(run: Run, nodes: Sequence[Stood]) -> list[str]:
    """All that stands out; `nodes` is how they stood at last."""
    told: dict[str, list[tuple[str, str, str]]] = {}
    for event in run.of(events.Refused):
        told.setdefault(event.code, []).append((event.node, run.node_named(event.by), event.detail))
    return [
        *told_of(told.get("contradiction", ()), "node {of} signed {detail} (proved at {by}): its key is used twice, or it lies"),
        *shut_out(told.get("shut_out", ()), refusals(run)),
        *kept_out(judged_by(run), run.attacks).values(),
        *failed_defences(_trust(run), run.attacks),
        *fallen_behind(nodes, run.score),
        *_still(run),
        *in_vain({name: run.tally.expired[name] for name in run.nodes}, run.tally.sent, waited(run)),
    ]


def _still(run: Run) -> list[str]:
    """Of nodes that make blocks and were never told to leave."""
    away = {event.node for event in run.of(events.Happened) if event.do == "leave"}
    sealed = {name: run.tally.chain_of(name) for name in run.nodes if name not in away and run.tally.sent[name]}
    ages = {name: run.elapsed - run.seconds(its.last) if its.blocks else None for name, its in sealed.items()}
    return stood_still(ages, {name: its.blocks for name, its in sealed.items()})


def _trust(run: Run) -> dict[str, dict[str, float]]:
    """What each node thought of others at last."""
    last = {event.node: event.reputations for event in run.of(events.Updated) if event.reputations}
    return {name: {run.node_named(of): value for of, value in its.items()} for name, its in last.items() if name in run.nodes}


def waited(run: Run) -> dict[str, Waits]:
    """Of the transactions of each node that expired, how far they had come at each neighbour without a receipt; nothing of runs that did
    not write down, or not keep, who fetched what."""
    owners = {event.tx: event.node for event in run.of(events.Expired)}
    if not owners or not run.of(events.Fetched):
        return {}
    fetched = {(event.tx, event.node) for event in run.of(events.Fetched) if event.tx in owners}
    measured = {(event.tx, event.node) for event in run.of(events.Scored) if event.tx in owners}
    back = {(event.tx, run.node_named(event.creator)) for event in run.of(events.ReceiptArrived) if event.tx in owners}
    found: dict[str, Counter[tuple[str, str]]] = {}
    for tx, owner in owners.items():
        for other in run.neighbours(owner):
            if (tx, other) not in back:
                far = NOT_BACK if (tx, other) in measured else NOT_MEASURED if (tx, other) in fetched else NOT_FETCHED
                found.setdefault(owner, Counter())[far if other in run.nodes else NOT_ANSWERED, other] += 1
    return {**found}
