"""What attackers and observers look like, wherever nodes are drawn or listed."""

import re
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from dfl_actors.report.charts import charts, makers
from dfl_actors.report.charts.chart import Bars, Graph, Matrix
from dfl_actors.report.charts.learning import accuracy_figure
from dfl_actors.report.charts.network import network
from dfl_actors.report.charts.palette import PICTURE
from dfl_actors.report.charts.trust import receipt_matrix, reputation_matrix
from dfl_actors.report.kinds import attack_text, kind_text
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.page.page import page
from dfl_actors.report.page.plotly import specification
from dfl_actors.report.page.tables import tables_after
from dfl_actors.report.paper import panels_of
from dfl_actors.report.pictures import draw_accuracy, draw_figure
from dfl_actors.report.roles import look_of
from dfl_actors.report.runs.compare import compare, load_sides
from dfl_actors.report.summary import render, summarise
from dfl_actors.runtime.examined import Examined
from tests.report.browser import Opened, chromium
from tests.report.made_run import LONG, START, Line, address, lively

CONFIG = '[node.ben]\nattack = "/home/ben/my files/mine.py:lie"\n[node.eve]\nrole = "observer"\n'


def made(path: Path, names: list[str], config: str = CONFIG) -> Run:
    lively(path, names)
    (path / "config.toml").write_text(config)
    return load_run(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("roles") / "net", ["amy", "ben", "dan", "eve"])


def test_an_attack_of_ones_own_is_called_by_its_file_alone() -> None:
    assert [attack_text(one) for one in ("sign_flip", "/a b/mine.py:lie", "package.module:lie")] == [
        "sign_flip", "mine.py:lie", "package.module:lie",
    ]  # fmt: skip
    assert (kind_text("observer", None), kind_text("normal", "noise")) == ("observer", "noise")


def test_curves_dots_and_axes_show_what_a_node_is(run: Run) -> None:
    lines = {line.name: line for line in accuracy_figure(run, []).panels[0].lines}
    assert [(lines[name].dash, lines[name].colour, lines[name].hollow) for name in ("amy", "ben", "eve")] == [
        ("solid", "@node0", False), ("dash", "@alarm", False), ("solid", "@node3", True),
    ]  # fmt: skip
    assert lines["ben"].label == "ben (mine.py:lie)" and not lines["amy"].label
    dots = {dot.name: dot for dot in network(run).figure.dots}  # type: ignore[union-attr]
    assert dots["ben"].colour == "@alarm" and "(mine.py:lie)" in dots["ben"].text and dots["eve"].hollow
    assert reputation_matrix(run).figure.labels == ["amy", "ben (mine.py:lie)", "dan", "eve (observer)"]  # type: ignore[union-attr]
    axes = draw_accuracy(run).axes[0]
    drawn = {str(line.get_gid()): line for line in axes.get_lines()}
    assert drawn["test ben"].get_linestyle() == "--" and drawn["test eve"].get_markerfacecolor() == "white"
    assert any("ben (mine.py:lie)" in text.get_text() for text in axes.get_legend().get_texts())  # type: ignore[union-attr]


def test_bars_and_matrices_name_nodes_with_what_they_are(run: Run) -> None:
    made = {name: make().figure for name, make in makers(run, summarise(run)).items()}
    for name, axis in (("cpu-nodes", "xaxis"), ("transactions", "yaxis"), ("reputations", "xaxis"), ("receipts", "yaxis")):
        figure = made[name]
        assert isinstance(figure, Bars | Matrix)
        texts = " ".join(specification(figure)["layout"][axis]["ticktext"])  # type: ignore[index]
        assert '<span style="color:@alarm;text-decoration:underline dashed">ben (mine.py:lie)' in texts, name
        assert "dan" in texts and "◇</span> eve (observer)" in texts, name
        for drawn in (draw_figure(figure, ""), panels_of(figure)[""](3.4)):
            axes = drawn.axes[0]
            names = [*axes.get_xticklabels(), *axes.get_yticklabels()]
            alarm = {"ben" in text.get_text() for text in names if text.get_color() == ALARMED}
            assert alarm == {True}, name


def test_of_many_nodes_a_matrix_names_the_attackers_and_those_that_stand_far_from_them(tmp_path: Path) -> None:
    names = [f"node-{number}" for number in range(60)]
    path = lively(tmp_path / "net", names, seconds=5)
    (path / "config.toml").write_text('[node.node-4]\nattack = "noise"\n[node.node-50]\nrole = "observer"\n')
    figure = receipt_matrix(load_run(path)).figure
    for drawn in (draw_figure(figure, ""), panels_of(figure)[""](7.0)):  # type: ignore[arg-type]
        axes = drawn.axes[0]
        for axis in (axes.xaxis, axes.yaxis):
            told = {text.get_text(): text.get_color() for text in axis.get_ticklabels()}
            assert {name for name, colour in told.items() if colour == ALARMED} == {"node-4 (noise)"}
            assert 8 <= len(told) <= 27


ALARMED = PICTURE["alarm"]
FILLED = """() => [...document.querySelectorAll("svg.hollow")].map(one => getComputedStyle(one).fill)"""
ATTACKERS = """() => [...document.querySelectorAll("#plot-cpu-nodes .xtick tspan, #plot-cpu-nodes .xtick text")]
    .filter(one => one.children.length === 0 && /ben/.test(one.textContent))
    .map(one => [one.textContent, getComputedStyle(one).fill, getComputedStyle(one).textDecorationStyle])"""


