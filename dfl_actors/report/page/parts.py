"""The parts of the report's page in HTML: its head, the bar to choose nodes, the charts' sections. What users named is escaped."""

from collections.abc import Iterator, Sequence
from html import escape
from re import sub

from dfl_actors.config.toml_text import counted
from dfl_actors.report.charts.chart import FEW, MARK_STYLES, Bars, Chart, Figure, Matrix, OverTime, cut
from dfl_actors.report.charts.said import spoken
from dfl_actors.report.load import Run
from dfl_actors.report.page.plotly import thinning_note
from dfl_actors.report.refusals import by_verdict, refused_text
from dfl_actors.report.roles import ALARM, labels, look_of
from dfl_actors.report.runs.listing import state_of
from dfl_actors.report.summary import Figures, ran_text
from dfl_actors.report.table import size_text
from dfl_actors.report.times import time_text

PATHS = {
    "circle": "M8 2a6 6 0 1 0 .01 0z",
    "square": "M2.5 2.5h11v11h-11z",
    "triangle-up": "M8 2l7 12H1z",
    "diamond": "M8 1l7 7-7 7-7-7z",
    "triangle-down": "M8 14L1 2h14z",
    "cross": "M5.5 1h5v4.5H15v5h-4.5V15h-5v-4.5H1v-5h4.5z",
    "x": "M4 1l4 4 4-4 3 3-4 4 4 4-3 3-4-4-4 4-3-3 4-4-4-4z",
    "triangle-left": "M2 8l12-7v14z",
    "triangle-right": "M14 8L2 15V1z",
    "star": "M8 1l2.1 4.7 5 .5-3.8 3.4 1.1 5L8 12l-4.4 2.6 1.1-5L.9 6.2l5-.5z",
}
"""Plotly's symbols, drawn into a square of 16."""

ENDINGS = {"starting": "starting", "running": "under way: this is the run so far", "died": "died: it was killed, or its machine was"}


def tag(name: str, inner: str, **attributes: str | None) -> str:
    """An element around HTML. Attributes are escaped; None leaves one out, and `data_x` is written data-x, `class_` class."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items() if value is not None
    )  # fmt: skip
    return f"<{name}{given}>{inner}</{name}>"


def symbol(name: str, colour: str, hollow: bool = False) -> str:
    """One of Plotly's symbols in a colour of the palette, "@ink" for instance."""
    look = {"class_": "hollow", "stroke": _css(colour)} if hollow else {"fill": _css(colour)}
    return tag("svg", tag("path", "", d=PATHS[name]), viewBox="-1 -1 18 18", aria_hidden="true", **look)


def node_symbol(run: Run, name: str) -> str:
    """The sign of a node."""
    look = look_of(run, name)
    return symbol(look.symbol, "@muted" if look.colour == "@crowd" else look.colour, look.hollow)


def node_name(run: Run, name: str, *, word: str = "", kind: bool = True, sign: bool = True) -> str:
    """A node's name as it is marked everywhere: an attacker's is dashed and red, an observer has its hollow `sign`; behind it stands what
    `kind` it is. One that is normal, or not of this run, is but its name. `word` stands before it."""
    look = look_of(run, name) if name in run.nodes else None
    inner = tag("span", escape(word + name))
    if look is None or not look.said:
        return inner if word else escape(name)
    told = tag("small", escape(cut(look.said, 24))) if kind else ""
    hollow = node_symbol(run, name) if look.hollow and sign else ""
    return tag("span", hollow + inner + told, class_="node attacker" if look.attacks else "node", title=f"node {name}, {look.said}")


def _patch(colour: str, opacity: str | None = None) -> str:
    patch = tag("rect", "", width="16", height="16", rx="2", opacity=opacity)
    return tag("svg", patch, viewBox="0 0 16 16", aria_hidden="true", fill=_css(colour))


