"""What watchers hear, for people: a line a message, in columns at every width."""

from collections.abc import Iterable
from textwrap import wrap

import msgspec
from rich.cells import cell_len

from dfl_actors.config.toml_text import counted
from dfl_actors.learning.score import told
from dfl_actors.report.table import name_text, size_text
from dfl_actors.report.tail.filters import BETWEEN_NODES, neighbours
from dfl_actors.report.times import time_text
from dfl_actors.runtime.header import EVERYBODY, Record
from dfl_actors.runtime.recording import Network

DIGITS = 8  # Hexadecimal digits of a digest in a line.
MOST_NAMED = 6  # Nodes that a line names; of more it gives the number.
LEAST_NAME = 5  # Columns of a listener's name that is cut.
LEAST_ROUTE = 12  # Columns of sender and listeners; less are the sender's alone.
LEAST_VERDICT = 16  # Columns that what came of a message has at least, where it does not go below.

COLOURS = {
    "event": "36", "news": "32", "request": "34", "reply": "34", "refused": "1;31", "refused_by": "1;31", "note": "33",
    "missed": "33", "restarted": "35", "acknowledgement": "2",
}  # fmt: skip
"""Of a terminal, by kind."""

NODE_COLOURS = ("38;5;39", "38;5;208", "38;5;34", "38;5;170", "38;5;178", "38;5;44", "38;5;203", "38;5;141", "38;5;107", "38;5;245")
"""Of a terminal, by the node's place in the network."""

COUNTED = {
    "Injected": "samples", "Pull": "samples", "Drafted": "transactions", "DraftArrived": "transactions", "DraftNews": "transactions",
    "Confirmed": "confirmations", "ConfirmationsArrived": "confirmations", "ConfirmationsFor": "confirmations", "Updated": "models",
    "Acknowledgement": "letters",
}  # fmt: skip
"""What the count of a record of this type counts, where a line says it."""


class Layout(msgspec.Struct, frozen=True):
    """The widths of a line's columns; 0 leaves one out. A `when` of 8 has no milliseconds, `ids` of 14 name one object, a `route` of 9 the
    sender."""

    when: int
    node: int
    route: int
    type: int
    ids: int
    size: int

    @property
    def left(self) -> int:
        """Where the verdict begins."""
        middle = [width for width in (self.route, self.type, self.ids, self.size) if width]
        return self.when + self.node + sum(middle) + len(middle) - 1 + 3 * len("  ")


def layout(width: int | None, node: int) -> Layout:
    """The widest that leaves room for a verdict within `width` columns, where None is a file, which has room for all; `node` columns are
    those of the longest name."""
    short = min(node, 12)
    tiers = (
        Layout(12, node, 31, 20, 34, 8),
        Layout(12, node, 31, 20, 14, 8),
        Layout(12, short, 24, 20, 14, 0),
        Layout(8, short, 20, 20, 14, 0),
        Layout(8, short, 20, 20, 0, 0),
        Layout(8, short, 9, 20, 0, 0),
        Layout(8, short, 0, 20, 0, 0),
    )
    return next((tier for tier in tiers if width is None or tier.left + LEAST_VERDICT <= width), tiers[-1])


