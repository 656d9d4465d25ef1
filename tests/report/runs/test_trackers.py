"""Runs in MLflow and in Weights & Biases, read back through what each of them writes."""

import shutil
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report.load import load_run
from dfl_actors.report.runs import trackers
from dfl_actors.report.runs.exports import export, send
from dfl_actors.report.runs.trackers import closing, curves, unique
from dfl_actors.runtime.rundir import RunDirectory
from tests.report.made_run import START, Line, address, ready, write_run


def line(seconds: float, node: str, event: str, **fields: Any) -> Line:
    return {"t": START + round(1000 * seconds), "node": node, "actor": "", "event": event, **fields}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two measurements of a, two transactions in one millisecond, one weight difference, and CPU."""
    lines = [
        ready(),
        line(1, "a", "trained", sequence=0, tx="t0", steps=4, samples=64, correct=1, tested=2, loss=2.5),
        line(1, "a", "trained", sequence=1, tx="t1", steps=8, samples=128, correct=0, tested=0),
        line(2, "a", "evaluated", correct=50, tested=100),
        line(3, "a", "evaluated", correct=75, tested=100),
        line(3, "b b", "evaluated", correct=25, tested=100),
        line(4, "", "weight_difference", layers={"ip1/kernel": 0.5}, overall=0.5),
        line(9, "", "stopped", reason="duration"),
        line(9, "a", "cpu", total=1.5),
    ]
    path = write_run(tmp_path / "net", ["a", "b b"], lines, started=START)
    (path / "config.toml").write_text('[network]\nname = "net"\n[update]\nalgorithm = "krum"\n')
    return path


def test_curves_are_in_order_and_lose_nothing(run: Path) -> None:
    found = list(curves(load_run(run)))
    assert [t - START for t, _ in found] == [1000, 1000, 2000, 3000, 4000]
    assert found[0][1] == {"a/steps": 4, "a/samples": 64, "a/accuracy/own": 0.5, "a/loss": 2.5} and found[1][1] == {
        "a/steps": 8,
        "a/samples": 128,
    }
    assert found[3][1] == {"a/accuracy/test": 0.75, "b b/accuracy/test": 0.25}
    assert found[4][1] == {"network/weight_difference/overall": 0.5, "network/weight_difference/ip1/kernel": 0.5}
    assert closing(load_run(run)) == {"honest/mean": 0.5, "honest/worst": 0.25, "honest/spread": 0.5, "cpu_seconds": 1.5}


def test_names_are_in_signs_that_both_take_and_stay_apart() -> None:
    found = unique(dict.fromkeys(["a b", "a/b", "a:b", "é", "network", "a_b"], ""))
    assert list(found.values()) == ["a b", "a_b", "a_b_2", "_", "network_2", "a_b_3"]


@pytest.mark.parametrize(("format", "name"), [("mlflow", "MLflow"), ("wandb", "Weights & Biases")])
def test_without_the_library_its_extra_is_named(format: str, name: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda module: None)
    with pytest.raises(ConfigError, match=rf"^{name} is not installed: pip install 'dfl-actors\[{format}\]'$"):
        export(run, format, None, force=False)
    assert not (run / format).exists()


def test_only_mlflow_has_an_address(run: Path) -> None:
    with pytest.raises(ConfigError, match="is an address, and wandb is written into a directory"):
        send(run, "wandb", "http://127.0.0.1:9")


def test_mlflow_reads_its_parameters_curves_and_figures(run: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    place, told = export(run, "mlflow", None, force=False)
    assert [path.name for path in place.iterdir()] == ["mlflow.db"] and told == ["experiment net, run net: 15 values"]
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{place}/mlflow.db")
    (found,) = client.search_runs([client.get_experiment_by_name("net").experiment_id])
    assert (found.info.run_name, found.info.status, found.info.start_time, found.info.end_time) == ("net", "FINISHED", START, START + 9000)
    assert found.data.params == {"network.name": "net", "update.algorithm": "krum"} and found.data.tags["kind"] == "run"
    history = client.get_metric_history(found.info.run_id, "a/accuracy/test")
    assert [(one.step, one.timestamp, one.value) for one in history] == [(2000, START + 2000, 0.5), (3000, START + 3000, 0.75)]
    assert found.data.metrics["honest/worst"] == 0.25
    # Several runs share a database, or a server, whose address is given; one that does not answer is named in a line.
    send(run, "mlflow", f"sqlite:///{place}/mlflow.db")
    assert len(client.search_runs([found.info.experiment_id])) == 2
    with pytest.raises(StoreError, match=r"^MLflow at http://127\.0\.0\.1:9 does not take it .*choose another --out"):
        send(run, "mlflow", "http://127.0.0.1:9")


@pytest.mark.parametrize("format", ["mlflow", "wandb"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    format: str, run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(format)
    if format == "mlflow":
        from sqlalchemy.exc import OperationalError

        monkeypatch.setattr(trackers, "_log", lambda *given: _raise(OperationalError("BEGIN", None, Exception("disk is full"))))
    else:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=100))
    with pytest.raises(StoreError, match=r"(disk is full|No space left on device)\).*: choose another --out, or make room$") as error:
        export(run, format, None, force=False)
    assert "\n" not in str(error.value) and not (run / format).exists() and "Traceback" not in capfd.readouterr().err


def _raise(error: Exception) -> None:
    raise error


def test_mlflow_says_how_the_run_ended(run: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    text = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(text.replace('"stopped"', '"started"'))
    for held, status, state in ((True, "RUNNING", "starting"), (False, "FAILED", "died")):
        with RunDirectory(run).lock() if held else nullcontext():
            place, _ = export(run, "mlflow", run.parent / state, force=False)
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{place}/mlflow.db")
        (found,) = client.search_runs([client.get_experiment_by_name("net").experiment_id])
        assert found.info.status == status and found.data.tags["state"] == state


def test_an_offline_run_of_wandb_has_curves_and_figures(run: Path) -> None:
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    place, told = export(run, "wandb", None, force=False)
    (file,) = place.rglob("*.*")
    assert (
        file.suffix == ".wandb" and file.parent.name.startswith("offline-run-") and told[0].endswith(": 11 values; `wandb sync` sends it")
    )
    found = []
    for raw in records(file.read_bytes()):
        found.append(Record())
        found[-1].ParseFromString(raw)
    assert {(one.run.project, one.run.display_name) for one in found if one.HasField("run")} == {("net", "net")}
    rows = [{item.nested_key[0]: item.value_json for item in one.history.item} for one in found if one.HasField("history")]
    assert len(rows) == 5 and rows[0]["seconds"] == "1"
    assert [row["a/accuracy/test"] for row in rows if "a/accuracy/test" in row] == ["0.5", "0.75"]
    figures = {item.key: item.value_json for one in found for item in one.summary.update}
    assert figures["honest/worst"] == "0.25"


def records(raw: bytes, block: int = 32768) -> Iterator[bytes]:
    """What a record file holds: after a head of 7 bytes records in blocks, each with checksum, length and which part of one it is."""
    place, whole = 7, b""
    while place + 7 <= len(raw):
        if block - place % block < 7:
            place += block - place % block
            continue
        _, length, part = struct.unpack("<IHB", raw[place : place + 7])
        whole, place = whole + raw[place + 7 : place + 7 + length], place + 7 + length
        if part in (1, 4):
            yield whole
            whole = b""


def test_node_addresses_are_names(run: Path) -> None:
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(
            b'{"t": %d, "node": "a", "actor": "", "event": "updated", "reputations": {"%s": 0.5}}\n'
            % (START + 5000, address("b b").encode())
        )
    assert list(curves(load_run(run)))[-1] == (START + 5000, {"a/reputation/b b": 0.5})
