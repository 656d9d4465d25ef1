"""A node's page: its models, its stores, what happened lately, and its logs, of which no link leads outside."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import cast

import pytest

from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import Journal, ModelStore
from dfl_actors.watch import app, node
from dfl_actors.watch.inside import LOG_LINES, Kept, Stores, logs_of, stores_of, tail_of
from dfl_actors.watch.views import Place, RunView, View
from tests.report.made_run import NASTY, START, Line, lively, ready, write_run
from tests.report.test_simulated import simulated
from tests.watch.serving import PATIENCE, Served, served

HOSTILE = '\x1b[2J\x1b]0;owned\x07<script>hacked=1</script>\r"&\u202e'


def with_logs(path: Path, name: str, text: str) -> Path:
    run = lively(path, [name, "other"])
    folder = run / "nodes" / name / "log"
    folder.mkdir(parents=True)
    (folder / "trainer.log").write_text(text, encoding="utf-8")
    (folder / "keeper.log").write_text("", encoding="utf-8")
    (run / "nodes" / name / "key").write_text("secret-key", encoding="utf-8")
    return run


def lively_ab(path: Path) -> Path:
    return lively(path, ["a", "b"])


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    return with_logs(tmp_path / "net", NASTY[1], f"{HOSTILE}\nsecond line\n")


def test_a_node_has_a_page_of_what_it_did_and_printed(hostile: Path) -> None:
    with served(hostile) as server:
        page = server.get(f"/node/{'%3Cimg%20src%3Dx%20onerror%3Dhacked%3D1%3E'}")
        assert page.status == 200
        for said in ("Models", "What happened lately", "second line", "trainer.log", "restarted", "reason killed by SIGKILL"):
            assert said in page.text
        # A hostile line and a hostile name are text.
        assert "&lt;script&gt;hacked=1" in page.text and "<script>hacked" not in page.text and "<img" not in page.text
        assert not any(letter in page.text for letter in "\x1b\x07\u202e")
        assert "secret-key" not in page.text and "keeper.log" not in page.text
        update = server.get("/update/node/other").json
        assert any("Models" in section for section in update["groups"]["models"])


@pytest.mark.parametrize("name", ["nobody", "..", "../net", "%2e%2e", "a/../b", "supervisor", ""])
def test_only_nodes_of_the_run_have_one(tmp_path: Path, name: str) -> None:
    with served(lively(tmp_path / "net", ["a", "b"])) as server:
        for path in (f"/node/{name}", f"/update/node/{name}", f"/events/node/{name}"):
            assert server.get(path).status == 404


def test_links_and_what_is_no_file_are_not_read(tmp_path: Path) -> None:
    run = with_logs(tmp_path / "net", "a", "mine\n")
    folder, outside = run / "nodes" / "a" / "log", tmp_path / "outside"
    outside.write_text("secret", encoding="utf-8")
    (folder / "link.log").symlink_to(outside)
    os.mkfifo(folder / "pipe.log")
    (folder / "folder.log").mkdir()
    assert logs_of(RunDirectory(run), "a") == {"trainer.log": ["mine"], "keeper.log": []}
    # A name that leads out of the run has nothing either.
    assert logs_of(RunDirectory(run), "../../outside") == {} and "cannot hold" in stores_of(RunDirectory(run), "../x", verify=False).problem
    # Nor is a whole folder that leads elsewhere.
    (run / "nodes" / "other").mkdir()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x.log").write_text("secret", encoding="utf-8")
    (run / "nodes" / "other" / "log").symlink_to(tmp_path / "logs")
    assert logs_of(RunDirectory(run), "other") == {}


def test_a_node_that_trained_nothing_has_words_for_it_and_no_empty_table(tmp_path: Path) -> None:
    run = write_run(tmp_path / "net", ["a", "b"], [ready()])
    (run / "config.toml").write_text('[node.b]\nrole = "observer"\n', encoding="utf-8")
    with served(run) as server:
        assert "It has trained none yet." in server.get("/node/a").text and "An observer trains none." in server.get("/node/b").text


def test_of_a_long_log_its_end_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"line {number}\n" for number in range(100_000)), encoding="utf-8")
    lines = tail_of(path)
    assert lines is not None and len(lines) == LOG_LINES and lines[-1] == "line 99999"


def test_what_lies_in_the_stores(tmp_path: Path) -> None:
    run = RunDirectory(lively(tmp_path / "net", ["a", "b"]))
    node = run.node("a")
    with Journal(node.journal("builder")) as journal:
        journal.commit([(b"head", b"1234"), (b"r/1", b"56")])
    with ModelStore(node.models, 1 << 20) as models:
        models.put("ab" * 32, b"x" * 1000)
    node.marks.write_text('{"builder": 1}', encoding="utf-8")
    found = stores_of(run, "a", verify=True)
    assert found.journals == (Kept("builder", 2, 13, 1, 1),) and (found.models, found.bytes, found.problem) == (1, 1000, "")
    assert found.chain is not None and "no chain" in found.chain.wrong
    assert stores_of(run, "b", verify=True).journals == ()


def test_a_damaged_store_is_told_and_ends_nobody(tmp_path: Path) -> None:
    run = RunDirectory(lively(tmp_path / "net", ["a", "b"]))
    place = run.node("a").journal("builder")
    place.mkdir(parents=True)
    (place / "data.mdb").write_bytes(b"x" * 8192)
    found = stores_of(run, "a", verify=False)
    assert (found.problem and "builder" in found.problem) or "nodes/a" in found.problem


def test_a_simulation_has_pages_of_nodes_without_stores(tmp_path: Path) -> None:
    with served(simulated(tmp_path / "sim")) as server:
        page = server.get("/node/1").text
        assert "Models" in page and "Logs" not in page and "in virtual" not in page


def test_several_runs_have_a_page_with_a_link_to_each(tmp_path: Path) -> None:
    runs = lively(tmp_path / "one", ["a", "b"]), simulated(tmp_path / "two")
    with served(*runs) as server:
        found: Served = server
        page = found.get().text
        assert '<a href="/run/one/">' in page and '<a href="/run/two/">' in page and "honest nodes: mean" in page
        update = found.get("/update?near=accuracy").json
        assert [trace["name"] for trace in update["figures"]["accuracy"]["data"] if trace["line"]["dash"] == "solid"] == ["one", "two"]
        # A run and a simulation are laid over each other by what their nodes had trained.
        assert update["figures"]["accuracy"]["layout"]["xaxis"]["title"]["text"] == "training steps"
        assert found.get("/run/one/").status == found.get("/run/two/node/1").status == 200
        assert found.get("/run/three/").status == found.get("/node/a").status == 404
        assert '<a href="/">all runs</a>' in found.get("/run/one/node/a").text


def test_the_stores_are_read_once_more_when_the_run_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that was open stayed at what had been read while the run went on, half a minute before its end, for ever."""
    run, verified = RunDirectory(lively(tmp_path / "net", ["a", "b"])), list[bool]()

    def read(place: RunDirectory, name: str, verify: bool) -> Stores:
        verified.append(verify)
        return Stores(models=len(verified))

    monkeypatch.setattr(node, "stores_of", read)
    view = node.NodeView(RunView(run.path, "net"), "a")

    def advanced(count: int) -> list[bool]:
        deadline = time.monotonic() + PATIENCE
        while len(verified) < count and time.monotonic() < deadline:
            view.advance()
            time.sleep(0.01)
        for _ in range(5):
            view.advance()
        return verified

    with run.lock():
        assert advanced(1) == [False]
    assert advanced(2) == [False, True]


