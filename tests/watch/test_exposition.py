"""`/metrics`, read with the library's own parser: names, types, units, labels, and the run's figures."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dfl_actors.report.load import load_run
from dfl_actors.report.summary import summarise
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.watch.exposition import FAMILIES, exposed
from dfl_actors.watch.followed import Followed
from dfl_actors.watch.views import RunView
from tests.report.made_run import NASTY, START, Line, address, lively, ready, write_run
from tests.report.test_simulated import simulated
from tests.watch.serving import served

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitoring.md"

Families = dict[str, Any]


def parsed(text: str) -> Families:
    return {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]


def exposition(path: Path, now: int = START) -> Families:
    view = RunView(path, "net")
    view.advance()
    return parsed(exposed([view], now).decode())


def values(families: Families, name: str, **labels: str) -> dict[str, float]:
    """By node, of those samples that have these labels."""
    return {one.labels.get("node", ""): one.value for one in families[name].samples if labels.items() <= one.labels.items()}


def test_the_server_answers_with_openmetrics_text_of_the_run(tmp_path: Path) -> None:
    run = lively(tmp_path / "net", ["a", "b", "c", "d"])
    summary = summarise(load_run(run))
    with served(run) as server:
        answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    found, nodes = parsed(answer.text), summary["nodes"]
    assert values(found, "dfl_test_score_ratio") == pytest.approx({name: node["test_accuracy"] for name, node in nodes.items()})
    assert values(found, "dfl_transactions") == {name: node["sent"] for name, node in nodes.items()}
    assert values(found, "dfl_chain_height") == {name: blocks["blocks"] for name, blocks in summary["blocks"].items()}
    assert values(found, "dfl_restarts", actor="trainer") == {"a": 1}
    assert sum(values(found, "dfl_transactions_waiting").values()) == 12
    carried = {f"{one.labels['node']}->{one.labels['to']}": one.value for one in found["dfl_link_bytes"].samples}
    assert carried == {link: its["bytes"] for link, its in summary["links"].items()}
    assert {one.labels["run"] for family in found.values() for one in family.samples} == {"net"}
    assert [one.labels["dfl_run_state"] for one in found["dfl_run_state"].samples if one.value] == ["finished"]


def test_the_score_of_an_attacker_can_be_left_out(tmp_path: Path) -> None:
    """A mean over all nodes would have it in."""
    run = lively(tmp_path / "net", ["a", "ben", "c", "d"])
    (run / "config.toml").write_text("[node.ben]\nattack = 'sign_flip'\n")
    found = exposition(run)
    for name in ("dfl_test_score_ratio", "dfl_own_score_ratio", "dfl_reputation_ratio"):
        assert values(found, name, kind="attacker").keys() == {"ben"} and values(found, name, kind="honest").keys() == {"a", "c", "d"}


def test_names_types_and_units_are_what_the_document_says(tmp_path: Path) -> None:
    found = exposition(lively(tmp_path / "net", ["a", "b", "c", "d"]))
    rows = re.findall(r"^\| `(dfl_\w+)` \| (\w+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    made = {name: (family.type, family.unit) for name, family in found.items()}
    assert dict(rows) == {f"{name}{'_total' if kind == 'counter' else ''}": kind for name, (kind, _) in made.items()}
    assert set(FAMILIES) | {"dfl_run", "dfl_run_state"} == set(made)
    for name, (_, unit) in made.items():
        assert unit == next((word for word in ("seconds", "bytes", "ratio") if name.endswith(f"_{word}")), ""), name


def test_refusals_are_counted_by_code_and_by_whose_fault(tmp_path: Path) -> None:
    refused: list[Line] = [
        {"t": START + t, "node": "a", "actor": "gossiper", "event": "refused", "code": code, "by": address("b"), "count": count}
        for t, code, count in [(1, "bad_signature", 1), (2, "busy", 3), (3, "bad_signature", 4)]
    ]
    found = exposition(write_run(tmp_path / "net", ["a", "b"], [ready(), *refused]))
    counts = {(one.labels["node"], one.labels["code"], one.labels["fault"]): one.value for one in found["dfl_refused"].samples}
    assert counts == {("a", "bad_signature", "yes"): 5, ("a", "busy", "no"): 3}


def test_the_last_block_grows_old_while_the_run_goes_on(tmp_path: Path) -> None:
    block = {"block": "x", "height": 0, "transactions": 1, "confirmations": 1, "expected": 1}
    final: Line = {"t": START + 5000, "node": "a", "event": "final", **block}
    run = RunDirectory(write_run(tmp_path / "net", ["a", "b"], [ready(), final]))
    with run.lock():
        view = RunView(run.path, "net")
        view.advance()
        for later in (6000, 65_000):
            found = parsed(exposed([view], START + later).decode())
            assert values(found, "dfl_last_block_age_seconds") == {"a": (later - 5000) / 1000}
            assert values(found, "dfl_elapsed_seconds") == {"": later / 1000}
            # Nothing counted yet is 0, so that one sees it begin.
            assert values(found, "dfl_transactions_expired") == {"a": 0, "b": 0}


def test_looking_at_the_page_of_a_node_without_a_block_gives_it_none(tmp_path: Path) -> None:
    block = {"block": "x", "height": 0, "transactions": 1, "confirmations": 1, "expected": 1}
    final: Line = {"t": START + 5000, "node": "a", "event": "final", **block}
    with served(write_run(tmp_path / "net", ["a", "b"], [ready(), final])) as server:
        assert "final blocks" in server.get("/node/b").text
        assert values(parsed(server.get("/metrics").text), "dfl_last_block_age_seconds").keys() == {"a"}


def test_counters_never_fall_and_follow_the_run(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "net", ["a"], [ready(), *({"t": START + t, "node": "a", "actor": "x", "event": "restarted"} for t in range(3000))]
    )
    followed = Followed(run)
    followed.advance()
    assert followed.tally.restarts == {("a", "x"): 3000}
    assert values(exposition(run), "dfl_restarts") == {"a": 3000}


def test_names_that_would_break_a_line_are_escaped(tmp_path: Path) -> None:
    names = [*NASTY, "back\\slash", "two\u2028lines"]
    found = exposition(lively(tmp_path / "net", names))
    assert set(values(found, "dfl_transactions")) == set(names)


def test_a_simulation_has_the_figures_that_need_no_chain(tmp_path: Path) -> None:
    found = exposition(simulated(tmp_path / "sim"))
    assert values(found, "dfl_test_score_ratio")["1"] == pytest.approx(0.6)
    assert values(found, "dfl_elapsed_ticks") == {"": 601} and found["dfl_run"].samples[0].labels["kind"] == "simulation"
    assert not found["dfl_chain_height"].samples and not found["dfl_elapsed_seconds"].samples


def test_several_runs_are_told_apart(tmp_path: Path) -> None:
    with served(lively(tmp_path / "one", ["a", "b"]), lively(tmp_path / "two", ["a", "b"])) as server:
        found = parsed(server.get("/metrics").text)
    assert {one.labels["run"] for one in found["dfl_transactions"].samples} == {"one", "two"}
