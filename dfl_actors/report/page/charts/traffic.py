"""The network: its nodes, its links, and the models that crossed them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from dfl_actors.report.load import Run
from dfl_actors.report.matrices import Link, Places, places, traffic
from dfl_actors.report.page.charts.base import FEW, SYMBOLS, Chart, Json, label, layout
from dfl_actors.report.table import size_text

WIDTHS = (1.0, 1.8, 2.8, 4.0, 5.5)
"""Widths of lines, from the links with the least to those with the most traffic; a link without any is dotted."""


def network(run: Run) -> Chart:
    """The graph of the network, its links as wide as their traffic."""
    links = traffic(run)
    chart = Chart(
        id="network",
        title="Network and link traffic",
        about="The wider a link, the more bytes of models crossed it, in both directions together. Hover over links and nodes for figures.",
        source="`sent`; `run.json`",
        missing="This run has no nodes.",
        height=0,
        keyed=True,
    )
    if not run.nodes:
        return chart
    where = places(run, links)
    traces = [*_lines(links, where), _handles(links, where), *_nodes(run, links, where)]
    reach = 1.16 if _inside(where) else 1.65
    hidden = {"visible": False, "range": [-reach, reach], "fixedrange": False}
    # A square: a circle of nodes stays round.
    drawn = layout(margin={"l": 4, "r": 4, "t": 4, "b": 4}, xaxis=hidden, yaxis={**hidden, "scaleanchor": "x"})
    return chart.filled(traces, drawn, notes=_notes(links))


def _notes(links: Sequence[Link]) -> tuple[str, ...]:
    """What the widths mean."""
    busy = [link.total for link in links if link.total]
    if not links:
        return ("This node has no links.",)
    if not busy:
        return (f"None of the {len(links)} links carried a model.",)
    least, most = size_text(min(busy)), size_text(max(busy))
    text = f"{len(links)} links; those with models carried {least if least == most else f'{least} to {most}'}{' each' * (least == most)}."
    return (text + (f" {len(links) - len(busy)} carried none (dotted)." if len(busy) < len(links) else ""),)


def width_of(total: int, most: int, links: int) -> float:
    """How wide a link is drawn that carried `total` bytes, where the busiest one of `links` carried `most`."""
    # In a dense network wide lines would hide one another.
    scale = 1.0 if links <= 40 else 0.7 if links <= 200 else 0.3
    return scale * WIDTHS[min(int(len(WIDTHS) * total / most), len(WIDTHS) - 1)] if total else 1.0


def _lines(links: Sequence[Link], where: Places) -> list[Json]:
    """One trace for each width, for a trace has one width; those of quiet links apart."""
    most = max((link.total for link in links), default=0)
    alike: dict[tuple[bool, float], list[Link]] = defaultdict(list)
    for link in links:
        alike[link.total > 0, width_of(link.total, most, len(links))].append(link)
    colour = "@link" if len(links) <= 200 else "@faint"
    return [
        {
            "type": "scatter", "mode": "lines", "hoverinfo": "skip", "x": _ends(some, where, 0), "y": _ends(some, where, 1),
            "line": {"color": colour, "width": width, "dash": "solid" if busy else "dot"},
        }
        for (busy, width), some in sorted(alike.items())
    ]  # fmt: skip


def _ends(links: Sequence[Link], where: Places, axis: int) -> list[float | None]:
    """Of each link its two ends and a gap."""
    return [at for link in links for at in (round(where[link.one][axis], 4), round(where[link.other][axis], 4), None)]


def _handles(links: Sequence[Link], where: Places) -> Json:
    """Something to hover over: two invisible points on every link, away from the crossing in its middle."""
    points = [(link, part) for link in links for part in (0.36, 0.64)]

    def at(axis: int) -> list[float]:
        return [round(where[link.one][axis] * (1 - part) + where[link.other][axis] * part, 4) for link, part in points]

    return {
        "type": "scatter", "mode": "markers", "x": at(0), "y": at(1), "marker": {"size": 16, "opacity": 0, "color": "@link"},
        "text": [_link_text(link) for link, _ in points], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _link_text(link: Link) -> str:
    one, other = label(link.one), label(link.other)
    there, back = link.models
    return (
        f"<b>{one} — {other}</b><br>{one} to {other}: {there} models, {size_text(link.bytes[0])}"
        f"<br>{other} to {one}: {back} models, {size_text(link.bytes[1])}"
    )


def _nodes(run: Run, links: Sequence[Link], where: Places) -> list[Json]:
    """A trace a node while there are few, so that each can be chosen and has its symbol's colour; else one for all."""
    sent: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    degree: dict[str, int] = defaultdict(int)
    for link in links:
        there, back = link.bytes
        for name, out, into in ((link.one, there, back), (link.other, back, there)):
            sent[name][0] += out
            sent[name][1] += into
            degree[name] += 1
    inside = _inside(where)
    figures = {name: f"sent {size_text(sent[name][0])}, received {size_text(sent[name][1])}" for name in where}
    return [_node(run, name, where, f"{degree[name]} links<br>{figures[name]}", inside) for name in where]


def _inside(where: Places) -> bool:
    """Whether names are short enough to stand in the nodes' signs."""
    return all(len(name) <= 3 for name in where)


def _label_place(x: float, y: float) -> str:
    """Beside the sign, on the side away from the middle."""
    if abs(x) > 0.35:
        return "middle right" if x > 0 else "middle left"
    return "top center" if y > 0 else "bottom center"


def _node(run: Run, name: str, where: Places, figures: str, inside: bool) -> Json:
    nodes = list(run.nodes)
    known, few = name in run.nodes, len(nodes) <= FEW
    colour = f"@node{nodes.index(name)}" if known and few else "@crowd" if known else "@rest"
    role = f" ({label(run.roles[name])})" if name in run.roles else "" if known else " (on another host)"
    size = (30 if few else 22) if inside else (20 if few else 14)
    marker: dict[str, Any] = {"size": size, "color": colour, "line": {"color": "@ground", "width": 2}}
    if not inside and few and known:
        marker["symbol"] = SYMBOLS[nodes.index(name)]
    x, y = where[name]
    return {
        "type": "scatter", "mode": "markers+text", "x": [round(x, 4)], "y": [round(y, 4)], "cliponaxis": False, "marker": marker,
        "text": [label(name, 3 if inside else 8)], "textposition": "middle center" if inside else _label_place(x, y),
        "textfont": {"color": "@onnode" if inside else "@ink", "size": 13 if few else 10},
        "hovertemplate": f"<b>node {label(name, 64)}</b>{role}<br>{figures}<extra></extra>",
        **({"meta": {"node": name, "keep": True}} if known else {}),
    }  # fmt: skip
