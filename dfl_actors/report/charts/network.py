"""The network: its nodes, its links, and the models that crossed them."""

from collections.abc import Sequence

import msgspec

from dfl_actors.config.toml_text import counted
from dfl_actors.report.charts.chart import Chart, Dot, Edge, Figure, Graph, cut
from dfl_actors.report.charts.ties import refusing, trusting
from dfl_actors.report.layout import bends, positions
from dfl_actors.report.load import Run
from dfl_actors.report.pairs import Link, traffic
from dfl_actors.report.roles import look_of
from dfl_actors.report.table import size_text

WIDTHS = (1.0, 1.8, 2.8, 4.0, 5.5)
"""Widths of lines, from the links with the least to those with the most traffic; a link without any is dotted."""


def network(run: Run) -> Chart:
    """The graph of the network, its links as wide as their traffic; of a simulation, which has none, as their ends trust each other."""
    links = traffic(run)
    graph = _graph(run, links)
    if run.simulated:
        return _simulated(run, links, graph)
    return Chart(
        id="network",
        title="Network and link traffic",
        about=(
            "The wider a link, the more bytes of models crossed it, in both directions together. Or, as you choose: the more its ends "
            "trust each other, red where one trusts the other less than 0.5; or the more they refused of each other, red where a rule was "
            "broken. Hover over links and nodes for figures."
        ),
        source="`sent`; `run.json`; `updated`, `refused`, `refused_by`",
        missing="This run has no nodes.",
        height=0,
        keyed=True,
        figure=graph if run.nodes else None,
        mode="traffic",
        modes=_modes(run, links, graph) if links else {},
        notes=_notes(links),
    )


def _simulated(run: Run, links: Sequence[Link], graph: Graph) -> Chart:
    trusted = _modes(run, links, graph)["reputations"] if links else graph
    return Chart(
        id="network",
        title="Network",
        about="The wider a link, the more its ends trust each other, red where one trusts the other less than 0.5. Hover for figures.",
        source="`config.toml`",
        height=0,
        keyed=True,
        figure=trusted,
        notes=(counted(len(links), "link") + ".",),
    )


def _graph(run: Run, links: Sequence[Link]) -> Graph:
    names = tuple(dict.fromkeys([*run.nodes, *(name for link in links for name in (link.one, link.other))]))
    most = max((link.total for link in links), default=0)
    pairs = tuple((link.one, link.other) for link in links)
    places = positions(names, pairs)
    bent = bends(places, pairs)
    edges = [
        Edge(link.one, link.other, _width(link.total, most, len(links)), link.total > 0, _link_text(link), via=bent.get(pair))
        for link, pair in zip(links, pairs, strict=True)
    ]
    return Graph(places, edges, [_dot(run, name, links) for name in names])


def _modes(run: Run, links: Sequence[Link], graph: Graph) -> dict[str, Figure]:
    """The same graph, with links that show something else."""
    bent = {(edge.one, edge.other): edge.via for edge in graph.edges}
    ties = {} if run.simulated else {"refusals": refusing(run, links, _scale(len(links)))}
    ties["reputations"] = trusting(run, links, _scale(len(links)))
    shown = {name: [msgspec.structs.replace(edge, via=bent[edge.one, edge.other]) for edge in edges] for name, edges in ties.items()}
    return {name: msgspec.structs.replace(graph, edges=edges) for name, edges in sorted(shown.items())}


def _notes(links: Sequence[Link]) -> tuple[str, ...]:
    """What the widths mean."""
    busy = [link.total for link in links if link.total]
    if not links:
        return ("This node has no links.",)
    if not busy:
        return (f"None of the {len(links)} links carried a model.",)
    least, most = size_text(min(busy)), size_text(max(busy))
    carried = f"{least} each" if least == most else f"{least} to {most}"
    text = f"{counted(len(links), 'link')}; those with models carried {carried}."
    return (text + (f" {len(links) - len(busy)} carried none (dotted)." if len(busy) < len(links) else ""),)


def _width(total: int, most: int, links: int) -> float:
    """How wide a link is drawn that carried `total` bytes, where the busiest one of `links` carried `most`."""
    return _scale(links) * WIDTHS[min(int(len(WIDTHS) * total / most), len(WIDTHS) - 1)] if total else 1.0


def _scale(links: int) -> float:
    """In a dense network wide lines would hide one another."""
    return 1.0 if links <= 40 else 0.7 if links <= 200 else 0.3


def _link_text(link: Link) -> str:
    one, other = cut(link.one), cut(link.other)
    there, back = (f"{counted(models, 'model')}, {size_text(size)}" for models, size in zip(link.models, link.bytes, strict=True))
    return f"{one} — {other}\n{one} to {other}: {there}\n{other} to {one}: {back}"


def _dot(run: Run, name: str, links: Sequence[Link]) -> Dot:
    its = [(link, link.bytes if link.one == name else link.bytes[::-1]) for link in links if name in (link.one, link.other)]
    sent, received = (size_text(sum(size[way] for _, size in its)) for way in (0, 1))
    text = f"\n{counted(len(its), 'link')}" + ("" if run.simulated else f"\nsent {sent}, received {received}")
    if name not in run.nodes:
        return Dot(name, "@rest", "circle", f"node {cut(name, 64)} (on another host){text}")
    its_look = look_of(run, name)
    said = f" ({cut(its_look.said, 32)})" if its_look.said else ""
    return Dot(name, its_look.colour, its_look.symbol, f"node {cut(name, 64)}{said}{text}", name, cut(its_look.said, 32), its_look.hollow)
