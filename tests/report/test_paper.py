"""Pictures for papers: their files, and what each must be: so wide, in such letters, told apart without colour, its fonts embedded."""

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report.charts.chart import Line, OverTime, Panel
from dfl_actors.report.load import load_run
from dfl_actors.report.paper import KINDS, STYLE, WIDTHS, Draw, panels_of, paper_kinds, run_panels, write_paper, write_run
from tests.report.made_run import NASTY, lively, realistic
from tests.report.made_run import write_run as made

FEW = ["0", "1", "2", "3"]


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Draw]:
    """Of a lively run of ten nodes, whose names want room."""
    return run_panels(load_run(lively(tmp_path_factory.mktemp("lively") / "net", [*NASTY, "g", "h", "i"])))


def drawn(draw: Draw, width: float) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = draw(width)
        figure.draw_without_rendering()
    return figure


def shown(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]


def test_every_chart_has_its_panels(panels: dict[str, Draw]) -> None:
    assert {
        "accuracy-on-test-samples",
        "accuracy-on-own-samples",
        "chains",
        "network",
        "receipts",
        "cpu-nodes",
        "transactions",
    } <= panels.keys()


@pytest.mark.parametrize("width", WIDTHS.values())
def test_a_panel_is_so_wide_in_letters_of_eight_points_and_without_a_title(panels: dict[str, Draw], width: float) -> None:
    for name, draw in panels.items():
        figure = drawn(draw, width)
        assert figure.get_figwidth() == width and 1 < figure.get_figheight() < 8, name
        assert {text.get_fontsize() for text in shown(figure)} == {8}, name
        assert not any(axes.get_title(loc=side) for axes in figure.axes for side in ("left", "center", "right")), name
        assert sum(axes.get_label() != "<colorbar>" for axes in figure.axes) == 1, name


def test_nothing_of_a_legend_or_an_axis_is_beyond_the_edge(panels: dict[str, Draw]) -> None:
    for name, draw in panels.items():
        if name != "network":  # where names may stand beside the outermost nodes
            figure = drawn(draw, WIDTHS["column"])
            box, dots = figure.get_tightbbox(), 0.03
            assert box.x0 > -dots and box.y0 > -dots and box.x1 < figure.get_figwidth() + dots and box.y1 < figure.get_figheight() + dots, (
                name
            )


