"""What watchers see: lines, filters, and the table of rates."""

import re
from typing import Any

import pytest
from rich.console import Console

from dfl_actors.report.tail.lines import Filter, Lines, Stats, moment
from dfl_actors.runtime.header import Record
from dfl_actors.runtime.recording import Network

NETWORK = Network(name="net", nodes=("0", "1", "2"), links=(("0", "1"), ("1", "2")))
TX, RECEIPT, MODEL = "ab" * 32, "cd" * 32, "ef" * 32


def record(kind: str = "letter", name: str = "Trained", node: str = "1", actor: str = "trainer", **fields: Any) -> Record:
    return Record(t=fields.pop("t", 1_700_000_000_123_456), node=node, actor=actor, n=1, kind=kind, type=name, **fields)


def line(one: Record, **options: bool) -> str:
    return Lines(NETWORK, **options).line(one)


def words(one: Record) -> str:
    return " ".join(line(one).split()[1:])


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (
            record(to=("gossiper",), size=617, tx=TX, model=MODEL, correct=85, tested=100),
            "1 trainer -> gossiper Trained tx abababab model efefefef 617 B 85 of 100",
        ),
        (
            record("event", "Injected", actor="injector", to=("trainer", "validator"), size=779, count=128),
            "1 injector -> trainer, validator Injected 779 B 128 samples",
        ),
        (record("event", "Updated", actor="keeper", size=270, count=4), "1 keeper -> watchers Updated 270 B 4 models"),
        (
            record("news", "ReceiptNews", actor="gossiper", to=("*",), size=562, tx=TX, receipt=RECEIPT, correct=1, tested=2, ttl=0),
            "1 gossiper -> nodes 0,2 ReceiptNews tx abababab receipt cdcdcdcd 562 B 1 of 2, ttl 0",
        ),
        (
            record("request", "Fetch", actor="gossiper", to=("0",), size=111, model=MODEL, index=0, count=7),
            "1 gossiper -> node 0 Fetch model efefefef 111 B 7 chunks from 0",
        ),
        (
            record("reply", "Chunk", actor="gossiper", to=("0",), size=262_200, model=MODEL, index=6, dropped=True),
            "1 gossiper -> node 0 Chunk model efefefef 262 kB dropped: the socket did not take it",
        ),
        (
            record("letter", "Drafted", actor="builder", to=("gossiper",), size=9358, draft=TX, height=3, count=300, part=1),
            "1 builder -> gossiper Drafted draft abababab 9.36 kB block 3, 300 transactions, part 2",
        ),
        (
            record("refused", "transaction", actor="validator", tx=TX, code="expired", detail="3 ms ago", sender="0"),
            "1 validator transaction tx abababab refused, of 0: expired (3 ms ago)",
        ),
        (record("refused", "bytes", actor="gossiper", code="schema"), "1 gossiper bytes refused: schema"),
        (record("refused_by", "Fetch", actor="gossiper", code="busy", sender="2"), "1 gossiper Fetch refused by 2: busy"),
        (record("note", "lost", actor="keeper", model=MODEL, code="lost"), "1 keeper lost model efefefef lost"),
        (record("missed", "missed", count=12), "1 trainer 12 records of this actor were missed"),
        (record("restarted", "restarted", life=2), "1 trainer the trainer was restarted (life 2)"),
        (
            record("acknowledgement", "Acknowledgement", to=("builder",), size=16, count=2),
            "1 trainer -> builder Acknowledgement 16 B 2 letters",
        ),
    ],
)
def test_a_line_says_what_moved(one: Record, text: str) -> None:
    assert words(one) == text


def test_a_line_begins_with_the_local_time() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.123", line(record()).split()[0])
    assert moment(1_700_000_000_999_999).endswith(".999")


def test_of_many_neighbours_a_line_gives_the_number() -> None:
    star = Network(name="", nodes=("0",), links=tuple(("0", str(i)) for i in range(1, 9)))
    assert "gossiper -> 8 nodes" in Lines(star).line(record("news", "Beat", node="0", actor="gossiper", to=("*",)))


def test_lines_are_coloured_for_a_terminal_alone() -> None:
    refused = record("refused", "draft", code="height")
    assert "\x1b" not in line(refused)
    assert "\x1b[1;31m" in line(refused, colour=True) and "\x1b[1;31m" in line(record(dropped=True), colour=True)


def test_a_narrow_terminal_gets_lines_without_columns() -> None:
    one = record("news", "ReceiptNews", actor="gossiper", to=("*",), size=562, tx=TX, receipt=RECEIPT, correct=1, tested=2, ttl=0)
    narrow, wide = line(one, narrow=True), line(one)
    assert narrow.split() == wide.split() and len(narrow) < 120 < len(wide)


def test_bodies_are_all_fields_below_the_line() -> None:
    _, *rows = line(record(to=("gossiper",), size=617, tx=TX, correct=0), bodies=True).splitlines()
    shown = dict(row.split(maxsplit=1) for row in rows)
    assert shown == {
        "t": "1700000000123456", "node": "1", "actor": "trainer", "n": "1", "kind": "letter", "type": "Trained", "to": "gossiper",
        "size": "617", "tx": TX, "correct": "0",
    }  # fmt: skip


def test_what_a_neighbour_writes_cannot_steer_the_terminal() -> None:
    evil = "\x1b[2J\nfake line"
    for one in (record("refused_by", evil, code=evil, sender=evil), record("reply", "Refusal", to=(evil,), code=evil, detail=evil)):
        for text in (line(one), line(one, bodies=True)):
            assert "\x1b" not in text and "\nfake" not in text


TO_TRAINER = record("letter", "Averaged", actor="keeper", to=("trainer",))
NEWS = record("news", "DraftNews", node="1", actor="gossiper", to=("*",))
REQUEST = record("request", "Fetch", node="1", actor="gossiper", to=("0",))
REFUSED = record("refused", "transaction", node="2", actor="validator")
ACKNOWLEDGED = record("acknowledgement", "Acknowledgement", node="2", actor="keeper", to=("trainer",))
MISSED = record("missed", "missed", node="2", actor="keeper")
ALL = {"to trainer": TO_TRAINER, "news": NEWS, "request": REQUEST, "refused": REFUSED, "acknowledged": ACKNOWLEDGED, "missed": MISSED}


@pytest.mark.parametrize(
    ("nodes", "actors", "types", "shown"),
    [
        ([], [], [], "to trainer, news, request, refused, missed"),
        (["0"], [], [], "news, request"),
        (["2"], [], [], "news, refused, missed"),
        (["0", "2"], [], [], "news, request, refused, missed"),
        ([], ["trainer"], [], "to trainer"),
        ([], ["val*", "keeper"], [], "to trainer, refused, missed"),
        (["2"], ["gossiper"], [], "news"),
        (["0"], ["trainer"], [], ""),
        ([], [], ["Draft*"], "news, missed"),
        ([], [], ["refused", "Fetch"], "request, refused, missed"),
        ([], [], ["*"], "to trainer, news, request, refused, acknowledged, missed"),
        ([], [], ["Ack*"], "acknowledged, missed"),
        (["[01]"], [], ["*News"], "news"),
        ([], [], ["draft*"], "missed"),
    ],
)
def test_filters_choose_by_sender_listener_and_type(nodes: list[str], actors: list[str], types: list[str], shown: str) -> None:
    wanted = Filter(NETWORK, nodes, actors, types)
    assert ", ".join(name for name, one in ALL.items() if wanted(one)) == shown


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