def test_signs_are_hollow_and_names_red_wherever_the_page_has_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(run, chains=[Examined(node=name) for name in run.nodes]), encoding="utf-8")
    with chromium() as browser:
        opened = Opened(browser, tmp_path / "page.html")
        assert opened.tab.query_selector("#chain-strips h3 svg.hollow") and set(opened.tab.evaluate(FILLED)) == {"none"}
        assert opened.tab.evaluate(ATTACKERS) == [["ben (mine.py:lie)", "rgb(176, 0, 32)", "dashed"]]
        opened.show(390, "dark")
        assert opened.tab.evaluate(ATTACKERS) == [["ben (mine.py…", "rgb(255, 107, 122)", "dashed"]]
        opened.close()


@pytest.mark.parametrize("width", [80, 200])
def test_the_closing_tables_say_what_nodes_are(run: Run, width: int) -> None:
    summary = summarise(run)
    summary["refusals"] = [{"refuser": "amy", "refused": "ben", "code": "signature", "count": 2}]
    console = Console(width=width)
    with console.capture() as said:
        render(summary, console)
    text = said.get()
    assert len(re.findall(r"(?m)^ben +mine.py:lie .*$", text)) == 2 and len(re.findall(r"(?m)^eve +observer .*$", text)) == 2
    assert re.search(r"(?m)^amy +ben \(mine.py:lie\) +2 ", text)


def test_the_page_names_attackers_and_its_headline_is_of_the_honest(run: Run) -> None:
    text, summary = page(run), summarise(run)
    assert 'class="chip attacker"' in text and "<small>mine.py:lie</small>" in text and "/home/ben" not in text.split("<main>")[0]
    honest = [summary["nodes"][name]["test_accuracy"] for name in ("amy", "dan", "eve")]
    assert summary["headline"]["mean"] == pytest.approx(sum(honest) / 3) and summary["headline"]["attackers"] == 1
    assert f'<p class="headline">{summary["headline"]["text"]}</p>' in text and "1 attacker apart" in text


def test_every_table_marks_attackers_and_observers(tmp_path: Path) -> None:
    path = lively(tmp_path / "net", ["amy", "ben", LONG, "eve"])
    (path / "config.toml").write_text(CONFIG)
    said = dict.fromkeys(map(address, ("ben", LONG)), "rejected: norm 9 of own")
    more: list[Line] = [
        {"node": "amy", "actor": "keeper", "event": "updated", "notes": {"senders": said}},
        {"node": "eve", "actor": "gossiper", "event": "refused", "code": "busy", "by": address("ben")},
    ]
    with (path / "metrics.jsonl").open("ab") as file:
        file.writelines(orjson.dumps({"t": START + 9000, **line}) + b"\n" for line in more)
    run = load_run(path)
    summary = summarise(run)
    tables = "".join(table for chart in makers(run, summary) for table in tables_after(chart, run, summary))
    cells = dict(re.findall(r'<section class="wide" id="([a-z-]+)">(.*?)</section>', tables, re.DOTALL))
    for name in ("nodes", "blocks", "judged", "refused", "cpu-by-node"):
        assert '<span class="node attacker" title="node ben, mine.py:lie"><span>ben</span>' in cells[name], name
    # What it does stands beside its name, or in a column of its own.
    assert "<span>ben</span><small>mine.py:lie</small>" in cells["judged"] and "<span>ben</span></span>" in cells["nodes"]
    assert re.search(r'<span class="node" title="node eve, observer"><svg [^>]*class="hollow"', cells["blocks"])
    # A name is never cut on the page.
    assert f'<td class="left">{LONG}</td>' in cells["judged"] and f"{LONG}</td>" in cells["cpu-by-node"]


def test_in_a_crowd_attackers_stand_out_and_the_mean_leaves_them_out(tmp_path: Path) -> None:
    run = made(tmp_path / "net", [str(number) for number in range(12)], '[node.3]\nattack = "noise"\n')
    lines = {line.name: line for line in accuracy_figure(run, []).panels[0].lines}
    assert (lines["3"].colour, lines["3"].dash, lines["3"].thin, lines["4"].colour) == ("@alarm", "dash", True, "@crowdfaint")
    assert "mean of 11 honest nodes" in lines and look_of(run, "3").said == "noise"
    legend = draw_accuracy(run).axes[0].get_legend()
    assert legend is not None and "1 attacker: noise" in [text.get_text() for text in legend.get_texts()]


def test_a_comparison_has_attackers_apart(run: Run, tmp_path: Path) -> None:
    honest = made(tmp_path / "honest", ["amy", "ben", "dan", "eve"], "")
    figures = {figure.name: (figure.a, figure.b) for figure in compare(*load_sides(honest.path, run.path))}
    assert figures["attackers, apart"] == (0, 1) and figures["nodes measured"] == (4, 4)
    assert figures["accuracy of honest nodes, mean"][1] == pytest.approx(summarise(run)["headline"]["mean"])


def test_the_graph_names_what_attackers_do(run: Run) -> None:
    (found,) = (chart.figure for chart in charts(run, summarise(run)) if chart.id == "network")
    assert isinstance(found, Graph)
    assert {dot.name: (dot.group, dot.hollow) for dot in found.dots if dot.group} == {
        "ben": ("mine.py:lie", False),
        "eve": ("observer", True),
    }
    (axes,) = draw_figure(found, "network").axes
    assert set(axes.get_legend_handles_labels()[1]) == {"mine.py:lie", "observer"} and axes.get_legend() is not None
