"""What charts say: sentences that follow from the figures, in the place of charts that would show nothing, and for who cannot see."""

from itertools import combinations
from math import dist
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dfl_actors.report.charts import charts
from dfl_actors.report.charts.chains import slowest
from dfl_actors.report.charts.chart import Bars, OverTime, Panel
from dfl_actors.report.charts.chart import Line as Curve
from dfl_actors.report.charts.learning import accuracy_figure, fitted, together
from dfl_actors.report.charts.palette import DARK, LIGHT
from dfl_actors.report.charts.said import course, spoken
from dfl_actors.report.charts.trust import reputation_matrix, standing
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.page.plotly import specification
from dfl_actors.report.series import Numbers
from dfl_actors.report.summary import summarise
from dfl_actors.report.waits import latencies
from tests.report.made_run import START, Line, address, lively, ready, write_run


def array(*values: float) -> Numbers:
    return np.array(values)


def updated(node: str, second: int, **trust: float) -> Line:
    reputations = {address(name): value for name, value in trust.items()}
    return {"t": START + 1000 * second, "node": node, "actor": "keeper", "event": "updated", "models": 2, "reputations": reputations}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.1, 0.5, 0.94), "rose from 0.1 to 0.94"),
        ((0.94, float("nan"), 0.1), "fell from 0.94 to 0.1"),
        ((0.9, 0.91, 0.905), "stayed at about 0.905"),
        ((3.0, 9.0, 4.0), "rose from 3 to 9, then fell to 4"),
        ((9.0, 3.0, 4.0), "fell from 9 to 3, then rose to 4"),
        ((1234.5, 20.0), "fell from 1,234 to 20"),
        ((), ""),
    ],
)
def test_a_course_in_words(values: tuple[float, ...], said: str) -> None:
    assert course(array(*values), 0.02) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((500, 90), "The models came together: the difference fell from 500 to 90. "),
        ((90, 500), "The models moved apart: the difference rose from 90 to 500. "),
        ((100, 900, 300), "The models moved apart: the difference rose from 100 to 900, then fell to 300. "),
        ((100, 104), "The models kept their distance: the difference stayed at about 104. "),
        ((100,), ""),
    ],
)
def test_whether_models_came_together_follows_from_the_figures(values: tuple[float, ...], said: str) -> None:
    assert together((array(*range(len(values))), array(*values))) == said


@pytest.mark.parametrize("count", [2, 4, 10, 30])
def test_at_every_number_of_nodes_the_mean_is_thick_and_has_a_band(tmp_path: Path, count: int) -> None:
    run = load_run(lively(tmp_path / "net", [str(number) for number in range(count)]))
    for panel in accuracy_figure(run, []).panels:
        (mean,) = [line for line in panel.lines if line.node is None]
        widths = {1.2 if line.thin else line.width for line in panel.lines if line.node}
        assert mean.name == f"mean of {count} nodes" and mean.width > 2 * max(widths)
        assert len(panel.bands) == 1 and len(panel.lines) == count + 1


@pytest.mark.parametrize(
    ("values", "ends"), [((0.92, 0.96), (0.916, 0.964)), ((0.0, 1.0), (-0.02, 1.03)), ((-3.0, 1.0), (-3.2, 1.2)), ((0.5,), (0.496, 0.504))]
)
def test_an_axis_fits_its_values_and_goes_no_further_than_shares_do(values: tuple[float, ...], ends: tuple[float, float]) -> None:
    assert fitted([array(*values)]) == pytest.approx(ends)


def test_constant_reputations_are_a_sentence(tmp_path: Path) -> None:
    same = [updated("a", second, b=1.0, c=1.0) for second in (1, 5)] + [updated("b", 2, a=1.0, c=1.0), updated("c", 3, a=1.0, b=0.999)]
    run = load_run(write_run(tmp_path / "same", "abc", [ready(), *same]))
    assert reputation_matrix(run).figure is None and standing(run).figure is None
    assert reputation_matrix(run).missing == "Every reputation was 1.00, all the time: nobody lost trust, and nobody gained."
    assert standing(run).missing == "No standing changed: the others thought 1.00 of every node, all the time."