def _stroke(colour: str, width: float = 2.5, dash: str = "solid") -> str:
    dashes = {"dot": "3 3", "dash": "7 4"}.get(dash)
    stroke = tag("path", "", d="M0 8H28", stroke=_css(colour), stroke_width=f"{width:g}", stroke_dasharray=dashes)
    return tag("svg", stroke, viewBox="0 0 28 16", aria_hidden="true", class_="long")


def _css(colour: str) -> str:
    return f"var(--at-{colour.removeprefix('@')})"


# --- choosing nodes


def chooser(run: Run) -> str:
    """The bar in which nodes are chosen; nothing where there is no choice."""
    if len(run.nodes) < 2:
        return ""
    crowd = len(run.nodes) > FEW
    chips = [tag("span", "nodes", class_="lead"), *(_button(word) for word in ("all", "none"))]
    chips += [_chip(run, name, crowd) for name in run.nodes]
    group = tag("div", "".join(chips), class_="chips", role="group", aria_label="Nodes")
    if crowd:
        group = tag("details", tag("summary", f"Choose nodes to pick out ({tag('span', 'none chosen', id='counted')})") + group)
    return tag("nav", group, class_="chooser", aria_label="Choose nodes")


def _button(word: str) -> str:
    return tag("button", word, type="button", class_="chip plain", data_choose=word)


def _chip(run: Run, name: str, crowd: bool) -> str:
    look = look_of(run, name)
    inner = node_symbol(run, name) + tag("span", escape(name)) + (tag("small", escape(cut(look.said, 24))) if look.said else "")
    pressed, title = "false" if crowd else "true", f"node {name}" + (f", {look.said}" if look.said else "")
    kind = "chip attacker" if look.attacks else "chip"
    return tag("button", inner, type="button", class_=kind, data_node=name, aria_pressed=pressed, title=title)


def node_key(run: Run) -> str:
    """The nodes and their signs, for paper, where the bar is not."""
    if not 2 <= len(run.nodes) <= FEW:
        return ""
    return _list([node_symbol(run, name) + escape(said) for name, said in zip(run.nodes, labels(run), strict=True)], "key paper")


def key(figure: Figure) -> str:
    """What the colours and signs of a figure mean, but for the nodes'; Plotly's own legends do not fit narrow charts."""
    signs = [f"{sign}{escape(text)}" for sign, text in dict.fromkeys(_signs(figure))]
    return _list(signs, "key") if signs else ""


def _signs(figure: Figure) -> Iterator[tuple[str, str]]:
    if isinstance(figure, Bars):
        yield from ((_patch(part.colour), part.name) for part in figure.parts)
    if not isinstance(figure, OverTime):
        return
    for panel in figure.panels:
        yield from (
            (_stroke(one.colour, 5 if one.width >= 3 else 2.5, one.dash), one.label or one.name)
            for one in panel.lines
            if not one.node and not one.thin
        )
        yield from ((_patch(band.colour.removesuffix("band"), "0.3"), band.label) for band in panel.bands)
    if any(panel.bands for panel in figure.panels):
        yield _stroke("@muted"), "thin: one node"
    if any(line.thin and not line.node for panel in figure.panels for line in panel.lines):
        yield _stroke("@muted", dash="dot"), "dotted: of the nodes measured so far"
    lines = [line for panel in figure.panels for line in panel.lines if line.node]
    if any(line.colour == ALARM for line in lines):
        yield _stroke(ALARM, dash="dash"), "dashed: an attacker"
    if any(line.hollow and line.symbol for line in lines):
        yield symbol("circle", "@muted", hollow=True), "hollow: an observer"
    kinds = {mark.kind for mark in figure.marks}
    yield from ((symbol(sign, colour), name) for kind, (name, sign, colour, _) in MARK_STYLES.items() if kind in kinds)


def _list(items: Sequence[str], kind: str) -> str:
    return tag("ul", "".join(tag("li", item) for item in items), class_=kind)


# --- sections


def section(name: str, title: str, about: str, inner: str, kind: str = "wide") -> str:
    """A section of the page; `about` says in words what it shows."""
    return tag("section", tag("h2", title) + tag("p", escape(about), class_="about") + inner, class_=kind, id=name)


