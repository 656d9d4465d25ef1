"""The life of a transaction, out of the metrics of a run."""

from pathlib import Path
from typing import Any

import pytest

from dfl_actors.report.load import load_run
from dfl_actors.report.trace import ENDS, STEPS, Step, Trace, traces
from tests.report.made_run import START, Line, address, ready, write_run

TX, OTHER, DRAFT = "ab" * 32, "cd" * 32, "ef" * 32


def line(at: int, node: str, event: str, **fields: Any) -> Line:
    return {"t": START + at, "node": node, "actor": "", "event": event, **fields}


def whole_life(tx: str = TX) -> list[Line]:
    """A transaction of node 0 from beginning to end; node 2 has it from node 1, and confirms nothing."""
    measured = {"correct": 9, "tested": 10}
    return [
        line(0, "0", "trained", tx=tx, sequence=7, **measured),
        line(5, "0", "announced", tx=tx),
        line(20, "1", "fetched", tx=tx, **{"from": address("0")}, ms=12),
        line(30, "1", "scored", tx=tx, generator=address("0"), **measured, ttl=1),
        line(45, "2", "fetched", tx=tx, **{"from": address("1")}, ms=9),
        line(50, "2", "scored", tx=tx, generator=address("0"), **measured, ttl=0),
        line(40, "0", "receipt", tx=tx, creator=address("1"), **measured, ms=40),
        line(60, "0", "receipt", tx=tx, creator=address("2"), **measured, ms=60),
        line(61, "0", "drafted", height=3, draft=DRAFT, transactions=1, receipts=2, txs=[tx]),
        line(70, "1", "confirmed", draft=DRAFT, generator=address("0"), confirmations=1),
        line(80, "0", "final", height=3, block="12" * 32, transactions=1, confirmations=1, expected=2, ms=19),
    ]


def read(path: Path, lines: list[Line]) -> dict[str, Trace]:
    return traces(load_run(write_run(path / "net", ["0", "1", "2"], [ready(), *lines])))


def test_a_life_goes_through_every_step_in_order_of_time(tmp_path: Path) -> None:
    life = read(tmp_path, whole_life())[TX]
    assert life == Trace(
        TX,
        "0",
        (
            Step(START, "0", "trained", "", "9 of 10"),
            Step(START + 5, "0", "announced"),
            Step(START + 20, "1", "fetched", "0", "in 12 ms"),
            Step(START + 30, "1", "measured", "", "9 of 10 at ttl 1"),
            Step(START + 40, "0", "receipt", "1", "9 of 10"),
            Step(START + 45, "2", "fetched", "1", "in 9 ms"),
            Step(START + 50, "2", "measured", "", "9 of 10 at ttl 0"),
            Step(START + 60, "0", "receipt", "2", "9 of 10"),
            Step(START + 61, "0", "drafted", "", "block 3"),
            Step(START + 70, "1", "confirmed", "0", "block 3"),
            Step(START + 80, "0", "final", "", "block 3, 1 of 2 confirmed"),
        ),
    )
    assert {step.step for step in life.steps} == set(STEPS)


def test_steps_at_one_time_stand_in_the_order_of_a_life(tmp_path: Path) -> None:
    lines = [{**one, "t": START} for one in reversed(whole_life())]
    places = [(*STEPS, *ENDS).index(step.step) for step in read(tmp_path, lines)[TX].steps]
    assert places == sorted(places)


def test_lives_come_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    later = [{**one, "t": one["t"] + 1000} for one in whole_life(OTHER)[:2]]
    assert list(read(tmp_path, [*later, *whole_life()])) == [TX, OTHER]


def test_only_who_witnessed_a_transaction_confirms_it(tmp_path: Path) -> None:
    """Node 2 confirms the draft for another transaction in it."""
    lines = [one for one in whole_life() if not (one["event"] == "receipt" and one["creator"] == address("2"))]
    lines.append(line(75, "2", "confirmed", draft=DRAFT, generator=address("0"), confirmations=1))
    assert [step.node for step in read(tmp_path, lines)[TX].steps if step.step == "confirmed"] == ["1"]


def test_what_comes_again_after_a_crash_happened_once(tmp_path: Path) -> None:
    again = [{**one, "t": one["t"] + 500} for one in whole_life()]
    assert read(tmp_path, [*whole_life(), *again])[TX] == read(tmp_path / "once", whole_life())[TX]


def test_two_generators_may_have_a_block_of_one_height(tmp_path: Path) -> None:
    other = [
        line(0, "1", "trained", tx=OTHER, sequence=0, correct=1, tested=2),
        line(9, "1", "drafted", height=3, draft="0" * 64, transactions=1, receipts=1, txs=[OTHER]),
    ]
    found = read(tmp_path, [*whole_life(), *other])
    assert [step.step for step in found[OTHER].steps] == ["trained", "drafted"]
    assert [step.node for step in found[TX].steps if step.step == "final"] == ["0"]


@pytest.mark.parametrize(
    ("lines", "step"),
    [
        (line(9, "1", "refused", what="transaction", id=TX, code="sequence_reused", detail="", by=""), ("refused", "1", "sequence_reused")),
        (line(9, "0", "expired", tx=TX, receipts=0, needed=1), ("expired", "0", "")),
    ],
)
def test_a_life_may_end_otherwise(tmp_path: Path, lines: Line, step: tuple[str, str, str]) -> None:
    last = read(tmp_path, [*whole_life()[:2], lines])[TX].steps[-1]
    assert (last.step, last.node, last.detail) == step and last.step in ENDS


def test_what_is_refused_besides_transactions_is_no_step(tmp_path: Path) -> None:
    assert read(tmp_path, [line(9, "1", "refused", what="draft", id=DRAFT, code="height", detail="", by="")]) == {}


def test_a_run_of_an_older_version_has_lives_with_fewer_steps(tmp_path: Path) -> None:
    older = [one for one in whole_life() if one["event"] not in ("announced", "fetched")]
    older = [{key: value for key, value in one.items() if key != "txs"} for one in older]
    assert {step.step for step in read(tmp_path, older)[TX].steps} == {"trained", "measured", "receipt"}


def test_a_life_whose_beginning_is_lost_still_names_its_generator(tmp_path: Path) -> None:
    assert read(tmp_path, whole_life()[2:4])[TX].generator == "0"
    assert read(tmp_path / "none", whole_life()[2:3])[TX].generator == ""
