"""Where the time of a transaction goes."""

from pathlib import Path

import pytest

from dfl_actors.report.journeys import journey, journeys
from dfl_actors.report.lives import Life, Step
from dfl_actors.report.load import load_run
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
    found = journey(Life("tx", "a", steps), run)
    expected = {"announced": 5, "fetched": 25, "measured": 30, "receipt": 10, "drafted": 30, "confirmed": 30, "final": 20}
    assert found.parts == (expected if parts is None else parts)
    assert found.finished == ("final" in found.parts) and found.total == sum(found.parts.values())


def test_the_slowest_of_a_run_without_the_pause_before_its_resume(tmp_path: Path) -> None:
    found = journeys(load_run(lively(tmp_path / "net", ["a", "b", "c", "d"], seconds=40)), most=7)
    assert (found.count, found.unfinished) == (4 * 36, 4 * 3)
    totals = [way.total for way in found.slowest]
    assert len(totals) == 7 and totals == sorted(totals, reverse=True)
    # Four transactions make a block, one a second: the first of them waits three seconds. The run paused for an hour.
    assert 3000 < totals[-1] <= totals[0] < 5000
    assert sum(found.typical.values()) < totals[-1]


def test_a_run_that_names_no_drafts_shows_what_is_known(tmp_path: Path) -> None:
    found = journeys(load_run(write_run(tmp_path / "net", "abcd", realistic(list("abcd"), seconds=20))))
    assert not any(way.finished for way in found.slowest) and found.slowest[0].parts.keys() == {"measured", "receipt"}


def test_a_run_without_transactions(tmp_path: Path) -> None:
    found = journeys(load_run(write_run(tmp_path / "net", "ab", [ready()])))
    assert (found.slowest, found.typical, found.count, found.unfinished) == ([], {}, 0, 0)
