"""The live display: a table on a terminal, one line now and then elsewhere, JSON for programs, nothing when quiet.

A table is a list of `Column`s that already hold their text. `fit` makes them fit a width: first the gaps shrink, then the
least important column takes its short form or goes. So the same rule serves 80 and 200 columns, the live table and
the closing summary.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import wrap

import msgspec
import orjson
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dfl_actors.report.headline import Stood, headline, headline_text
from dfl_actors.report.kinds import kind_text, kinds_told
from dfl_actors.runtime.status import NetworkStatus, NodeStatus

PLAIN_INTERVAL = 2.0  # Seconds between two lines where there is no terminal: a log of ten minutes stays under 300 lines.
NAME_WIDTH = 16  # Longer node names are cut, so that one name cannot push out the figures.


class Column(msgspec.Struct, frozen=True):
    """A column of a table. `importance` 9 never goes; `short` stands in for `cells` before the column goes."""

    header: str
    cells: Sequence[str]
    importance: int = 9
    left: bool = False
    style: str = ""
    short: Sequence[str] | None = None

    @property
    def width(self) -> int:
        return max(cell_len(text) for text in (self.header, *self.cells))


def fit(columns: Iterable[Column], width: int) -> tuple[list[Column], int]:
    """The columns that fit in `width` and the gap between them. What can never fit is left for the terminal to cut."""
    kept = list(columns)
    while True:
        for gap in (2, 1):
            if sum(column.width for column in kept) + gap * (len(kept) - 1) <= width:
                return kept, gap
        least = min(range(len(kept)), key=lambda index: (kept[index].importance, -index))
        if kept[least].importance >= 9:
            return kept, 1
        column = kept.pop(least)
        if column.short is not None:  # which counts as more important: others go before it
            kept.insert(least, msgspec.structs.replace(column, cells=column.short, short=None, importance=column.importance + 2))


def grid(columns: Iterable[Column], width: int, *, footer: bool = False, alarm: Sequence[bool] = ()) -> Table:
    """A borderless table of `columns`, at most `width` wide. With `footer`, the last row is set apart; rows marked in `alarm` are red."""
    kept, gap = fit(columns, width)
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for column in kept:
        table.add_column(Text(column.header), justify="left" if column.left else "right", style=column.style, no_wrap=True)
    rows = list(zip(*(column.cells for column in kept), strict=True))
    for number, row in enumerate(rows):
        bad = number < len(alarm) and alarm[number]
        table.add_row(*(Text(cell, "red" if bad else "") for cell in row), style="bold" if footer and number == len(rows) - 1 else "")
    return table


def uncut_console() -> Console:
    """As wide as the terminal; where there is none, a program or a file gets all of it."""
    return Console(width=None if sys.stdout.isatty() else 10_000)


def accuracy_text(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def size_text(size: float) -> str:
    """Bytes for people, in powers of ten: "740 B", "1.72 MB", "229 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


