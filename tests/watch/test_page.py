"""The page of a run that grows while it is open, in a real browser: charts grow, and what the reader has done stays."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfl_actors.core.codec import encode
from dfl_actors.runtime.examined import Examined
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import Verified
from dfl_actors.watch import command, node
from dfl_actors.watch.app import Ending
from dfl_actors.watch.inside import Kept, Stores
from tests import objects
from tests.report.browser import BEYOND, CHARTS, Opened, chromium, serious
from tests.report.made_run import NASTY, lively
from tests.watch.serving import PATIENCE, Served, served
from tests.watch.test_followed import append, growing

NETWORK = '<script>hacked=1</script> & "co"'
POINTS = "document.getElementById('plot-chains').data[0].x.length"
RANGE = "document.getElementById('plot-accuracy').layout.xaxis.range"
MOMENTS = "Number(document.querySelector('input[type=range]').max)"


def drag(tab: Any, chart: str) -> list[float]:
    """Zoom into a chart with the mouse, as people do. Returns what its axis shows then."""
    box = tab.query_selector(f"#plot-{chart} .nsewdrag").bounding_box()
    tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.41 * box["height"], steps=5)
    tab.mouse.up()
    shown: list[float] = tab.evaluate(RANGE)
    assert 2 < shown[0] < shown[1] < 30
    return shown


def heap(tab: Any) -> float:
    """MB of what the page's code holds, when all garbage was collected."""
    devtools = tab.context.new_cdp_session(tab)
    devtools.send("Performance.enable")
    devtools.send("HeapProfiler.collectGarbage")
    counted = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    return float(counted["JSHeapUsedSize"]) / 1e6


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def test_a_page_grows_with_its_run_and_keeps_what_the_reader_has_done(browser: Any, tmp_path: Path) -> None:
    run = lively(tmp_path / "net", ["0", "1", "2", "3"])
    lines = growing(run)
    append(run, lines[:600])
    with served(run) as server:
        opened = Opened(browser, server.address)
        tab = opened.tab
        opened.until(lambda: set(opened.drawn()) == CHARTS - {"cpu-tasks", "cpu-nodes"})
        before, moments = tab.evaluate(POINTS), tab.evaluate(MOMENTS)
        opened.click(".chip[data-node='1']")
        tab.focus("input[type=range]")
        tab.keyboard.press("Home")
        tab.keyboard.press("ArrowRight")
        at = tab.inner_text("output")
        zoomed = drag(tab, "accuracy")
        append(run, lines[600:])
        opened.until(lambda: tab.evaluate(POINTS) > before and tab.evaluate(MOMENTS) > moments)
        opened.until(lambda: set(opened.drawn()) == CHARTS)
        assert tab.evaluate(RANGE) == zoomed
        assert tab.get_attribute(".chip[data-node='1']", "aria-pressed") == "false"
        assert tab.evaluate("document.getElementById('plot-receipts').data[0].y") == ["0", "2", "3"]
        assert tab.inner_text("output") == at and tab.evaluate("document.activeElement.type") == "range"
        tab.evaluate("document.querySelector('#plot-accuracy [data-title=\"Reset axes\"]').dispatchEvent(new Event('click'))")
        opened.until(lambda: tab.evaluate(RANGE)[1] > 38)
        # What the reader had not moved goes with the run.
        assert tab.evaluate("document.getElementById('plot-chains').layout.xaxis.range[1]") > 38
        assert tab.query_selector("#cpu-by-node") is not None
        assert heap(tab) < 30, "10,000 transactions make 11 (tools/benchmark_page.py)"
        assert tab.evaluate(BEYOND) == []
        opened.close()


def test_names_of_others_do_no_harm(browser: Any, tmp_path: Path) -> None:
    run = lively(tmp_path / "net", [*NASTY, "g", "h"], name=NETWORK)
    lines = growing(run)
    append(run, lines[:1500])
    with served(run) as server:
        opened = Opened(browser, server.address)
        version = "document.documentElement.dataset.version"
        opened.until(lambda: bool(opened.tab.evaluate(version)))
        before = opened.tab.evaluate(version)
        append(run, lines[1500:])
        opened.until(lambda: opened.tab.evaluate(version) > before)
        assert opened.tab.inner_text("h1") == NETWORK and opened.tab.evaluate("typeof hacked") == "undefined"
        assert opened.tab.query_selector_all("header img, main img") == []
        opened.close()


def test_a_chart_that_nobody_sees_is_not_asked_for(browser: Any, tmp_path: Path) -> None:
    with served(lively(tmp_path / "net", ["0", "1", "2", "3"])) as server:
        opened = Opened(browser, server.address, height=900)
        asked: list[str] = []
        opened.tab.on("request", lambda request: asked.append(request.url))
        opened.tab.evaluate("document.getElementById('transactions').scrollIntoView()")
        opened.until(lambda: any("transactions" in url for url in asked))
        opened.redrawn()
        assert not any("accuracy" in url for url in asked)
        opened.close()


