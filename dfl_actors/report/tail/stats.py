"""What watchers hear, counted: a table of all types with their rates, like top."""

from collections import deque
from collections.abc import Mapping

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from dfl_actors.config.toml_text import counted
from dfl_actors.report.table import Column, grid, size_text
from dfl_actors.report.tail.lines import printable
from dfl_actors.runtime.header import Record
from dfl_actors.runtime.recording import Network

MOST_ROWS = 200  # Rows of the table. A neighbour that invents codes of refusals must not make it grow without end.
WINDOW = 2.0  # Seconds over which rates are taken.


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
        key = self._key(record)
        row = self._rows.setdefault(key if key in self._rows or len(self._rows) < MOST_ROWS else (record.kind, "others"), Row())
        row.messages += 1
        row.bytes += record.size
        row.refused += record.kind in ("refused", "refused_by")
        row.dropped += record.dropped

    def _key(self, record: Record) -> Key:
        return record.kind, _name(record)

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
        return Group(self._head(), grid(columns, width, footer=True))

    def _head(self) -> Text:
        network = self._network
        head = f"{network.name}: {counted(len(network.nodes), 'node')}, {self.seconds:.0f} s, {counted(self.restarts, 'restart')}"
        return Text(head, style="bold")

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
