"""What the charts show over time, computed from metrics."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors.core.events import Evaluated
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.series import accuracies, heights, marks, reputations, standings, thinned, weight_differences
from dfl_actors.report.summary import summarise
from tests.report.made_run import START, Line, address, lively, ready, write_run


def loaded(path: Path, lines: list[Line], names: str = "abc") -> Run:
    return load_run(write_run(path / "net", names, [ready(), *lines]))


def line(second: float, node: str, event: str, **fields: Any) -> Line:
    return {"t": START + round(1000 * second), "node": node, "actor": fields.pop("actor", ""), "event": event, **fields}


def test_marks_name_who_was_struck_and_why(tmp_path: Path) -> None:
    found = marks(load_run(lively(tmp_path / "net", ["a", "b", "c"], seconds=40)))
    assert [(mark.second, mark.kind, mark.text) for mark in found] == [
        (7.0, "restart", "restarted: trainer of a (killed by SIGKILL)"),
        (13.0, "fault", "fault: gossiper of c (link cut by hand)"),
        (20.0, "resume", "the run was resumed"),
    ]


def test_an_event_of_the_topology_is_a_mark_with_its_words(tmp_path: Path) -> None:
    happened = [line(4, "b", "happened", do="leave", what="node b leaves"), line(2, "", "happened", do="unlink", link="a--b", what="cut")]
    assert [(mark.second, mark.kind, mark.text) for mark in marks(loaded(tmp_path, happened))] == [
        (2.0, "event", "cut"),
        (4.0, "event", "node b leaves"),
    ]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"node": "a", "actor": "keeper", "what": "x"}, "fault: keeper of a (x)"),
        ({"node": "a", "what": "x"}, "fault: node a (x)"),
        ({"actor": "evaluator"}, "fault: evaluator"),
        ({}, "fault: the network"),
    ],
)
def test_a_fault_may_say_as_little_as_it_likes(tmp_path: Path, fields: dict[str, str], text: str) -> None:
    run = loaded(tmp_path, [{"t": START + 5, "event": "fault", **fields}])
    assert [mark.text for mark in marks(run)] == [text]


def test_a_chain_grows_by_one_with_each_block_and_lasts_to_the_end(tmp_path: Path) -> None:
    def final(second: float, height: int) -> Line:
        return line(second, "a", "final", height=height, block=f"{height}", transactions=1, confirmations=1, expected=1)

    # The second block was told twice: the builder crashed in between.
    run = loaded(tmp_path, [final(1, 0), final(3, 1), final(3.5, 1), line(9, "", "stopped", reason="duration")])
    found = heights(run)
    assert found.keys() == {"a"}
    assert [values.tolist() for values in found["a"]] == [[0, 1, 3.5, 9], [0, 1, 2, 2]]


def test_reputations_stand_until_they_change(tmp_path: Path) -> None:
    def updated(second: float, node: str, **said: float) -> Line:
        return line(second, node, "updated", models=1, reputations={address(name): value for name, value in said.items()})

    run = loaded(tmp_path, [updated(1, "a", b=1.0, c=0.5), updated(2, "b", c=0.7), updated(3, "a", b=0.9), line(5, "", "stopped")])
    found = reputations(run, 10)
    assert found.seconds.tolist() == [1, 2, 3]
    nan = np.nan
    assert np.array_equal(found.values[0], [[nan, 1, 0.5], [nan] * 3, [nan] * 3], equal_nan=True)
    assert np.array_equal(found.values[2], [[nan, 0.9, 0.5], [nan, nan, 0.7], [nan] * 3], equal_nan=True)
    # Nobody judged node a; what was said of c is averaged, and stands to the end.
    by_node = {name: [values.tolist() for values in series] for name, series in standings(run).items()}
    assert by_node == {"b": [[1, 2, 3, 5], [1, 1, 0.9, 0.9]], "c": [[1, 2, 3, 5], pytest.approx([0.5, 0.6, 0.6, 0.6])]}


def test_of_many_moments_some_are_shown_and_the_last_is_there(tmp_path: Path) -> None:
    said = [line(number / 10, "a", "updated", models=1, reputations={address("b"): number / 1000}) for number in range(1, 1000)]
    found = reputations(loaded(tmp_path, said), 20)
    assert len(found.seconds) <= 20
    assert (found.seconds[0], found.seconds[-1], found.values[-1, 0, 1]) == (0.1, 99.9, 0.999)


def test_nobody_said_anything(tmp_path: Path) -> None:
    run = loaded(tmp_path, [])
    assert len(reputations(run, 5).seconds) == 0 and standings(run) == {} and heights(run) == {} and marks(run) == []


def test_weight_differences_by_layer(tmp_path: Path) -> None:
    made = [line(second, "", "weight_difference", layers={"x": float(second), "y": 0.5}, overall=second + 0.5) for second in (2, 1)]
    overall, layers = weight_differences(loaded(tmp_path, made))
    assert [values.tolist() for values in overall] == [[1, 2], [1.5, 2.5]]
    assert {name: values.tolist() for name, (_, values) in layers.items()} == {"x": [1, 2], "y": [0.5, 0.5]}


@pytest.mark.parametrize("most", [2, 10, 101])
def test_thinning_keeps_the_ends_and_every_peak(most: int) -> None:
    seconds = np.arange(1000.0)
    values = np.sin(seconds / 50)
    values[333], values[777] = 9, -9
    x, y = thinned((seconds, values), most)
    assert len(x) <= most + 2 and (x[0], x[-1]) == (0, 999)
    assert {9, -9} <= set(y) and np.array_equal(values[x.astype(int)], y)


def test_what_is_short_enough_is_not_thinned() -> None:
    series = np.arange(5.0), np.arange(5.0)
    assert thinned(series, 5) is series


def test_the_last_point_of_a_curve_is_the_last_measurement(tmp_path: Path) -> None:
    """All that is measured after the stop is of its second: there the greatest was the last, and compared as such."""
    measured = [
        {"t": START + 1000 * at, "node": "a", "actor": "evaluator", "event": "evaluated", "correct": right, "tested": of}
        for at, right, of in ((5, 90, 100), (13, 9849, 10_000), (12, 99, 100))
    ]
    stopped = {"t": START + 10_000, "node": "", "actor": "", "event": "stopped", "reason": "target"}
    run = load_run(write_run(tmp_path / "net", ["a"], [ready(), *measured, stopped]))
    seconds, values = accuracies(run, run.of(Evaluated))["a"]
    assert seconds.tolist() == [5.0, 10.0, 10.0] and values.tolist() == [0.9, 0.99, 0.9849]
    assert summarise(run)["nodes"]["a"]["test_accuracy"] == 0.9849
