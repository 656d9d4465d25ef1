"""Findings in words, as tables of rows."""

import pytest

from dfl_actors.report.findings import failed_defences, fallen_behind, in_vain, told_of
from dfl_actors.report.headline import Stood

LIES = {"dan": "/home/ada/mine.py:lie"}


@pytest.mark.parametrize(
    ("trust", "found"),
    [
        (
            {"amy": {"ben": 0.56, "dan": 0.7}, "ben": {"amy": 0.9, "dan": 0.7}},
            "(mine.py:lie) kept a reputation of 0.70, above honest ben's 0.56",
        ),
        ({"amy": {"ben": 1.0, "dan": 1.0}, "ben": {"amy": 1.0, "dan": 1.0}}, "(mine.py:lie) kept a reputation of 1.00, that of honest amy"),
        ({"amy": {"ben": 0.9, "dan": 0.1}, "dan": {"amy": 0.0, "ben": 0.0}}, None),
        ({}, None),
    ],
)
def test_an_attacker_whom_the_honest_trust_is_a_defence_that_failed(trust: dict[str, dict[str, float]], found: str | None) -> None:
    assert failed_defences(trust, LIES) == ([] if found is None else [f"node dan {found}"])


def test_a_node_that_fell_behind_and_transactions_in_vain_are_named() -> None:
    ben, amy, dan = Stood("ben", 0.6, age=3), Stood("amy", 0.95, age=1), Stood("dan", 0.1, attacks=True, age=1)
    (behind,) = fallen_behind([ben, amy, dan, Stood("eve", None)], "accuracy")
    assert behind == "node ben fell behind: its accuracy is 0.600, the honest nodes' mean 0.775"
    assert fallen_behind([amy, Stood("ben", 0.6, age=74)], "accuracy") == [], "it was measured 73 s before the other"
    assert fallen_behind([amy, Stood("ben", 0.9, age=1)], "accuracy") == fallen_behind([], "accuracy") == []
    assert in_vain({"amy": 3, "ben": 0}, {"amy": 40, "ben": 9}) == [
        "3 of 40 transactions of node amy expired before enough neighbours had witnessed them"
    ]


def test_what_several_nodes_tell_of_another_is_one_finding() -> None:
    rows = [("amy", "dan", "two receipts for 3bdf"), ("ben", "dan", "two receipts for 3bdf"), ("amy", "dan", "two receipts for 3bdf")]
    assert told_of(rows, "node {of} signed {detail} (proved at {by})") == ["node dan signed two receipts for 3bdf (proved at amy, ben)"]
