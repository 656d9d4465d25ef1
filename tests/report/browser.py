"""A real browser for the tests of the report's page: Debian's Chromium, driven by playwright. Where there is none, a test says so
and is skipped; `.ci/run` installs it.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

CHARTS = {
    "accuracy", "weight-difference", "chains", "reputations", "standing", "network", "receipts", "refusals", "cpu-tasks", "cpu-nodes",
    "transactions",
}  # fmt: skip
"""The charts of the page, by their names in it."""

DRAWN = """() => Object.fromEntries([...document.querySelectorAll(".plot")].map(plot => [plot.id.slice(5), {
    traces: plot.data.length,
    shapes: [...plot.querySelectorAll(".scatterlayer .js-line, .scatterlayer .js-fill, .scatterlayer .point, .barlayer .point path")]
        .filter(shape => shape.getAttribute("d")).length + plot.querySelectorAll(".heatmaplayer image").length,
    colours: new Set([...plot.querySelectorAll(".scatterlayer .js-line")].map(line => line.style.stroke)).size,
    ink: getComputedStyle(plot.querySelector(".xtick text") || plot).fill,
    width: plot.clientWidth - (plot.querySelector(".main-svg") || plot).clientWidth,
    height: plot.clientHeight,
}]))"""
"""What stands in each chart: its traces, the shapes drawn for them, and how much of its width it leaves."""

OVERLAPS = """() => [...document.querySelectorAll(".plot")].flatMap(plot => ["xtick", "ytick"].flatMap(kind => {
    const texts = [...plot.querySelectorAll("." + kind + " text")].filter(text => !/rotate\\((?!0,)/.test(text.getAttribute("transform")));
    const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
    return boxes.slice(1).flatMap(([name, box], place) => {
        const [other, before] = boxes[place];
        const beside = box.left >= before.right - 1 || box.right <= before.left + 1;
        return beside || box.top >= before.bottom - 3 || box.bottom <= before.top + 3 ? [] : [plot.id + ": " + other + " | " + name];
    });
}))"""
"""Labels of an axis that lie on one another."""

SMALLEST = """() => Math.min(...[...document.querySelectorAll(".plot text")].map(text => parseFloat(getComputedStyle(text).fontSize)))"""
BEYOND = """() => [...document.querySelectorAll("body *")].filter(one => !one.closest("svg") && !one.closest(".scroll, .chips"))
    .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5).map(one => one.tagName + "." + one.className)"""
"""What sticks out of the page to the right."""


HEIGHT = 12_000  # Pixels of a window that shows the whole page: a chart is drawn when it is seen.
COUNT = "Number(document.documentElement.dataset.drawn || 0)"
FILLED = """() => [...document.querySelectorAll(".plot .main-svg")].every(
    svg => Math.abs(svg.clientWidth - svg.closest(".plot").clientWidth) < 2)"""
PATIENCE = 60.0
"""Seconds that a test waits for the browser before it fails."""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, or the reason why the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the report's page is not looked at")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Opened:
    """A page in the browser, and all that it complained of or asked for."""

    def __init__(self, browser: Any, place: Path | str, width: int = 1400, scheme: str = "light", height: int = HEIGHT) -> None:
        self.tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.tab.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.tab.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self._ours = place if isinstance(place, str) else place.absolute().as_uri()
        self.tab.on("request", lambda request: self._asked(request.url))
        self._count = 0
        self.tab.goto(self._ours)
        self.redrawn()

    def _asked(self, url: str) -> None:
        """A page of a file asks for nothing else, one of a server only there."""
        ours = url.startswith(self._ours) if self._ours.startswith("http") else url == self._ours
        if not ours and not url.startswith(("data:", "blob:")):
            self.complaints.append(f"request: {url}")

    def redrawn(self) -> None:
        """Wait until the charts were drawn once more, and fill their places."""
        self.until(lambda: self.tab.evaluate(COUNT) > self._count and self.tab.evaluate(FILLED))
        self._count = self.tab.evaluate(COUNT)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the page. In turns: playwright's own waiting would evaluate text, which the page forbids."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"what was waited for did not come: {self.complaints}"
            self.tab.wait_for_timeout(10)

    def show(self, width: int, scheme: str) -> None:
        """Change the width of the window and the colour scheme, one after the other."""
        if self.tab.viewport_size["width"] != width:
            self.tab.set_viewport_size({"width": width, "height": self.tab.viewport_size["height"]})
            self.redrawn()
        if self.tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") != (scheme == "dark"):
            self.tab.emulate_media(color_scheme=scheme)
            self.redrawn()

    def click(self, selector: str) -> None:
        """Click, and wait for what that changes."""
        self.tab.click(selector)
        self.redrawn()

    def drawn(self) -> dict[str, dict[str, Any]]:
        """What stands in each chart, by its name."""
        found: dict[str, dict[str, Any]] = self.tab.evaluate(DRAWN)
        return found

    def check(self) -> None:
        """It must not have complained of anything since the last time."""
        complaints, self.complaints[:] = [*self.complaints], []
        assert not complaints, complaints

    def close(self) -> None:
        self.tab.close()
        self.check()


def serious(opened: Opened) -> list[tuple[str, str]]:
    """What axe-core finds serious or worse on the page: its rule and the first element. What a chart draws is left out."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed: make installs it")
    found = axe.Axe().run(opened.tab, context={"exclude": [[".main-svg"]]}).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
