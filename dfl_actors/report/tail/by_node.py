"""What watchers hear, counted by node, with the times that each takes for its work: who is slow.

A time is between two records: a model is fetched from when it was announced, measured from when it came, a draft confirmed from when it was
drafted, and the node's own block final from when it drafted it. Records of other hosts have the times of their clocks.
"""

from collections import defaultdict, deque
from collections.abc import Hashable, Iterator, Mapping
from statistics import median

from rich.console import Group, RenderableType

from dfl_actors.core.recent import Recent
from dfl_actors.report.table import Column, grid, short_names, size_text
from dfl_actors.report.tail.stats import Key, Stats, figure
from dfl_actors.runtime.header import SHORT, Record
from dfl_actors.runtime.recording import Network

KEPT = 200  # Times of a node's work of one kind, of which the median is shown.
PENDING = 5_000  # Beginnings of work whose end is waited for.
SLOW = 1.5  # A node that takes so many times what one takes in the middle is marked, ...
LEAST_SLOW = 10.0  # ... if those are so many milliseconds.
WORK = ("fetch", "measure", "confirm")  # What others wait for.
ALL_WORK = (*WORK, "own block")


class NodeStats(Stats):
    """Counts records by the node that tells them, and takes the times of its work."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._begun: Recent[Hashable, int] = Recent(PENDING)
        self._times: dict[str, dict[str, deque[float]]] = defaultdict(lambda: {work: deque(maxlen=KEPT) for work in ALL_WORK})
        self._missed: dict[str, int] = defaultdict(int)

    def count(self, record: Record) -> None:
        super().count(record)
        if record.kind == "missed":
            self._missed[record.node] += record.count or 0
        elif not record.part:
            self._time(record)

    def _key(self, record: Record) -> Key:
        return "", record.node

    def _time(self, record: Record) -> None:
        node, tx, draft = record.node, record.tx[:SHORT], record.draft[:SHORT]
        match record.type:
            case "Announced":
                self._begins(record, ("announced", tx))
            case "Fetched":
                self._ends(record, "fetch", ("announced", tx))
                self._begins(record, ("fetched", node, tx))
            case "Witnessed":
                self._ends(record, "measure", ("fetched", node, tx))
            case "Drafted":
                self._begins(record, ("drafted", draft))
                self._begins(record, ("height", node, record.height))
            case "Confirmed":
                self._ends(record, "confirm", ("drafted", draft))
            case "Finalised":
                self._ends(record, "own block", ("height", node, record.height))

    def _begins(self, record: Record, what: Hashable) -> None:
        self._begun.put(what, record.t)

    def _ends(self, record: Record, work: str, what: Hashable) -> None:
        if what in self._begun:
            self._times[record.node][work].append((record.t - self._begun[what]) / 1000)

    def takes(self, node: str) -> dict[str, float]:
        """Milliseconds that a node takes for each kind of work, in the middle; nothing for what it was not seen to do."""
        return {work: median(times) for work, times in self._times[node].items() if times}

    def slow(self) -> Mapping[str, str]:
        """Who takes much longer than others for what these wait for, and what it is."""
        found: dict[str, str] = {}
        taken = {node: self.takes(node) for node in self._names()}
        for work in WORK:
            known = {node: times[work] for node, times in taken.items() if work in times}
            usual = median(known.values()) if len(known) > 2 else min(known.values(), default=0.0)
            slowest = max(known, key=known.__getitem__, default="")
            if len(known) > 1 and known[slowest] >= max(SLOW * usual, usual + LEAST_SLOW):
                found[slowest] = f"{found[slowest]}, {work}" if slowest in found else f"slowest to {work}"
        return found

    def _names(self) -> list[str]:
        """The network's nodes in its order, then others that were heard."""
        return list(dict.fromkeys((*self._network.nodes, *(node for _, node in self._rows))))

    def render(self, width: int, missed: int, missed_by_type: Mapping[str, int], most: int | None = None) -> RenderableType:
        """The table, a row a node. While it is live, no more than `most` of them, and rates of late."""
        names, slow = [name for name in self._names() if ("", name) in self._rows][:most], self.slow()
        rates = self.rates(late=most is not None)
        rows, short = [self._rows["", name] for name in names], short_names(names)
        columns = [
            Column("node", names, 8, left=True, style="cyan", short=None if short == names else short),
            Column("messages/s", [f"{rates['', name][0]:,.1f}" for name in names], 6),
            Column("bytes/s", [size_text(rates["", name][1]) for name in names], 5),
            *(Column(work, [_duration(self.takes(name).get(work)) for name in names]) for work in ALL_WORK),
            Column("refused", [figure(row.refused) for row in rows], 4),
            Column("dropped", [figure(row.dropped) for row in rows], 3),
            Column("missed", [figure(self._missed[name]) for name in names], 3),
            *([Column("", [slow.get(name, "") for name in names], 7, left=True, style="yellow")] if slow else []),
        ]
        return Group(self._head(), grid(columns, width))

    def summary(self, missed: int, missed_by_type: Mapping[str, int]) -> dict[str, object]:
        """The same for programs; rates are over the whole time, times in milliseconds."""
        return {"seconds": round(self.seconds, 3), "restarts": self.restarts, "missed": missed, "nodes": list(self._as_objects())}

    def _as_objects(self) -> Iterator[dict[str, object]]:
        span, slow = max(self.seconds, 1e-3), self.slow()
        for name in self._names():
            row = self._rows.get(("", name))
            if row is not None:
                yield {
                    "node": name, "messages": row.messages, "bytes": row.bytes, "refused": row.refused, "dropped": row.dropped,
                    "missed": self._missed[name], "messages_s": round(row.messages / span, 3), "bytes_s": round(row.bytes / span, 1),
                    "ms": {work: round(value, 1) for work, value in self.takes(name).items()}, "slow": slow.get(name, ""),
                }  # fmt: skip


def _duration(ms: float | None) -> str:
    if ms is None:
        return "-"
    return f"{ms:.0f} ms" if abs(ms) < 10_000 else f"{ms / 1000:.1f} s"
