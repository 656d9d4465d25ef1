"""The figures of a summary against figures worked out by hand, and how the summary reads."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dfl_actors.core.events import Final
from dfl_actors.report.load import load_run
from dfl_actors.report.summary import render, seconds_to_target, summarise
from dfl_actors.report.tally import tally
from tests.report.made_run import START, Line, address, ready, realistic, write_run

A, B = address("a"), address("b")


def line(seconds: float, node: str, actor: str, event: str, **fields: Any) -> Line:
    return {"t": START + round(1000 * seconds), "node": node, "actor": actor, "event": event, **fields}


def small() -> list[Line]:
    """Two nodes: a sends three transactions and closes two blocks, b sends one; each figure below is counted from here."""
    tasks_a = {
        "generate_transaction": {"learning": 1.0, "blockchain": 0.01, "network": 0.02},
        "receive_transaction": {"learning": 0.5, "blockchain": 0.03},
    }
    return [
        ready(seconds=9.5),
        line(1, "a", "trainer", "trained", sequence=0, tx="t0", steps=2, samples=128, correct=50, tested=100, loss=2.0),
        line(2, "a", "trainer", "trained", sequence=1, tx="t1", steps=4, samples=256, correct=80, tested=100, loss=None),
        line(3, "a", "trainer", "trained", sequence=2, tx="t2", steps=6, samples=384, correct=90, tested=100, loss=1.0),
        line(3, "b", "trainer", "trained", sequence=0, tx="u0", steps=2, samples=128, correct=0, tested=0, loss=1.0),
        line(1.1, "a", "gossiper", "sent", tx="t0", to=B, bytes=1000),
        line(2.1, "a", "gossiper", "sent", tx="t1", to=B, bytes=1000),
        line(2.2, "a", "gossiper", "sent", tx="t1", to=B, bytes=1000),
        line(3.1, "b", "gossiper", "sent", tx="u0", to=A, bytes=500),
        line(3.2, "b", "gossiper", "sent", tx="u0", to="ff" * 32, bytes=500),
        line(1.2, "b", "validator", "scored", tx="t0", generator=A, correct=40, tested=100, ttl=1),
        line(2.2, "b", "validator", "scored", tx="t1", generator=A, correct=70, tested=100, ttl=1),
        line(2.3, "b", "validator", "scored", tx="t1", generator=A, correct=70, tested=100, ttl=1),
        line(3.2, "a", "validator", "scored", tx="u0", generator=B, correct=70, tested=100, ttl=1),
        line(1.3, "a", "builder", "receipt", tx="t0", creator=B, correct=40, tested=100, ms=200),
        line(2.4, "a", "builder", "receipt", tx="t1", creator=B, correct=70, tested=100, ms=200),
        line(2.5, "a", "builder", "receipt", tx="t1", creator=B, correct=70, tested=100, ms=200),
        line(3, "a", "validator", "refused", what="receipt", id="", code="signature", by=B),
        line(3, "a", "validator", "refused", what="receipt", id="", code="expired", by=B),
        line(3, "a", "gossiper", "refused", what="transaction", id="", code="signature", by=B),
        line(4, "a", "builder", "expired", tx="t2", receipts=0, needed=1),
        line(4, "a", "builder", "final", height=0, block="b0", transactions=1, confirmations=1, expected=1, ms=10),
        line(5, "a", "builder", "final", height=1, block="b1", transactions=2, confirmations=1, expected=2, ms=10),
        line(5, "a", "builder", "final", height=1, block="b1", transactions=2, confirmations=1, expected=2, ms=10),
        line(5, "a", "keeper", "updated", models=1, senders={B: 0.7}, reputations={B: 1.0}),
        line(6, "a", "keeper", "updated", models=1, senders={B: None}, reputations={B: 0.95, "ee" * 32: 0.5}),
        line(6, "b", "gossiper", "restarted", reason="killed by signal 9"),
        line(2, "a", "evaluator", "evaluated", correct=800, tested=1000),
        line(4, "a", "evaluator", "evaluated", correct=960, tested=1000),
        line(5, "b", "evaluator", "evaluated", correct=910, tested=1000),
        line(6, "a", "evaluator", "evaluated", correct=880, tested=1000),
        line(7, "a", "evaluator", "evaluated", correct=920, tested=1000),
        line(8, "", "supervisor", "stopped", reason="duration reached"),
        line(8.1, "a", "trainer", "cpu", total=2.0, tasks=tasks_a),
        line(8.1, "a", "builder", "cpu", total=0.1, tasks={"generate_block": {"blockchain": 0.04, "network": 0.06}}),
        line(8.1, "b", "trainer", "cpu", total=0.5, tasks={"update_model": {"learning": 0.2}, "inject": {"network": 0.1}}),
        line(8.2, "", "supervisor", "cpu", total=0.3, tasks={"other": {"network": 0.3}}),
        line(8.2, "a", "evaluator", "cpu", total=4.0, tasks={"other": {"learning": 3.9}}),
    ]


@pytest.fixture
def summary(tmp_path: Path) -> dict[str, Any]:
    return summarise(load_run(write_run(tmp_path / "net", ["a", "b"], small(), target=0.9)))


def test_the_frame_of_the_run(summary: dict[str, Any], tmp_path: Path) -> None:
    frame = {key: summary[key] for key in ("name", "directory", "ready_seconds", "elapsed", "stopped", "skipped_lines", "target")}
    assert frame == {
        "name": "net",
        "directory": str(tmp_path / "net"),
        "ready_seconds": 9.5,
        "elapsed": 8.0,
        "stopped": "duration reached",
        "skipped_lines": 0,
        "target": {"accuracy": 0.9, "seconds": 5.0},
    }


def test_the_headline_is_of_one_moment_and_says_how_far_back_it_reaches(summary: dict[str, Any]) -> None:
    assert summary["headline"]["text"] == (
        "honest nodes: mean 0.915, worst 0.910 (b), spread 0.010; 2 of 2 measured, at most 3 s before the end"
    )
    assert summary["headline"]["text"] in shown(summary, 120) and summary["sessions"] == 1


def test_what_is_measured_after_the_stop_is_of_its_moment_and_the_sessions_are_named(tmp_path: Path) -> None:
    """Two sessions of 30 s each, with ten minutes between them; after each the last models are measured."""
    lines = []
    for begun in (0, 630):
        lines += [ready() | {"t": START + 1000 * begun}, line(begun + 12, "a", "evaluator", "evaluated", correct=80, tested=100)]
        lines += [line(begun + 30 + late, node, "evaluator", "evaluated", correct=90, tested=1000) for late, node in ((2, "a"), (4, "b"))]
        lines += [line(begun + 30, "", "supervisor", "stopped", reason="duration")]
    found = summarise(load_run(write_run(tmp_path / "net", ["a", "b"], lines)))
    assert (found["elapsed"], found["sessions"], found["headline"]["oldest"]) == (60.0, 2, 0.0)
    assert "60.0 s in 2 sessions" in shown(found, 120) and "2 of 2 measured, at most 0 s before the end" in shown(found, 120)


def test_the_own_target_is_decided_on_all_test_samples_and_another_one_by_what_there_is(tmp_path: Path) -> None:
    measured = [(10, 95, 100), (20, 949, 1000), (30, 96, 100), (40, 951, 1000)]
    lines = [ready(), *(line(at, "a", "evaluator", "evaluated", correct=right, tested=of) for at, right, of in measured)]
    run = load_run(write_run(tmp_path / "net", ["a"], lines, target=0.95))
    assert (seconds_to_target(run, 0.95), seconds_to_target(run, 0.94)) == (40.0, 10.0)
    assert summarise(run)["nodes"]["a"]["target_seconds"] == 40.0


def test_the_own_target_is_reached_when_no_doubt_is_left_though_that_was_on_few_samples(tmp_path: Path) -> None:
    """The run ended by it, while its summary went by the last round alone: not reached, where that fell below."""
    measured = [
        ("a", 10, 98, 100),
        ("b", 11, 955, 1000),
        ("b", 12, 2910, 3000),
        ("a", 20, 980, 1000),
        ("a", 40, 9499, 10_000),
        ("b", 40, 9600, 10_000),
    ]
    lines = [ready(), *(line(at, node, "evaluator", "evaluated", correct=right, tested=of) for node, at, right, of in measured)]
    found = summarise(load_run(write_run(tmp_path / "net", ["a", "b"], lines, target=0.95)))
    assert found["target"]["seconds"] == 20.0
    assert {name: node["target_seconds"] for name, node in found["nodes"].items()} == {"a": 20.0, "b": 12.0}


def test_what_each_node_did(summary: dict[str, Any]) -> None:
    assert summary["nodes"]["a"] == {
        "address": A,
        "role": "normal",
        "attack": None,
        "samples": 384,
        "steps": 6,
        "sent": 3,
        "received": 1,
        "receipts": 2,
        "refused": {"expired": 1, "signature": 2},
        "dropped": 0,
        "lost": 0,
        "expired": 1,
        "updates": 2,
        "restarts": 0,
        "test_accuracy": 0.92,
        "own_accuracy": 0.9,
        "reputations": {"b": 0.95, "eeeeeeee": 0.5},
        "judged": {},
        "target_seconds": 4.0,
    }
    assert summary["nodes"]["b"] == {
        "address": B,
        "role": "normal",
        "attack": None,
        "samples": 128,
        "steps": 2,
        "sent": 1,
        "received": 2,
        "receipts": 0,
        "refused": {},
        "dropped": 0,
        "lost": 0,
        "expired": 0,
        "updates": 0,
        "restarts": 1,
        "test_accuracy": 0.91,
        "own_accuracy": None,
        "reputations": {},
        "judged": {},
        "target_seconds": 5.0,
    }


def test_blocks_as_in_tables_5_and_7(summary: dict[str, Any]) -> None:
    assert summary["blocks"] == {
        "a": {
            "blocks": 2,
            "transactions_per_block": 1.5,
            "confirmations_per_block": 1.0,
            "expected_per_block": 1.5,
            "complete": 1,
            "abandoned": 0,
            "peers": 1,
        },
        "b": {
            "blocks": 0,
            "transactions_per_block": None,
            "confirmations_per_block": None,
            "expected_per_block": None,
            "complete": 0,
            "abandoned": 0,
            "peers": 1,
        },
    }


def test_cpu_as_in_tables_4_and_6(summary: dict[str, Any]) -> None:
    a = summary["cpu"]["nodes"]["a"]
    assert {key: a[key] for key in ("total", "learning", "blockchain", "network", "unattributed")} == {
        "total": 2.1,
        "learning": 1.5,
        "blockchain": 0.08,
        "network": 0.08,
        "unattributed": 0.44,
    }
    assert a["tasks"]["generate_transaction"] == {"learning": 1.0, "blockchain": 0.01, "network": 0.02}
    assert a["tasks"]["receive_transaction"] == {"learning": 0.5, "blockchain": 0.03, "network": 0.0}
    assert a["ms_per_transaction"] == {"blockchain": 20.0, "outside_learning": 150.0}, "0.08 s and 0.6 s over 3 sent + 1 received"


def test_cpu_of_the_watchers_is_apart_and_part_of_the_whole(summary: dict[str, Any]) -> None:
    cpu = summary["cpu"]
    assert {name: figures["total"] for name, figures in cpu["watchers"].items()} == {"supervisor": 0.3, "evaluator": 4.0}
    assert cpu["network"]["total"] == 6.9
    assert cpu["network"]["learning"] == 5.6
    assert cpu["network"]["ms_per_transaction"] == {"blockchain": 11.428571, "outside_learning": 185.714286}, "0.08 and 1.3 s over 7"


def test_bytes_over_each_link(summary: dict[str, Any]) -> None:
    assert summary["links"] == {
        "a->b": {"models": 3, "bytes": 3000, "repeated": 1},
        "b->a": {"models": 1, "bytes": 500, "repeated": 0},
        "b->ffffffff": {"models": 1, "bytes": 500, "repeated": 0},
    }


@pytest.mark.parametrize(("target", "seconds"), [(0.8, 5.0), (0.9, 5.0), (0.905, 5.0), (0.92, None), (0.915, None)])
def test_the_target_is_reached_when_all_nodes_stand_there_together(tmp_path: Path, target: float, seconds: float | None) -> None:
    run = load_run(write_run(tmp_path / "net", ["a", "b"], small()))
    assert seconds_to_target(run, target) == seconds
    assert summarise(run, target)["target"] == {"accuracy": target, "seconds": seconds}


def test_a_target_of_0_is_none(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "net", ["a", "b"], small(), target=0.0))
    assert summarise(run)["target"] == summarise(run, 0.0)["target"] == {"accuracy": None, "seconds": None}


def test_the_summary_is_json(summary: dict[str, Any]) -> None:
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def shown(summary: dict[str, Any], width: int, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system="standard" if terminal else None)
    render(summary, console)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("count", [1, 2, 4, 50])
def test_the_summary_fits(tmp_path: Path, width: int, count: int) -> None:
    names = [f"node-{number}" for number in range(count)]
    path = write_run(tmp_path / "net", names, realistic(names, seconds=30, restarts=2), target=0.95)
    lines = shown(summarise(load_run(path)), width).splitlines()
    assert all(len(text.rstrip()) <= width for text in lines[:-1]), "only the path at the end may be longer"
    assert str(path) in lines[-1]
    text = "\n".join(lines)
    per_block = ("confirmations/block", "transactions/block", "expected/block") if width >= 80 else ("confirmed", "/block", "expected")
    headers = ("test", "own", *per_block, "blockchain", "learning", "network")
    assert all(header in text for header in headers)
    assert ("... and 34 more in summary.json" in text) == (count == 50)
    assert "…" not in text, "nothing is cut"


def test_the_summary_is_plain_where_there_is_no_terminal(summary: dict[str, Any]) -> None:
    assert "\x1b" not in shown(summary, 80)
    assert "\x1b" in shown(summary, 80, terminal=True)


def test_the_summary_says_what_went_wrong(summary: dict[str, Any]) -> None:
    text = shown(summary, 120)
    assert all(word in text for word in ("refused", "expired", "restarts", "gossiper of node b was restarted: killed by signal 9"))
    assert "0.9 reached by every node after 5.0 s; stopped: duration reached" in " ".join(text.split())


def test_a_start_that_was_broken_off_is_said_to_be_one(tmp_path: Path) -> None:
    begun = write_run(tmp_path / "net", ["a", "b"], [line(3, "", "supervisor", "stopped", reason="interrupted")])
    (head, *_) = shown(summarise(load_run(begun), 3.0), 120).splitlines()
    assert "before all its actors were ready" in head and "a start of" not in head
    (head, *_) = shown(summarise(load_run(write_run(tmp_path / "other", ["a", "b"], small()))), 120).splitlines()
    assert "8.0 s after a start of 9.5 s" in head


def remarks(path: Path, lines: list[Line], tail: bytes = b"") -> list[str]:
    found: list[str] = summarise(load_run(write_run(path / "net", ["a", "b"], [ready(), *lines], tail)))["remarks"]
    return found


def test_clocks_that_are_off_at_the_end_are_told_with_the_difference(tmp_path: Path) -> None:
    off = [
        line(at, "a", "gossiper", "clock_off", by=by, ms=ms) for at, by, ms in ((1, B, 90_000), (2, "ee" * 32, -5000), (3, "ee" * 32, 0))
    ]
    told = remarks(tmp_path, [*off, line(4, "", "supervisor", "clock_set", ms=3_600_000)])
    assert len(told) == 2 and told[0].startswith("the clock of node b is 90 s ahead of that of node a")
    assert told[1].startswith("this machine's clock was set forward by 3600 s during the run")


def test_restarts_are_told_with_their_reasons_the_most_frequent_first(tmp_path: Path) -> None:
    silent = line(1, "a", "trainer", "restarted", reason="silent for 15 s")
    others = [line(2, "b", actor, "restarted", reason="killed by SIGKILL") for actor in ("trainer", "keeper", "builder", "validator")]
    told = remarks(tmp_path, [silent, silent, *others, *others[:1], line(3, "", "evaluator", "restarted")])
    assert told[:2] == [
        "trainer of node a was restarted 2 times: silent for 15 s",
        "trainer of node b was restarted 2 times: killed by SIGKILL",
    ]
    assert told[-1] == "other restarts: 1" and len(told) == 6


def test_what_is_left_out_of_the_metrics_is_told(tmp_path: Path) -> None:
    assert remarks(tmp_path, [line(1, "a", "trainer", "daydreamed")], b'{"t":1,"ev') == [
        "1 line of metrics.jsonl could not be read: not counted",
        "1 event of kinds that this version does not know: not counted",
    ]


def test_names_are_not_taken_for_markup(tmp_path: Path) -> None:
    summary = summarise(load_run(write_run(tmp_path / "[bold]net", ["[red]"], [ready()])))
    assert shown(summary, 200).count("[red]") == 2
    assert "[bold]net" in shown(summary, 200)


@pytest.mark.parametrize("lines", [[], [ready()]], ids=["never ready", "ready"])
@pytest.mark.parametrize("names", [[], ["a", "b"]], ids=["no nodes", "two nodes"])
def test_a_run_in_which_nothing_happened(tmp_path: Path, lines: list[Line], names: list[str]) -> None:
    summary = summarise(load_run(write_run(tmp_path / "net", names, lines, target=0.9)))
    assert summary["elapsed"] == 0
    assert summary["target"]["seconds"] is None
    assert summary["cpu"]["network"]["ms_per_transaction"] == {"blockchain": None, "outside_learning": None}
    assert "everything lies in" in shown(summary, 80)


def test_a_block_whose_line_was_lost_to_a_kill_is_counted() -> None:
    finals = [Final(node="a", height=height, block=f"{height}", transactions=2, confirmations=2, expected=2) for height in (3, 4, 6)]
    sealed = tally(finals).sealed["a"]
    assert (sealed.blocks, sealed.all, sealed.transactions) == (3, 4, 6)
