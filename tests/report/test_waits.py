"""What transactions wait for: whole ways, gaps, the slowest, and the same figures when the events come one after the other."""

from pathlib import Path

import pytest

from dfl_actors.core.events import Event, Final
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.trace import Step, Trace
from dfl_actors.report.waits import Waits, latencies, latency
from tests.report.made_run import START, lively, ready, realistic, write_run

WAY = [
    (0, "trained"), (5, "announced"), (20, "fetched"), (30, "fetched"), (35, "measured"), (60, "measured"), (70, "receipt"),
    (100, "drafted"), (130, "confirmed"), (150, "final"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("way", "parts"),
    [
        (WAY, {"announced": 5, "fetched": 25, "measured": 30, "receipt": 10, "drafted": 30, "confirmed": 30, "final": 20}),
        # A witness that was too late for the draft, and one that confirmed after the block was final.
        ([*WAY, (300, "fetched"), (320, "measured"), (330, "receipt"), (400, "confirmed")], None),
        # Nobody wrote that it was announced: that time is part of the fetching. The clock of the witness is slow.
        ([(0, "trained"), (30, "fetched"), (20, "measured"), (40, "receipt")], {"fetched": 30, "measured": 0, "receipt": 10}),
        ([(0, "trained")], {}),
    ],
    ids=["whole", "late ones", "gaps", "begun"],
)
def test_the_parts_of_a_way(tmp_path: Path, way: list[tuple[int, str]], parts: dict[str, int] | None) -> None:
    run = load_run(write_run(tmp_path / "net", "ab", [ready()]))
    steps = tuple(Step(START + t, "a", step) for t, step in way)
    found = latency(Trace("tx", "a", steps), run.seconds)
    expected = {"announced": 5, "fetched": 25, "measured": 30, "receipt": 10, "drafted": 30, "confirmed": 30, "final": 20}
    assert found.waits == (expected if parts is None else parts)
    assert found.finished == ("final" in found.waits) and found.total == sum(found.waits.values())


def test_the_slowest_of_a_run_without_the_pause_before_its_resume(tmp_path: Path) -> None:
    found = latencies(load_run(lively(tmp_path / "net", ["a", "b", "c", "d"], seconds=40)), most=7)
    assert (found.count, found.unfinished) == (4 * 36, 4 * 3)
    totals = [way.total for way in found.slowest]
    assert len(totals) == 7 and totals == sorted(totals, reverse=True)
    # Four transactions make a block, one a second: the first of them waits three seconds. The run paused for an hour.
    assert 3000 < totals[-1] <= totals[0] < 5000
    every = latencies(load_run(tmp_path / "net"), most=1000).slowest
    assert found.typical is not None and found.typical.total == sorted(way.total for way in every)[(len(every) - 1) // 2]


def test_a_run_that_names_no_drafts_shows_what_is_known(tmp_path: Path) -> None:
    found = latencies(load_run(write_run(tmp_path / "net", "abcd", realistic(list("abcd"), seconds=20))))
    assert not any(way.finished for way in found.slowest) and found.slowest[0].waits.keys() == {"measured", "receipt"}


def test_a_run_without_transactions(tmp_path: Path) -> None:
    found = latencies(load_run(write_run(tmp_path / "net", "ab", [ready()])))
    assert (found.slowest, found.typical, found.count, found.unfinished) == ([], None, 0, 0)


def in_time(run: Run) -> list[Event]:
    return sorted((event for group in run.events.values() for event in group), key=lambda event: event.t)


def test_events_that_come_one_after_the_other_give_the_same_figures(tmp_path: Path) -> None:
    run = load_run(lively(tmp_path / "net", ["a", "b", "c", "d"], seconds=40))
    waits = Waits(run.node_named, run.seconds)
    for place, event in enumerate(in_time(run)):
        waits.add(event)
        if place % 50 == 0:
            waits.settle(event.t - 2000)
    waits.settle(float("inf"))
    assert waits.found(7) == latencies(run, 7)
    # Only what is in no block yet is still known: three transactions of each node.
    assert waits.waiting == dict.fromkeys("abcd", 3)


def test_what_comes_late_of_a_transaction_that_is_worked_out_is_not_kept(tmp_path: Path) -> None:
    run = load_run(lively(tmp_path / "net", ["a", "b", "c", "d"], seconds=40))
    waits = Waits(run.node_named, run.seconds)
    for event in in_time(run):
        waits.add(event)
    waits.settle(float("inf"))
    before = waits.found(1000)
    for event in in_time(run):
        if not isinstance(event, Final):
            waits.add(event)
    waits.settle(float("inf"))
    assert waits.found(1000) == before and sum(waits.waiting.values()) == 12


def test_a_transaction_that_comes_into_no_block_is_given_up_at_last(tmp_path: Path) -> None:
    run = load_run(
        write_run(tmp_path / "net", "ab", [ready(), {"t": START, "node": "a", "actor": "trainer", "event": "trained", "tx": "ab" * 32}])
    )
    waits = Waits(run.node_named, run.seconds)
    for event in in_time(run):
        waits.add(event)
    waits.settle(START + 599_000)
    assert (waits.found().unfinished, waits.waiting) == (1, {"a": 1})
    waits.settle(START + 601_000)
    assert (waits.found().unfinished, waits.waiting) == (1, {})
