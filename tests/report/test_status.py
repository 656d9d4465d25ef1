"""`dfl-actors status` from a status file: every kind of trouble has its line, and the exit code says whether there is any."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from dfl_actors import cli
from dfl_actors.report.status import STALE, Answer, ask, problems, render
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.status import NeighbourStatus, NodeStanding, NodeStatus, Standing
from tests.report.made_run import realistic, write_run

NOW = 1_700_000_000_000
GOOD: dict[str, Any] = {"linked": NOW - 720_000, "heard": NOW - 400, "clock_ms": 12, "height": 118, "accuracy": 0.87}


def standing(node: dict[str, Any] | None = None, **neighbour: Any) -> Standing:
    row = NodeStatus(**{"name": "delft", "state": "running", "height": 120, "own_accuracy": 0.88, **(node or {})})
    one = NeighbourStatus(name="utrecht", **{**GOOD, **neighbour})
    return Standing(t=NOW, name="far", state="running", elapsed=720.0, nodes=(NodeStanding(node=row, neighbours=(one,)),))


TROUBLE = [
    ({}, True, ""),
    ({"settings": {"training.learning_rate": ("0.1", "0.01")}}, True, "utrecht has training.learning_rate 0.1, we have 0.01"),
    ({"parted": True, "linked": 0}, True, ""),
    ({"linked": 0}, False, ""),
    ({"linked": 0, "heard": 0}, False, "nothing was ever heard of utrecht: start it, and open node.utrecht.listen"),
    ({"genesis": "its seed is 3, ours 0"}, False, "utrecht is of another network: its seed is 3, ours 0"),
    ({"refused": ("utrecht: refused 41 times, x",), "genesis": "y"}, False, "node delft: utrecht: refused 41 times, x"),
    ({"refused_by": ("utrecht: refuses what this node says",)}, False, "node delft: utrecht: refuses what this node says"),
    ({"handshake": "the handshake with node utrecht fails: compare"}, False, "the handshake with node utrecht fails"),
    ({"handshake": "the handshake with node utrecht fails: compare", "linked": 0, "heard": 0}, False, "the handshake with node utrecht"),
    ({"clock_ms": -3_600_000, "clock_off": True}, False, "the clock of utrecht is -3600 s from ours"),
]


@pytest.mark.parametrize(("fields", "well", "line"), TROUBLE)
def test_what_is_wrong_with_a_neighbour_has_a_line_with_what_to_do(fields: dict[str, Any], well: bool, line: str) -> None:
    made = standing(**fields)
    assert made.well is well
    assert [line in text for text in problems(made.nodes[0])] == ([True] if line else [])


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_an_attacker_and_an_observer_are_said_to_be_what_they_are(run: RunDirectory, width: int) -> None:
    rogue, watcher = (standing(node) for node in ({"name": "mallory", "attack": "sign_flip"}, {"name": "eve", "role": "observer"}))
    run.status.write_bytes(msgspec.json.encode(msgspec.structs.replace(rogue, nodes=(*rogue.nodes, *watcher.nodes))))
    console = Console(width=width, file=StringIO(), force_terminal=True, color_system="standard", _environ={"TERM": "xterm"})
    with console.capture() as capture:
        console.print(render(ask(run, NOW), width, NOW))
    (line,) = (line for line in capture.get().splitlines() if "mallory" in line)
    before = "itself, " if width > 60 else ""
    assert f"{before}sign_flip" in line and "\x1b[31m" in line and f"{before}observer" in capture.get()


def test_a_regression_has_a_score_and_no_accuracy(run: RunDirectory) -> None:
    for measured_by, header in (("accuracy", "accuracy"), ("r2", "score")):
        run.status.write_bytes(msgspec.json.encode(msgspec.structs.replace(standing(), measured_by=measured_by)))
        console = Console(width=200, file=StringIO())
        with console.capture() as capture:
            console.print(render(ask(run, NOW), 200, NOW))
        assert f"height  {header}  configuration" in capture.get()


@pytest.mark.parametrize("state", ["5 of 6 ready", "restarting", "away"])
def test_a_node_that_does_not_work_is_not_well(state: str) -> None:
    assert not standing({"state": state}).well


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    write_run(tmp_path / "run", ["0"], realistic(["0"], seconds=5, seed=1), command=["dfl-actors"], started=NOW)
    return RunDirectory(tmp_path / "run")


def test_a_run_that_is_over_hangs_or_has_just_begun_is_told_apart(run: RunDirectory) -> None:
    assert ask(run, NOW).why.startswith("not running:") and not ask(run, NOW).running
    with run.lock():
        assert ask(run, NOW).why == "starting: nothing is known yet"
        run.status.write_bytes(msgspec.json.encode(standing()))
        assert ask(run, NOW + 1_000).well
        late = ask(run, NOW + STALE + 1)
        assert late.running and not late.well and late.why.startswith("running, but it has said nothing for 15 s")
    over = ask(run, NOW + 60_000)
    assert not over.well and over.why.startswith("not running, it last said how it was 60 s ago")
    run.summary.touch()
    ended = ask(run, NOW + 60_000)
    assert not ended.well and ended.why.startswith(f"it ended 60 s ago: read it with `dfl-actors report {run.path}`")
    assert "running" not in rendered(ended), "what it last said was true then"


def rendered(answer: Answer, width: int = 200) -> str:
    console = Console(width=width, file=StringIO())
    with console.capture() as capture:
        console.print(render(answer, width, NOW), soft_wrap=True)
    return capture.get()


def test_links_that_are_not_encrypted_are_told_from_the_first_moment(run: RunDirectory) -> None:
    run.config.write_text('[network]\nnodes = ["a", "b"]\n[transport]\ncurve = "off"\n[node.a]\nlisten = "tcp://10.0.0.1:7000"\n')
    with run.lock():
        starting = rendered(ask(run, NOW))
        assert "starting: nothing is known yet" in starting and "INSECURE: links are not encrypted" in starting
        remarks = ("INSECURE: links are not encrypted (transport.curve is off), and node a listens beyond this machine",)
        run.status.write_bytes(msgspec.json.encode(msgspec.structs.replace(standing(), state="starting", waits="x", remarks=remarks)))
        assert remarks[0] in rendered(ask(run, NOW))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_headline_what_is_waited_for_and_who_has_stalled_are_told(width: int) -> None:
    def said(made: Standing) -> str:
        text = rendered(Answer(path="run", well=made.well, running=True, standing=made), width)
        assert all(len(line) <= width for line in text.splitlines())
        return " ".join(text.split())

    measured = {"test_accuracy": 0.91, "test_age": 1.0}
    assert "honest node delft: 0.910; 1 of 1 measured, at most 1 s ago" in said(standing(measured))
    assert "honest node: not measured yet; none of 1 measured" in said(standing())
    assert "delft" in said(standing()) and "0.000" not in said(standing())
    waits = "5 of 6 actors are ready, not yet gossiper of node delft (no link to utrecht)"
    assert waits in said(msgspec.structs.replace(standing(), state="starting", waits=waits))
    over = msgspec.structs.replace(standing(measured), state="stopping", waits="the last measurements: 4 of 5")
    assert "4 of 5" in said(over) and "4 of 5" not in rendered(Answer(path="run", well=False, running=False, standing=over), width)
    stalled = standing({"stalled": 45.0, "block_age": 45.0, "block_every": 5.0})
    assert "STALLED: node delft has made no block for 45 s; one takes 5 s" in said(stalled) and not stalled.well


def test_names_are_whole_where_figures_can_go() -> None:
    long = standing({"name": "hospital-north-charite-01"})
    assert "hospital-north-charite-01" in rendered(Answer(path="run", well=True, running=True, standing=long), 100)


def command(*words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["dfl-actors", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_the_command_finds_a_run_and_its_exit_code_says_whether_all_is_well(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: (NOW + 500) * 1_000_000)

    def call(*words: str) -> tuple[int, str, str]:
        return command("status", *words, capsys=capsys, monkeypatch=monkeypatch)

    with run.lock():
        run.status.write_bytes(msgspec.json.encode(standing()))
        code, out, _ = call(str(run.path))
        assert code == 0 and "all is well" in out and "linked 12 min" in out and "+0.0 s" in out and "0.870" in out
        run.status.write_bytes(msgspec.json.encode(standing(refused=("utrecht: refused 41 times, other_genesis",))))
        code, out, _ = call(str(run.path), "--json")
        assert code == 1 and json.loads(out)["standing"]["nodes"][0]["neighbours"][0]["refused"]
        run.status.write_text("{")
        code, out, err = call(str(run.path))
        assert code == 6 and err.startswith("error: ") and "is damaged" in err and len(err.splitlines()) == 1
    assert call(str(run.path / "none"))[0] == 2
    monkeypatch.chdir(run.path)
    assert call()[0] == 6


def test_a_narrow_terminal_keeps_link_and_refusals() -> None:
    console = Console(width=60, record=True)
    made = standing(refused=("utrecht: refused twice",))
    with console.capture() as shown:
        console.print(render(Answer(path="run", well=False, running=True, standing=made), 60, NOW))
    assert "linked 12 min" in shown.get() and "by us" in shown.get()
