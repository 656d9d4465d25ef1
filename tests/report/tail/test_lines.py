"""What watchers see: a line a message, in columns at every width."""

import re

import pytest

from dfl_actors.report.tail.lines import Lines, moment
from dfl_actors.runtime.header import Record
from dfl_actors.runtime.recording import Network
from tests.report.tail.records import MODEL, NETWORK, RECEIPT, TX, record


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


def test_a_listener_with_a_long_name_is_cut_and_never_one_nodes() -> None:
    long = record("request", "Probe", node="0", actor="gossiper", to=("alice-with-a-long-name-1",))
    network = Network(name="", nodes=("0",), links=())
    shown = {width: Lines(network, width=width).line(long) for width in (80, 120, 200)}
    assert all("gossiper -> node al" in text or "gossiper -> 1 node " in text for text in shown.values()), shown
    assert "..name-1" in shown[120] and "nodes" not in shown[80]


def test_lines_are_coloured_for_a_terminal_alone() -> None:
    refused = record("refused", "draft", code="height")
    assert "\x1b" not in line(refused)
    assert "\x1b[1;31m" in line(refused, colour=True) and "\x1b[1;31m" in line(record(dropped=True), colour=True)


ORDINARY = [
    record("news", "ReceiptNews", actor="gossiper", to=("*",), size=562, tx=TX, receipt=RECEIPT, correct=1, tested=2, ttl=0),
    record("letter", "ConfirmationsArrived", node="0", actor="validator", to=("gossiper",), size=1562, draft=TX, count=12),
    record("event", "Updated", node="2", actor="keeper", size=270, count=4),
    record("reply", "Chunk", actor="gossiper", to=("0",), size=262_200, model=MODEL, index=6, dropped=True),
    record("refused", "transaction", actor="validator", tx=TX, code="expired", detail="its time was up before it came here", sender="0"),
]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_columns_stand_below_each_other_at_every_width_and_nothing_is_lost_at_its_end(width: int) -> None:
    made = [Lines(NETWORK, width=width).line(one).splitlines() for one in ORDINARY]
    assert all(len(part.rstrip()) <= width for parts in made for part in parts)
    assert len({parts[0].index(one.type) for parts, one in zip(made, ORDINARY, strict=True)}) == 1
    verdicts = ["1 of 2, ttl 0", "12 confirmations", "4 models", "dropped: the socket did not take it"]
    assert len({parts[0].rindex(f" {said.split()[0]} ") for parts, said in zip(made, verdicts, strict=False)}) == 1
    for parts, said in zip(made, [*verdicts, "refused, of 0: expired (its time was up before it came here)"], strict=True):
        assert said in " ".join(" ".join(parts).split())


def test_a_long_node_name_does_not_push_out_the_columns_of_a_narrow_terminal() -> None:
    names = ("hospital-north-charite-01", "hospital-north-charite-02")
    lines = [Lines(Network(name="", nodes=names, links=()), width=80).line(record(node=name)) for name in names]
    assert lines[0] != lines[1] and all(len(one) <= 80 and "Trained" in one for one in lines)
    assert names[0] in Lines(Network(name="", nodes=names, links=()), width=140).line(record(node=names[0]))


def test_every_node_has_its_colour_on_a_terminal() -> None:
    coloured = Lines(NETWORK, colour=True)
    codes = {coloured.line(record(node=name)).split(f"m{name}\x1b[0m")[0].rpartition("\x1b[")[2] for name in NETWORK.nodes}
    assert len(codes) == 3 and "38;5" in min(codes)


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
