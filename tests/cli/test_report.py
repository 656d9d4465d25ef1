"""`dfl-actors report` as a person types it."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Cli
from tests.report.browser import CHARTS
from tests.report.made_run import START, lively, ready, write_run
from tests.report.test_simulated import simulated


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lively(tmp_path_factory.mktemp("cli") / "net", ["a", "b"], seconds=12)


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A directory with a run in it."""
    (tmp_path / "net").mkdir()
    for name in ("run.json", "metrics.jsonl"):
        (tmp_path / "net" / name).write_bytes((made / name).read_bytes())
    return tmp_path


def test_the_page_lies_in_the_run_and_is_made_anew_each_time(place: Path, cli: Cli) -> None:
    for _ in range(2):
        done = cli("report", "net")
        assert (done.code, done.err) == (0, "") and done.out.startswith("net/report.html: 1.")
    assert (place / "net" / "report.html").read_text().endswith("</html>\n")
    assert not list(place.rglob("part-*"))


def test_a_simulation_has_a_page_too(tmp_path: Path, cli: Cli) -> None:
    simulated(tmp_path / "sim")
    done = cli("report", "sim")
    assert (done.code, done.err) == (0, "") and done.out.startswith("sim/report.html: 1.")


def test_elsewhere_nothing_is_replaced_unasked(place: Path, cli: Cli) -> None:
    (place / "mine.html").write_text("mine")
    done = cli("report", "net", "-o", "mine.html")
    assert (done.code, done.err) == (6, "error: mine.html is there already: replace it with --force, or choose another name\n")
    assert (place / "mine.html").read_text() == "mine"
    assert cli("report", "net", "-o", "mine.html", "--force").code == 0
    assert (place / "mine.html").read_text().startswith("<!doctype html>") and not (place / "net" / "report.html").exists()


def test_pictures_for_a_paper_lie_below_the_plots(tmp_path: Path, cli: Cli) -> None:
    measured = {"t": START + 1000, "node": "a", "actor": "", "event": "evaluated", "correct": 1, "tested": 2}
    write_run(tmp_path / "net", "ab", [ready(), measured])
    code, out, _ = cli("report", "net", "--paper")
    files = sorted(path.name for path in (tmp_path / "net" / "plots" / "paper").iterdir())
    assert code == 0 and "net/plots/paper: 8 pictures for a paper" in out and not (tmp_path / "net" / "plots" / "network.png").exists()
    charts, widths = ("accuracy-on-test-samples", "network"), ("column", "page")
    assert files == [f"{chart}-{width}.{kind}" for chart in charts for width in widths for kind in ("pdf", "svg")]


def test_the_plots_lie_beside_it(place: Path, cli: Cli) -> None:
    done = cli("report", "net", "--plots")
    assert (done.code, done.err) == (0, "") and done.out.endswith("net/plots: 22 pictures of 11 charts\n")
    files = sorted((place / "net" / "plots").iterdir())
    assert {path.name for path in files} == {f"{name}.{ending}" for name in CHARTS for ending in ("png", "svg")}
    for path in files:
        data = path.read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n" if path.suffix == ".png" else ElementTree.fromstring(data).tag.endswith("}svg")


@pytest.mark.parametrize(
    ("damage", "arguments", "said"),
    [
        ("", ["nowhere"], "nowhere does not exist or is not a directory: name the directory of a run"),
        ("rm run.json", ["net"], "net is not the directory of a run (there is no run.json): name one that is"),
        ("rm metrics.jsonl", ["net"], "net has no metrics: nothing has happened in this run yet, or its metrics.jsonl is lost"),
        ("empty metrics.jsonl", ["net"], "net has no metrics: nothing has happened in this run yet, or its metrics.jsonl is lost"),
        ("mkdir metrics.jsonl", ["net"], "net/metrics.jsonl is no regular file: remove it or name another run"),
        ("empty run.json", ["net"], "net/run.json is damaged (Input data was truncated): restore the file, or name another run directory"),
        ("", ["net", "-o", "net"], "net is a directory: name a file in it"),
        ("", ["net", "-o", "no/where.html"], "no is no directory: make it, or name a file elsewhere"),
    ],
)
def test_a_mistake_is_one_line(place: Path, damage: str, arguments: list[str], said: str, cli: Cli) -> None:
    if damage:
        how, name = damage.split()
        (place / "net" / name).unlink()
        if how == "mkdir":
            (place / "net" / name).mkdir()
        elif how == "empty":
            (place / "net" / name).touch()
    done = cli("report", *arguments)
    assert (done.code, done.out) == (6, "") and done.err.count("\n") == 1
    assert done.err.startswith(f"error: {said}")
    assert not list(place.rglob("*.html"))
