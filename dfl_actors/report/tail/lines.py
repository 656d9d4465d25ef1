"""What watchers hear, for people: a line a message, and a table of all types with their rates, like top."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from re import compile as compiled

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from dfl_actors.config.toml_text import counted
from dfl_actors.learning.score import told
from dfl_actors.report.table import Column, grid, size_text
from dfl_actors.report.times import time_text
from dfl_actors.runtime.header import EVERYBODY, Record
from dfl_actors.runtime.recording import Network

DIGITS = 8  # Hexadecimal digits of a digest in a line.
WIDE = 130  # Columns that lines with their parts below each other take; narrower terminals get them without.
MOST_NAMED = 6  # Nodes that a line names; of more it gives the number.
MOST_ROWS = 200  # Rows of the table. A neighbour that invents codes of refusals must not make it grow without end.
WINDOW = 2.0  # Seconds over which rates are taken.
BETWEEN_NODES = ("news", "request", "reply")  # Kinds whose listeners are nodes; those of the others are actors of the same node.
QUIET = "acknowledgement"  # A kind that lines leave out unless it is asked for: it speaks for letters that were lines already.

COLOURS = {
    "event": "36", "news": "32", "request": "34", "reply": "34", "refused": "1;31", "refused_by": "1;31", "note": "33",
    "missed": "33", "restarted": "35", "acknowledgement": "2",
}  # fmt: skip
"""Of a terminal, by kind."""

COUNTED = {
    "Injected": "samples", "Pull": "samples", "Drafted": "transactions", "DraftArrived": "transactions", "DraftNews": "transactions",
    "Confirmed": "confirmations", "ConfirmationsArrived": "confirmations", "ConfirmationsFor": "confirmations", "Updated": "models",
    "Acknowledgement": "letters",
}  # fmt: skip
"""What the count of a record of this type counts, where a line says it."""


# --- which records are shown


class Filter:
    """Chooses records: by nodes and actors (of the sender or of a listener), and by types or kinds; each a list of globs."""

    def __init__(self, network: Network, nodes: Iterable[str], actors: Iterable[str], types: Iterable[str]) -> None:
        self._node, self._actor, self._type = matcher(nodes), matcher(actors), matcher(types)
        self._places, self._all_types = any((*nodes, *actors)), not any(types)
        self._neighbours = neighbours(network)

    def __call__(self, record: Record) -> bool:
        if self._places and not any(self._node(node) and self._actor(actor) for node, actor in self._ends(record)):
            return False
        if record.kind in ("missed", "restarted"):
            return True
        if self._all_types:
            return record.kind != QUIET
        return self._type(record.type) or self._type(record.kind)

    def _ends(self, record: Record) -> Iterable[tuple[str, str]]:
        """The nodes and actors at both ends of a record, the sender first."""
        yield record.node, record.actor
        for name in record.to:
            if record.kind not in BETWEEN_NODES:
                yield record.node, name
            elif name == EVERYBODY:
                yield from ((other, "gossiper") for other in self._neighbours.get(record.node, ()))
            else:
                yield name, "gossiper"


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Whether a word matches one of the globs; any word does when there are none."""
    patterns = [compiled(translate(glob)) for glob in globs]
    return lru_cache(1024)(lambda word: not patterns or any(pattern.match(word) for pattern in patterns))


def neighbours(network: Network) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for one, other in network.links:
        found.setdefault(one, []).append(other)
        found.setdefault(other, []).append(one)
    return {name: tuple(sorted(others)) for name, others in found.items()}


# --- a line a message


class Lines:
    """Makes the lines of one network. With `colour`, for a terminal; `narrow`, without columns; with `bodies`, all fields stand below."""

    def __init__(self, network: Network, colour: bool = False, bodies: bool = False, narrow: bool = False) -> None:
        self._colour, self._bodies, self._narrow = colour, bodies, narrow
        self._neighbours = neighbours(network)
        self._width = max((len(name) for name in network.nodes), default=1)

    def line(self, record: Record) -> str:
        """The record as a line, or several with `bodies`; without the end of the line."""
        route, ids, size = self._route(record), identities(record), size_text(record.size) if record.size else ""
        name = record.type if record.type != record.kind else ""
        if self._narrow:
            text = "  ".join(part for part in (record.node, route, name, ids, size) if part)
        else:
            text = f"{record.node:>{self._width}}  {route:<31} {name:<20} {ids:<34} {size:>8}"
        when, verdict = moment(record.t), printable(verdict_of(record))
        text = printable(text)
        if self._colour:
            colour = "1;31" if record.dropped else COLOURS.get(record.kind, "")
            when, text = f"\x1b[2m{when}\x1b[0m", f"\x1b[{colour}m{text}\x1b[0m" if colour else text
        line = f"{when}  {text}  {verdict}".rstrip()
        return line + "".join(f"\n    {key} {value}" for key, value in fields(record)) if self._bodies else line

    def _route(self, record: Record) -> str:
        if record.kind in ("missed", "restarted", "refused", "refused_by", "note"):
            return record.actor
        return f"{record.actor} -> {self._listeners(record)}"

    def _listeners(self, record: Record) -> str:
        if record.kind not in BETWEEN_NODES:
            return ", ".join(record.to) or "watchers"
        names = self._neighbours.get(record.node, record.to) if record.to == (EVERYBODY,) else record.to
        if len(names) > MOST_NAMED:
            return f"{len(names)} nodes"
        return f"node {names[0]}" if len(names) == 1 else f"nodes {','.join(names)}"