def test_without_news_nothing_is_sent(tmp_path: Path) -> None:
    with served(lively(tmp_path / "net", ["0", "1"])) as server:
        seen: Served = server
        first = seen.get("/update?near=accuracy").json
        assert first["version"] == seen.get("/update?near=").json["version"] and not first["goes_on"]
        assert set(first["figures"]) == {"accuracy"} and seen.get("/update?near=").json["figures"] == {}


def test_axe_finds_nothing_serious_and_nothing_sticks_out(browser: Any, tmp_path: Path) -> None:
    one, two = lively(tmp_path / "one", ["0", "1", "2", "3"]), lively(tmp_path / "two", NASTY)
    log = one / "nodes" / "0" / "log"
    log.mkdir(parents=True)
    (log / "trainer.log").write_text("a line that is long " * 40, encoding="utf-8")
    with served(one, two) as server:
        opened = Opened(browser, server.address, 390, "dark", height=900)
        for path in ("", "run/one/node/0", "run/two/"):
            opened.tab.goto(server.address + path)
            opened.until(lambda: bool(opened.tab.evaluate("document.documentElement.dataset.version")))
            assert opened.tab.evaluate(BEYOND) == [], path
            assert serious(opened) == [], path
        opened.close()


PLACES = "[...document.querySelectorAll('main > section')].map(one => [one.id, Math.round(one.getBoundingClientRect().top)])"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_a_node_has_a_place_for_what_is_still_being_read(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    run, read = lively(tmp_path / "net", ["0", "1", "2", "3"]), threading.Event()
    for actor in ("builder", "keeper"):
        RunDirectory(run).node("0").journal(actor).mkdir(parents=True)
    blocks = tuple(encode(objects.final(objects.draft(height=number))) for number in range(9))
    verified = Verified(node="0", height=9, head="", genesis="", transactions=36, receipts=108)
    chain = Examined(node="0", height=9, blocks=blocks, verified=verified)
    found = Stores(tuple(Kept(actor, 8, 900, 7, 7) for actor in ("builder", "keeper")), 3, 90_000, chain)

    def slowly(*given: object) -> Stores:
        read.wait(PATIENCE)
        return found

    monkeypatch.setattr(node, "stores_of", slowly)
    with served(run) as server:
        opened = Opened(browser, server.address, width, height=3000)
        tab = opened.tab
        tab.goto(f"{server.address}node/0")
        assert tab.inner_text("#chain-strips h2") == "The chain, block by block"
        assert "reading the chain …" in tab.inner_text("#chain-strips")
        before = tab.evaluate(PLACES)
        assert [name for name, _ in before] == ["models", "chain-strips", "journal", "lately", "logs"]
        read.set()
        opened.until(lambda: len(tab.query_selector_all("#chain-strips summary")) == 9)
        assert "reading" not in tab.inner_text("main") and "holds 3 models" in tab.inner_text("#models")
        after = dict(tab.evaluate(PLACES))
        assert {name: abs(top - after[name]) for name, top in before if abs(top - after[name]) > 2} == {}
        opened.close()


@pytest.mark.parametrize("in_time", [True, False])
def test_a_node_that_is_still_being_read_at_the_end_has_its_chain_or_says_that_it_has_not(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_time: bool
) -> None:
    run, read = lively(tmp_path / "net", ["0", "1"]), threading.Event()
    RunDirectory(run).node("0").journal("keeper").mkdir(parents=True)
    chain = Examined(node="0", height=1, blocks=(encode(objects.final(objects.draft(height=0))),))

    def slowly(*given: object) -> Stores:
        read.wait(PATIENCE)
        return Stores((Kept("keeper", 8, 900, 7, 7),), 3, 90_000, chain)

    async def settled(*given: object) -> None:
        read.set()
        await settle(*given)  # type: ignore[arg-type]

    settle = Ending.settle
    monkeypatch.setattr(node, "stores_of", slowly)
    monkeypatch.setattr(command, "FAREWELL", PATIENCE if in_time else 0.1)
    monkeypatch.setattr(Ending, "settle", settled if in_time else settle)
    with served(run) as server:
        opened = Opened(browser, server.address)
        opened.tab.goto(f"{server.address}node/0")
        opened.until(lambda: "reading the chain …" in opened.tab.inner_text("main"))
        server.end()
        opened.until(lambda: "has ended" in opened.tab.inner_text("#live"))
        opened.until(lambda: "reading" not in opened.tab.inner_text("main"))
        assert len(opened.tab.query_selector_all("#chain-strips summary")) == int(in_time)
        assert ("not read" in opened.tab.inner_text("#chain-strips"), "was not read." in opened.tab.inner_text("#models")) == (
            not in_time,
        ) * 2
        read.set()
        opened.tab.close()


def test_a_node_of_the_graph_leads_to_its_page(browser: Any, tmp_path: Path) -> None:
    with served(lively(tmp_path / "net", ["0", "1", "2", "3"])) as server:
        opened = Opened(browser, server.address)
        opened.until(lambda: bool(opened.tab.query_selector("#plot-network .point")))
        box = opened.tab.query_selector_all("#plot-network .scatterlayer .trace:last-child .point")[-1].bounding_box()
        opened.tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        opened.until(lambda: "/node/" in opened.tab.url)
        assert opened.tab.inner_text("h1").strip() == "node 3"
        opened.close()