def test_constant_standings_that_differ_are_told_and_the_matrix_has_no_slider(tmp_path: Path) -> None:
    lines = [updated("a", second, b=1.0, c=0.2) for second in (1, 5)] + [updated("b", 1, a=1.0, c=0.2)]
    run = load_run(write_run(tmp_path / "still", "abc", [ready(), *lines]))
    assert standing(run).missing == "No standing changed: all the time, the others thought 1.00 of a, b; 0.20 of c."
    matrix = reputation_matrix(run)
    assert matrix.figure is not None and matrix.figure.moments == () and matrix.notes == ("No reputation changed during the run.",)  # type: ignore[union-attr]


def test_standings_have_an_axis_from_0_to_1(tmp_path: Path) -> None:
    figure = standing(load_run(lively(tmp_path / "net", list("abcd")))).figure
    assert isinstance(figure, OverTime) and figure.panels[0].reach == (-0.02, 1.03)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_nodes_kinds_of_work_and_layers_have_colours_of_their_own(palette: dict[str, str]) -> None:
    families = ("node", "layer", "step")
    kinds = {
        family: [colour for name, colour in palette.items() if name.startswith(family) and name[-1].isdigit()] for family in families[:2]
    }
    kinds["work"] = [palette[name] for name in ("learning", "blockchain", "network", "rest")]
    for one, other in combinations(kinds, 2):
        nearest = min((dist(to_rgb(a), to_rgb(b)), a, b) for a in kinds[one] for b in kinds[other])
        assert nearest[0] > 0.1, (one, other, nearest)


def test_the_bar_on_top_of_the_slowest_is_the_transaction_at_the_median(tmp_path: Path) -> None:
    run = load_run(lively(tmp_path / "net", ["amy", "ben", "cy", "dan"]))
    figure, every = slowest(run).figure, sorted(one.total for one in latencies(run, most=10_000).slowest)
    assert isinstance(figure, Bars) and figure.names[0] == f"median of {len(every)}"
    assert sum(part.values[0] for part in figure.parts) == every[(len(every) - 1) // 2], "steps of one transaction add up to it"


def test_what_is_said_of_a_chart_is_what_it_shows(tmp_path: Path) -> None:
    run = load_run(lively(tmp_path / "net", ["amy", "ben", "cy", "dan"]))
    said = {chart.id: spoken(chart) for chart in charts(run, summarise(run))}
    assert said["accuracy"].startswith("Accuracy over time: on test samples: mean of 4 nodes rose from 0.")
    assert (
        "lowest at last node dan at 0." in said["accuracy"]
        and "marked: restart once, injected fault once, resumed once." in said["accuracy"]
    )
    assert "least 0.10, amy and dan" in said["reputations"] and said["network"].startswith("Network and link traffic: 4 nodes, 6 links")
    assert said["cpu-nodes"].startswith("CPU by node: CPU seconds: most ") and "% of all is machine learning" in said["cpu-nodes"]
    nothing = load_run(write_run(tmp_path / "begun", "ab", [ready()]))
    for chart in charts(nothing, summarise(nothing)):
        assert spoken(chart).startswith(f"{chart.title}: ") and spoken(chart).endswith(".")


def test_an_attacker_is_said_apart(tmp_path: Path) -> None:
    path = lively(tmp_path / "net", ["amy", "ben", "cy", "dan"])
    (path / "config.toml").write_text('[node.dan]\nattack = "sign_flip"\n')
    run: Run = load_run(path)
    (said,) = [spoken(chart) for chart in charts(run, summarise(run)) if chart.id == "accuracy"]
    assert "mean of 3 honest nodes rose from" in said and "attacker dan (sign_flip) at 0." in said
    assert "node dan" not in said.partition("attacker")[0]


@pytest.mark.parametrize(("top", "apart"), [(3, 1), (40, None)])
def test_an_axis_of_few_blocks_has_each_number_once(top: int, apart: int | None) -> None:
    curve = Curve(name="0", series=(array(0, 1), array(0, top)), colour="@ink")
    layout = specification(OverTime(panels=[Panel(title="blocks", lines=[curve], counts=True)], end=1))["layout"]
    assert isinstance(layout, dict) and layout["yaxis"].get("dtick") == apart
