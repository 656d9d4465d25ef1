"""Any number of runs in groups: which belong together, their figures against some counted by hand, the tables, and the picture."""

import csv
import os
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors import compare
from dfl_actors.errors import StoreError
from dfl_actors.report.load import load_run
from dfl_actors.report.runs.compare_picture import comparison_chart
from dfl_actors.report.runs.group_picture import draw_groups, groups_chart
from dfl_actors.report.runs.groups import Comparison, as_json, as_text, load_groups, sheet, telling
from dfl_actors.runtime.rundir import RunDirectory
from tests.report.made_run import START, Line, ready, write_run

CONFIG = """
[network]
name = "net"
seed = {seed}
[update]
algorithm = "{algorithm}"
[node.c]
attack = "noise"
"""


def line(seconds: float, node: str, event: str, **fields: Any) -> Line:
    return {"t": START + round(1000 * seconds), "node": node, "actor": "", "event": event, **fields}


def made(place: Path, seed: int, algorithm: str, rights: Iterable[int], config: str = CONFIG) -> Path:
    """A run in which a gets `rights` of 100 at 10 s, 20 s, ..., b ten fewer a second later, and c, who attacks, all; of its CPU each step
    takes as much."""
    rights = list(rights)
    lines = [ready()]
    for turn, right in enumerate(rights, 1):
        lines += [
            line(10 * turn - 1, name, "trained", sequence=turn, tx=f"{name}{turn}", steps=turn, samples=64, correct=1, tested=2)
            for name in "abc"
        ]
        counts = {"a": right, "b": right - 10, "c": 100}
        lines += [line(10 * turn + (name == "b"), name, "evaluated", correct=count, tested=100) for name, count in counts.items()]
    end = 10 * len(rights) + 5
    lines += [
        line(end, "", "stopped", reason="duration"),
        *(line(end, name, "cpu", total=4.0) for name in "abc"),
        line(end, "", "cpu", total=99.0),
    ]
    lines[-1]["actor"] = "evaluator"
    path = write_run(place, "abc", lines, seed=seed, name="net")
    (path / "config.toml").write_text(config.format(seed=seed, algorithm=algorithm))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Three seeds of one algorithm and two of another, in a directory each."""
    for seed, rights in {1: (50, 96, 98), 2: (50, 97, 94), 10: (50, 60, 70)}.items():
        made(tmp_path / "runs" / "krum" / f"seed-{seed}", seed, "krum", rights)
    for seed, rights in {1: (50, 80, 80), 2: (50, 80, 90)}.items():
        made(tmp_path / "runs" / "median" / f"seed-{seed}", seed, "median", rights)
    return tmp_path / "runs"


def test_runs_that_differ_in_the_seed_alone_are_one_group(place: Path) -> None:
    found = load_groups([place])
    assert [(group.label, [member.seed for member in group.members]) for group in found.groups] == [
        ("krum", [1, 2, 10]),
        ("median", [1, 2]),
    ]
    assert found.keys == ["update.algorithm"] and found.notes == ()
    # However they are named, and once.
    again = load_groups([place / "median", *sorted((place / "krum").iterdir()), place / "krum"])
    assert [(group.label, len(group.members)) for group in again.groups] == [("median", 2), ("krum", 3)]


def test_figures_are_of_the_honest_and_over_the_seeds(place: Path) -> None:
    krum, median = load_groups([place]).groups
    lasts = [(98 + 88) / 200, (94 + 84) / 200, (70 + 60) / 200]
    assert krum.stat("last_mean").mean == pytest.approx(np.mean(lasts)) and krum.stat("last_mean").std == pytest.approx(
        np.std(lasts, ddof=1)
    )
    assert krum.stat("last_worst").mean == pytest.approx((88 + 84 + 60) / 300)
    assert krum.stat("mean") == krum.stat("last_mean") and krum.stat("worst") == krum.stat("last_worst"), "of runs"
    # 0.9 in the mean: with b at 21 s (96 + 86 = 182), at 21 s, never; after two of three steps, or all.
    assert [member.time_to_goal for member in krum.members] == [21.0, 21.0, None]
    assert krum.stat("cpu_to_goal").mean == pytest.approx(12 * 2 / 3) and krum.stat("cpu_seconds").mean == 12.0
    assert median.stat("time_to_goal").mean is None and median.stat("time_to_goal").count == 0


def test_the_table_says_how_many_came_so_far(place: Path) -> None:
    found = load_groups([place])
    rows = {row[0]: row[1:] for row in sheet(found).lines()}
    assert rows["update.algorithm"] == ["runs", "mean", "worst node", "seconds to 0.9", "CPU s to 0.9"]
    assert rows["krum"] == ["3", "0.823 ± 0.151", "0.773 ± 0.151", "21.0 ± 0.0 (2 of 3)", "8.0 ± 0.0"]
    assert rows["median"] == ["2", "0.800 ± 0.071", "0.750 ± 0.071", "never", "-"]
    assert "accuracy of the honest nodes at the last measurement" in sheet(found).title
    assert "seconds to 0.7" in as_text(load_groups([place], 0.7), "latex", 80)
    assert max(map(len, as_text(found, "text", 60).splitlines()[1:])) <= 60
    assert "update.algorithm" in as_text(found, "text", 100) and "update.algorithm" in as_text(found, "latex", 60)


def test_long_values_leave_room_for_figures_on_a_narrow_terminal(place: Path) -> None:
    for run, batch in zip(sorted(place.glob("*/*")), (1, 2), strict=False):
        names = ["a-name-that-is-long", "another-name-that-is-long", f"and-a-third-{batch}"]
        (run / "config.toml").write_text(f"[network]\nnodes = {names}\n")
    text = as_text(load_groups(sorted(place.glob("*/*"))[:2]), "text", 60)
    assert max(map(len, text.splitlines())) <= 60 and "['a-name-that-i…" in text and "worst node" in text


def test_a_table_of_single_runs_names_them(place: Path) -> None:
    found = load_groups([place / "krum" / "seed-1", place / "median" / "seed-2"])
    assert [row[:2] for row in sheet(found).lines()] == [["run", "update.algorithm"], ["seed-1", "krum"], ["seed-2", "median"]]
    assert "±" not in sheet(found).title


def test_other_programs_get_every_figure_as_a_number(place: Path) -> None:
    found = load_groups([place])
    krum, median = csv.DictReader(StringIO(as_text(found, "csv", 80)))
    assert (krum["update.algorithm"], krum["runs"], krum["reached"], krum["unit"]) == ("krum", "3", "2", "seconds")
    assert float(krum["last_worst"]) == pytest.approx(0.7733, abs=1e-4) and median["time_to_goal"] == ""
    assert krum["mean"] == krum["last_mean"] and krum["paths"].split(os.pathsep)[0] == str(place / "krum" / "seed-1")
    told = as_json(found)
    assert told["groups"][0]["last_mean"]["count"] == 3 and told["groups"][1]["runs"][0]["run"] == str(place / "median" / "seed-1")
    frame = compare([place]).groups
    assert list(frame["update.algorithm"]) == ["krum", "median"] and frame["cpu_seconds"][0] == 12.0
    assert len(compare([place]).runs) == 5 and repr(compare([place])) == as_text(found, "text", 10_000)


@pytest.mark.parametrize(
    ("settings", "keys", "others"),
    [
        ([{"a": "1"}], [], []),
        ([{"update.algorithm": "x", "a": "1"}, {"update.algorithm": "y", "a": "2"}], ["update.algorithm"], ["a"]),
        # The algorithm stands first even where another key would tell more apart.
        ([{"update.algorithm": a, "b": b} for a, b in ("x1", "x2", "y3")], ["update.algorithm", "b"], []),
        ([{"node.1.attack": "n"}, {}, {"node.1.attack": "m"}], ["node.1.attack"], []),
        ([{"network.name": "a", "b": "1"}, {"network.name": "c", "b": "2"}], ["b"], []),
        ([{"network.name": "a"}, {"network.name": "c"}], ["network.name"], []),
        ([{"b": b, "node.1.attack": c} for b, c in ("1n", "2m")], ["node.1.attack"], ["b"]),
    ],
)  # fmt: skip
def test_the_fewest_keys_tell_groups_apart(settings: list[Mapping[str, str]], keys: list[str], others: list[str]) -> None:
    assert telling(settings) == (keys, others)


def test_what_is_not_over_is_left_out_of_a_directory_but_not_where_it_is_named(place: Path) -> None:
    late = made(place / "krum" / "seed-3", 3, "krum", (50, 60))
    (late / "metrics.jsonl").write_bytes(b"".join((late / "metrics.jsonl").read_bytes().splitlines(keepends=True)[:-6]))
    (place / "krum" / "notes").mkdir()
    broken = made(place / "krum" / "seed-4", 4, "krum", (50, 60))
    (broken / "config.toml").write_text("[network")
    found = load_groups([place])
    assert [len(group.members) for group in found.groups] == [3, 2]
    assert found.notes == (
        f"left out: {late} (died): name it to have it in",
        f"left out: {broken}/config.toml cannot be read, and says what a run is grouped by: leave that run out",
    )
    again = load_groups([place, late])
    assert [len(group.members) for group in again.groups] == [4, 2] and len(again.notes) == 1
    with pytest.raises(StoreError, match=r"config\.toml cannot be read"):
        load_groups([place, broken])


def test_one_run_is_no_comparison(place: Path) -> None:
    with pytest.raises(StoreError, match="1 run to compare: name two or more"):
        load_groups([place / "krum" / "seed-1"])


def test_a_run_that_goes_on_is_in_where_it_is_named(place: Path) -> None:
    with RunDirectory(place / "krum" / "seed-1").lock():
        assert [len(group.members) for group in load_groups([place / "krum"]).groups] == [2]
        assert [len(group.members) for group in load_groups([place / "krum", place / "krum" / "seed-1"]).groups] == [3]


@pytest.mark.parametrize(
    ("other", "labels"),
    [("/b/far.py:build", ["near.py:build", "far.py:build"]), ("/b/near.py:build", ["/a/near.py:build", "/b/near.py:build"])],
)
def test_plug_ins_go_by_the_names_of_their_files_where_those_differ(other: str, labels: list[str], tmp_path: Path) -> None:
    for seed, algorithm in enumerate(("/a/near.py:build", other)):
        made(tmp_path / str(seed), seed, algorithm, (50, 60))
    assert [group.label for group in load_groups([tmp_path]).groups] == labels


def test_the_axis_of_shares_ends_where_shares_do(place: Path) -> None:
    made(place / "median" / "seed-3", 3, "median", (99, 10, 98))
    assert groups_chart(load_groups([place])).panels[0].reach == (0.0, 1.0)


# --- the picture


def lines_of(found: Comparison) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {f"{panel.title}: {one.name}": one.series for panel in groups_chart(found).panels for one in panel.lines}


def test_a_line_is_the_mean_over_the_seeds_with_a_band_around_it(place: Path) -> None:
    found = load_groups([place])
    drawn = lines_of(found)
    assert list(drawn) == ["accuracy, mean: krum", "accuracy, mean: median", "accuracy, worst node: krum", "accuracy, worst node: median"]
    where, mean = drawn["accuracy, mean: krum"]
    assert where[0] == 11 and where[-1] == 31 and mean[-1] == pytest.approx((93 + 89 + 65) / 300)
    band = groups_chart(found).panels[0].bands[0]
    assert (band.high - band.low)[-1] / 2 == pytest.approx(np.std([0.93, 0.89, 0.65], ddof=1))
    figure = draw_groups(found)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["krum (3 runs)", "median (2 runs)", "± std. deviation"]


def test_groups_differ_in_more_than_their_colour(place: Path) -> None:
    looks = [(one.symbol, one.dash) for one in groups_chart(load_groups([place])).panels[0].lines]
    assert len(set(looks)) == len(looks) == 2


def test_over_steps_observers_are_not_drawn_and_counted_all_the_same(place: Path) -> None:
    runs = []
    for name in ("seed-1", "seed-2"):
        path = place / "median" / name
        lines = [
            line for line in (path / "metrics.jsonl").read_bytes().splitlines() if not (b'"trained"' in line and b'"node":"b"' in line)
        ]
        (path / "metrics.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        runs.append(load_run(path))
    drawn = comparison_chart(runs[0], runs[1], "steps").panels[0].lines
    assert [line.name for line in drawn[:2]] == ["seed-1 node a", "seed-1 node c"]
    assert next(line for line in drawn if line.name == "seed-1").label.splitlines()[1].startswith("mean 0.750, worst 0.700 of 2;")
    assert [len(member.stepped) for member in load_groups([place / "median"]).members] == [1, 1]


def test_over_steps_a_run_meets_a_simulation(place: Path) -> None:
    assert groups_chart(load_groups([place]), "steps").unit == "training steps of a node"
    assert groups_chart(load_groups([place])).unit == "seconds since the network was ready"


def test_hosts_of_one_network_and_attackers_alone_are_said_to_be_that(tmp_path: Path) -> None:
    """As several hosts have them, each with its own node; the last one's only node attacks."""
    for name, right in {"a": 90, "b": 80, "c": 99}.items():
        lines = [ready(), line(10, name, "evaluated", correct=right, tested=100), line(12, "", "stopped", reason="duration")]
        path = write_run(tmp_path / name, [name], lines, seed=1, name="net", genesis="ab" * 32)
        (path / "config.toml").write_text(CONFIG.format(seed=1, algorithm="krum"))
    found = load_groups([tmp_path / name for name in "abc"])
    assert sorted((member.mean, member.attackers) for member in found.members if member.mean) == [(0.8, 0), (0.9, 0)]
    assert [member.settings["attack"] for member in found.members if member.mean is None] == ["noise"]
    assert f"{tmp_path / 'c'}: only attackers ran there, which counts for no mean" in found.notes
    assert any("are hosts of one network, and count as a run each" in note for note in found.notes)


def test_attacks_are_told_apart_by_what_they_are_and_not_by_whose() -> None:
    keys: list[dict[str, str]] = [
        {"attack": "noise", "node.c.attack": "noise"},
        {"attack": "none"},
        {"attack": "2 noise", "node.m.attack": "noise"},
    ]
    assert telling(keys)[0] == ["attack"]


def test_curves_of_runs_that_stand_alone_bear_their_names(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, 1, algorithm, (50, 60)) for name, algorithm in (("x", "krum"), ("y", "median"))]
    drawn = groups_chart(load_groups(runs))
    assert [line.label for line in drawn.panels[0].lines] == ["x (krum)", "y (median)"]