def test_curves_and_bars_differ_without_colour(panels: dict[str, Draw]) -> None:
    for name, draw in panels.items():
        axes = drawn(draw, WIDTHS["page"]).axes[0]
        looks = [(line.get_marker(), line.get_linestyle()) for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
        assert len(set(looks)) == len(looks), name
        hatches = [bars.patches[0].get_hatch() for bars in axes.containers if isinstance(bars, BarContainer)]
        assert len(set(hatches)) == len(hatches), name


def test_a_sign_on_the_frame_is_whole_and_a_curve_that_leaves_it_is_not() -> None:
    x, y = np.array([0.0, 5.0, 10.0]), np.array([0.0, 0.5, 1.0])
    lines = [Line(name=name, series=(x, values), colour="@ink", symbol="circle") for name, values in (("in", y), ("out", 2 * y))]
    (draw,) = panels_of(OverTime(panels=[Panel(title="share", lines=lines, reach=(0, 1))], end=10.0)).values()
    inner, outer = draw(3.4).axes[0].get_lines()
    assert (inner.get_clip_on(), outer.get_clip_on()) == (False, True)


def test_figures_in_a_legend_are_whole_or_left_out() -> None:
    x = np.array([0.0, 10.0])
    said = {name: f"{name}\nmean 0.976, worst 0.973 of 4; 1 attacker: sign_flip" for name in "abcd"}
    lines = [Line(name=name, series=(x, x / 10), colour="@ink", symbol="circle", label=label) for name, label in said.items()]
    (draw,) = panels_of(OverTime(panels=[Panel(title="share", lines=lines)], end=10.0)).values()
    legends = [[text.get_text() for text in draw(width).legends[0].get_texts()] for width in WIDTHS.values()]
    assert legends[0] == [*said] and legends[1] in ([*said], [*said.values()])


def test_fonts_are_embedded_as_truetype_or_letters_are_outlines(tmp_path: Path) -> None:
    run = load_run(made(tmp_path / "net", FEW, realistic(FEW, seconds=20)))
    panel = {name: draw for name, draw in run_panels(run).items() if name == "accuracy-on-test-samples"}
    files = write_paper(panel, tmp_path, "fig")
    assert sorted(path.name for path in files) == sorted(
        f"fig-{name}-{width}.{kind}" for name in panel for width in WIDTHS for kind in KINDS
    )
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".pdf":
            assert b"/FontFile2" in content and b"/Type3" not in content
            inches = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", content)[1]) / 72  # type: ignore[index]
            assert inches == pytest.approx(WIDTHS["column" if "column" in path.name else "page"])
        else:
            assert b"<text" not in content and b"<path" in content
    # The same run gives the same bytes, and nothing is replaced unasked.
    before = [path.read_bytes() for path in files]
    with pytest.raises(StoreError, match="is there already: replace it with --force"):
        write_paper(panel, tmp_path, "fig")
    assert [path.read_bytes() for path in write_paper(panel, tmp_path, "fig", force=True)] == before


def test_the_name_says_which_kinds() -> None:
    assert paper_kinds(Path("a/fig.pdf")) == (Path("a/fig"), ("pdf",)) and paper_kinds(Path("fig")) == (Path("fig"), KINDS)
    with pytest.raises(ConfigError, match=r"fig\.png: pictures for a paper are PDF and SVG"):
        paper_kinds(Path("fig.png"))


def test_a_crowd_has_as_many_names_as_there_is_room_for(tmp_path: Path) -> None:
    names = [f"node number {number}" for number in range(40)]
    panels = run_panels(load_run(made(tmp_path / "net", names, realistic(names, seconds=10))))
    for name in ("cpu-nodes", "receipts"):
        axes = drawn(panels[name], WIDTHS["column"]).axes[0]
        boxes = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
        starts = np.diff([box.x1 for box in boxes])
        assert len(boxes) > 5 and starts.min() >= 8 * 100 / 72, name


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    run = load_run(made(tmp_path / "net", FEW, realistic(FEW, seconds=5)))
    (run.path / "plots").write_text("a file")
    with pytest.raises(StoreError, match=r"paper cannot be made \(Not a directory\)"):
        write_run(run, run.path / "plots" / "paper")


def test_bars_do_not_touch_the_frame_and_numbers_have_room_in_their_cells(panels: dict[str, Draw]) -> None:
    for name in ("cpu-tasks", "cpu-nodes", "transactions", "receipts"):
        (axes, *_) = drawn(panels[name], WIDTHS["column"]).axes
        bars = [bar for each in axes.containers if isinstance(each, BarContainer) for bar in each.patches]
        if bars:
            right, top = max(bar.get_x() + bar.get_width() for bar in bars), max(bar.get_y() + bar.get_height() for bar in bars)
            low, high = sorted(axes.get_ylim())
            assert right < 0.99 * axes.get_xlim()[1] and top < high and low <= 0, name
        if axes.images:
            room = axes.get_window_extent().width / np.asarray(axes.images[0].get_array()).shape[1]
            assert all(text.get_window_extent().width <= room for text in axes.texts), name


def test_a_legend_is_lower_than_its_panel(tmp_path: Path) -> None:
    names = [f"the-hospital-of-{town}-department-{place}" for place, town in enumerate(["amsterdam", "utrecht", "delft"] * 3)]
    panels = run_panels(load_run(lively(tmp_path / "net", names)))
    for name in ("accuracy-on-test-samples", "chains", "network"):
        figure = drawn(panels[name], WIDTHS["column"])
        for legend in figure.legends:
            assert legend.get_window_extent().height <= figure.axes[0].get_window_extent().height, name
            assert {"worst to best of them"} <= {text.get_text() for text in legend.get_texts()} or name != "accuracy-on-test-samples"
            assert len({text.get_text() for text in legend.get_texts()}) == len(legend.get_texts()), name
