"""One transaction's life as a tree: the same from the metrics and from what watchers hear, with the milliseconds between the steps."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dfl_actors.errors import ConfigError
from dfl_actors.report.tail.tree import as_object, before, checked_prefix, chosen, hear, tree
from dfl_actors.report.trace import Step, Trace, Traces
from dfl_actors.runtime.header import SHORT, Record
from tests.report.made_run import START
from tests.report.test_trace import DRAFT, OTHER, TX, line, read, whole_life


def record(at: int, node: str, kind: str, name: str, **fields: Any) -> Record:
    return Record(t=(START + at) * 1000 + 999, node=node, actor="", n=1, kind=kind, type=name, **fields)


def heard_life(tx: str = TX) -> list[Record]:
    """What watchers hear of the life that `whole_life` writes into the metrics, and of things besides."""
    measured = {"tx": tx, "correct": 9, "tested": 10}
    return [
        record(0, "0", "letter", "Trained", generator="0", sequence=7, **measured),
        record(4, "0", "news", "TransactionNews", to=("*",), generator="0", **measured),
        record(5, "0", "letter", "Announced", generator="0", **measured),
        record(20, "1", "letter", "Fetched", sender="0", generator="0", **measured),
        record(30, "1", "letter", "Witnessed", witness="1", ttl=1, generator="0", **measured),
        record(31, "1", "event", "Scored", generator="0", **measured),
        record(45, "2", "letter", "Fetched", sender="1", generator="0", **measured),
        record(50, "2", "letter", "Witnessed", witness="2", ttl=0, generator="0", **measured),
        record(40, "0", "letter", "ReceiptArrived", witness="1", ttl=1, **measured),
        record(60, "0", "letter", "ReceiptArrived", witness="2", ttl=0, **measured),
        record(61, "0", "letter", "Drafted", draft=DRAFT, height=3, txs=(tx[:SHORT], "9" * SHORT), generator="0"),
        record(65, "1", "letter", "DraftArrived", draft=DRAFT, height=3, txs=(tx[:SHORT],), sender="0"),
        record(70, "1", "letter", "Confirmed", draft=DRAFT, txs=(tx[:SHORT],), sender="0", witness="1"),
        record(72, "0", "letter", "ConfirmationsArrived", draft=DRAFT, txs=(tx[:SHORT],), witness="1"),
        record(80, "0", "letter", "Finalised", block="12" * 32, height=3, generator="0"),
    ]


def gathered(records: list[Record], prefix: str = "") -> dict[str, Trace]:
    heard = Traces(prefix)
    for one in records:
        hear(heard, one)
    return heard.found()


def bare(life: Trace) -> list[tuple[int, str, str, str]]:
    return [(step.t, step.node, step.step, step.other) for step in life.steps]


def text(life: Trace) -> list[str]:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(tree(life))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_records_and_metrics_tell_the_same_life(tmp_path: Path) -> None:
    heard, written = gathered(heard_life())[TX], read(tmp_path, whole_life())[TX]
    assert bare(heard) == bare(written) and heard.generator == written.generator == "0"


def test_both_together_are_no_more_than_one(tmp_path: Path) -> None:
    heard = Traces(TX[:6])
    heard.merge(read(tmp_path, whole_life()[:4]).values())
    news = [hear(heard, one) for one in heard_life()]
    assert bare(heard.found()[TX]) == bare(gathered(heard_life())[TX])
    assert news == [False, False, False, False, False, False, *[True] * 5, False, True, False, True]


def test_a_prefix_keeps_what_it_means_alone() -> None:
    both = [*heard_life(), *heard_life(OTHER)[:6]]
    assert list(gathered(both, TX[:5])) == [TX]
    assert set(gathered(both)) == {TX, OTHER, "9" * SHORT}


def test_the_parts_of_a_draft_are_one_draft() -> None:
    parts = [record(61, "0", "letter", "Drafted", draft=DRAFT, height=3, txs=(f"{i:0{SHORT}}",), part=i) for i in range(3)]
    final = record(80, "0", "letter", "Finalised", height=3)
    assert [[step.step for step in life.steps] for life in gathered([*parts, final]).values()] == [["drafted", "final"]] * 3


def test_other_ends_are_heard_too() -> None:
    refused = record(9, "1", "refused", "transaction", tx=TX, code="expired")
    late = record(90, "0", "note", "expired", tx=TX)
    assert [(step.node, step.step, step.detail) for step in gathered([refused, late])[TX].steps] == [
        ("1", "refused", "expired"),
        ("0", "expired", ""),
    ]


def test_the_tree_of_a_life(tmp_path: Path) -> None:
    """Node 2 had the transaction from node 1, and stands below it; the first figure is since the step that had to come before."""
    when = text(read(tmp_path, whole_life())[TX])
    assert when[0].startswith(f"transaction {TX[:SHORT]} of node 0, ") and when[0].endswith(", final after 80 ms")
    assert [" ".join(row.split()) for row in when[1:]] == [
        "├── trained 0 ms 9 of 10",
        "├── announced +5 ms 5 ms",
        "│ └── node 1",
        "│ ├── fetched +15 ms 20 ms from node 0 in 12 ms",
        "│ ├── measured +10 ms 30 ms 9 of 10 at ttl 1",
        "│ ├── receipt +10 ms 40 ms at node 0 9 of 10",
        "│ └── node 2",
        "│ ├── fetched +15 ms 45 ms from node 1 in 9 ms the longest step",
        "│ ├── measured +5 ms 50 ms 9 of 10 at ttl 0",
        "│ └── receipt +10 ms 60 ms at node 0 9 of 10",
        "├── drafted +1 ms 61 ms block 3",
        "│ └── confirmed +9 ms 70 ms by node 1 block 3",
        "└── final +10 ms 80 ms block 3, 1 of 2 confirmed",
    ]


def test_times_stand_below_each_other(tmp_path: Path) -> None:
    rows = [row for row in text(read(tmp_path, whole_life()[:4])[TX])[1:] if " ms" in row]
    assert len({row.rindex(" ms", 0, 46) for row in rows}) == 1, rows


@pytest.mark.parametrize("missing", range(11))
def test_a_step_that_nobody_wrote_down_leaves_a_tree(missing: int, tmp_path: Path) -> None:
    lines = [one for number, one in enumerate(whole_life()) if number != missing]
    life = read(tmp_path, lines)[TX]
    assert sum(" ms" in row for row in text(life)[1:]) == len(life.steps) and as_object(life)["tx"] == TX


def test_nodes_that_say_they_have_it_from_each_other_make_no_endless_tree() -> None:
    steps = tuple(Step(START + at, node, "fetched", other) for at, node, other in ((1, "1", "2"), (2, "2", "3"), (3, "3", "1")))
    assert sum("fetched" in row for row in text(Trace(TX, "0", steps))[1:]) == 3


def test_the_step_before_is_the_last_that_had_to_come_first(tmp_path: Path) -> None:
    life = read(tmp_path, whole_life())[TX]
    found = {(step.step, step.node, step.other): before(life, step) for step in life.steps}
    assert found["trained", "0", ""] is None
    assert {key: one and (one.step, one.node, one.other) for key, one in found.items() if one} == {
        ("announced", "0", ""): ("trained", "0", ""),
        ("fetched", "1", "0"): ("announced", "0", ""),
        ("measured", "1", ""): ("fetched", "1", "0"),
        ("receipt", "0", "1"): ("measured", "1", ""),
        ("fetched", "2", "1"): ("measured", "1", ""),
        ("measured", "2", ""): ("fetched", "2", "1"),
        ("receipt", "0", "2"): ("measured", "2", ""),
        ("drafted", "0", ""): ("receipt", "0", "2"),
        ("confirmed", "1", "0"): ("drafted", "0", ""),
        ("final", "0", ""): ("confirmed", "1", "0"),
    }


def test_an_unfinished_life_says_how_far_it_is(tmp_path: Path) -> None:
    life = read(tmp_path, whole_life()[:4])[TX]
    assert text(life)[0].endswith(", so far measured, after 30 ms") and not life.over
    expired = read(tmp_path / "b", [*whole_life()[:2], line(99, "0", "expired", tx=TX)])[TX]
    assert text(expired)[0].endswith(", expired after 99 ms") and expired.over


def test_programs_get_every_step_with_its_milliseconds(tmp_path: Path) -> None:
    found: Any = as_object(read(tmp_path, whole_life())[TX])
    assert (found["tx"], found["generator"], found["over"]) == (TX, "0", True)
    assert found["steps"][0] == {"t": START, "node": "0", "step": "trained", "other": "", "detail": "9 of 10"}
    assert [step.get("ms") for step in found["steps"]] == [None, 5, 15, 10, 10, 15, 5, 10, 1, 9, 10]


@pytest.mark.parametrize("given", ["", "abc", "xyz1", "12 4", "0x12", "a" * 65])
def test_what_cannot_begin_a_digest_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="give the first 4 or more hexadecimal digits"):
        checked_prefix(given)


def test_one_transaction_is_chosen_by_its_beginning() -> None:
    lives = {tx: Trace(tx, "", (Step(1, "0", "trained"),)) for tx in ("abcd11" + "0" * 58, "abcd12" + "0" * 58, "ef" * 32)}
    assert chosen(lives, checked_prefix("ABCD11"), "here").tx.startswith("abcd11")
    with pytest.raises(ConfigError, match=r"2 transactions of here begin so \(abcd110000, abcd120000\): give 6 digits or more"):
        chosen(lives, "abcd", "here")
    with pytest.raises(ConfigError, match=r"no transaction of here begins so; it has 3, the last are .*efefefefefefefef$"):
        chosen(lives, "1234", "here")
    with pytest.raises(ConfigError, match=r"it has none yet"):
        chosen({}, "1234", "here")


def test_the_name_of_a_node_cannot_steer_the_terminal() -> None:
    steps = (Step(START, "\x1b[2J", "trained"), Step(START, "0", "refused", "", "\x1b]0;title\x07"))
    assert "\x1b" not in "".join(text(Trace(TX, "\x1b[31m", steps)))