def range_text(values: Iterable[float | None], digits: int) -> str:
    """The span of what is known: "0.912..0.934", "0.912" if all are equal, "-" if nothing is known."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    low, high = f"{min(known):.{digits}f}", f"{max(known):.{digits}f}"
    return low if low == high else f"{low}..{high}"


def name_text(name: str) -> str:
    return name if cell_len(name) <= NAME_WIDTH else name[: NAME_WIDTH - 2] + ".."


def names_column(names: Iterable[str]) -> Column:
    """The nodes, each at the head of its row."""
    return Column("node", [name_text(name) for name in names], left=True, style="cyan")


def reputations_column(nodes: Sequence[Mapping[str, float]], importance: int) -> Column:
    """ "1:1.00 2:0.95" for a few neighbours, their span for more than four."""
    short = [range_text(reputations.values(), 2) for reputations in nodes]
    texts = [" ".join(f"{name[:8]}:{value:.2f}" for name, value in reputations.items()) or "-" for reputations in nodes]
    cells = [text if len(of) <= 4 else span for text, span, of in zip(texts, short, nodes, strict=True)]
    return Column("reputations", cells, importance, left=True, short=short)


def troubles_column(header: str, counts: Sequence[int]) -> list[Column]:
    """What should not be: no column where there is none of it."""
    return [Column(header, [str(count) if count else "" for count in counts], 7, style="red")] if any(counts) else []


def live_table(status: NetworkStatus, width: int, height: int | None = None) -> RenderableType:
    """The network at one moment: a header line, the headline and one row a node, within `width` columns and `height` lines."""
    said = wrap(headline_of(status.nodes), max(width, 20), subsequent_indent="  ") if status.nodes else []
    shown = _shown(len(status.nodes), None if height is None else height - len(status.remarks) - len(said))
    parts: list[RenderableType] = [_header(status, width), *(Text(line, no_wrap=True) for line in said)]
    parts.append(grid(_columns(status.nodes[:shown], 2 * status.every), width, alarm=[bool(node.attack) for node in status.nodes[:shown]]))
    rest = status.nodes[shown:]
    if rest:
        parts.append(Text(f"... and {len(rest)} more  {_figures(rest)}", no_wrap=True, overflow="ellipsis", style="dim"))
    parts += [Text(remark, no_wrap=True, overflow="ellipsis", style="yellow") for remark in status.remarks]
    return Group(*parts)


def _shown(nodes: int, height: int | None) -> int:
    """How many rows there is room for: the header, the column names, the last line and the cursor take one line each."""
    if height is None or nodes <= height - 3:
        return nodes
    return max(height - 4, 1)


def headline_of(nodes: Iterable[NodeStatus]) -> str:
    """The headline of what is running."""
    return headline_text(headline(Stood(node.name, node.test_accuracy, bool(node.attack), node.test_age) for node in nodes))


def kind_column(kinds: Sequence[str], importance: int = 9) -> list[Column]:
    """What the nodes are, by `roles.kind_text`; no column where all are normal."""
    return [Column("kind", kinds, importance, left=True)] if kinds_told(kinds) else []


def _test_text(node: NodeStatus, fresh: float) -> str:
    """The accuracy, with its age where that is more than `fresh` seconds."""
    age = f" ({node.test_age:.0f} s ago)" if node.test_age is not None and 0 < fresh < node.test_age else ""
    return accuracy_text(node.test_accuracy) + age


def _columns(nodes: Sequence[NodeStatus], fresh: float) -> list[Column]:
    counts = (("samples", 5), ("steps", 1), ("sent", 7), ("received", 7), ("receipts", 2), ("height", 8))
    tests, short = [_test_text(node, fresh) for node in nodes], [accuracy_text(node.test_accuracy) for node in nodes]
    return [
        names_column([node.name for node in nodes]),
        *kind_column([kind_text(node.role, node.attack) for node in nodes]),
        Column("state", [node.state for node in nodes], 6, left=True),
        *(Column(key, [str(getattr(node, key)) for node in nodes], importance) for key, importance in counts),
        Column("test", tests, 7, style="bold", short=short) if tests != short else Column("test", short, style="bold"),
        Column("own", [accuracy_text(node.own_accuracy) for node in nodes], 6),
        reputations_column([node.reputations for node in nodes], 3),
        *troubles_column("restarts", [node.restarts for node in nodes]),
    ]


def progress(status: NetworkStatus) -> float | None:
    """How far the run is, 0..1: by time or by the least accurate node, whichever will end it first; None without either."""
    parts = []
    if status.duration and status.state != "starting":
        parts.append(status.elapsed / status.duration)
    if status.target:
        parts.append(_weakest(status.nodes) / status.target)
    return min(max(*parts, 0.0), 1.0) if parts else None


def _weakest(nodes: Sequence[NodeStatus]) -> float:
    return min((node.test_accuracy or 0.0 for node in nodes), default=0.0)


def _header(status: NetworkStatus, width: int) -> RenderableType:
    text = Text(f"{status.name}  {status.state}  {_elapsed(status)}", no_wrap=True, overflow="ellipsis", style="bold")
    if status.target:
        text.append(f"  target {status.target:g}")
    done, room = progress(status), min(width - text.cell_len - 2, 30)
    if done is None or room < 8:
        return text
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(text, ProgressBar(total=1.0, completed=done, width=room))
    return line


def _elapsed(status: NetworkStatus) -> str:
    """Seconds of this session, for which the duration is meant; the start does not count."""
    session = f"session {status.session}: " if status.session > 1 else ""
    of = f" of {status.duration:g} s" if status.duration and status.state != "starting" else ""
    return f"{session}{status.elapsed:.1f} s{of}"


def plain_line(status: NetworkStatus) -> str:
    """The network at one moment on one line, for logs; the state is named only while it is not "running"."""
    state = "" if status.state == "running" else f"  {status.state}"
    return f"{status.elapsed:6.1f} s{state}  {_figures(status.nodes)}"


def _figures(nodes: Sequence[NodeStatus]) -> str:
    heights = [node.height for node in nodes]
    height = ",".join(map(str, heights)) if len(heights) <= 10 else range_text(heights, 0)
    restarts = sum(node.restarts for node in nodes)
    own = range_text((node.own_accuracy for node in nodes if not node.attack), 2)
    return (
        f"height {height or '-'}  {headline_of(nodes) if nodes else 'no node'}  own {own}"
        f"  sent {sum(node.sent for node in nodes)} received {sum(node.received for node in nodes)}"
        + (f"  restarts {restarts}" if restarts else "")
    )


def json_line(status: NetworkStatus) -> str:
    """A status as one JSON object: {"event": "status", ...the fields of NetworkStatus}."""
    return orjson.dumps({"event": "status", **msgspec.to_builtins(status)}).decode()


class Watch:
    """Shows a running network in the way that suits where the output goes. Call `close` at the end, whatever happened.

    On a terminal a table redrawn four times a second; elsewhere a line at most every two seconds and whenever the state
    changes; with `json` the same as JSON objects, {"event": "status" or "notice", ...}; with `quiet` only errors.
    """

    def __init__(self, console: Console, quiet: bool = False, json: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._quiet, self._json, self._clock = console, quiet, json, clock
        self._status: NetworkStatus | None = None
        self._live: Live | None = None
        self._printed: NetworkStatus | None = None
        self._printed_at = 0.0

    def update(self, status: NetworkStatus) -> None:
        """Show `status` now, or soon, or not at all if a newer one comes first."""
        self._status = status
        if self._quiet:
            return
        if self._console.is_terminal and not self._json:
            self._start_live()
        elif self._due(status):
            self._print(status)

    def event(self, text: str, error: bool = False) -> None:
        """Say something that happened, one line, at once. Errors are shown even when quiet."""
        if self._quiet and not error:
            return
        if self._json:
            self._console.out(orjson.dumps({"event": "notice", "text": text, "error": error}).decode(), highlight=False)
        else:
            self._console.out(text, style="red" if error else None, highlight=False)

    def close(self) -> None:
        """Take the live table away (the closing summary follows), or print the last status if it was held back."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif not self._quiet and self._status is not None and self._status != self._printed:
            self._print(self._status)

    def _start_live(self) -> None:
        if self._live is None:
            self._live = Live(get_renderable=self._picture, console=self._console, refresh_per_second=4, transient=True)
            self._live.start()

    def _picture(self) -> RenderableType:
        """The latest status, at the size that the terminal has at this moment."""
        return Text() if self._status is None else live_table(self._status, self._console.width, self._console.height)

    def _due(self, status: NetworkStatus) -> bool:
        changed = self._printed is None or self._printed.state != status.state
        return changed or self._clock() - self._printed_at >= PLAIN_INTERVAL

    def _print(self, status: NetworkStatus) -> None:
        self._printed, self._printed_at = status, self._clock()
        self._console.out(json_line(status) if self._json else plain_line(status), highlight=False)
