"""The report's charts as files; what is in them is read from matplotlib's own objects."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import EventCollection
from matplotlib.figure import Figure

from dfl_actors.errors import StoreError
from dfl_actors.report.charts.palette import COLOURS
from dfl_actors.report.load import load_run
from dfl_actors.report.pictures import draw_accuracy, draw_all, plot_accuracy, write_plots
from dfl_actors.report.series import span_of
from tests.report.browser import CHARTS
from tests.report.made_run import NASTY, START, Line, lively, ready, realistic, write_run


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("names", [NASTY, [str(number) for number in range(30)]], ids=["names", "crowd"])
def test_every_chart_of_the_page_is_drawn(tmp_path: Path, names: list[str]) -> None:
    figures = draw_all(load_run(lively(tmp_path / "net", names, name="$a_b$")))
    assert figures.keys() == CHARTS
    for name, figure in figures.items():
        axes = figure.axes[0]
        assert axes.lines or axes.images or axes.patches or axes.collections, name
        figure.savefig(tmp_path / "picture.png")


def test_a_sign_that_the_font_lacks_is_no_news(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    run = load_run(write_run(tmp_path / "net", ["\N{DROMEDARY CAMEL}", "b"], [ready()]))
    write_plots(run, tmp_path / "plots")
    assert [str(warning.message) for warning in recwarn] == []


def test_what_has_no_data_is_left_out(tmp_path: Path) -> None:
    assert draw_all(load_run(write_run(tmp_path / "net", "ab", [ready()]))).keys() == {"accuracy", "network"}


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "net", "ab", [ready()]))
    (run.path / "plots").write_text("a file")
    with pytest.raises(StoreError, match=r"plots cannot be made \(File exists\): correct its permissions, or remove what is there"):
        write_plots(run, run.path / "plots")


# --- accuracy


def picture(path: Path, count: int, restarts: int = 0, lines: list[Line] | None = None, **about: Any) -> Figure:
    names = [str(number) for number in range(count)]
    made = realistic(names, seconds=60, restarts=restarts) if lines is None else lines
    return draw_accuracy(load_run(write_run(path / "my_$net", names, made, **about)))


def named_lines(axes: Axes, start: str) -> list[str]:
    return [str(line.get_gid()) for line in axes.get_lines() if str(line.get_gid()).startswith(start)]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


@pytest.mark.parametrize("count", [1, 2, 4, 10])
def test_a_few_nodes_have_a_thin_line_each_and_their_mean_is_thick(tmp_path: Path, count: int) -> None:
    axes, strip = picture(tmp_path, count).axes
    looks = {str(line.get_gid()): line for line in axes.get_lines()}
    assert len({looks[f"test {number}"].get_color() for number in range(count)}) == count
    assert named_lines(axes, "own ") == ["own mean"] and looks["own mean"].get_linestyle() == ":"
    assert ("test mean" in looks) == (count > 1), "a single node is its own mean"
    if count > 1:
        assert looks["test mean"].get_linewidth() > 2 * looks["test 0"].get_linewidth()
        heights = np.asarray(axes.collections[0].get_paths()[0].vertices)[:, 1]
        low, high = float(heights.min()), float(heights.max())
        assert axes.get_ylim()[0] < low < high < axes.get_ylim()[1]
    assert len(strip.collections) == count
    assert len(legend(axes)) == count + 1 + 2 * (count > 1)


def test_the_axis_fits_the_accuracies(tmp_path: Path) -> None:
    names = [str(number) for number in range(12)]
    late = [
        {"t": START + 1000 * second, "node": name, "actor": "evaluator", "event": "evaluated", "correct": 930 + second, "tested": 1000}
        for name in names
        for second in range(1, 20)
    ]
    low, high = picture(tmp_path, 12, lines=[ready(), *late]).axes[0].get_ylim()
    assert 0.92 < low < 0.931 and 0.949 < high < 0.96


def test_colours_tell_ten_nodes_apart() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == 10


def test_labels_limits_and_title(tmp_path: Path) -> None:
    axes, strip = picture(tmp_path, 2, target=0.95).axes
    assert axes.get_title() == r"my_\$net"
    assert (axes.get_ylabel(), strip.get_xlabel()) == ("accuracy", "seconds since the network was ready")
    assert axes.get_xlim() == strip.get_xlim() == (0, 60)
    assert "target 0.95" in legend(axes)


def test_points_are_what_was_measured(tmp_path: Path) -> None:
    def evaluated(seconds: int, correct: int, tested: int = 100) -> Line:
        t = START + 1000 * seconds
        return {"t": t, "node": "0", "actor": "evaluator", "event": "evaluated", "correct": correct, "tested": tested}

    axes, _ = picture(tmp_path, 1, lines=[ready(), evaluated(2, 30), evaluated(3, 0, 0), evaluated(9, 75)]).axes
    (line,) = (line for line in axes.get_lines() if line.get_gid() == "test 0")
    assert np.array_equal(line.get_xydata(), [[2, 0.3], [9, 0.75]])
    assert legend(axes) == ["node 0  0.750"]


def test_a_tick_for_each_block(tmp_path: Path) -> None:
    _, strip = picture(tmp_path, 4).axes
    assert [len(lane.get_positions()) for lane in strip.collections if isinstance(lane, EventCollection)] == [4, 4, 4, 4]


@pytest.mark.parametrize(("restarts", "named"), [(0, 0), (2, 2), (20, 0)])
def test_restarts_are_marked_and_named_while_few(tmp_path: Path, restarts: int, named: int) -> None:
    axes, _ = picture(tmp_path, 4, restarts=restarts).axes
    assert sum(line.get_linestyle() == ":" and line.get_gid() != "own mean" for line in axes.get_lines()) == restarts
    assert sum(" of " in text.get_text() for text in axes.texts) == named
    assert (f"restarts: {restarts}" in legend(axes)) == bool(restarts)


@pytest.mark.parametrize("count", [11, 50])
def test_a_crowd_is_shown_as_mean_and_span_without_a_row_each(tmp_path: Path, count: int) -> None:
    axes, strip = picture(tmp_path, count, restarts=3, target=0.9).axes
    assert len(named_lines(axes, "test ")) == count + 1
    assert named_lines(axes, "own ") == ["own mean"]
    assert len(legend(axes)) == 5
    assert len(axes.collections) == 1
    assert len(strip.collections) == 1


def test_the_span_counts_each_node_from_its_first_point() -> None:
    early = (np.array([0.0, 10.0]), np.array([0.0, 1.0]))
    late = (np.array([5.0, 6.0]), np.array([0.1, 0.1]))
    seconds, mean, low, high = span_of([early, late], points=11)
    assert np.allclose(seconds, range(11))
    assert np.allclose(low, [0, 0.1, 0.2, 0.3, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert np.allclose(high, seconds / 10)
    assert np.allclose(mean, (low + high) / 2)


def test_the_least_of_what_was_measured_at_the_same_moments_is_one_that_was_measured() -> None:
    """Between two measurements the least of straight lines may lie above both."""
    when = np.array([0.0, 20.0, 40.0])
    seconds, _, low, high = span_of([(when, np.array([0.2, 0.8, 0.2])), (when, np.array([0.8, 0.2, 0.8]))], points=11)
    assert np.array_equal(seconds, when) and np.array_equal(low, [0.2] * 3) and np.array_equal(high, [0.8] * 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [0, 2, 50])
@pytest.mark.parametrize("lines", [[], [ready()]], ids=["never ready", "ready"])
def test_a_run_in_which_nothing_happened_says_so(tmp_path: Path, count: int, lines: list[Line]) -> None:
    figure = picture(tmp_path, count, lines=lines)
    figure.savefig(tmp_path / "empty.png")
    assert [text.get_text() for text in figure.axes[0].texts] == ["nothing was measured"]


@pytest.mark.filterwarnings("error")
def test_the_file_is_a_png_of_150_dots_an_inch(tmp_path: Path) -> None:
    path = write_run(tmp_path / "net", ["0", "1"], realistic(["0", "1"], seconds=30))
    plot_accuracy(load_run(path), path / "accuracy.png")
    data = (path / "accuracy.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (1500, 825)


def test_matplotlib_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, dfl_actors.report.pictures, dfl_actors.report.summary; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
