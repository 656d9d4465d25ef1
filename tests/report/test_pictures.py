"""The report's charts as files."""

from pathlib import Path

import pytest

from dfl_actors.errors import StoreError
from dfl_actors.report.load import load_run
from dfl_actors.report.pictures import draw_all, write_plots
from tests.report.browser import CHARTS
from tests.report.made_run import NASTY, lively, ready, write_run


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("names", [NASTY, [str(number) for number in range(30)]], ids=["names", "crowd"])
def test_every_chart_of_the_page_is_drawn(tmp_path: Path, names: list[str]) -> None:
    figures = draw_all(load_run(lively(tmp_path / "net", names, name="$a_b$")))
    assert figures.keys() == CHARTS
    for name, figure in figures.items():
        axes = figure.axes[0]
        assert axes.lines or axes.images or axes.patches or axes.collections, name
        figure.canvas.draw()  # type: ignore[attr-defined]


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
