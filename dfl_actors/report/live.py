"""The live table of a running network, and the same on one line for logs. It shows what changes: totals are in the closing summary."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

import msgspec
import orjson
from rich.console import Group, RenderableType
from rich.text import Text

from dfl_actors.config.toml_text import counted, listed
from dfl_actors.report.headline import Stood, headline, headline_text
from dfl_actors.report.kinds import kind_text
from dfl_actors.report.table import (
    Column,
    accuracy_text,
    bar,
    grid,
    kind_column,
    names_column,
    range_text,
    reputations_column,
    sparkline,
    troubles_column,
)
from dfl_actors.runtime.status import NetworkStatus, NodeStatus

LEAST_SPAN = 0.05  # Of accuracy, between the lowest and the highest bar: noise is not to look like progress.
MOST_STALLED = 3  # Nodes that have stalled, each on a line of its own.
MOST_LATE = 3  # Lines of what a start waits for.
SHORT_TREND = 10  # Measurements in the trend where there is little room.


def live_table(status: NetworkStatus, width: int, height: int | None = None, ascii_only: bool = False, page: str = "") -> RenderableType:
    """The network at one moment: a header line, the address of its page, the headline and one row a node, within `width` columns and
    `height` lines."""
    said = [*page_lines(page), *(Text(line, no_wrap=True) for line in _said(status, width))]
    alarms = [Text(line, no_wrap=True, overflow="ellipsis", style="bold red") for line in stalled_lines(status.nodes)]
    alarms += [Text(line, no_wrap=True, overflow="ellipsis", style="yellow") for line in status.remarks]
    shown = _shown(len(status.nodes), None if height is None else height - len(alarms) - len(said))
    rows, rest = status.nodes[:shown], status.nodes[shown:]
    table = grid(_columns(rows, 2 * status.every, ascii_only), width, alarm=[bool(node.attack) for node in rows])
    parts: list[RenderableType] = [_header(status, width, ascii_only), *said, table]
    if rest:
        parts.append(Text(f"... and {len(rest)} more  {_figures(rest)}", no_wrap=True, overflow="ellipsis", style="dim"))
    return Group(*parts, *alarms)


def page_lines(page: str) -> list[Text]:
    """Where a page follows what is shown: whole, however narrow the terminal is, for it is to be copied."""
    return [Text(f"page: {page}", "dim", overflow="fold")] if page else []


def _said(status: NetworkStatus, width: int) -> list[str]:
    """What a start waits for, else the headline; below it what a stop waits for."""
    if status.state == "starting" and status.waits:
        lines = wrap(status.waits, max(width, 20), subsequent_indent="  ")
        return lines if len(lines) <= MOST_LATE else [*lines[: MOST_LATE - 1], f"  {lines[MOST_LATE - 1].strip()[: width - 6]} ..."]
    said = wrap(headline_of(status.nodes), max(width, 20), subsequent_indent="  ") if status.nodes else []
    return [*said, *wrap(status.waits, max(width, 20))]


def stalled_lines(nodes: Sequence[NodeStatus]) -> list[str]:
    """Who makes no blocks any more, in words."""
    stalled = sorted((node for node in nodes if node.stalled is not None), key=lambda node: -(node.stalled or 0))
    makers = [node for node in nodes if node.role == "normal" and not node.attack]
    if len(stalled) > 1 and len(stalled) == len(makers):
        return [f"STALLED: no node has made a block for {min(node.stalled or 0 for node in stalled):.0f} s"]
    lines = [f"STALLED: node {node.name} has made no block for {node.stalled:.0f} s{_usual(node)}" for node in stalled[:MOST_STALLED]]
    rest = [node.name for node in stalled[MOST_STALLED:]]
    return lines + ([f"STALLED too: node {listed(rest)}"] if rest else [])


def _usual(node: NodeStatus) -> str:
    return f"; one takes {node.block_every:.2g} s" if node.block_every is not None and node.block_age is not None else ""


def _shown(nodes: int, height: int | None) -> int:
    """How many rows there is room for: the header, the column names, the last line and the cursor take one line each."""
    if height is None or nodes <= height - 3:
        return nodes
    return max(height - 4, 1)


def headline_of(nodes: Iterable[NodeStatus]) -> str:
    """The headline of what is running."""
    return headline_text(headline(Stood(node.name, node.test_accuracy, bool(node.attack), node.test_age) for node in nodes))


# --- columns


def _columns(nodes: Sequence[NodeStatus], fresh: float, ascii_only: bool) -> list[Column]:
    states = [_state(node) for node in nodes]
    return [
        names_column([node.name for node in nodes]),
        *kind_column([kind_text(node.role, node.attack) for node in nodes]),
        Column("state", states, 6 if set(states) <= {"running"} else 8, left=True),
        _tests_column(nodes, fresh),
        *([] if ascii_only else _trend_column(nodes)),
        Column("own", [accuracy_text(node.own_accuracy) for node in nodes], 5),
        Column("tx/s", ["-" if node.rate is None else f"{node.rate:.1f}" for node in nodes], 7),
        Column("last block", [_ago(node.block_age) for node in nodes], 7),
        Column("height", [str(node.height) for node in nodes], 8),
        *(Column(what, [str(getattr(node, what)) for node in nodes], 2) for what in ("sent", "received")),
        reputations_column([_in_order(node.reputations, nodes) for node in nodes], 3),
        *troubles_column("restarts", [node.restarts for node in nodes]),
    ]


def _in_order(reputations: Mapping[str, float], nodes: Sequence[NodeStatus]) -> dict[str, float]:
    """Those of the nodes that have rows in the order of these, so that rows can be compared; then the others."""
    order = {node.name: place for place, node in enumerate(nodes)}
    return dict(sorted(reputations.items(), key=lambda item: order.get(item[0], len(order))))


def _state(node: NodeStatus) -> str:
    return node.state if node.stalled is None else "STALLED"


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.0f} s ago" if seconds < 600 else f"{seconds / 60:.0f} min ago"


def _tests_column(nodes: Sequence[NodeStatus], fresh: float) -> Column:
    """The accuracy, with its age where that is more than `fresh` seconds."""
    short = [accuracy_text(node.test_accuracy) for node in nodes]
    old = [node.test_age is not None and 0 < fresh < node.test_age for node in nodes]
    tests = [f"{text} ({node.test_age:.0f} s ago)" if late else text for node, text, late in zip(nodes, short, old, strict=True)]
    return Column("test", tests, 7, style="bold", short=short) if any(old) else Column("test", short, style="bold")


def _trend_column(nodes: Sequence[NodeStatus]) -> list[Column]:
    """The course of the accuracies, all nodes between the same lowest and highest bar."""
    values = [value for node in nodes for value in node.tests]
    if not values:
        return []
    low, high = min(values), max(values)
    high = max(high, low + LEAST_SPAN)
    whole, short = ([sparkline(node.tests[-most:], low, high) for node in nodes] for most in (len(values), SHORT_TREND))
    return [Column("trend", whole, 4, left=True, style="green", short=short)]


# --- the header


def progress(status: NetworkStatus) -> float | None:
    """How far the run is, 0..1: by time or by the least accurate node, whichever will end it first; None without either, and before it
    has begun."""
    if status.state == "starting":
        return None
    parts = []
    if status.duration:
        parts.append(status.elapsed / status.duration)
    if status.target:
        parts.append(_weakest(status.nodes) / status.target)
    return min(max(*parts, 0.0), 1.0) if parts else None


def _weakest(nodes: Sequence[NodeStatus]) -> float:
    """A node that was not measured yet may be as weak as any."""
    return min((node.test_accuracy or 0.0 for node in nodes), default=0.0)


def _header(status: NetworkStatus, width: int, ascii_only: bool) -> Text:
    text = Text(f"{status.name}  {status.state}  {_elapsed(status)}", no_wrap=True, overflow="ellipsis", style="bold")
    if status.target:
        text.append(f"  target {status.target:g}")
    done, room = progress(status), min(width - text.cell_len - 2, 30)
    return text if done is None or room < 8 else Text.assemble(text, "  ", bar(done, room, ascii_only), no_wrap=True)


def _elapsed(status: NetworkStatus) -> str:
    """Seconds of this session, for which the duration is meant; the start does not count."""
    session = f"session {status.session}: " if status.session > 1 else ""
    of = f" of {status.duration:g} s" if status.duration and status.state != "starting" else ""
    return f"{session}{status.elapsed:.1f} s{of}"


# --- a line


def plain_line(status: NetworkStatus) -> str:
    """The network at one moment on one line, for logs; the state is named only while it is not "running"."""
    state = "" if status.state == "running" else f"  {status.state}"
    begins = status.state == "starting" and status.waits
    stalled = "".join(f"  {line}" for line in stalled_lines(status.nodes))
    said = f": {status.waits}" if begins else f"  {_figures(status.nodes)}{stalled}" + (f"  {status.waits}" if status.waits else "")
    return f"{status.elapsed:6.1f} s{state}{said}"


def _figures(nodes: Sequence[NodeStatus]) -> str:
    heights = [node.height for node in nodes]
    height = ",".join(map(str, heights)) if len(heights) <= 10 else range_text(heights, 0)
    restarts = sum(node.restarts for node in nodes)
    own = range_text((node.own_accuracy for node in nodes if not node.attack), 2)
    return (
        f"height {height or '-'}  {headline_of(nodes) if nodes else 'no node'}  own {own}"
        f"  sent {sum(node.sent for node in nodes)} received {sum(node.received for node in nodes)}"
        + (f"  {counted(restarts, 'restart')}" if restarts else "")
    )


def json_line(status: NetworkStatus) -> str:
    """A status as one JSON object: {"event": "status", ...the fields of NetworkStatus}."""
    return orjson.dumps({"event": "status", **msgspec.to_builtins(status)}).decode()
