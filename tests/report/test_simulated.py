"""A simulation read, listed, compared, exported, reported and deleted as a run is."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from dfl_actors.api.result import load_run as load_result
from dfl_actors.api.simulation import Repeated
from dfl_actors.api.topology import Topology
from dfl_actors.core.events import Evaluated, Happened, Trained
from dfl_actors.errors import StoreError
from dfl_actors.report.charts import charts
from dfl_actors.report.charts.chart import Graph, OverTime
from dfl_actors.report.charts.learning import accuracy
from dfl_actors.report.frames import reasons
from dfl_actors.report.load import load_run
from dfl_actors.report.page.page import page
from dfl_actors.report.pictures import write_plots
from dfl_actors.report.runs.compare import compare, load_sides
from dfl_actors.report.runs.compare_picture import draw_comparison
from dfl_actors.report.runs.exports import export
from dfl_actors.report.runs.group_picture import groups_chart
from dfl_actors.report.runs.groups import load_groups, sheet
from dfl_actors.report.runs.listing import find, list_runs, remove
from dfl_actors.report.series import accuracies, over_steps
from dfl_actors.report.simulation import closing, closing_text, leave, render_simulation, summarise_simulation
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.sim.about import About, load_about, save_about
from dfl_actors.watch.overview import Overview
from dfl_actors.watch.views import Place, RunView
from tests.report.made_run import lively

TEXT = "[network]\nnodes = 3\nseed = 4\n[training]\nbatch = 10\n[node.2]\nattack = 'sign_flip'\n[sim]\nticks = 601\n"


def simulated(place: Path, over: bool = True) -> Path:
    """A directory as a simulation of three nodes leaves it: accuracies rise to 0.5 and 0.6, that of the attacker stays."""
    (place / "reputation").mkdir(parents=True)
    (place / "reasons").mkdir()
    (place / "config.toml").write_text(Topology("net", text=TEXT).toml(), encoding="utf-8")
    tables: dict[str, Sequence[Sequence[object]]] = {
        "accuracy.csv": [["tick", "0", "1", "2"], *[[20 * n, n / 60, n / 50, 0.1] for n in range(31)]],
        "steps.csv": [["tick", "0", "1", "2"], *[[20 * n, 2 * n + 1, 2 * n + 1, 2 * n] for n in range(31)]],
        "model_weight_diff.csv": [["tick", "a", "b"], [0, 2.0, 1.0], [20, 1.5, 0.5]],
        "reputation/0_reputation.csv": [["tick", "1", "2"], [8, 1.0, 0.9], [16, 1.0, 0.8]],
        "reasons/0_reasons.csv": [["tick", "1", "2"], [8, "taken", "rejected: fc norm 9 of own"], [16, "", "in part: 3 times"]],
    }
    for name, rows in tables.items():
        with (place / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    save_about(place, About(started=1_700_000_000_000, version="0", seconds=12.5, cpu=20.0, over=over))
    return place


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_its_closing_lines_break_between_words_on_a_terminal_alone(tmp_path: Path, width: int) -> None:
    summary = leave(load_run(simulated(tmp_path / "[red]sim")))
    summary["findings"] = ["node 2 (sign_flip) was kept out: 2 nodes rejected its models in 100 % of 10 updates; at last: norm 9 of own"]
    sentences = [summary["headline"]["text"], *summary["findings"], closing_text(summary["accuracy"])]
    terminal, file = (Console(width=width, force_terminal=tty, color_system=None, _environ={"TERM": "xterm"}) for tty in (True, False))
    for console in (terminal, file):
        with console.capture() as said:
            render_simulation(summary, console)
        lines = [line.rstrip() for line in said.get().splitlines()]
        assert any(line.endswith("[red]sim") for line in lines), "a path is whole, and no markup"
        if console is terminal:
            assert max(len(line) for line in lines if "lies in" not in line) <= width
            assert all(sentence in " ".join(lines) for sentence in sentences)
        else:
            assert set(sentences) <= set(lines)


def test_its_page_says_of_how_many_ticks_until_it_is_over(tmp_path: Path) -> None:
    under_way, over = (load_run(simulated(tmp_path / str(done), done)) for done in (False, True))
    assert ">600 of 601 ticks<" in page(under_way) and ">601 ticks<" in page(over)
    views = [RunView(run.path, run.path.name) for run in (under_way, over)]
    shown = Overview(views)
    shown.advance()
    table = shown.page(Place(events="/events", update="/update"))
    assert ">tick 600 of 601<" in table and ">tick 601<" in table


def test_its_tables_are_events_at_their_ticks(tmp_path: Path) -> None:
    run = load_run(simulated(tmp_path / "a"))
    assert (run.simulated, run.axis, run.elapsed, run.moment(8), run.attacks) == (True, "tick", 601, "tick 8", {"2": "sign_flip"})
    ticks, values = accuracies(run, run.of(Evaluated))["1"]
    assert list(ticks[:3]) == [0, 20, 40] and values[-1] == pytest.approx(0.6)
    steps, _ = over_steps(run, accuracies(run, run.of(Evaluated)))["1"]
    assert list(steps[:3]) == [1, 3, 5]
    assert [event.samples for event in run.of(Trained) if event.node == "0"][:2] == [10, 30]
    assert not load_run(tmp_path / "a", (Evaluated,)).of(Trained)


def test_its_events_are_told_as_those_of_a_run(tmp_path: Path) -> None:
    place = simulated(tmp_path / "a")
    drift = "[[event]]\nat_s = 40\ndo = 'drift'\nnode = '1'\nlabel_weights = { '8' = 1, '9' = 0, '3' = 2 }\n"
    (place / "config.toml").write_text(Topology("net", text=TEXT + "tick_s = 2\n" + drift).toml(), encoding="utf-8")
    rows = [
        "tick,do,node,link,factor,attack",
        "10,slow,0,,0.5,",
        "15,unlink,,0--1,,",
        "20,drift,1,,,",
        "30,attack,2,,,copy",
        "31,leave,1,,,",
        "32,dream,1,,,",
    ]
    (place / "events.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    run = load_run(place)
    assert [(run.seconds(event.t), event.what) for event in run.of(Happened)] == [
        (10, "node 0 goes at 0.5 times its speed"), (15, "link 0--1 is cut"), (20, "node 1 draws label 8, 3 from now on"),
        (30, "node 2 attacks with copy"), (31, "node 1 leaves"), (32, "dream 1"),
    ]  # fmt: skip


def test_its_charts_name_its_own_files_and_its_links_show_trust(tmp_path: Path) -> None:
    run = load_run(simulated(tmp_path / "a"))
    made = {chart.id: chart for chart in charts(run, {})}
    assert (made["accuracy"].source, made["weight-difference"].source) == ("`accuracy.csv`; `events.csv`", "`model_weight_diff.csv`")
    graph = made["network"].figure
    assert isinstance(graph, Graph) and made["network"].title == "Network" and not made["network"].modes
    assert "traffic" not in made["network"].about and any("0 trusts 2: 0.80" in edge.text for edge in graph.edges)
    assert not any("sent" in dot.text for dot in graph.dots) and "the tables of the simulation" in page(run)


def test_closing_figures_say_what_they_are_means_of_and_the_last_stands_beside(tmp_path: Path) -> None:
    run = load_run(simulated(tmp_path / "a"))
    figures = closing(run)
    assert figures is not None and (figures.honest, figures.measurements, figures.since, figures.until) == (2, 20, 220, 600)
    assert figures.mean == pytest.approx(np.mean([np.mean(range(11, 31)) / 60, np.mean(range(11, 31)) / 50]))
    assert (figures.last_mean, figures.last_worst) == pytest.approx((0.55, 0.5)) and figures.goal_at is None
    said = closing_text(summarise_simulation(run)["accuracy"])
    assert said.endswith("(of the last 20 measurements, ticks 220 to 600)")
    assert summarise_simulation(run)["headline"]["text"].startswith("honest nodes: mean 0.550, worst 0.500 (")
    attacker = {"role": "normal", "attack": "sign_flip", "steps": 60, "accuracy": pytest.approx(0.1), "last": 0.1, "judged": {}}
    assert json.loads(json.dumps(leave(run)))["nodes"]["2"] == attacker


def test_what_was_taken_of_whom_is_counted_shown_and_in_a_frame(tmp_path: Path) -> None:
    path = simulated(tmp_path / "a")
    of_0 = summarise_simulation(load_run(path))["nodes"]["0"]["judged"]
    assert of_0 == {
        "1": {"updates": 1, "rejected": 0, "in_part": 0, "last": "", "since": 1},
        "2": {"updates": 2, "rejected": 1, "in_part": 1, "last": "rejected: fc norm 9 of own", "since": 1},
    }
    console = Console(record=True, width=120)
    render_simulation(leave(load_run(path)), console)
    shown = console.export_text()
    assert "node 0 rejected 2 in 1 of 2 updates, last 1 update ago: fc norm 9 of own" in shown
    (row,) = (line.split() for line in shown.splitlines() if "sign_flip" in line)
    assert row[-4:] == ["50", "%", "50", "%"]
    assert ">What was taken of whom<" in page(load_run(path)) and "rejected: fc norm 9 of own" in page(load_run(path))
    assert reasons(load_run(path))["reason"] == ["taken", "rejected: fc norm 9 of own", "in part: 3 times"]


def test_it_is_listed_with_its_state_and_found_by_its_name(tmp_path: Path) -> None:
    simulated(tmp_path / "sims" / "over")
    simulated(tmp_path / "sims" / "died", over=False)
    (simulated(tmp_path / "sims" / "stopped", over=False) / "checkpoint").mkdir()
    simulated(tmp_path / "sims" / "goes", over=False)
    lost = simulated(tmp_path / "sims" / "lost", over=False)
    save_about(lost, msgspec.structs.replace(load_about(lost), diverged="tick 5: node 0 diverged at step 2"))
    broken = simulated(tmp_path / "sims" / "broken", over=False)
    save_about(broken, msgspec.structs.replace(load_about(broken), broken="failed"))
    (tmp_path / "sims" / "other").mkdir()
    with RunDirectory(tmp_path / "sims" / "goes").lock():
        listed, foreign = list_runs([tmp_path / "runs", tmp_path / "sims"], 0)
    assert foreign == ["other"]
    assert {Path(one.directory).name: one.state for one in listed} == {
        "over": "finished", "died": "died", "stopped": "interrupted", "goes": "running", "lost": "failed", "broken": "failed"
    }  # fmt: skip
    over = next(one for one in listed if one.state == "finished")
    assert (over.kind, over.reason, over.nodes, over.seconds, over.blocks, over.lowest) == ("simulation", "ticks", 3, 12.5, None, 0.5)
    assert (over.attackers, over.measured) == (1, 3), "the attacker's 0.1 is apart"
    assert find("over", [tmp_path / "runs", tmp_path / "sims"]) == tmp_path / "sims" / "over"
    (tmp_path / "sims" / "over" / "mine.txt").touch()
    with pytest.raises(StoreError, match=r"holds mine\.txt"):
        remove(tmp_path / "sims" / "over")
    remove(tmp_path / "sims" / "died")
    assert not (tmp_path / "sims" / "died").exists()


def test_it_is_compared_with_another_and_laid_over_a_run_by_steps(tmp_path: Path) -> None:
    small_run = lively(tmp_path / "run", ["0", "1"])
    a, b = simulated(tmp_path / "a"), simulated(tmp_path / "b")
    figures = {figure.name: figure for figure in compare(*load_sides(a, b))}
    assert figures["accuracy of honest nodes, worst"].difference == 0 and figures["ran for"].kind == "ticks"
    assert "blocks" not in figures and "blockchain" not in figures, "a simulation has no chain"
    mixed = {figure.name: figure for figure in compare(*load_sides(a, small_run))}
    assert (mixed["ran for"].kind, mixed["ran for"].a) == ("text", "601 ticks") and str(mixed["ran for"].b).endswith(" s")
    assert mixed["blocks"].a is None and mixed["blocks"].b is not None
    sides = [side.run for side in load_sides(a, small_run)]
    assert draw_comparison(sides[0], sides[1]).axes[0].get_xlabel() == "training steps of a node"
    assert draw_comparison(sides[0], sides[1], "time").axes[0].get_xlabel() == "tick"


def test_several_seeds_are_a_group_with_a_table_and_a_picture_for_a_paper(tmp_path: Path) -> None:
    places = {seed: simulated(tmp_path / "all" / f"seed-{seed}") for seed in (4, 5)}
    text = (places[5] / "config.toml").read_text(encoding="utf-8").replace("seed = 4", "seed = 5")
    (places[5] / "config.toml").write_text(text, encoding="utf-8")
    found = load_groups([tmp_path / "all"], 0.5)
    (group,) = found.groups
    assert (group.label, [member.seed for member in group.members], group.unit) == ("net", [4, 5], "ticks")
    # The honest reach n / 60 and n / 50 at tick 20 n, 28 of 60 steps before the last; 20 CPU seconds in all.
    assert group.stat("time_to_goal").mean == 560 and group.stat("cpu_to_goal").mean == pytest.approx(20 * (57 + 57 + 56) / (61 + 61 + 60))
    head, row = sheet(found).lines()
    assert head == ["network.name", "runs", "mean", "worst node", "ticks to 0.5", "CPU s to 0.5"]
    assert (
        row == ["net", "2", "0.376 ± 0.000", "0.342 ± 0.000", "560 ± 0", "18.7 ± 0.0"] and "in the last measurements" in sheet(found).title
    )
    repeated = Repeated(tmp_path / "all", {seed: load_result(place) for seed, place in places.items()})
    names = [path.name for path in repeated.paper()]
    assert names == [
        f"{panel}-{width}.{kind}" for panel in ("mean", "worst-node") for width in ("column", "page") for kind in ("pdf", "svg")
    ]
    # With a run among them, over what both have in common.
    run = lively(tmp_path / "run", ["a", "b"], seconds=12)
    (run / "config.toml").write_text(text, encoding="utf-8")
    mixed = load_groups([tmp_path / "all", run])
    assert mixed.keys == ["attack"], "in the run nobody attacks"
    assert groups_chart(mixed).unit == "training steps of a node"
    assert [line[4] for line in sheet(mixed).lines()][:2] == ["time to 0.9", "never"]


def test_it_is_exported_and_reported(tmp_path: Path) -> None:
    path = simulated(tmp_path / "a")
    export(path, "csv", None, force=False)
    assert (path / "csv" / "accuracy.csv").read_bytes() == (path / "accuracy.csv").read_bytes()
    assert (path / "csv" / "reputation" / "0_reputation.csv").exists()
    export(path, "jsonl", None, force=False)
    lines = [json.loads(line) for line in (path / "jsonl" / "metrics.jsonl").read_text().splitlines()]
    assert {line["tick"] for line in lines if line["event"] == "updated"} == {8, 16}
    export(path, "tensorboard", None, force=False)
    text = page(load_run(path))
    assert "601 ticks" in text and "Chain statistics" not in text and 'id="accuracy"' in text and "seconds since the network" not in text
    assert {file.stem for file in write_plots(load_run(path), tmp_path / "plots")} >= {"accuracy", "weight-difference", "reputations"}
    shutil.rmtree(path / "csv")
    assert load_run(path).simulated


def test_its_chart_has_no_empty_panel(tmp_path: Path) -> None:
    chart = accuracy(load_run(simulated(tmp_path / "a")))
    assert isinstance(chart.figure, OverTime) and [panel.title for panel in chart.figure.panels] == ["on test samples"]
    assert "Below" not in chart.about
