"""The table of rates, by type."""

from typing import Any

import pytest
from rich.console import Console

from dfl_actors.report.tail.stats import Stats
from dfl_actors.runtime.header import Record
from tests.report.tail.records import NETWORK, record


def stats(*records: Record) -> Stats:
    counted = Stats(NETWORK)
    for one in records:
        counted.count(one)
    return counted


SECOND = 1_000_000


def test_the_table_counts_messages_bytes_and_what_was_lost() -> None:
    found: Any = stats(
        *(record("reply", "Chunk", t=SECOND * i, size=1000, dropped=i == 3) for i in range(1, 6)),
        record("letter", "Drafted", t=SECOND * 5, size=500),
        record("letter", "Drafted", t=SECOND * 5, part=1),
        record("refused", "transaction", t=SECOND * 5, code="expired"),
        record("missed", "missed", t=SECOND * 5, count=7),
        record("restarted", "restarted", t=SECOND * 5),
    ).summary(7, {"Chunk": 6})
    assert (found["seconds"], found["restarts"], found["missed"]) == (4.0, 1, 7)
    rows = {row["type"]: row for row in found["types"]}
    assert list(rows) == ["Chunk", "Drafted", "transaction: expired"]
    assert rows["Chunk"] == {
        "kind": "reply", "type": "Chunk", "messages": 5, "bytes": 5000, "refused": 0, "dropped": 1, "missed": 6,
        "messages_s": 1.25, "bytes_s": 1250.0,
    }  # fmt: skip
    assert (rows["Drafted"]["messages"], rows["Drafted"]["bytes"]) == (1, 500)
    assert rows["transaction: expired"]["refused"] == 1


def test_live_rates_are_those_of_late() -> None:
    counted = Stats(NETWORK)
    for second in range(1, 61):
        for _ in range(100 if second <= 50 else 10):
            counted.count(record(t=SECOND * second))
        counted.mark(SECOND * (second + 1))
    for late, rate in ((True, 10), (False, 85)):
        assert counted.rates(late)["letter", "Trained"][0] == pytest.approx(rate, rel=0.01)


def test_the_table_says_the_sums_even_of_rows_that_it_has_no_room_for() -> None:
    counted = stats(*(record(name=f"Type{i}", t=SECOND * (1 + i), size=10) for i in range(9)), record(name="Type4", t=SECOND * 9))
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(counted.render(100, 3, {"Type4": 2}, most=2))
    head, names, first, second, last = [row.split() for row in capture.get().splitlines()]
    assert head[:3] == ["net:", "3", "nodes,"] and names[0] == "type"
    assert (first[0], first[2], first[-1]) == ("Type4", "2", "2") and second[0] == "Type0"
    assert (last[0], last[1], last[-1]) == ("all", "10", "3")


def test_codes_that_a_neighbour_invents_do_not_grow_the_table_without_end() -> None:
    found: Any = stats(*(record("refused_by", "Fetch", code=f"code {i}") for i in range(5000))).summary(0, {})
    assert len(found["types"]) <= 201 and sum(row["messages"] for row in found["types"]) == 5000
