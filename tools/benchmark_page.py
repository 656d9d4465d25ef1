"""Measure how much memory the page of `dfl-actors watch` takes in the browser, of a long run that goes on: 10 nodes, 10,000 transactions.

    python tools/benchmark_page.py [--nodes N] [--transactions N] [--updates N]

The metrics are those of `benchmark_watch.py`. The command serves them; Chromium opens the page, goes through it from top to bottom so that
every chart is drawn, stays where most charts are in the window, and is given updates, in each of which ten more transactions have come.
Printed are, before and after these, when all garbage was collected: JavaScript's heap, the document's nodes, and how much of the machine's
memory the renderer's process has (PSS, in which what processes share is divided among them), less what it had with an empty page of the
same server. Needs Chromium and playwright (the `dev` extra), and Linux.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from benchmark_watch import Made, write_made

from dfl_actors.runtime.rundir import RunDirectory

WANTED_MB = 100.0
PATIENCE = 120.0  # Seconds until an update must have come.
WINDOW = {"width": 1400, "height": 1000}
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
VERSION = "Number(document.documentElement.dataset.version || 0)"
HEAP, ELEMENTS = "JSHeapUsedSize", "Nodes"


class Page:
    """A tab, and what it takes."""

    def __init__(self, browser: Any) -> None:
        self.tab = browser.new_page(viewport=WINDOW)
        self._browser = browser.new_browser_cdp_session()
        self._page = self.tab.context.new_cdp_session(self.tab)
        self._page.send("Performance.enable")

    def metrics(self) -> dict[str, float]:
        """What the browser counts, when all garbage was collected."""
        for _ in range(2):
            self._page.send("HeapProfiler.collectGarbage")
        return {one["name"]: one["value"] for one in self._page.send("Performance.getMetrics")["metrics"]}

    def renderer(self) -> float:
        """MB of the processes that show pages."""
        found = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        return float(sum(psutil.Process(one["id"]).memory_full_info().pss for one in found if one["type"] == "renderer")) / 1e6

    def updated(self, since: int) -> int:
        """The version that stands there, once it is another."""
        deadline = time.monotonic() + PATIENCE
        while (version := int(self.tab.evaluate(VERSION))) == since:
            if time.monotonic() > deadline:
                sys.exit("no update came")
            self.tab.wait_for_timeout(50)
        return version

    def through(self) -> None:
        """Every chart is drawn when it is seen."""
        for name in self.tab.evaluate("[...document.querySelectorAll('main > section')].map(one => one.id)"):
            self.tab.evaluate("id => document.getElementById(id).scrollIntoView()", name)
            self.tab.wait_for_timeout(400)
        self.tab.evaluate("document.getElementById('accuracy').scrollIntoView()")


@contextmanager
def watched(place: Path) -> Iterator[str]:
    """The address of the server, which is a process of its own."""
    command = [sys.executable, "-m", "dfl_actors", "watch", str(place), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().split("  (")[0].rpartition(" ")[2]
    finally:
        server.terminate()
        server.wait()


def measured(made: Made, place: Path, transactions: int, updates: int) -> None:
    from playwright.sync_api import sync_playwright

    write_made(made, place, transactions)
    with RunDirectory(place).lock(), watched(place) as address, sync_playwright() as driver:
        page = Page(driver.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS)))
        page.tab.goto(f"{address}assets/page.css")
        page.metrics()
        empty = page.renderer()
        print(f"an empty page: {empty:.0f} MB in the renderer's process")
        page.tab.goto(address)
        version = page.updated(0)
        page.through()
        tell(f"{transactions:,} transactions, all charts drawn", page, empty)
        for _ in range(updates):
            made.append(place, 10)
            version = page.updated(version)
        tell(f"after {updates} updates", page, empty)


def tell(words: str, page: Page, empty: float) -> None:
    counted, whole = page.metrics(), page.renderer()
    print(
        f"{words}: JavaScript's heap {counted[HEAP] / 1e6:.1f} MB, {counted[ELEMENTS]:,.0f} nodes of the document, "
        f"renderer {whole:.0f} MB, {whole - empty:.0f} MB more than the empty page's (wanted {WANTED_MB:.0f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument("--updates", type=int, default=25)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured(Made(given.nodes), Path(place), given.transactions, given.updates)


if __name__ == "__main__":
    main()
