"""A small network trains real MNIST, makes blocks that verify, and leaves everything a reader needs."""

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from dfl_actors.cli import app
from dfl_actors.config import load_topology
from dfl_actors.core import codec
from dfl_actors.core.objects import FinalBlock, Genesis
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.runtime.kept import kept_model
from dfl_actors.runtime.keyfiles import load_key
from dfl_actors.runtime.rundir import RunDirectory
from tests.network.conftest import Finished
from tests.network.harness import ACTORS, PATIENCE, ROOT, Command, metrics

FIELDS = {
    "ready": {"seconds", "actors"},
    "stopped": {"reason"},
    "trained": {"sequence", "tx", "steps", "samples", "correct", "tested", "loss"},
    "announced": {"tx"},
    "fetched": {"tx", "from", "ms"},
    "scored": {"tx", "generator", "correct", "tested", "ttl"},
    "receipt": {"tx", "creator", "correct", "tested", "ms"},
    "drafted": {"height", "draft", "transactions", "receipts", "txs"},
    "confirmed": {"draft", "generator", "confirmations"},
    "final": {"height", "block", "transactions", "confirmations", "expected", "ms"},
    "updated": {"models", "senders", "reputations", "notes"},
    "evaluated": {"correct", "tested"},
    "weight_difference": {"layers", "overall"},
    "sent": {"tx", "to", "bytes"},
    "cpu": {"total", "tasks"},
}
MAYBE = {"dropped": {"what", "messages"}, "frames": {"by", "accepted", "refused", "ignored"}, "lost": {"what", "id"}}


@pytest.fixture(scope="module")
def out(finished: Finished) -> Path:
    return finished.out


@pytest.fixture(scope="module")
def summary(out: Path) -> dict[str, Any]:
    summary: dict[str, Any] = orjson.loads((out / "summary.json").read_bytes())
    return summary


@pytest.fixture(scope="module")
def chains(out: Path) -> dict[str, list[FinalBlock]]:
    """What `chain export` prints, read back by the core."""
    lines = cli("chain", "export", str(out)).stdout.splitlines()
    exported = {chain["node"]: chain["blocks"] for chain in map(orjson.loads, lines)}
    return {name: [codec.convert(FinalBlock, block) for block in blocks] for name, blocks in exported.items()}


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "dfl_actors", *arguments], env=environment, check=False, capture_output=True, text=True, timeout=120
    )


def test_a_run_says_what_happens_and_nothing_else(finished: Finished, out: Path) -> None:
    assert finished.stderr == ""
    lines = finished.stdout.splitlines()
    assert lines[0] == "preparing the data and the model"
    assert any("2 nodes" in line and line.endswith("stopped: duration") for line in lines)
    for heading in ("node ", "CPU seconds", "confirmations/block", "generate transaction", "receive transaction", "everything lies in"):
        assert heading in finished.stdout
    for noise in ("tensorflow", "WARNING", "CUDA", "oneDNN", "Traceback", "absl"):
        assert noise not in finished.stdout


def test_the_logs_of_actors_that_worked_are_empty(out: Path) -> None:
    logs = sorted(out.glob("nodes/*/log/*.log"))
    assert {f"{path.parents[1].name}/{path.stem}" for path in logs} >= {f"{node}/{actor}" for node in "01" for actor in ACTORS}
    assert {path.name: path.read_text() for path in logs if path.stat().st_size} == {}


def test_the_run_directory_is_complete(out: Path) -> None:
    files = ["config.toml", "run.json", "genesis.json", "metrics.jsonl", "accuracy.png", "summary.json"]
    files += [f"nodes/{node}/{file}" for node in "01" for file in ("key", "key.pub", "chain/data.mdb", "models/data.mdb", "model.keras")]
    files += [f"nodes/{node}/journal/{actor}/data.mdb" for node in "01" for actor in ACTORS]
    assert [file for file in files if not (out / file).is_file()] == []
    assert not list(out.rglob("*.part")) and not (out / "lock").exists()


