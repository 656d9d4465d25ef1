"""What the links of the network show besides traffic."""

from pathlib import Path

from dfl_actors.report.charts.chart import Edge, Graph
from dfl_actors.report.charts.network import network
from dfl_actors.report.load import Run, load_run
from tests.report.made_run import START, Line, address, ready, write_run
from tests.report.test_simulated import simulated


def edges(run: Run, mode: str) -> dict[tuple[str, str], Edge]:
    graph = network(run).modes[mode]
    assert isinstance(graph, Graph)
    return {(edge.one, edge.other): edge for edge in graph.edges}


def updated(node: str, second: int, **said: float) -> Line:
    reputations = {address(name): value for name, value in said.items()}
    return {"t": START + 1000 * second, "node": node, "actor": "keeper", "event": "updated", "models": 1, "reputations": reputations}


def refused(node: str, by: str, code: str, count: int) -> Line:
    return {"t": START, "node": node, "actor": "gossiper", "event": "refused", "code": code, "by": address(by), "count": count}


def test_links_are_as_wide_as_trust_and_red_where_one_end_has_none(tmp_path: Path) -> None:
    lines = [ready(), updated("a", 2, b=1.0, c=0.2), updated("a", 1, b=0.1), updated("b", 1, a=0.5)]
    found = edges(load_run(write_run(tmp_path / "net", ["a", "b", "c"], lines)), "reputations")
    assert (found["a", "b"].colour, found["a", "c"].colour, found["b", "c"].colour) == ("", "@alarm", "")
    assert found["a", "b"].width > found["a", "c"].width and not found["b", "c"].busy
    assert found["a", "b"].text == "a — b\na trusts b: 1.00\nb trusts a: 0.50"
    assert found["b", "c"].text.endswith("c trusts b: nothing said yet")


def test_links_are_as_wide_as_what_was_refused_and_red_where_a_rule_was_broken(tmp_path: Path) -> None:
    lines = [ready(), refused("a", "b", "busy", 8), refused("c", "a", "bad_signature", 1), refused("c", "a", "bad_signature", 1)]
    found = edges(load_run(write_run(tmp_path / "net", ["a", "b", "c"], lines)), "refusals")
    assert (found["a", "b"].colour, found["a", "c"].colour) == ("", "@alarm") and not found["b", "c"].busy
    assert found["a", "b"].width > found["a", "c"].width
    assert found["a", "b"].text == "a — b\na of b: 8 times busy\nb of a: nothing refused"
    assert "c of a: 2 times bad_signature" in found["a", "c"].text


def test_a_simulation_s_links_show_trust_alone(tmp_path: Path) -> None:
    chart = network(load_run(simulated(tmp_path / "sim")))
    assert not chart.modes and isinstance(chart.figure, Graph)
    assert any("0 trusts 2: 0.80" in edge.text for edge in chart.figure.edges)