def test_the_chains_of_a_run_that_is_over_are_looked_at_aside(tmp_path: Path) -> None:
    run = lively(tmp_path / "net", ["a", "b"])
    place = run / "nodes" / "a" / "chain"
    place.mkdir(parents=True)
    (place / "data.mdb").write_bytes(b"x" * 8192)
    view, where = RunView(run, "net"), Place(events="/events", update="/update")
    view.advance()
    first, deadline = view.version, time.monotonic() + PATIENCE
    while view.version == first and time.monotonic() < deadline:
        time.sleep(0.02)
    update = view.update([], where)
    assert "does not verify" in update.head and any('id="chain-strips"' in section for section in update.groups["chains"])


@pytest.mark.parametrize("make", [lively_ab, simulated])
def test_a_run_that_is_removed_while_it_is_watched_stays_as_it_was_and_says_so(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    gone = make(tmp_path / "gone")
    with served(gone, lively_ab(tmp_path / "other")) as server:
        name = next(iter(server.views[0].followed.run.nodes)) if server.views[0].followed else ""
        paths = ("/", "/run/gone/", f"/run/gone/node/{name}")
        before = [server.get(path).text for path in paths]
        shutil.rmtree(gone)
        for path, was in zip(paths, before, strict=True):
            page = server.get(path).text
            assert page.count("gone does not exist") == 1 and "gone does not exist" not in was, path
            assert page.count("<section") == was.count("<section") and "Traceback" not in page
        assert server.get("/metrics").status == server.get("/run/gone/update?near=accuracy").status == 200


def test_a_mean_that_is_not_of_all_says_so(tmp_path: Path) -> None:
    """Of three nodes one is measured only after half of the run, and another never."""
    lines = [ready()]
    for name, first in (("a", 2), ("b", 20)):
        lines += [evaluated(name, second, second / 40) for second in range(first, 40, 2)]
    late = write_run(tmp_path / "late", ["a", "b", "c"], sorted(lines, key=lambda line: line["t"]))
    with served(late, lively(tmp_path / "other", ["a"], seconds=100)) as server:
        update = server.get("/update?near=accuracy").json
    chart, why = (
        unescape("".join(update["groups"]["runs"])),
        "the first of its nodes was measured at 2 s, the last at 20 s; its curve ends at 38 s",
    )
    assert f"late: 2 of 3 honest nodes were measured; {why}." in chart
    assert "dotted: of the nodes measured so far" in chart and "other:" not in chart
    traces = update["figures"]["accuracy"]["data"]
    dotted, whole = ([trace for trace in traces if trace["line"]["dash"] == dash] for dash in ("dot", "solid"))
    assert len(dotted) == 1 and dotted[0]["x"][0] == 2 and dotted[0]["x"][-1] == whole[0]["x"][0] == pytest.approx(20, abs=0.2)


def evaluated(name: str, second: float, accuracy: float) -> Line:
    return {"t": START + round(1000 * second), "node": name, "event": "evaluated", "correct": round(1000 * accuracy), "tested": 1000}


def test_what_is_found_out_between_two_looks_is_told_without_waiting_for_another_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores are read in a thread beside: a page of a run that is over had neither chain nor journal for fifteen seconds."""
    monkeypatch.setattr(app, "EVERY", 0.01)
    monkeypatch.setattr(app, "STILL", 1e6)

    class Beside:
        version = 1

        def advance(self) -> bool:
            return False

    async def told() -> list[str]:
        view, ending = Beside(), app.Ending()
        stream = app.News(cast("View", view), ending).stream()
        said = [await anext(stream), await anext(stream)]
        waiting = asyncio.ensure_future(anext(stream))
        for _ in range(20):  # it waits by now
            await asyncio.sleep(0)
        view.version = 2
        said.append(await asyncio.wait_for(waiting, PATIENCE))
        ending.set()
        return said

    assert asyncio.run(told())[1:] == ["data: 1\n\n", "data: 2\n\n"]
