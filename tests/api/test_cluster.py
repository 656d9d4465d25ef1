"""What goes over a cluster, below Ray: files on their way, those that every machine needs, directories made one (also: `test_ray.py`)."""

import importlib.util
from pathlib import Path
from typing import cast

import msgspec
import pytest

from dfl_actors.api.cluster import elsewhere
from dfl_actors.api.cluster.files import Piece, check_files, named_files, pieces, put
from dfl_actors.api.cluster.gather import Gathered, gather
from dfl_actors.api.cluster.relay import Relay
from dfl_actors.config import parse_topology
from dfl_actors.core.events import Ready, Stopped, Trained, line
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import Work
from dfl_actors.report.load import load_run
from dfl_actors.runtime.rundir import About, RunDirectory


def test_without_ray_its_engine_is_refused_with_the_extra_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'dfl-actors\[ray\]'"):
        elsewhere.check_engine("ray", None)
    with pytest.raises(ConfigError, match="give --engine ray too"):
        elsewhere.check_engine("local", "10.0.0.1:6379")
    with pytest.raises(ConfigError, match="no engine 'spark'"):
        elsewhere.check_engine("spark", None)
    assert importlib.util.find_spec("dfl_actors.api.cluster.bridge") is not None, "which alone imports it"


def test_a_folder_arrives_as_it_was_and_nothing_is_written_outside_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfl_actors.api.cluster.files.AT_ONCE", 4)
    files = {"a.csv": b"", "deep/er/b.bin": bytes(range(11)), "c": b"abcd"}
    for name, body in files.items():
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / name).write_bytes(body)
    for piece in pieces(tmp_path / "here"):
        put(piece, tmp_path / "there")
    assert {
        str(path.relative_to(tmp_path / "there")): path.read_bytes() for path in (tmp_path / "there").rglob("*") if path.is_file()
    } == files
    for name in ("../x", "/x", "a/../../x", ""):
        with pytest.raises(StoreError, match="outside its folder"):
            put(Piece(name, begins=True, body=b""), tmp_path / "there")
    assert not (tmp_path / "x").exists()


def test_a_machine_that_lacks_a_named_file_or_has_another_is_refused(tmp_path: Path) -> None:
    for name in ("net.py", "own.csv", "attack.py"):
        (tmp_path / name).write_text(name)
    text = """
    [network]
    nodes = 2
    [training]
    model = "net.py:build"
    [data]
    source = "own.csv"
    target = "label"
    [node.1]
    attack = "attack.py:build"
    """
    wanted = named_files(parse_topology(text, where="net.toml", name="net", folder=tmp_path))
    assert set(wanted) == {str(tmp_path / name) for name in ("net.py", "own.csv", "attack.py")}
    check_files(wanted)
    (tmp_path / "net.py").write_text("another")
    with pytest.raises(ConfigError, match=r"has another .*net\.py: copy it to the same place on every machine"):
        check_files(wanted)
    (tmp_path / "net.py").unlink()
    with pytest.raises(ConfigError, match=r"does not have .*net\.py"):
        check_files(wanted)


def test_a_process_whose_driver_does_not_call_any_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfl_actors.api.cluster.relay.ALONE", 1.0)
    relay = Relay("waits", cast("Work", Channel.next), ())
    assert relay._process.wait(60) == 0


def left_by(run: RunDirectory, name: str, address: str, begun: int) -> None:
    """What a node has sent: it was ready at `begun`, trained once, and stopped."""
    part = RunDirectory(run.path / "part" / name)
    for folder in (part.node(name).path, part.node("supervisor").path / "log"):
        folder.mkdir(parents=True)
    (part.node(name).path / "model.keras").write_text(name)
    (part.node("supervisor").path / "log" / "remarks.log").write_text(name)
    (part.path / "genesis.json").write_text("{}")
    part.run.write_bytes(msgspec.json.encode(About(name="net", started=begun - 10, nodes={name: address}, data="digest")))
    events = (Ready(seconds=1.0, actors=6), Trained(tx=f"of {name}", node=name), Stopped(reason="terminated"))
    lines = [line(event, "", "supervisor", begun + 1000 * number) for number, event in enumerate(events)]
    part.metrics.write_bytes(b"".join(lines) + b'{"torn')


def test_directories_of_nodes_become_one_with_one_beginning_and_one_end(tmp_path: Path) -> None:
    config = parse_topology('[network]\nnodes = ["a", "b", "c"]', where="net.toml", name="net")
    run = RunDirectory(tmp_path)
    addresses = {name: name * 64 for name in "abc"}
    about = Gathered(config, addresses, "target", 2.5, ("dfl-actors", "run"))
    assert gather(run, about) == ["a", "b", "c"], "nothing has come yet"
    left_by(run, "a", addresses["a"], 5_000_500)
    left_by(run, "b", addresses["b"], 5_000_000)
    assert gather(run, about) == ["c"]
    found = load_run(tmp_path)
    assert found.nodes == {"a": addresses["a"], "b": addresses["b"]} and found.data == "digest" and found.started == 4_999_990
    assert [event.reason for event in found.of(Stopped)] == ["target"]
    assert found.ready is not None and (found.ready.t, found.ready.seconds, found.ready.actors) == (5_000_000, 2.5, 18)
    assert [event.tx for event in found.of(Trained)] == ["of b", "of a"] and found.elapsed == 2.5 and not found.skipped
    assert (run.node("b").path / "model.keras").read_text() == "b"
    assert (run.node("supervisor").path / "log" / "a-remarks.log").read_text() == "a"
