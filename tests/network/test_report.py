"""The report of a real run, in a real browser."""

from pathlib import Path

from tests.network.conftest import Finished
from tests.network.harness import Command
from tests.report.browser import BEYOND, CHARTS, Opened, chromium


def test_every_chart_of_a_real_run_is_drawn(finished: Finished, tmp_path: Path) -> None:
    Command(tmp_path, "report", finished.out, "-o", tmp_path / "report.html").ended(0)
    with chromium() as browser:
        opened = Opened(browser, tmp_path / "report.html")
        drawn = opened.drawn()
        assert drawn.keys() == CHARTS and all(chart["shapes"] > 0 for chart in drawn.values())
        assert opened.tab.evaluate(BEYOND) == []
        assert opened.tab.inner_text(".state").startswith("finished: duration")
        opened.close()