def chart_section(chart: Chart, run: Run | None = None) -> str:
    """A chart with its title, what it shows and where that comes from; `run` has the nodes whose signs it shows."""
    if chart.figure is None:
        inner = tag("p", escape(chart.missing), class_="missing")
    else:
        signs = key(chart.figure) + (node_key(run) if chart.keyed and run is not None else "")
        inner = signs + _choices(chart) + _plot(chart) + _slider(chart) + _whole(chart)
    inner += "".join(tag("p", escape(note), class_="note") for note in (*chart.notes, *thinning_note(chart.figure)))
    inner += tag("p", f"From {_code(chart.source)}.", class_="source")
    return section(chart.id, chart.title, chart.about, inner, "chart wide" if chart.wide else "chart")


def _plot(chart: Chart) -> str:
    kind = "plot" if chart.height else "plot square"
    height = f"--height:{chart.height}px" if chart.height else None
    return tag("div", "", class_=kind, id=f"plot-{chart.id}", style=height, role="figure", aria_label=spoken(chart))


def _slider(chart: Chart) -> str:
    if not isinstance(chart.figure, Matrix) or not chart.figure.moments:
        return ""
    moments = chart.figure.moments
    last, text = str(len(moments) - 1), f"after {moments[-1]}"
    given = {"max": last, "value": last, "data_frames": chart.id, "aria_label": f"Moment: {chart.title}", "aria_valuetext": text}
    slider = tag("input", "", type="range", min="0", **given).removesuffix("</input>")
    return tag("div", slider + tag("output", text), class_="slide")


def _choices(chart: Chart) -> str:
    """What of a matrix is shown, the whole first; or one of the chart's modes."""
    if chart.modes:
        modes = [tag("option", escape(name), value=name) for name in (chart.mode, *chart.modes)]
        return tag("label", f"show {tag('select', ''.join(modes), data_mode=chart.id, autocomplete='off')}", class_="choice")
    if not isinstance(chart.figure, Matrix) or not chart.figure.choices:
        return ""
    options = [tag("option", escape(text), value=str(place)) for place, text in reversed([*enumerate(chart.figure.choices)])]
    select = tag("select", "".join(options), data_frames=chart.id, autocomplete="off")
    return tag("label", f"show {select}", class_="choice")


def _whole(chart: Chart) -> str:
    """A button for axes that go from 0 to 1 instead of fitting what they show."""
    if not isinstance(chart.figure, OverTime) or not any(panel.whole for panel in chart.figure.panels):
        return ""
    button = tag("button", "axis from 0 to 1", type="button", class_="chip", data_axis=chart.id, aria_pressed="false")
    return tag("div", button, class_="choice")


def _code(text: str) -> str:
    return sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


# --- the head


def state(run: Run, held: float | None) -> str:
    """One line: what became of the run, when, and where it lies."""
    word, reason = state_of(run, held)
    count = len(run.nodes)
    parts = [
        ENDINGS.get(word, f"{word}: {reason}" if word == "finished" else word),
        f"{count} node{'' if count == 1 else 's'}",
        f"begun {time_text(run.started, '%Y-%m-%d %H:%M:%S', utc=True)} UTC",
        *([f"{len(run.sessions)} sessions"] if len(run.sessions) > 1 else []),
        str(run.path),
    ]
    return escape(" · ".join(parts))


def remarks(summary: Figures) -> str:
    """What stands out, and below it what a reader should know: clocks that were off, restarted actors, metrics that are left out."""
    lists = {"findings": summary["findings"], "remarks": summary["remarks"]}
    return "\n".join(_list([escape(one) for one in said], kind) for kind, said in lists.items() if said)