class Lines:
    """Makes the lines of one network, within `width` columns. With `colour`, for a terminal; with `bodies`, all fields stand below."""

    def __init__(self, network: Network, colour: bool = False, bodies: bool = False, width: int | None = None) -> None:
        self._colour, self._bodies, self._width = colour, bodies, width
        self._neighbours = neighbours(network)
        self._layout = layout(width, max(map(cell_len, network.nodes), default=1))
        self._node_colours = {name: NODE_COLOURS[place % len(NODE_COLOURS)] for place, name in enumerate(network.nodes)}

    def line(self, record: Record) -> str:
        """The record as a line, or several with `bodies`, or where the verdict has no room; without the end of the line."""
        colour = "1;31" if record.dropped else COLOURS.get(record.kind, "")
        at = self._layout
        node = self._painted(_cut(printable(record.node), at.node, left=False), self._node_colours.get(record.node, ""))
        name = record.type if record.type != record.kind else ""
        size = size_text(record.size) if record.size else ""
        ids = identities(record, 2 if at.ids > 14 else 1)
        texts = [_cut(text, width) for text, width in ((self._route(record), at.route), (printable(name), at.type), (ids, at.ids)) if width]
        middle = " ".join([*texts, *([size.rjust(at.size)] if at.size else [])])
        first, *more = self._verdict(record)
        line = f"{self._painted(moment(record.t)[: at.when], '2')}  {node}  {self._painted(middle, colour)}"
        line = f"{line}  {first}" if first else line if self._colour else line.rstrip()
        return "\n".join([line, *more, *(f"    {key} {value}" for key, value in fields(record) if self._bodies)])

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour and colour else text

    def _verdict(self, record: Record) -> list[str]:
        """What came of it, broken between words; below its column where there is room for that, else below the line."""
        text = printable(verdict_of(record))
        if self._width is None or self._layout.left + cell_len(text) <= self._width:
            return [text]
        room = self._width - self._layout.left
        indent = self._layout.left if room >= LEAST_VERDICT else 4
        first, *rest = wrap(text, max(self._width - indent, 10), break_on_hyphens=False)
        return [first if indent != 4 else "", *(" " * indent + part for part in (rest if indent != 4 else [first, *rest]))]

    def _route(self, record: Record) -> str:
        if record.kind in ("missed", "restarted", "refused", "refused_by", "note"):
            return record.actor
        whole, room = printable(f"{record.actor} -> {self._listeners(record)}"), self._layout.route
        if cell_len(whole) <= room:
            return whole
        if room < LEAST_ROUTE:
            return record.actor
        names, kind = self._names(record), "node" if record.kind in BETWEEN_NODES else "actor"
        begun = f"{record.actor} -> {kind} "
        if len(names) == 1 and room >= cell_len(begun) + LEAST_NAME:
            return begun + name_text(names[0], room - cell_len(begun))
        return f"{record.actor} -> {counted(len(names), kind)}"

    def _names(self, record: Record) -> tuple[str, ...]:
        return self._neighbours.get(record.node, record.to) if record.to == (EVERYBODY,) else record.to

    def _listeners(self, record: Record) -> str:
        if record.kind not in BETWEEN_NODES:
            return ", ".join(record.to) or "watchers"
        names = self._names(record)
        if len(names) > MOST_NAMED:
            return f"{len(names)} nodes"
        return f"node {names[0]}" if len(names) == 1 else f"nodes {','.join(names)}"


def _cut(text: str, width: int, left: bool = True) -> str:
    """The text in a column of this width."""
    text = text if cell_len(text) <= width else name_text(text, width) if not left else f"{text[: max(width - 2, 0)]}.."
    room = " " * max(width - cell_len(text), 0)
    return text + room if left else room + text


def moment(t: int) -> str:
    """Microseconds since the epoch as local time, to the millisecond."""
    return time_text(t // 1000, "%H:%M:%S.%f")


def identities(record: Record, most: int = 2) -> str:
    """The objects that matter most, by the first digits of their digests."""
    named = {"tx": record.tx, "draft": record.draft, "receipt": record.receipt, "block": record.block, "model": record.model}
    return " ".join([f"{name} {digest[:DIGITS]}" for name, digest in named.items() if digest][:most])


def verdict_of(record: Record) -> str:
    """The outcome (lost, refused, missed, measured), or the figures of the record."""
    if record.dropped:
        return "dropped: the socket did not take it"
    if record.kind == "missed":
        return f"{record.count} records of this actor were missed"
    if record.kind == "restarted":
        return f"the {record.actor} was restarted (life {record.life})"
    if record.kind == "refused":
        of = f", of {record.sender}" if record.sender else ""
        return f"refused{of}: {record.code}" + (f" ({record.detail})" if record.detail else "")
    if record.kind == "refused_by":
        return f"refused by {record.sender}: {record.code}"
    if record.code:
        return f"{record.code} {record.detail}".strip()
    return ", ".join(_figures(record))


def _figures(record: Record) -> Iterable[str]:
    if record.height is not None:
        yield f"block {record.height}"
    if record.tested:
        yield told(record.correct or 0, record.tested, " of ")
    if record.ttl is not None:
        yield f"ttl {record.ttl}"
    if record.index is not None:
        yield f"chunk {record.index}" if record.count is None else f"{counted(record.count, 'chunk')} from {record.index}"
    if record.type in COUNTED and record.count is not None:
        yield f"{record.count} {COUNTED[record.type]}"
    if record.part:
        yield f"part {record.part + 1}"


DEFAULTS = dict(zip(Record.__struct_fields__[-len(Record.__struct_defaults__) :], Record.__struct_defaults__, strict=True))


def fields(record: Record) -> Iterable[tuple[str, str]]:
    """All that is in a record."""
    for key in record.__struct_fields__:
        value = getattr(record, key)
        if value != DEFAULTS.get(key):
            yield f"{key:<9}", printable(", ".join(value) if isinstance(value, tuple) else str(value))


def printable(text: str) -> str:
    """Text of another node, without what would steer the terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