def test_keys_are_secret(out: Path) -> None:
    for node in "01":
        assert (out / "nodes" / node / "key").stat().st_mode & 0o777 == 0o600
        seed = load_key(out / "nodes" / node).seed
        shown = [
            path
            for path in out.rglob("*")
            if path.is_file() and path.name != "key" and (seed in path.read_bytes() or seed.hex().encode() in path.read_bytes())
        ]
        assert shown == []


def test_the_configuration_reads_back(out: Path) -> None:
    config = load_topology(out / "config.toml")
    assert config == load_topology(out.parent / "small.toml", ["run.duration_s=4"])
    assert config.resolved() == (out / "config.toml").read_text()


def test_the_record_of_the_run(out: Path) -> None:
    about = orjson.loads((out / "run.json").read_bytes())
    assert about["name"] == "small" and about["seed"] == 3 and about["links"] == [["0", "1"]]
    assert about["nodes"] == {node: load_key(out / "nodes" / node).address for node in "01"}
    assert about["genesis"] == codec.digest(codec.decode(Genesis, (out / "genesis.json").read_bytes()))
    assert about["command"][1:] == ["run", "small.toml", "--out", "run", "--duration", "4"]


def test_every_metric_has_its_fields(out: Path) -> None:
    events = list(metrics(out))
    assert {event["event"] for event in events} >= set(FIELDS)
    for event in events:
        assert event.keys() == {"t", "node", "actor", "event"} | (FIELDS | MAYBE)[event["event"]], event
        assert event["node"] in ("", "0", "1")
    assert [event["reason"] for event in events if event["event"] == "stopped"] == ["duration"]
    assert {(event["node"], event["actor"]) for event in events if event["event"] == "cpu"} == {
        *((node, actor) for node in "01" for actor in ACTORS), ("", "supervisor"), ("", "evaluator"),
    }  # fmt: skip


def test_how_different_the_models_are_is_told_by_layer(out: Path) -> None:
    genesis = codec.decode(Genesis, (out / "genesis.json").read_bytes())
    told = [event for event in metrics(out) if event["event"] == "weight_difference"]
    assert told and all(list(event["layers"]) == [layer.name for layer in genesis.layers] for event in told)
    assert all(event["overall"] == pytest.approx(sum(event["layers"].values()), abs=1e-4) and event["overall"] > 0 for event in told)


def test_the_network_learns(summary: dict[str, Any]) -> None:
    for node in summary["nodes"].values():
        assert node["test_accuracy"] > 0.2
        assert node["updates"] > 0 and node["refused"] == {} and node["restarts"] == 0


def test_every_confirmation_is_there(summary: dict[str, Any], chains: dict[str, list[FinalBlock]]) -> None:
    for name, blocks in chains.items():
        assert len(blocks) >= 3
        assert summary["blocks"][name]["complete"] == summary["blocks"][name]["blocks"]
        for block in blocks:
            assert len(block.confirmations) == sum(len(entry.receipts) for entry in block.draft.entries) > 0


def test_the_summary_agrees_with_chains_and_metrics(out: Path, summary: dict[str, Any], chains: dict[str, list[FinalBlock]]) -> None:
    events = list(metrics(out))
    assert summary["skipped_lines"] == 0 and summary["stopped"] == "duration" and summary["elapsed"] >= 4
    for name, blocks in chains.items():
        final = [event for event in events if event["event"] == "final" and event["node"] == name]
        assert [event["block"] for event in final] == [codec.digest(block) for block in blocks]
        assert summary["blocks"][name]["blocks"] == len(blocks)
        assert summary["blocks"][name]["transactions_per_block"] == 2
        trained = {event["tx"]: event for event in events if event["event"] == "trained" and event["node"] == name}
        assert summary["nodes"][name]["sent"] == len(trained)
        for block in blocks:
            for entry in block.draft.entries:
                event = trained[codec.digest(entry.transaction)]
                assert (event["correct"], event["tested"]) == (entry.transaction.correct, entry.transaction.tested)


