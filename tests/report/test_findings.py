"""Findings in words, as tables of rows."""

from pathlib import Path

import pytest

from dfl_actors.report.findings import failed_defences, fallen_behind, findings, in_vain, kept_out, shut_out, stood_still, told_of
from dfl_actors.report.headline import Stood
from dfl_actors.report.judged import Judged
from dfl_actors.report.load import load_run
from dfl_actors.report.refusals import Refusal, words_of
from tests.report.made_run import START, Line, address, ready, write_run

LATE = "expired before enough neighbours had witnessed them"
LIES = {"dan": "/home/ada/mine.py:lie"}


@pytest.mark.parametrize(
    ("trust", "found"),
    [
        (
            {"amy": {"ben": 0.56, "dan": 0.7}, "ben": {"amy": 0.9, "dan": 0.7}},
            "(mine.py:lie) kept a reputation of 0.70, above honest ben's 0.56",
        ),
        ({"amy": {"ben": 1.0, "dan": 1.0}, "ben": {"amy": 1.0, "dan": 1.0}}, "(mine.py:lie) kept a reputation of 1.00, as honest amy did"),
        ({"amy": {"ben": 0.998, "dan": 1.0}}, "(mine.py:lie) kept a reputation of 1.00, as honest ben did"),
        ({"amy": {"ben": 0.9, "dan": 0.1}, "dan": {"amy": 0.0, "ben": 0.0}}, None),
        ({}, None),
    ],
)
def test_an_attacker_whom_the_honest_trust_is_a_defence_that_failed(trust: dict[str, dict[str, float]], found: str | None) -> None:
    assert failed_defences(trust, LIES) == ([] if found is None else [f"node dan {found}"])


def test_who_says_nothing_is_no_defence_that_failed() -> None:
    assert failed_defences({"amy": {"ben": 0.998, "dan": 1.0}}, {"dan": "silent"}) == []


def test_a_node_that_fell_behind_and_transactions_in_vain_are_named() -> None:
    ben, amy, dan = Stood("ben", 0.6, age=3), Stood("amy", 0.95, age=1), Stood("dan", 0.1, attacks=True, age=1)
    (behind,) = fallen_behind([ben, amy, dan, Stood("eve", None)], "accuracy")
    assert behind == "node ben fell behind: its accuracy is 0.600, the honest nodes' mean 0.775"
    assert fallen_behind([amy, Stood("ben", 0.6, age=74)], "accuracy") == [], "it was measured 73 s before the other"
    assert fallen_behind([amy, Stood("ben", 0.9, age=1)], "accuracy") == fallen_behind([], "accuracy") == []
    waits = {"amy": {("never fetched by {}", "ben"): 3, ("not measured by {}", "cy"): 1}}
    assert in_vain({"amy": 3, "ben": 0, "cy": 1}, {"amy": 40, "ben": 9, "cy": 2}, waits) == [
        f"3 of 40 transactions of node amy {LATE}: 3 never fetched by ben, 1 not measured by cy",
        f"1 of 2 transactions of node cy {LATE}",
    ]


@pytest.mark.parametrize(
    ("ages", "blocks", "found"),
    [
        (
            {"a": 4, "b": 9, "c": 300},
            (40, 41, 7),
            ["the chain of node c stood still: no block for the last 300 s, the others' for 6 s in the median"],
        ),
        ({"a": 4, "b": 300}, (40, 7), ["the chain of node b stood still: no block for the last 300 s, the others' for 4 s in the median"]),
        ({"a": 4, "b": 9, "c": 45}, (40, 41, 39), []),
        ({"a": 100, "b": 120, "c": 300}, (4, 4, 3), []),
        ({"a": 4, "b": 9, "c": None}, (40, 42, 0), ["node c has no final block, the others 41 in the median"]),
        ({"a": None, "b": None}, (0, 0), []),
        ({}, (), []),
    ],
)
def test_a_chain_that_stands_still_is_named(ages: dict[str, float | None], blocks: tuple[int, ...], found: list[str]) -> None:
    assert stood_still(ages, dict(zip(ages, blocks, strict=True))) == found


