"""Two runs side by side: figures against figures counted by hand, how differences read, and what the picture holds."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure as Picture
from rich.console import Console

from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report.load import load_run
from dfl_actors.report.picture_files import picture_format, write_picture
from dfl_actors.report.runs.compare import Figure, as_json, compare, difference_text, load_sides, render, text_of
from dfl_actors.report.runs.compare_picture import draw_comparison
from dfl_actors.report.summary import summarise
from dfl_actors.report.table import broken
from dfl_actors.runtime.rundir import RunDirectory
from tests.report.made_run import START, Line, address, ready, realistic, write_run


def line(seconds: float, node: str, event: str, **fields: Any) -> Line:
    return {"t": START + round(1000 * seconds), "node": node, "actor": "", "event": event, **fields}


def small(right: int, blocks: int) -> list[Line]:
    """Node a gets `right` of 100 images right at 5 s, node b 90 at 8 s; `blocks` blocks of two transactions and three confirmations."""
    block = {"transactions": 2, "confirmations": 3, "expected": 4}
    tasks = {"generate_block": {"learning": 0.0, "blockchain": 0.5, "network": 0.25}}
    return [
        ready(seconds=4.0),
        line(1, "a", "trained", tx="t0", steps=2, samples=64, correct=1, tested=2),
        line(2, "b", "scored", tx="t0", generator=address("a"), correct=1, tested=2),
        line(3, "a", "receipt", tx="t0", creator=address("b")),
        line(3, "a", "sent", tx="t0", to=address("b"), bytes=2000),
        line(4, "a", "refused", code="expired", what="receipt"),
        line(5, "a", "evaluated", correct=right, tested=100),
        line(8, "b", "evaluated", correct=90, tested=100),
        *(line(9, "b", "final", height=height, block=f"{height}", **block) for height in range(blocks)),
        line(9, "b", "restarted", reason="killed"),
        line(10, "", "stopped", reason="duration"),
        line(10, "a", "cpu", total=1.0, tasks=tasks),
    ]


def pair(path: Path, **about: Any) -> tuple[Path, Path]:
    one = write_run(path / "one", ["a", "b"], small(95, 2), **about)
    other = write_run(path / "other", ["a", "b", "c"], [*small(80, 3), line(9, "c", "refused", code="ttl")], target=0.75)
    return one, other


@pytest.mark.parametrize("both", [True, False])
def test_a_regression_has_a_score_and_no_accuracy(tmp_path: Path, both: bool) -> None:
    one, other = pair(tmp_path)
    for place in (one, other) if both else (one,):
        (place / "config.toml").write_text("[data]\ntask = 'regression'\n")
    found = compare(*load_sides(one, other))
    named = {figure.name: figure.kind for figure in found if figure.name.startswith(("score", "accuracy"))}
    assert set(named.values()) == {"score"} and len(named) == 6 and "score of node a" in named
    assert summarise(load_run(one))["measured_by"] == "r2" and summarise(load_run(other))["measured_by"] == ("r2" if both else "accuracy")
    with (console := Console(width=200, file=io.StringIO())).capture() as capture:
        render(*load_sides(one, other), found, console)
    assert "score of node a" in capture.get() and "accuracy" not in capture.get()


def figures(a: Path, b: Path) -> dict[str, Figure]:
    return {figure.name: figure for figure in compare(*load_sides(a, b))}


def test_every_figure_of_both(tmp_path: Path) -> None:
    found = figures(*pair(tmp_path))
    expected = {
        "name": ("one", "other"),
        "state": ("finished (duration)", "finished (duration)"),
        "nodes": (2, 3),
        "links": (1, 3),
        "ready after": (4.0, 4.0),
        "ran for": (10.0, 10.0),
        "every node at 0.75 after": (8.0, None),  # node c was never measured
        "accuracy of honest nodes, worst": (0.9, 0.8),
        "accuracy of honest nodes, mean": (0.925, pytest.approx(0.85)),
        "accuracy of node a": (0.95, 0.8),
        "accuracy of node b": (0.9, 0.9),
        "accuracy of node c": (None, None),
        "samples": (64, 64),
        "training steps": (2, 2),
        "transactions sent": (1, 1),
        "transactions received": (1, 1),
        "receipts": (1, 1),
        "blocks": (2, 3),
        "transactions a block": (2.0, 2.0),
        "confirmations": (6, 9),
        "confirmations a block": (3.0, 3.0),
        "blocks fully confirmed": (0, 0),
        "blockchain": (0.5, 0.5),
        "network": (0.25, 0.25),
        "unattributed": (0.25, 0.25),
        "total": (1.0, 1.0),
        "models sent": (1, 1),
        "bytes of models": (2000, 2000),
        "refused: expired": (1, 1),
        "refused: ttl": (0, 1),
        "refusals": (1, 2),
        "restarts": (1, 1),
    }
    assert {name: (found[name].a, found[name].b) for name in expected} == expected


def test_both_are_asked_for_the_targets_of_both(tmp_path: Path) -> None:
    asked = [name for name in figures(*pair(tmp_path, target=0.9)) if name.startswith("every node")]
    assert asked == ["every node at 0.75 after", "every node at 0.9 after"]


def test_both_are_asked_alike_for_a_target_that_only_one_of_them_had(tmp_path: Path) -> None:
    """It was decided on more samples than the other was measured on: later, and no worse for that."""
    measured = [line(at, "a", "evaluated", correct=right, tested=of) for at, right, of in ((3, 91, 100), (7, 9100, 10_000))]
    a, b, c = (
        write_run(tmp_path / name, ["a"], [ready(), *measured], target=target) for name, target in (("a", 0.9), ("b", 0.8), ("c", 0.9))
    )
    name = "every node at 0.9 after"
    assert (figures(a, b)[name].a, figures(a, b)[name].b, figures(a, c)[name].a) == (3.0, 3.0, 7.0)


def test_without_targets_both_are_asked_for_nine_tenths(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, ["a", "b"], small(95, 1)) for name in ("x", "y"))
    assert figures(a, b)["every node at 0.9 after"].a == 8.0


def test_only_what_differs_of_the_configuration_is_shown(tmp_path: Path) -> None:
    a, b = pair(tmp_path)
    (a / "config.toml").write_text('[network]\nname = "x"\n[update]\nalgorithm = "fedavg"\n[update.parameters]\npenalty = 0.1\n')
    (b / "config.toml").write_text('[network]\nname = "x"\n[update]\nalgorithm = "reputation"\n')
    settings = [figure for figure in compare(*load_sides(a, b)) if figure.group == "configuration"]
    assert [(figure.name, figure.a, figure.b) for figure in settings] == [
        ("update.algorithm", "fedavg", "reputation"),
        ("update.parameters.penalty", "0.1", None),
    ]


@pytest.mark.parametrize("content", [None, b"[network", b"\xff"])
def test_a_configuration_that_cannot_be_read_does_not_hide_the_figures(content: bytes | None, tmp_path: Path) -> None:
    a, b = pair(tmp_path)
    (b / "config.toml").write_text('[network]\nname = "x"\n')
    if content is not None:
        (a / "config.toml").write_bytes(content)
    found = figures(a, b)
    assert (found["config.toml"].a, found["config.toml"].b) == ("not readable", "readable")
    assert found["blocks"].b == 3


def test_a_run_that_goes_on_can_be_compared(tmp_path: Path) -> None:
    a, b = pair(tmp_path)
    with RunDirectory(b).lock():
        os.utime(b / "lock", (START / 1000 - 8, START / 1000 - 8))
        assert figures(a, b)["state"].b == "running"


def test_the_same_run_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair(tmp_path)
    (tmp_path / "link").symlink_to(a)
    monkeypatch.chdir(tmp_path)
    for other in (a, Path("one"), tmp_path / "link", b / ".." / "one"):
        with pytest.raises(StoreError, match="are the same run"):
            load_sides(a, other)


def test_a_run_without_metrics_is_refused(tmp_path: Path) -> None:
    a, b = pair(tmp_path)
    (b / "metrics.jsonl").write_bytes(b"")
    with pytest.raises(StoreError, match=f"^{b} has no metrics"):
        load_sides(a, b)


@pytest.mark.parametrize(
    ("kind", "a", "b", "text"),
    [
        ("count", 4, 4, ""),
        ("count", 4, 5, "+25.0 %"),
        ("count", 0, 5, "+5"),
        ("count", 5, 0, "-100.0 %"),
        ("accuracy", 0.9, 0.95, "+0.0500"),
        ("accuracy", 0.9, 0.900001, ""),
        ("accuracy", 0.9, None, "only A"),
        ("seconds", None, 12.0, "only B"),
        ("seconds", None, None, ""),
        ("text", "x", "y", "differs"),
        ("text", "x", None, "only A"),
        ("text", "long " * 20 + "a", "long " * 20 + "b", "differs"),
        ("bytes", 1_000_000, 1_500_000, "+50.0 %"),
    ],
)
def test_how_a_difference_reads(kind: str, a: Any, b: Any, text: str) -> None:
    assert difference_text(Figure("", "", kind, a, b)) == text


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("accuracy", 0.97654, "0.9765"), ("seconds", 43.21, "43.2 s"), ("ms", 2.444, "2.44 ms"), ("ratio", 12.0, "12.00"),
        ("count", 12345, "12345"), ("bytes", 2_500_000, "2.5 MB"), ("count", None, "-"), ("text", "x" * 50, "x" * 38 + ".."),
    ],
)  # fmt: skip
def test_how_a_value_reads(kind: str, value: Any, text: str) -> None:
    assert text_of(kind, value) == text


def shown(a: Path, b: Path, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    sides = load_sides(a, b)
    render(*sides, compare(*sides), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_table_names_both_and_marks_what_differs(tmp_path: Path) -> None:
    lines = shown(*pair(tmp_path), width=140)
    assert lines[0] == f"A  {tmp_path / 'one'}" and lines[2] == f"B  {tmp_path / 'other'}"
    assert lines[1].startswith("   honest nodes: mean 0.925, worst 0.900 (b), spread 0.050; 2 of 2 measured")
    assert "1 of 3 not measured, the others at most" in lines[3]
    rows = {row[0]: row[1:] for row in ([cell for cell in text.strip().split("  ") if cell] for text in lines) if row}
    cells = {name.strip(): [cell.strip() for cell in row] for name, row in rows.items()}
    assert cells["blocks"] == ["2", "3", "+50.0 %"]
    assert cells["transactions a block"] == ["2.00", "2.00"]
    assert cells["accuracy of node a"] == ["0.9500", "0.8000", "-0.1500"]
    assert cells["every node at 0.75 after"] == ["8.0 s", "-", "only A"]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_figure_loses_its_name_and_no_word_is_broken_where_it_is_narrow(tmp_path: Path, width: int) -> None:
    one, other = pair(tmp_path)
    for place, text in ((one, "batch = 32\nsteps_per_transaction = 1"), (other, "batch = 64\nsteps_per_transaction = 4")):
        (place / "config.toml").write_text(f"[training]\n{text}\n")
    lines = shown(one, other, width=width)
    assert not any("…" in line for line in lines)
    assert all(len(line.rstrip()) <= width or str(tmp_path) in line for line in lines)
    assert any(line.split() == ["training.batch", "32", "64", "differs"] for line in lines)
    whole = "training.steps_per_transaction" if width > 60 else "training.steps_per_"
    assert [line.split() for line in lines if "steps_per" in line] == [[whole, "1", "4", "differs"]]
    words = {word for line in lines for word in line.split()}
    assert "confirmations" in words and not {"transactio", "ns", "h"} & words


def test_what_is_longer_than_a_line_is_cut_in_the_middle_of_a_word() -> None:
    assert broken("a " + 30 * "x", 12, "  ").splitlines() == ["a", "  " + 10 * "x", "  " + 10 * "x", "  " + 10 * "x"]
    assert broken("short", 12) == "short" and broken("", 12) == ""


def test_no_blanks_follow_the_headline_in_a_file(tmp_path: Path) -> None:
    lines = shown(*pair(tmp_path), width=10_000)
    assert [line[-9:] for line in lines[1:4:2]] == [line.rstrip()[-9:] for line in lines[1:4:2]]


def test_many_nodes_are_cut_short(tmp_path: Path) -> None:
    names = [str(number) for number in range(50)]
    a, b = (write_run(tmp_path / name, names, realistic(names, seconds=8)) for name in ("x", "y"))
    lines = shown(a, b)
    assert sum("accuracy of node" in text for text in lines) == 16
    assert sum("... and 34 more nodes with --json" in text for text in lines) == 1
    sides = load_sides(a, b)
    assert sum(row["name"].startswith("accuracy of node") for row in as_json(*sides, compare(*sides))["figures"]) == 50


def test_the_comparison_for_programs(tmp_path: Path) -> None:
    a, b = pair(tmp_path)
    sides = load_sides(a, b)
    found = as_json(*sides, compare(*sides))
    assert (found["a"], found["b"]) == (str(a), str(b))
    rows = {row["name"]: row for row in found["figures"]}
    assert rows["blocks"] == {"group": "chain", "name": "blocks", "kind": "count", "a": 2, "b": 3, "difference": 1}
    assert rows["every node at 0.75 after"]["difference"] is None
    assert rows["accuracy of node a"]["difference"] == -0.15


# --- the picture


def picture(a: Path, b: Path) -> Picture:
    return draw_comparison(load_run(a), load_run(b))


def legend(figure: Picture) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_run_has_a_colour_a_mean_and_its_nodes(tmp_path: Path) -> None:
    names = ["0", "1", "2"]
    a, b = (write_run(tmp_path / name, names, realistic(names, seconds=30, seed=seed)) for name, seed in (("x", 1), ("y_$1", 2)))
    figure = picture(a, b)
    (axes,) = figure.axes
    lines = {str(line.get_gid()): line for line in axes.get_lines()}
    for run in ("x", "y_$1"):
        assert all(lines[f"{run} node {name}"].get_color() == lines[run].get_color() for name in names)
        assert all(lines[f"{run} node {name}"].get_linewidth() < lines[run].get_linewidth() for name in names)
    assert lines["x"].get_color() != lines["y_$1"].get_color() and lines["x"].get_marker() != lines["y_$1"].get_marker()
    assert len(axes.collections) == 3, "a band a run, and one in the legend"
    assert [text.split("\n")[0] for text in legend(figure)[:2]] == ["x", r"y_\$1"]
    assert axes.get_xlim() == (0, 30) and axes.get_ylim() == (0, 1.02)


def test_the_mean_begins_when_every_node_was_measured(tmp_path: Path) -> None:
    a, b = pair(tmp_path)
    figure = picture(a, b)
    (mean,) = (line for line in figure.axes[0].get_lines() if line.get_gid() == "one")
    points = np.asarray(mean.get_xydata())
    assert points[0, 0] == pytest.approx(8) and points[0, 1] == pytest.approx((0.95 + 0.9) / 2)
    assert legend(figure)[0] == "one\nmean 0.925, worst 0.900 of 2\nfrom 8.0 s on, when each node had been measured"
    assert "target 0.75" in legend(figure)


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / place / "net", ["a", "b"], small(95, 1)) for place in ("x", "y"))
    assert [text.split("\n")[0] for text in legend(picture(a, b))[:2]] == [str(a), str(b)]


def test_many_nodes_are_a_band_and_no_lines(tmp_path: Path) -> None:
    names = [str(number) for number in range(11)]
    a, b = (write_run(tmp_path / name, names, realistic(names, seconds=12, seed=seed)) for name, seed in (("x", 1), ("y", 2)))
    lines = [str(line.get_gid()) for line in picture(a, b).axes[0].get_lines()]
    assert "x" in lines and "y" in lines and not any(" node " in name for name in lines)


@pytest.mark.filterwarnings("error")
def test_a_run_that_measured_nothing_says_so(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "x", ["a"], [ready()]), write_run(tmp_path / "y", ["a", "b"], small(95, 1))
    figure = picture(a, b)
    figure.savefig(tmp_path / "picture.png")
    assert legend(figure)[0] == "x\nnothing was measured"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "begin"), [("c.png", b"\x89PNG\r\n\x1a\n"), ("c.SVG", b"<?xml"), ("c.pdf", b"%PDF")])
def test_the_file_is_what_its_name_says(name: str, begin: bytes, tmp_path: Path) -> None:
    a, b = pair(tmp_path)
    write_picture(picture(a, b), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begin)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([name, "one", "other"])


def test_a_picture_that_cannot_be_is_refused(tmp_path: Path) -> None:
    for name in ("c.eps", "c", ".png"):
        with pytest.raises(ConfigError, match=r"give a name that ends in \.png, \.svg or \.pdf"):
            picture_format(tmp_path / name)
    with pytest.raises(StoreError, match="cannot be written"):
        write_picture(picture(*pair(tmp_path)), tmp_path / "none" / "c.png")


def test_matplotlib_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, dfl_actors.report.runs.compare, dfl_actors.report.runs.compare_picture; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
