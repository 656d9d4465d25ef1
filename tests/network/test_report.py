"""The report of a real run, in a real browser."""

from pathlib import Path

from tests.network.conftest import Finished
from tests.network.harness import Command
from tests.report.browser import BEYOND, CHARTS, Opened, chromium

SENTENCES = {"refusals", "reputations", "standing"}
"""Charts that are a sentence where nothing was refused, and where everybody was trusted all the time."""


def test_every_chart_of_a_real_run_is_drawn(finished: Finished, tmp_path: Path) -> None:
    Command(tmp_path, "report", finished.out, "-o", tmp_path / "report.html").ended(0)
    with chromium() as browser:
        opened = Opened(browser, tmp_path / "report.html")
        drawn = opened.drawn()
        assert CHARTS - SENTENCES <= drawn.keys() <= CHARTS and all(chart["shapes"] > 0 for chart in drawn.values())
        assert all(opened.tab.inner_text(f"#{chart} .missing") for chart in CHARTS - drawn.keys())
        assert all(text.startswith("verified, ") for text in opened.tab.locator(".verdict").all_inner_texts())
        assert opened.tab.evaluate(BEYOND) == []
        assert opened.tab.inner_text(".state").startswith("finished: duration")
        opened.close()