def test_where_transactions_waited_that_expired(tmp_path: Path) -> None:
    def line(node: str, event: str, **fields: object) -> Line:
        return {"t": START + 9, "node": node, "actor": "", "event": event, "tx": "tx", **fields}

    lines = [line("b", "fetched"), line("c", "fetched"), line("c", "scored"), line("d", "fetched"), line("d", "scored")]
    back = {"t": START + 9, "node": "a", "actor": "", "event": "receipt", "tx": "tx", "creator": address("d")}
    links = [["a", "b"], ["a", "c"], ["a", "d"], ["a", "e"], ["b", "c"]]
    lines = [ready(), line("a", "trained", correct=1, tested=2), *lines, back, line("a", "expired", receipts=1, needed=2)]
    (found,) = findings(load_run(write_run(tmp_path / "net", "abcde", lines, links=links)), [])
    assert found == (
        "1 of 1 transaction of node a expired before enough neighbours had witnessed them: "
        "1 measured by c, whose receipt did not come back, 1 never fetched by e, 1 not measured by b"
    )


@pytest.mark.parametrize(("rejected", "said"), [(9, True), (4, False)])
def test_whom_the_honest_reject_more_often_than_not_was_kept_out(rejected: int, said: bool) -> None:
    its: Judged = {"updates": 10, "rejected": rejected, "in_part": 0, "last": "rejected: points the other way", "since": 0}
    by = {"amy": {"dan": its}, "ben": {"dan": its}, "dan": {"amy": {**its, "rejected": 10}}}
    text = "node dan (mine.py:lie) was kept out: 2 nodes rejected its models in 90 % of 20 updates; at last: points the other way"
    assert kept_out(by, LIES) == ({"dan": text} if said else {}), "what an attacker rejects counts for nothing"
    assert kept_out({"amy": {"ben": its}}, {}) == ({"ben": text_of_ben} if said else {})


def test_who_was_let_in_after_all_is_not_said_to_be_kept_out() -> None:
    its: Judged = {"updates": 10, "rejected": 9, "in_part": 0, "last": "rejected: points the other way", "since": 7}
    text = (
        "node dan (mine.py:lie) was kept out and then let in: 2 nodes rejected its models in 90 % of 20 updates, and in none of the last 6"
    )
    assert kept_out({"amy": {"dan": its}, "ben": {"dan": {**its, "since": 6}}}, LIES) == {"dan": text}
    assert "let in" not in kept_out({"amy": {"dan": its}, "ben": {"dan": {**its, "since": 4}}}, LIES)["dan"], "one still rejects it"


text_of_ben = "honest node ben was kept out: node amy rejected its models in 90 % of 10 updates; at last: points the other way"


def test_why_a_node_was_shut_out_are_the_rules_that_it_broke() -> None:
    told = [("amy", "dan", "4.0 bad messages"), ("ben", "dan", "4.2 bad messages"), ("amy", "eve", "4.0 bad messages")]
    found = [Refusal("amy", "dan", "bad_signature", 5), Refusal("ben", "dan", "bad_signature", 3), Refusal("amy", "dan", "schema", 9)]
    found += [Refusal("amy", "dan", "shut_out", 900), Refusal("amy", "dan", "busy", 900), Refusal("ben", "dan", "chunk", 1)]
    assert shut_out(told, found) == [
        f"node dan was shut out by amy, ben for a while: {words_of('schema')} (9 times), {words_of('bad_signature')} (8 times)",
        "node eve was shut out by amy for a while: 4.0 bad messages",
    ]


def test_what_several_nodes_tell_of_another_is_one_finding() -> None:
    rows = [("amy", "dan", "two receipts for 3bdf"), ("ben", "dan", "two receipts for 3bdf"), ("amy", "dan", "two receipts for 3bdf")]
    assert told_of(rows, "node {of} signed {detail} (proved at {by})") == ["node dan signed two receipts for 3bdf (proved at amy, ben)"]
