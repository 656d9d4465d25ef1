"""The table by node: who is slow."""

from typing import Any

import pytest
from rich.console import Console

from dfl_actors.report.tail.by_node import PENDING, NodeStats
from tests.report.tail.records import NETWORK, record

MS = 1000


def told(stats: NodeStats, of: int, node: str, fetch: int, measure: int, confirm: int) -> None:
    """What a witness does with the `of`th transaction of node 0, in milliseconds, and with its block."""
    begun, tx, draft = 1_700_000_000_000_000 + of * 1000 * MS, f"{of:064x}"[::-1], f"{of + 500:064x}"[::-1]
    stats.count(record("letter", "Announced", node="0", actor="gossiper", t=begun, tx=tx))
    stats.count(record("letter", "Drafted", node="0", actor="builder", t=begun + 500 * MS, draft=draft, height=of))
    stats.count(record("letter", "Fetched", node=node, actor="gossiper", t=begun + fetch * MS, tx=tx))
    stats.count(record("letter", "Witnessed", node=node, actor="validator", t=begun + (fetch + measure) * MS, tx=tx))
    stats.count(record("letter", "Confirmed", node=node, actor="validator", t=begun + (500 + confirm) * MS, draft=draft, txs=(tx,)))
    stats.count(record("letter", "Finalised", node="0", actor="builder", t=begun + (550 + confirm) * MS, height=of))


def stats() -> NodeStats:
    made = NodeStats(NETWORK)
    for of in range(9):
        told(made, of, "1", 20, 40 + of, 30)
        told(made, of, "2", 22, 300 + of, 35)
    made.count(record("refused", "transaction", node="1", code="expired"))
    made.count(record("missed", "missed", node="2", count=12))
    return made


def test_each_node_has_the_times_of_its_work_in_the_middle_and_the_slow_one_is_named() -> None:
    found: Any = stats().summary(12, {})
    rows = {row["node"]: row for row in found["nodes"]}
    assert rows["1"]["ms"] == {"fetch": 20.0, "measure": 44.0, "confirm": 30.0} and rows["2"]["ms"]["measure"] == 304.0
    assert rows["0"]["ms"]["own block"] == pytest.approx(82.5, abs=3)
    assert {name: row["slow"] for name, row in rows.items()} == {"0": "", "1": "", "2": "slowest to measure"}
    assert (rows["1"]["refused"], rows["2"]["missed"]) == (1, 12)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_keeps_names_and_times_at_every_width(width: int) -> None:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(stats().render(width, 12, {}))
    head, names, *rows = [line.rstrip() for line in capture.get().splitlines()]
    assert len(rows) == 3 and all(len(line) <= width for line in (head, names, *rows))
    assert all(word in names for word in ("node", "fetch", "measure", "confirm", "own block")) and "304 ms" in rows[2]
    assert "slowest to measure" in rows[2]


def test_work_whose_end_never_comes_is_forgotten() -> None:
    made = NodeStats(NETWORK)
    for of in range(PENDING + 50):
        made.count(record("letter", "Announced", node="0", t=1 + of, tx=f"{of:064x}"[::-1]))
    made.count(record("letter", "Fetched", node="1", t=10_000_000, tx=f"{0:064x}"))
    assert made.takes("1") == {} and made.slow() == {}
