"""What an algorithm said of its senders, counted and told."""

from pathlib import Path

from dfl_actors.report.judged import judged, judged_by, judged_lines
from dfl_actors.report.load import load_run
from tests.report.made_run import START, Line, address, ready, write_run

A, B, C = (address(name) for name in "abc")


def update(seconds: int, node: str, **notes: object) -> Line:
    return {"t": START + 1000 * seconds, "node": node, "actor": "keeper", "event": "updated", "models": 1, "notes": notes}


def test_reasons_are_counted_by_sender_and_the_rejected_are_named(tmp_path: Path) -> None:
    lines = [
        ready(seconds=1.0),
        update(1, "a", senders={B: "taken", C: "rejected: conv2 norm 0.03 of own"}),
        update(2, "a", senders={B: "in part: 3.1 times the usual distance", C: "rejected: conv2 norm 0.02 of own"}),
        update(3, "b", senders="no mapping"),
        update(4, "b"),
    ]
    run = load_run(write_run(tmp_path / "run", "abc", lines))
    assert judged(run, "a") == {
        "b": {"updates": 2, "rejected": 0, "in_part": 1, "last": "in part: 3.1 times the usual distance", "since": 2},
        "c": {"updates": 2, "rejected": 2, "in_part": 0, "last": "rejected: conv2 norm 0.02 of own", "since": 0},
    }
    assert judged_lines(judged_by(run)) == ["node a rejected c in 2 of 2 updates, last: conv2 norm 0.02 of own"]
