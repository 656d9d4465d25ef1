"""A run that grows gives the same figures as one that is read at its end, and costs no more memory for being long."""

from pathlib import Path

import orjson

from dfl_actors.core.events import Evaluated, Refused, Restarted, Trained, Updated
from dfl_actors.report.charts import charts
from dfl_actors.report.load import load_run
from dfl_actors.report.page.page import figures
from dfl_actors.report.summary import summarise
from dfl_actors.watch.followed import Followed
from dfl_actors.watch.kept import LEAST, POINTS, Kept
from dfl_actors.watch.views import Place, RunView
from tests.report.made_run import START, Line, lively, ready, write_run
from tests.report.test_simulated import simulated


def lines_of(run: Path) -> list[bytes]:
    return (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)


def growing(run: Path) -> list[bytes]:
    """Takes the events of a run away, and returns them."""
    lines = lines_of(run)
    (run / "metrics.jsonl").write_bytes(b"")
    return lines


def append(run: Path, lines: list[bytes]) -> None:
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b"".join(lines))


def test_figures_and_charts_of_a_run_that_grew_are_those_of_its_report(tmp_path: Path) -> None:
    run = lively(tmp_path / "net", ["a", "b", "c", "d"])
    lines = growing(run)
    followed = Followed(run)
    for start in range(0, len(lines), 100):
        append(run, lines[start : start + 100])
        if start == 1000:
            (run / "metrics.jsonl").rename(run / "metrics-0001.jsonl")
        assert followed.advance()
    assert not followed.advance()
    read = load_run(run)
    assert summarise(followed.run) == summarise(read)
    assert figures(charts(followed.run, summarise(followed.run))) == figures(charts(read, summarise(read)))


def test_a_simulation_that_grew(tmp_path: Path) -> None:
    simulated(tmp_path / "sim")
    tables = {path: path.read_bytes() for path in (tmp_path / "sim").rglob("*.csv")}
    for path, text in tables.items():
        path.write_bytes(text[: len(text) // 2])
    followed = Followed(tmp_path / "sim")
    assert followed.advance()
    half = len(followed.run.of(Evaluated))
    for path, text in tables.items():
        path.write_bytes(text)
    assert followed.advance() and len(followed.run.of(Evaluated)) > half
    read = load_run(tmp_path / "sim")
    assert summarise(followed.run) == summarise(read)
    assert figures(charts(followed.run, summarise(followed.run))) == figures(charts(read, summarise(read)))


def test_a_file_with_anything_in_it_ends_no_server(tmp_path: Path) -> None:
    for number, text in enumerate((b"\xff\xfe\n", b'{"event": "trained", "t": "x"}\n', b"[1]\n", b"1e999999\n" * 3, b"\0" * 5000 + b"\n")):
        run = write_run(tmp_path / f"net{number}", ["a"], [ready()], tail=text)
        view = RunView(run, "net")
        assert view.advance() and not view.problem and view.followed is not None
        assert view.followed.run.skipped + view.followed.run.unknown >= 1
    sim = simulated(tmp_path / "sim")
    (sim / "accuracy.csv").write_bytes(b"tick,0,1\n\xff,x\n20,0.5\n")
    (sim / "events.csv").write_bytes(b"tick,do\nx,y\n")
    view = RunView(sim, "sim")
    view.advance()
    assert "cannot be read further" in view.problem
    assert "cannot be read further" in view.page(Place(events="/events", update="/update"))


def test_a_run_that_is_resumed_has_another_session(tmp_path: Path) -> None:
    stopped: Line = {"t": START + 9000, "event": "stopped", "reason": "interrupted"}
    run = write_run(tmp_path / "net", ["a"], [ready(), stopped])
    followed = Followed(run)
    assert followed.advance() and followed.run.elapsed == 9
    append(run, [orjson.dumps(ready(START + 100_000)) + b"\n", b'{"torn\n'])
    assert followed.advance() and len(followed.run.sessions) == 2 and followed.run.skipped == 1


def test_another_run_in_the_same_place_is_begun_anew(tmp_path: Path) -> None:
    run = lively(tmp_path / "net", ["a", "b", "c", "d"])
    followed = Followed(run)
    followed.advance()
    write_run(run, ["x"], [ready()])
    assert followed.advance() and list(followed.run.nodes) == ["x"] and not followed.tally.sent


def test_a_run_that_is_over_costs_nothing_more(tmp_path: Path) -> None:
    followed = Followed(lively(tmp_path / "net", ["a", "b"]))
    followed.advance()
    before = followed.run
    assert not followed.advance() and followed.run is before


def event(number: int, **fields: object) -> Trained:
    return Trained(t=START + number, node="a", tx=str(number), correct=number % 100, tested=100, steps=number)


def test_a_long_run_is_kept_as_few_points_with_its_peaks() -> None:
    kept, most = Kept(1000), max(POINTS // 1000, LEAST)
    for number in range(100_000):
        kept.add(event(number))
    found = kept.events()[Trained]
    assert len(found) <= 2 * most and found == sorted(found, key=lambda one: one.t)
    assert found[-1].t == START + 99_999
    kept.add(Trained(t=START + 100_000, node="a", tx="peak", correct=1000, tested=100))
    for number in range(100_001, 200_000):
        kept.add(event(number))
    assert any(one.tx == "peak" for one in kept.events()[Trained] if isinstance(one, Trained))


def test_what_is_told_again_and_again_is_added_up() -> None:
    kept = Kept(2)
    for number in range(5000):
        kept.add(Refused(t=START + number, node="a", code="expired" if number % 2 else "busy", by="b", count=2))
        kept.add(Restarted(t=START + number, node="a", actor="trainer"))
        kept.add(Updated(t=START + number, node="a"))
    refused = {one.code: one.count for one in kept.events()[Refused] if isinstance(one, Refused)}
    assert refused == {"expired": 5000, "busy": 5000}
    assert len(kept.events()[Restarted]) == 1000 and len(kept.events()[Updated]) <= 2 * POINTS // 2


def test_what_is_wrong_with_the_files_is_told_on_the_page(tmp_path: Path) -> None:
    view = RunView(tmp_path / "net", "net")
    assert view.advance() and "does not exist" in view.problem
    page = view.page(Place(events="/events", update="/update"))
    assert "does not exist" in page and 'class="chooser"' not in page
    run = lively(tmp_path / "net", ["a", "b"])
    assert view.advance() and not view.problem
    (run / "run.json").unlink()
    assert view.advance() and "no run.json" in view.problem
    # What was known stays.
    update = view.update(["accuracy"], Place(events="/events", update="/update"))
    assert "no run.json" in update.head and "accuracy" in str(update.figures) and not view.advance()