def test_a_model_crosses_a_link_once(summary: dict[str, Any]) -> None:
    assert set(summary["links"]) == {"0->1", "1->0"}
    assert all(link["repeated"] == 0 for link in summary["links"].values())


def test_the_picture_is_a_picture(out: Path) -> None:
    from matplotlib.image import imread

    picture = imread(out / "accuracy.png")
    assert picture.shape[0] > 400 and picture.shape[1] > 800 and picture.std() > 0.01


def test_the_model_is_as_good_as_the_run_said(out: Path, summary: dict[str, Any]) -> None:
    """The run measured it on 500 of the test samples."""
    result = CliRunner().invoke(app, ["model", "evaluate", str(out / "nodes/0/model.keras"), "mnist", "--json"], catch_exceptions=False)
    measured = orjson.loads(result.output)
    assert measured["samples"] == 10_000 and measured["accuracy"] == measured["correct"] / 10_000
    assert abs(measured["accuracy"] - summary["nodes"]["0"]["test_accuracy"]) < 0.1


def test_a_start_that_was_killed_is_begun_anew(place: Path, start: Callable[..., Command]) -> None:
    """Killed once its keys are there and before its run.json: neither --out refuses what is left, nor is anything of it used."""
    run = start("run", "small.toml", "--out", "run", cold=True)
    run.until((place / "run" / "nodes" / "1" / "key.pub").exists, "the keys")
    run.signal(signal.SIGKILL)
    run.gone(PATIENCE)
    assert not (place / "run" / "run.json").exists()
    key = (place / "run" / "nodes" / "0" / "key").read_bytes()
    run_in_vain_under_a_long_path(place)
    assert (place / "run" / "nodes" / "0" / "key").read_bytes() != key


def run_in_vain_under_a_long_path(place: Path) -> None:
    """What it prints is lost, and its sockets have no room below its directory for temporary files; it leaves everything."""
    long = place / ("t" * (76 - len(str(place)) - 1))
    long.mkdir()
    line = f"{sys.executable} -m dfl_actors run small.toml --out run --duration 1 > /dev/full"
    environment = {**os.environ, "TMPDIR": str(long), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", line], cwd=place, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 6, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: standard output cannot be written (No space left on device)")
    assert "Traceback" not in done.stderr and (place / "run" / "summary.json").is_file() and not any(long.iterdir())


def contract(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        found: dict[str, Any] = orjson.loads(archive.read("contract.json"))
    return found


def test_a_nodes_model_is_exported_as_it_ended_or_as_it_stands_in_a_block(
    out: Path, chains: dict[str, list[FinalBlock]], tmp_path: Path
) -> None:
    about = contract(out / "nodes/0/model.keras")
    assert about["labels"] == list("0123456789") and about["inputs"] == [{"name": "", "shape": [28, 28], "dtype": "uint8"}]
    assert kept_model(RunDirectory.open(out), "0", "float32", None).digest == about["origin"]["model"]
    height, file = len(chains["1"]) - 1, tmp_path / "at.keras"
    model = chains["1"][-1].draft.entries[-1].transaction.model
    said = cli("model", "export", str(out), "--node", "1", "--at", str(height), "-o", str(file))
    assert said.stdout == f"{file}: node 1, block {height}, model {model[:8]}\n", said.stderr
    assert contract(file)["origin"] == {"network": "small", "node": "1", "model": model}
    for arguments, kind, text in (
        (("--node", "9"), ConfigError, "no node '9'; this run has 0, 1"),
        (("--at", "100000", "-o", str(tmp_path / "b.keras")), StoreError, "has no block 100000, its chain has heights 0 to "),
        (("-o", "m.h5"), ConfigError, "a model is written as name.keras, name.safetensors, or into a folder"),
        (("-o", str(file)), StoreError, "is there already: replace it with --force"),
    ):
        refused = CliRunner().invoke(app, ["model", "export", str(out), *arguments]).exception
        assert isinstance(refused, kind) and text in str(refused) and "\n" not in str(refused)