def moment(t: int) -> str:
    """Microseconds since the epoch as local time, to the millisecond."""
    return time_text(t // 1000, "%H:%M:%S.%f")


def identities(record: Record) -> str:
    """The two objects that matter most, by the first digits of their digests."""
    named = {"tx": record.tx, "draft": record.draft, "receipt": record.receipt, "block": record.block, "model": record.model}
    return " ".join([f"{name} {digest[:DIGITS]}" for name, digest in named.items() if digest][:2])


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
        yield f"chunk {record.index}" if record.count is None else f"{record.count} chunks from {record.index}"
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


# --- the table


class Row(msgspec.Struct):
    """What is known of one type: messages, bytes, and how many did not get where they should."""

    messages: int = 0
    bytes: int = 0
    refused: int = 0
    dropped: int = 0


Key = tuple[str, str]  # Kind and type of records.


class Stats:
    """Counts records by type. Rates are over the whole time, or while the table is live over the last `WINDOW` seconds."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._rows: dict[Key, Row] = {}
        self._history: deque[tuple[int, dict[Key, tuple[int, int]]]] = deque()
        self._first = self._last = 0
        self.restarts = 0

    def count(self, record: Record) -> None:
        self._first = self._first or record.t
        self._last = max(self._last, record.t)
        if record.kind == "missed" or record.part:
            return
        if record.kind == "restarted":
            self.restarts += 1
            return
        key = (record.kind, _name(record))
        row = self._rows.setdefault(key if key in self._rows or len(self._rows) < MOST_ROWS else (record.kind, "others"), Row())
        row.messages += 1
        row.bytes += record.size
        row.refused += record.kind in ("refused", "refused_by")
        row.dropped += record.dropped

    def mark(self, now: int) -> None:
        """Remember the counts at `now` (microseconds), from which rates are taken."""
        self._last = max(self._last, now) if self._first else 0
        self._history.append((now, {key: (row.messages, row.bytes) for key, row in self._rows.items()}))
        while len(self._history) > 2 and now - self._history[1][0] > WINDOW * 1e6:
            self._history.popleft()

    @property
    def seconds(self) -> float:
        """From the first record to now."""
        return (self._last - self._first) / 1e6

    def rates(self, late: bool) -> dict[Key, tuple[float, float]]:
        """Messages and bytes a second by type: of late, since a moment that was marked, or over the whole time."""
        then, earlier = self._history[0] if late and len(self._history) > 1 else (self._first, {})
        span = max((self._last - then) / 1e6, 1e-3)
        before = {key: earlier.get(key, (0, 0)) for key in self._rows}
        return {key: ((row.messages - before[key][0]) / span, (row.bytes - before[key][1]) / span) for key, row in self._rows.items()}

    def _busiest(self) -> list[tuple[Key, Row]]:
        return sorted(self._rows.items(), key=lambda pair: (-pair[1].messages, pair[0]))

    def render(self, width: int, missed: int, missed_by_type: Mapping[str, int], most: int | None = None) -> RenderableType:
        """The table, busiest type first, the sums over all last. While it is live, no more than `most` types, and rates of late."""
        shown, rates = self._busiest()[:most], self.rates(late=most is not None)
        rows = [*(row for _, row in shown), self._sum()]
        messages, sizes = ([*(rates[key][what] for key, _ in shown), sum(rate[what] for rate in rates.values())] for what in (0, 1))
        lost = [*(missed_by_type.get(name, 0) for (_, name), _ in shown), missed]
        columns = [
            Column("type", [*(name for (_, name), _ in shown), "all"], left=True),
            Column("kind", [*(kind for (kind, _), _ in shown), ""], 3, left=True),
            Column("messages", [figure(row.messages) for row in rows]),
            Column("/s", [f"{rate:,.1f}" for rate in messages]),
            Column("bytes", [size_text(row.bytes) for row in rows], 6),
            Column("/s", [size_text(size) for size in sizes]),
            Column("refused", [figure(row.refused) for row in rows], 5),
            Column("dropped", [figure(row.dropped) for row in rows], 4),
            Column("missed", [figure(count) for count in lost], 5),
        ]
        network = self._network
        head = f"{network.name}: {counted(len(network.nodes), 'node')}, {self.seconds:.0f} s, {counted(self.restarts, 'restart')}"
        return Group(Text(head, style="bold"), grid(columns, width, footer=True))

    def _sum(self) -> Row:
        rows = self._rows.values()
        return Row(*(sum(getattr(row, field) for row in rows) for field in Row.__struct_fields__))

    def summary(self, missed: int, missed_by_type: Mapping[str, int]) -> dict[str, object]:
        """The same for programs; rates are over the whole time."""
        span = max(self.seconds, 1e-3)
        rows = [
            {"kind": kind, "type": name, **msgspec.to_builtins(row), "missed": missed_by_type.get(name, 0),
             "messages_s": round(row.messages / span, 3), "bytes_s": round(row.bytes / span, 1)}
            for (kind, name), row in self._busiest()
        ]  # fmt: skip
        return {"seconds": round(self.seconds, 3), "restarts": self.restarts, "missed": missed, "types": rows}


def _name(record: Record) -> str:
    """The row of a record: refusals by their code."""
    return printable(f"{record.type}: {record.code}") if record.kind in ("refused", "refused_by") else record.type


def figure(value: int) -> str:
    """A count; a dash for none, so that what there is catches the eye."""
    return f"{value:,}" if value else "-"
