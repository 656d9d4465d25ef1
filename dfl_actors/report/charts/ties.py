"""What else the links of the network can show than traffic: how far their ends trust each other, and what they refused of each other."""

from collections import Counter
from collections.abc import Mapping, Sequence

from dfl_actors.config.toml_text import counted
from dfl_actors.core.events import Updated
from dfl_actors.report.charts.chart import Edge, cut
from dfl_actors.report.load import Run
from dfl_actors.report.pairs import Link
from dfl_actors.report.refusals import refusals

WIDEST, THINNEST = 5.5, 1.0
DISTRUST = 0.5  # A reputation below which a link is red.
MOST_REASONS = 4  # Of what was refused in one direction.

Trust = Mapping[str, Mapping[str, float]]


def trusting(run: Run, links: Sequence[Link], scale: float) -> list[Edge]:
    """The wider, the more both ends trust each other; red where one of them does not, dotted where neither has said anything."""
    trust = _trust(run)
    return [_trusting(link, trust, scale) for link in links]


def _trust(run: Run) -> Trust:
    """What each node thinks of others, as told last."""
    last = {event.node: event.reputations for event in sorted(run.of(Updated), key=lambda event: event.t) if event.reputations}
    return {node: {run.node_named(address): value for address, value in said.items()} for node, said in last.items()}


def _trusting(link: Link, trust: Trust, scale: float) -> Edge:
    ways = [(a, b, trust.get(a, {}).get(b)) for a, b in ((link.one, link.other), (link.other, link.one))]
    known = [value for _, _, value in ways if value is not None]
    lines = [f"{cut(a)} trusts {cut(b)}: {'nothing said yet' if value is None else f'{value:.2f}'}" for a, b, value in ways]
    width = scale * (THINNEST + (WIDEST - THINNEST) * sum(known) / len(known)) if known else THINNEST
    return Edge(link.one, link.other, width, bool(known), _text(link, lines), colour="@alarm" if known and min(known) < DISTRUST else "")


def refusing(run: Run, links: Sequence[Link], scale: float) -> list[Edge]:
    """The wider, the more was refused; red where a rule was broken, dotted where nothing was refused."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    faults: Counter[tuple[str, str]] = Counter()
    for one in refusals(run):
        counts.setdefault((one.refuser, one.refused), Counter())[one.code] += one.count
        faults[one.refuser, one.refused] += one.count if one.fault else 0
    most = max((codes.total() for codes in counts.values()), default=1)
    return [_refusing(link, counts, faults, scale / most) for link in links]


def _refusing(link: Link, counts: Mapping[tuple[str, str], Counter[str]], faults: Counter[tuple[str, str]], scale: float) -> Edge:
    ways = [(link.one, link.other), (link.other, link.one)]
    total = max(counts.get(way, Counter()).total() for way in ways)
    lines = [f"{cut(a)} of {cut(b)}: {_reasons(counts.get((a, b), Counter()))}" for a, b in ways]
    width = max(THINNEST, WIDEST * scale * total)
    return Edge(link.one, link.other, width, bool(total), _text(link, lines), colour="@alarm" if any(faults[way] for way in ways) else "")


def _reasons(codes: Counter[str]) -> str:
    said = [f"{counted(count, 'time')} {code}" for code, count in codes.most_common(MOST_REASONS)]
    return ", ".join(said) + (", ..." if len(codes) > MOST_REASONS else "") if said else "nothing refused"


def _text(link: Link, lines: Sequence[str]) -> str:
    return "\n".join([f"{cut(link.one)} — {cut(link.other)}", *lines])
