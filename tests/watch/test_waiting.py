"""What the page of a run says that the run waits for."""

from pathlib import Path

import msgspec

from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.watch.overview import Overview
from dfl_actors.watch.views import Place, RunView
from tests.report.made_run import START, ready, write_run

PLACE = Place(events="/events", update="/update")
WAITS = "11 of 12 actors are ready, not yet trainer of node <b>"


def says(run: RunDirectory, state: str, waits: str, t: int) -> None:
    run.status.write_bytes(msgspec.json.encode({"t": t, "name": "net", "state": state, "waits": waits, "nodes": []}))


def head(view: RunView) -> str:
    return view.update((), PLACE).head


def test_a_start_says_what_it_waits_for_as_soon_as_that_is_known(tmp_path: Path) -> None:
    path = tmp_path / "net"
    view, run = RunView(path, "net", awaited=True), RunDirectory(path)
    assert not view.advance() and "starting: nothing is written of the run yet" in head(view)
    path.mkdir()
    with run.lock():
        assert view.advance() and "starting: the data and the model are being prepared" in head(view)
        assert not view.advance(), "nothing is new"
        write_run(path, ["a", "b"], [])
        now = int(1000 * run.lock_file.stat().st_mtime) + 1
        says(run, "stopping", "the last measurements: 0 of 2", now - 100)
        assert view.advance() and "being prepared" in head(view), "what is said by the session before is no longer so"
        says(run, "starting", WAITS, now)
        version = view.version
        assert view.advance() and view.version > version
        assert WAITS.replace("<b>", "&lt;b&gt;") in head(view) and "last measurements" not in head(view)
        assert "&lt;b&gt;" in view.page(PLACE) and "&lt;b&gt;" in Overview([view, view]).page(PLACE)


def test_a_run_that_decides_on_its_target_says_so_and_one_that_is_over_does_not(tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "net", ["a"], [ready(START + 10**12)]))
    view, waits = RunView(run.path, "net"), "the target is decided on more test samples: 0 of 1 node"
    with run.lock():
        says(run, "starting", WAITS, START + 10**12)
        assert view.advance() and "actors are ready" not in head(view), "it is ready: that was said before"
        says(run, "running", waits, START + 10**12)
        assert view.advance() and waits in head(view)
    assert view.advance() and waits not in head(view)