def cards(run: Run, summary: Figures) -> str:
    """The figures that say most."""
    score = run.score
    if run.simulated:
        return _simulated_cards(run, summary)
    nodes, links, cpu = list(summary["nodes"].values()), summary["links"].values(), summary["cpu"]["network"]
    made = [
        _headline_card(summary["headline"], score),
        _target_card(summary["target"]),
        card("ran for", ran_text(summary), f"after a start of {summary['ready_seconds']:.1f} s"),
        card("transactions", f"{sum(node['sent'] for node in nodes):,}", counted(sum(node["receipts"] for node in nodes), "receipt")),
        _block_card(list(summary["blocks"].values())),
        card("models over links", size_text(sum(link["bytes"] for link in links)), counted(sum(link["models"] for link in links), "model")),
        card("CPU", f"{cpu['total']:.1f} s", f"{100 * cpu['learning'] / cpu['total']:.0f} % machine learning") if cpu["total"] else "",
        _trouble_card(nodes, sum(run.tally.restarts.values())),
    ]
    return "\n".join(card for card in made if card)


def _ticks(run: Run, done: int) -> str:
    return f"{done:,}{run.of_ticks} ticks" if run.of_ticks else counted(done, "tick")


def _simulated_cards(run: Run, summary: Figures) -> str:
    nodes = list(summary["nodes"].values())
    made = [
        _headline_card(summary["headline"], run.score),
        card("simulated", _ticks(run, round(summary["elapsed"])), "in virtual time"),
        card("training steps", f"{sum(node['steps'] for node in nodes):,}", counted(sum(node["updates"] for node in nodes), "update")),
    ]
    return "\n".join(made)


def card(title: str, value: str, more: str, kind: str | None = None) -> str:
    """A figure with its name above and what belongs to it below."""
    value, more = value.replace("..", "\N{EN DASH}"), escape(more)
    return tag("div", tag("dt", escape(title)) + tag("dd", escape(value), class_="value") + tag("dd", more, class_="more"), class_=kind)


def _headline_card(head: Figures, score: str) -> str:
    """The mean and the worst of the honest nodes."""
    if head["mean"] is None:
        return card(f"{score} on the test samples", "-", "not measured yet" if "not measured yet" in head["text"] else "not measured")
    who = "honest nodes" if head["attackers"] < head["nodes"] else "attackers"
    return card(f"{score} on the test samples", f"{head['mean']:.3f}", f"mean of the {who}; worst {head['worst']:.3f}")


def _target_card(target: Figures) -> str:
    if target["accuracy"] is None:
        return ""
    title, reached = f"target {target['accuracy']:g}", target["seconds"]
    if reached is None:
        return card(title, "not reached", "by every node")
    return card(title, f"{reached:.1f} s", "until every node reached it")


def _block_card(blocks: Sequence[Figures]) -> str:
    expected = sum((block["expected_per_block"] or 0) * block["blocks"] for block in blocks)
    confirmed = sum((block["confirmations_per_block"] or 0) * block["blocks"] for block in blocks)
    more = f"{100 * confirmed / expected:.1f} % of the confirmations" if expected else "no confirmation was expected"
    abandoned = sum(block["abandoned"] for block in blocks)
    more += f"; {abandoned:,} abandoned, which prove nothing" if abandoned else ""
    return card("final blocks", f"{sum(block['blocks'] for block in blocks):,}", more)


def _trouble_card(nodes: Sequence[Figures], restarts: int) -> str:
    """What went wrong, in red where somebody or something is to blame. `restarts` are of all processes, the evaluator's too."""
    faults, ignored = (sum(counts) for counts in zip(*(by_verdict(node["refused"]) for node in nodes), strict=True)) if nodes else (0, 0)
    expired = sum(node["expired"] for node in nodes)
    said = [counted(restarts, "restart")] * bool(restarts) + [f"{expired:,} expired"] * bool(expired)
    said += [refused_text(faults, ignored)] * bool(faults + ignored)
    trouble = restarts + expired + faults
    if not said:
        return card("trouble", "none", "no restart, nothing refused or expired")
    return card("trouble", f"{trouble:,}" if trouble else "none", ", ".join(said), "alarm" if trouble else None)
