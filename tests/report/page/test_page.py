"""The report's page: its text, and what a real browser makes of it at 4, 10 and 50 nodes, light and dark, wide and narrow."""

import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dfl_actors.report.charts.chart import Graph
from dfl_actors.report.charts.network import network
from dfl_actors.report.charts.palette import DARK, LIGHT
from dfl_actors.report.load import load_run
from dfl_actors.report.page import plotly
from dfl_actors.report.page.page import page
from dfl_actors.report.runs.listing import held_since
from dfl_actors.runtime.rundir import RunDirectory
from tests.report.browser import BEYOND, CHARTS, OVERLAPS, SMALLEST, Opened, chromium, serious
from tests.report.made_run import LONG, NASTY, START, Line, address, lively, ready, realistic, write_run

TOOLS = {"download plot as a png", "download plot as an svg", "zoom", "pan", "zoom in", "zoom out", "reset axes"}
NETWORK = '<script>hacked=1</script> & "co"'


def names_of(count: int) -> list[str]:
    return [*NASTY, "g", "hamburg", "ipswich"] if count == 10 else [str(number) for number in range(count)]


def written(path: Path, run: Path) -> Path:
    path.write_text(page(load_run(run)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    place = tmp_path_factory.mktemp("pages")
    runs = {count: lively(place / f"run{count}", names_of(count), name=NETWORK) for count in (4, 10, 50)}
    return {count: written(place / f"{count}.html", run) for count, run in runs.items()}


class Tabs:
    """Each page, opened once: to draw it for the first time costs as much as all that one test does with it."""

    def __init__(self, browser: Any, pages: dict[int, Path]) -> None:
        self.browser, self._pages, self._opened = browser, pages, dict[int, Opened]()

    def __call__(self, count: int, scheme: str = "light") -> Opened:
        """In a wide window. A test leaves the choice of nodes as it found it, and ends with `check`."""
        if count not in self._opened:
            self._opened[count] = Opened(self.browser, self._pages[count], scheme=scheme)
        self._opened[count].show(1400, scheme)
        return self._opened[count]


@pytest.fixture(scope="module")
def tabs(pages: dict[int, Path]) -> Iterator[Tabs]:
    with chromium() as browser:
        yield Tabs(browser, pages)


def rgb(colour: object) -> str:
    return "rgb({}, {}, {})".format(*bytes.fromhex(str(colour).removeprefix("#")))


# --- in the browser


@pytest.mark.parametrize("count", [4, 10, 50])
def test_every_chart_is_drawn_in_every_scheme_and_width(tabs: Tabs, count: int) -> None:
    opened = tabs(count)
    assert opened.drawn()["chains"]["colours"] == {4: 4, 10: 10, 50: 1}[count]
    for width, scheme in [(1400, "light"), (390, "light"), (390, "dark"), (1400, "dark")]:
        opened.show(width, scheme)
        drawn, ink = opened.drawn(), rgb((LIGHT if scheme == "light" else DARK)["ink"])
        assert drawn.keys() == CHARTS
        for name, chart in drawn.items():
            assert chart["shapes"] >= chart["traces"] > 0, (name, width, scheme, chart)
            assert chart["height"] > 250 and abs(chart["width"]) < 2, (name, width, chart)
        assert {chart["ink"] for name, chart in drawn.items() if name != "network"} == {ink}
        assert opened.tab.evaluate(BEYOND) == [] and opened.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert opened.tab.evaluate(OVERLAPS) == []
        assert opened.tab.evaluate(SMALLEST) >= 9
    # Plotly's own choice of tools has one that sends the chart away.
    assert {button.get_attribute("data-title").lower() for button in opened.tab.query_selector_all(".modebar-btn")} == TOOLS
    assert opened.tab.query_selector_all("a") == []
    opened.check()


def test_names_are_shown_as_they_are_and_never_run(tabs: Tabs) -> None:
    opened = tabs(10)
    tab = opened.tab
    assert tab.inner_text("h1") == NETWORK
    assert [chip.inner_text() for chip in tab.query_selector_all(".chip[data-node]")] == names_of(10)
    assert tab.evaluate("typeof hacked") == "undefined" and tab.query_selector_all("img, main script") == []
    ticks = [text.text_content() for text in tab.query_selector_all("#plot-receipts .ytick text")]
    assert ticks == ["amsterdam", "<img src=x on…", "c&d", 'say "q"', "a name that g…", "%{x}", "$x$", "g", "hamburg", "ipswich"]
    # What a chart says of a node when one points at it.
    tab.evaluate("Plotly.Fx.hover('plot-chains', [{curveNumber: 5, pointNumber: 1}])")
    assert "node %{x}" in tab.text_content("#plot-chains .hoverlayer")
    opened.check()


CUT = """() => [...document.querySelectorAll(".chip[data-node] > span")].filter(one => one.scrollWidth > one.clientWidth)
    .map(one => one.textContent)"""


def test_a_chip_shows_a_name_whole_where_there_is_room(tabs: Tabs) -> None:
    opened = tabs(10)
    assert opened.tab.evaluate(CUT) == []
    opened.show(390, "light")
    assert opened.tab.evaluate(CUT) == [LONG] and opened.tab.evaluate(BEYOND) == []
    opened.check()


def test_no_link_is_seen_through_a_hollow_sign(tabs: Tabs, tmp_path: Path) -> None:
    run = lively(tmp_path / "net", ["0", "1", "2", "3"])
    (run / "config.toml").write_text('[node.3]\nrole = "observer"\n')
    opened = Opened(tabs.browser, written(tmp_path / "page.html", run))
    plot = opened.tab.query_selector("#plot-network")
    for scheme, palette in (("light", LIGHT), ("dark", DARK)):
        opened.show(1400, scheme)
        boxes = [spot.bounding_box() for spot in plot.query_selector_all(".scatterlayer .trace:nth-last-child(-n + 4) .point")]
        corner, shot = plot.bounding_box(), np.asarray(Image.open(BytesIO(plot.screenshot())).convert("RGB"))
        places = [(box["x"] + box["width"] / 2 - corner["x"], box["y"] + box["height"] / 2 - corner["y"]) for box in boxes]
        x, y = places.pop()
        for to_x, to_y in places:  # a little on the way to each other node, where its link would be seen
            part = 10 / np.hypot(to_x - x, to_y - y)
            seen = shot[round(y + part * (to_y - y)), round(x + part * (to_x - x))]
            assert f"#{bytes(seen.tolist()).hex()}" == palette["ground"].lower()
    opened.close()


def test_a_crowd_s_graph_names_whoever_is_not_normal(tmp_path: Path) -> None:
    names = [f"node-{number}" for number in range(plotly.MOST_NAMED + 1)]
    config = '[node.node-3]\nattack = "noise"\n[node.node-5]\nrole = "observer"\n'
    said = {}
    for count in (len(names) - 1, len(names)):
        run = lively(tmp_path / str(count), names[:count], seconds=5)
        (run / "config.toml").write_text(config)
        figure = network(load_run(run)).figure
        assert isinstance(figure, Graph)
        traces = plotly.specification(figure)["data"]
        said[count] = [text for trace in traces for text in trace.get("text", ()) if trace["mode"] == "markers+text" and text]  # type: ignore[attr-defined]
    assert said[len(names)] == ["node-3<br>noise", "node-5<br>observer"]
    assert len(said[len(names) - 1]) == len(names) - 1


def test_in_a_large_matrix_and_under_many_bars_attackers_have_red_names(tabs: Tabs, tmp_path: Path) -> None:
    """Of more than twelve nodes names were thinned out, and drawn in one colour."""
    names = [f"node-{number}" for number in range(30)]
    run = lively(tmp_path / "net", names, seconds=5)
    (run / "config.toml").write_text(
        '[node.node-3]\nattack = "noise"\n[node.node-4]\nattack = "noise"\n[node.node-17]\nrole = "observer"\n'
    )
    opened = Opened(tabs.browser, written(tmp_path / "page.html", run))
    for chart, axes in (("receipts", "xy"), ("cpu-nodes", "x")):
        for axis in axes:
            drawn = opened.tab.query_selector_all(f"#plot-{chart} .{axis}tick text")
            assert 8 <= len(drawn) <= 16, "some of thirty"
            red = {
                text.text_content() for text in drawn if (span := text.query_selector("tspan")) and LIGHT["alarm"].lower() in hexed(span)
            }
            assert red == {"node-3 (noise)", *(["node-4 (noise)"] if axis == "y" else [])}, "turned ones need more room"
            assert any("node-17" in text.text_content() for text in drawn)
    opened.tab.click("summary")
    opened.click(".chip[data-node='node-8']")
    ticks = opened.tab.evaluate("document.getElementById('plot-receipts').layout.yaxis.ticktext")
    assert ticks == ["node-8"], "who is chosen has its name"
    opened.close()


def hexed(span: Any) -> str:
    red, green, blue = map(int, re.findall(r"\d+", span.evaluate("one => getComputedStyle(one).fill"))[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def test_choosing_a_few_of_four(tabs: Tabs) -> None:
    opened = tabs(4)
    assert [chip.get_attribute("aria-pressed") for chip in opened.tab.query_selector_all(".chip[data-node]")] == ["true"] * 4
    opened.click(".chip[data-node='1']")
    # Node 1 steps back into grey in the charts over time and leaves the rows of the matrices, the bars and the transactions.
    lines = opened.tab.evaluate("document.getElementById('plot-chains').data.map(trace => trace.line.color)")
    assert lines == [LIGHT["node0"], LIGHT["faint"], LIGHT["node2"], LIGHT["node3"]]
    data = "document.getElementById('plot-{}').data[0].{}"
    assert opened.tab.evaluate(data.format("receipts", "y")) == ["0", "2", "3"]
    assert opened.tab.evaluate(data.format("receipts", "x")) == ["0", "1", "2", "3"]
    assert opened.tab.evaluate(data.format("cpu-nodes", "x")) == ["0", "2", "3"]
    waiting = opened.tab.evaluate(data.format("transactions", "y"))
    assert waiting[0].startswith("<b>median") and {name.split()[0] for name in waiting[1:]} == {"0", "2", "3"}
    opened.click("[data-choose=all]")
    assert opened.tab.evaluate(data.format("receipts", "y")) == ["0", "1", "2", "3"]
    opened.check()


def test_a_chart_is_downloaded_as_an_svg(tabs: Tabs) -> None:
    opened = tabs(4)
    with opened.tab.expect_download(timeout=60_000) as waiting:
        opened.tab.evaluate("document.querySelector('#plot-chains [data-title=\"Download plot as an SVG\"]').click()")
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    assert waiting.value.suggested_filename.endswith("-chains.svg")
    assert text.startswith("<svg") and text.count('class="scatterlayer') == 1 and text.count('class="trace scatter') == 4
    opened.check()


def test_picking_two_out_of_fifty(tabs: Tabs) -> None:
    opened = tabs(50)
    tab = opened.tab
    tab.click("summary")
    opened.click(".chip[data-node='7']")
    opened.click(".chip[data-node='49']")
    assert tab.inner_text("#counted") == "2 of 50 chosen"
    lines = tab.evaluate("document.getElementById('plot-chains').data.map(trace => trace.line.color)")
    assert (lines[7], lines[49]) == (LIGHT["node2"], LIGHT["node3"])
    assert set(lines[:7] + lines[8:49]) == {LIGHT["crowdfaint"]}
    assert tab.evaluate("document.getElementById('plot-reputations').data[0].y") == ["7", "49"]
    opened.click("[data-choose=none]")
    assert len(tab.evaluate("document.getElementById('plot-reputations').data[0].y")) == 50
    opened.check()


def test_the_slider_goes_through_the_reputations(tabs: Tabs) -> None:
    opened = tabs(4)
    tab = opened.tab
    z = "document.getElementById('plot-reputations').data[0].z"
    at_the_end = tab.evaluate(z)
    tab.focus("input[type=range]")
    tab.keyboard.press("Home")
    at_first = tab.evaluate(z)
    # Nobody distrusts node 3 at first, everybody at the end; nobody judges itself.
    assert [row[3] for row in at_the_end] == [0.1, 0.1, 0.1, None] and {row[3] for row in at_first} <= {0.9, None}
    assert tab.inner_text("output").startswith("after 4.") or tab.inner_text("output").startswith("after 3.")
    opened.check()


def test_the_axis_of_accuracies_fits_or_goes_from_0_to_1(tabs: Tabs) -> None:
    opened = tabs(4)
    range_of = "document.getElementById('plot-accuracy')._fullLayout.yaxis.range"
    fit = opened.tab.evaluate(range_of)
    button = "[data-axis=accuracy]"
    opened.tab.focus(button)
    opened.tab.keyboard.press("Enter")
    opened.tab.wait_for_timeout(50)
    assert opened.tab.get_attribute(button, "aria-pressed") == "true"
    assert opened.tab.evaluate(range_of) == [-0.02, 1.03] != fit
    opened.tab.keyboard.press("Enter")
    opened.tab.wait_for_timeout(50)
    assert opened.tab.evaluate(range_of) == fit
    opened.check()


def test_refusals_are_chosen_by_their_reason(tabs: Tabs) -> None:
    opened = tabs(4)
    shown = "document.getElementById('plot-refusals').data[0].z"
    assert opened.tab.evaluate(shown)[3][0] == 8 and opened.tab.evaluate(shown)[0][3] == 1
    opened.tab.select_option("select[data-frames=refusals]", label="the sender's fault")
    assert opened.tab.evaluate(shown)[3][0] is None and opened.tab.evaluate(shown)[0][3] == 1
    opened.tab.select_option("select[data-frames=refusals]", label="all")
    assert opened.tab.evaluate(shown)[3][0] == 8
    opened.check()


def edge(opened: Opened, selector: str) -> int:
    """How dark the right edge of most rows of a table is, against its ground: 0 where there is no shadow."""
    picture = np.asarray(Image.open(BytesIO(opened.tab.query_selector(selector).screenshot())).convert("L"), int)
    return 255 - int(np.median(picture[:, -2]))


def test_a_table_that_goes_on_has_a_shadow_at_that_edge(tabs: Tabs) -> None:
    opened = tabs(4)
    table = "#cpu-by-node .scroll"
    assert edge(opened, table) == 0, "it is whole on a wide screen"
    opened.show(390, "light")
    assert edge(opened, table) > 40
    opened.tab.evaluate(f"document.querySelector('{table}').scrollLeft = 9999")
    assert edge(opened, table) == 0
    opened.check()


def test_a_chart_is_heard_as_what_it_shows(tabs: Tabs) -> None:
    opened = tabs(10)
    said = opened.tab.get_attribute("#plot-accuracy", "aria-label")
    assert said.startswith("Accuracy over time: on test samples: mean of 10 nodes rose from 0.")
    opened.check()


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(tabs: Tabs, width: int, scheme: str) -> None:
    opened = tabs(4)
    opened.show(width, scheme)
    assert serious(opened) == []
    opened.check()


def test_the_links_show_what_is_chosen(tabs: Tabs) -> None:
    opened = tabs(4)
    colours = "document.getElementById('plot-network').data.filter(trace => trace.mode === 'lines').map(trace => trace.line.color)"
    assert set(opened.tab.evaluate(colours)) == {LIGHT["link"]}
    opened.tab.select_option("[data-mode=network]", "reputations")
    # Nobody trusts node 3 any more.
    opened.until(lambda: LIGHT["alarm"] in opened.tab.evaluate(colours))
    opened.tab.select_option("[data-mode=network]", "traffic")
    opened.until(lambda: set(opened.tab.evaluate(colours)) == {LIGHT["link"]})
    opened.check()


def test_paper_takes_the_light_colours_and_all_rows(tabs: Tabs) -> None:
    opened = tabs(50, "dark")
    opened.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert {chart["ink"] for name, chart in opened.drawn().items() if name != "network"} == {rgb(LIGHT["ink"])}
    opened.tab.emulate_media(media="print", color_scheme="dark")
    assert not opened.tab.is_visible(".chooser")
    assert opened.tab.evaluate("[...document.querySelectorAll('.scroll')].every(one => one.scrollHeight <= one.clientHeight + 1)")
    assert opened.tab.evaluate("Math.max(...[...document.querySelectorAll('.main-svg')].map(svg => svg.clientWidth))") <= 700
    opened.tab.emulate_media(media="screen", color_scheme="dark")
    opened.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert {chart["ink"] for name, chart in opened.drawn().items() if name != "network"} == {rgb(DARK["ink"])}
    opened.check()


def test_a_chart_is_drawn_when_it_is_seen(tabs: Tabs, pages: dict[int, Path]) -> None:
    opened = Opened(tabs.browser, pages[4], height=900)
    drawn = "[...document.querySelectorAll('.plot')].filter(plot => plot.data).map(plot => plot.id.slice(5))"
    assert "accuracy" in opened.tab.evaluate(drawn) and "transactions" not in opened.tab.evaluate(drawn)
    opened.tab.evaluate("document.getElementById('transactions').scrollIntoView()")
    opened.redrawn()
    assert "transactions" in opened.tab.evaluate(drawn)
    # Paper shows all of them.
    opened.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.until(lambda: set(opened.tab.evaluate(drawn)) == CHARTS)
    opened.close()


# --- as text


def test_what_is_not_ours_is_as_it_was_published() -> None:
    place = Path(plotly.__file__).parent / "vendored"
    table = (place / "README.md").read_text(encoding="utf-8")
    script, licence = (place / name for name in ("plotly-cartesian.min.js", "plotly-cartesian.LICENSE"))
    assert (
        hashlib.sha256(script.read_bytes()).hexdigest() in table
        and "v4.1.1" in script.read_text(encoding="utf-8")[:200]
        and "4.1.1" in table
    )
    assert "MIT License" in licence.read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_may_not(pages: dict[int, Path]) -> None:
    text = pages[4].read_text(encoding="utf-8")
    head = text[: text.index("<script>")]
    assert "default-src 'none'" in head and not re.search(r"(src|href)=|@import|url\(", head)
    assert text.count("</script>") == 3


def test_a_run_that_has_only_begun_says_of_each_chart_what_is_missing(tmp_path: Path) -> None:
    text = page(load_run(write_run(tmp_path / "net", ["0", "1"], [ready()])), held=START)
    assert "under way: this is the run so far" in text
    assert text.count('class="missing"') == len(CHARTS) - 1 + 1  # the network is there; the last is for browsers without JavaScript
    for said in (
        "Nothing was measured",
        "appear with the first update",
        "this run is still under way, or was killed",
        "No block was final",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([ready(), {"t": START + 9, "event": "stopped", "reason": "target"}], "finished: target"),
        ([ready(), {"t": START + 9, "event": "stopped", "reason": "interrupted"}], "interrupted"),
        ([ready()], "died: it was killed, or its machine was"),
    ],
)
def test_the_page_says_how_the_run_ended(tmp_path: Path, lines: list[Line], said: str) -> None:
    assert f'<p class="state">{said} · 1 node · begun 2023-11-14 22:13:12 UTC' in page(load_run(write_run(tmp_path / "net", ["0"], lines)))


def test_a_run_under_way_is_known_by_its_lock(tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "net", ["0"], [ready()]))
    assert "died" in page(load_run(run.path), held_since(run))
    with run.lock():
        # The lock is of today, the metrics are of 2023: whoever holds it has not written anything yet.
        assert '<p class="state">starting' in page(load_run(run.path), held_since(run))
        assert '<p class="state">under way: this is the run so far' in page(load_run(run.path), START)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_very_small_networks_have_a_page(tmp_path: Path, count: int) -> None:
    names = [str(number) for number in range(count)]
    text = page(load_run(write_run(tmp_path / "net", names, realistic(names, seconds=30) if count else [ready()])))
    assert ('class="chooser"' in text) == (count > 1)


def test_long_lines_are_thinned_and_the_page_says_so(tmp_path: Path) -> None:
    lines = [
        {"t": START + t, "node": "0", "actor": "trainer", "event": "trained", "tx": f"{t}", "correct": t % 100, "tested": 100}
        for t in range(20_000)
    ]
    text = page(load_run(write_run(tmp_path / "net", ["0", "1"], [ready(), *lines])))
    assert "Thinned out: of up to 20,000 points a line, 12,000 are drawn, the least and the greatest of each stretch." in text
    assert len(text) < 2_000_000


def test_a_restart_of_the_evaluator_is_trouble_too(tmp_path: Path) -> None:
    """The card said that there was no restart, below a line that said there were two."""
    killed = {"t": START + 5000, "node": "", "actor": "evaluator", "event": "restarted", "reason": "killed"}
    shown = written(tmp_path / "page.html", write_run(tmp_path / "net", ["a"], [ready(), killed])).read_text(encoding="utf-8")
    assert "evaluator was restarted" in shown and "no restart" not in shown and "1 restart<" in shown


def test_a_clock_that_was_off_stands_at_the_head(tmp_path: Path) -> None:
    off = {"t": START + 9, "node": "0", "actor": "gossiper", "event": "clock_off", "by": address("<b>"), "ms": -90_000}
    text = page(load_run(write_run(tmp_path / "net", ["0", "<b>"], [ready(), off])))
    assert '<ul class="remarks"><li>the clock of node &lt;b&gt; is 90 s behind that of node 0' in text


def test_unreadable_lines_are_told(tmp_path: Path) -> None:
    assert "1 line of metrics.jsonl could not be read" in page(load_run(write_run(tmp_path / "net", ["0"], [ready()], tail=b'{"t":')))
