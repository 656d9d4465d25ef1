"""Exports as other programs read them: the bytes of the CSV files, the JSON lines, and the event files through TensorBoard itself."""

import csv
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from dfl_actors import load_run
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report import frames
from dfl_actors.report.frames import FRAMES
from dfl_actors.report.load import Run
from dfl_actors.report.runs import exports
from dfl_actors.report.runs.exports import export
from dfl_actors.runtime.rundir import RunDirectory
from tests.report.made_run import START, Line, address, ready, realistic, write_run

A, B, STRANGER = address("a"), address("b"), "0123456789abcdef" * 4


def line(seconds: float, node: str, event: str, **fields: Any) -> Line:
    return {"t": START + round(1000 * seconds), "node": node, "actor": "x", "event": event, **fields}


def small() -> list[Line]:
    """Two sessions with a pause from 10 s to 100 s; c was never measured and never averaged."""
    return [
        ready(),
        line(0.5, "a", "trained", sequence=0, tx="t0", steps=1, samples=64, correct=30, tested=100, loss=2.25),
        line(1, "a", "trained", sequence=1, tx="t1", steps=2, samples=128, correct=0, tested=0, loss=None),
        line(2, "a", "evaluated", correct=1, tested=3),
        line(2, "b", "evaluated", correct=123_456_7, tested=10_000_000),
        line(3, "b", "evaluated", correct=9, tested=10),
        line(3, "c", "evaluated", correct=0, tested=0),
        line(4, "a", "updated", models=1, senders={B: 0.5}, reputations={B: 1.0}),
        line(5, "a", "updated", models=1, senders={B: 0.5, STRANGER: None}, reputations={B: 0.95, STRANGER: 0.05}),
        line(6, "b", "updated", models=1, senders={A: 0.5}, reputations={A: 0.0}),
        line(7, "", "weight_difference", layers={"ip1/kernel": 101231.4, "ip1/bias": 0.5}, overall=101231.9),
        line(8, "a", "receipt", tx="t0", creator=B),
        line(8.5, "a", "receipt", tx="t0", creator=B),
        line(9, "a", "receipt", tx="t1", creator=B),
        line(9, "a", "final", height=0, block="x", transactions=1, confirmations=1, expected=1),
        line(10, "", "stopped", reason="interrupted"),
        ready(START + 100_000),
        line(101, "", "weight_difference", layers={"ip1/kernel": 12.5, "ip1/bias": 1e-7}, overall=12.5),
        line(102, "a", "evaluated", correct=1, tested=1),
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "net", ["a", "b", "c"], small())


# --- csv


def test_the_csv_files_have_the_layout_of_the_published_results(run: Path) -> None:
    place, told = export(run, "csv", None, force=False)
    assert place == run / "csv"
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*.*")) == [
        "accuracy.csv", "model_weight_diff.csv", "reputation/a_reputation.csv", "reputation/b_reputation.csv",
    ]  # fmt: skip
    assert (place / "accuracy.csv").read_bytes() == b"tick,a,b,c\n2000,0.333333,0.123457,\n3000,0.333333,0.9,\n12000,1,0.9,\n"
    assert (place / "model_weight_diff.csv").read_bytes() == b"tick,ip1/kernel,ip1/bias\n7000,101231,0.5\n11000,12.5,1e-07\n"
    assert (place / "reputation" / "a_reputation.csv").read_bytes() == b"tick,b,c,01234567\n4000,1,,\n5000,0.95,,0.05\n"
    assert (place / "reputation" / "b_reputation.csv").read_bytes() == b"tick,a,c\n6000,0,\n"
    assert told == ["accuracy.csv: 3 x 3", "model_weight_diff.csv: 2 x 2", "reputation/: 2 of 3 nodes"]


def test_every_measurement_is_in_the_table_at_its_time(tmp_path: Path) -> None:
    names = ["0", "1", "2", "3"]
    lines = list(realistic(names, seconds=60))
    place, _ = export(write_run(tmp_path / "net", names, lines), "csv", None, force=False)
    with (place / "accuracy.csv").open() as file:
        rows = {int(row["tick"]): row for row in csv.DictReader(file)}
    measured = [one for one in lines if one["event"] == "evaluated"]
    assert len(measured) > 50
    for one in measured:
        assert float(rows[one["t"] - START][one["node"]]) == pytest.approx(one["correct"] / one["tested"], abs=1e-6)
    assert list(rows) == sorted(rows)


def test_what_a_run_does_not_have_is_said_and_left_out(tmp_path: Path) -> None:
    path = write_run(tmp_path / "net", ["a"], [ready()])
    place, told = export(path, "csv", None, force=False)
    assert list(place.iterdir()) == []
    assert told == [
        "no accuracy.csv: the nodes were not measured on the test samples",
        "no model_weight_diff.csv: this run has no weight differences",
        "no reputation/: no node has averaged models",
    ]


# --- jsonl


def test_json_lines_have_names_and_ticks_and_no_torn_lines(tmp_path: Path) -> None:
    unknown = line(3, "a", "daydreamed", of=[{"who": B}], deeply={"in": {A: STRANGER}})
    path = write_run(tmp_path / "net", ["a", "b", "c"], [*small(), unknown], tail=b'[1]\n{"event": "x"}\n{"t": 1, "eve')
    place, told = export(path, "jsonl", None, force=False)
    assert told == [f"metrics.jsonl: {len(small()) + 1} events (3 torn lines left out)"]
    read = [orjson.loads(text) for text in (place / "metrics.jsonl").read_bytes().splitlines()]
    assert read[8] == {
        "tick": 5000, "t": START + 5000, "node": "a", "actor": "x", "event": "updated", "models": 1,
        "senders": {"b": 0.5, STRANGER: None}, "reputations": {"b": 0.95, STRANGER: 0.05},
    }  # fmt: skip
    assert read[-1]["of"] == [{"who": "b"}] and read[-1]["deeply"] == {"in": {"a": STRANGER}}
    assert [one["tick"] for one in read if one["event"] == "ready"] == [0, 10_000]
    assert read[0]["seconds"] == 8.0, "what an event says itself stays"


# --- tensorboard


@pytest.fixture
def scalars(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads a directory with TensorBoard's own reader: tag -> (step, value) in order. Told that there is no TensorFlow, it does without."""
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("notf"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}

    return read


def near(*points: tuple[int, float]) -> list[tuple[int, Any]]:
    return [(step, pytest.approx(value, rel=1e-6)) for step, value in points]


def test_a_regression_has_a_score_in_tensorboard(run: Path, scalars: Any) -> None:
    (run / "config.toml").write_text("[data]\ntask = 'regression'\n")
    place, _ = export(run, "tensorboard", None, force=False)
    assert {tag for tag in scalars(place / "a") if "/" in tag} >= {"score/test", "score/own"}
    assert not any("accuracy" in tag for tag in scalars(place / "a"))


def test_tensorboard_reads_a_directory_a_node(run: Path, scalars: Any) -> None:
    place, told = export(run, "tensorboard", None, force=False)
    assert told == ["3 event files with 24 values; TensorBoard shows them"]
    assert sorted(path.name for path in place.iterdir() if path.is_dir()) == ["a", "b"]
    assert scalars(place / "a") == {
        "accuracy/test": near((2000, 1 / 3), (12_000, 1)),
        "accuracy/own": near((500, 0.3)),
        "loss": near((500, 2.25)),
        "steps": near((500, 1), (1000, 2)),
        "samples": near((500, 64), (1000, 128)),
        "reputation/b": near((4000, 1), (5000, 0.95)),
        "reputation/01234567": near((5000, 0.05)),
        "receipts": near((8000, 1), (8500, 1), (9000, 2)),
        "chain/height": near((9000, 1)),
    }
    assert scalars(place / "b") == {"accuracy/test": near((2000, 0.1234567), (3000, 0.9)), "reputation/a": near((6000, 0))}
    assert {tag: values[0] for tag, values in scalars(place).items()} == {
        "weight_difference/overall": near((7000, 101231.9))[0],
        "weight_difference/ip1/kernel": near((7000, 101231.4))[0],
        "weight_difference/ip1/bias": near((7000, 0.5))[0],
    }


def test_the_same_run_gives_the_same_event_files(run: Path, tmp_path: Path) -> None:
    places = [export(run, "tensorboard", tmp_path / name, force=False)[0] for name in ("x", "y")]
    files = [{path.relative_to(place): path.read_bytes() for path in place.rglob("*tfevents*")} for place in places]
    assert files[0] == files[1] and len(files[0]) == 3


def test_event_files_need_no_tensorflow(run: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dfl_actors.report.runs.exports import export;"
        f"export(Path({str(run)!r}), 'tensorboard', None, False); sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- where it goes


def test_an_export_is_replaced_only_with_force_and_then_as_a_whole(run: Path) -> None:
    place, _ = export(run, "csv", None, force=False)
    stale = place / "reputation" / "gone_reputation.csv"
    stale.write_text("tick,a\n")
    with pytest.raises(StoreError, match=rf"^{place} is there already: .*--force"):
        export(run, "csv", None, force=False)
    assert stale.exists()
    export(run, "csv", None, force=True)
    assert not stale.exists() and len(list(place.rglob("*.csv"))) == 4
    assert not list(run.rglob("part-*"))


def test_nothing_but_an_export_is_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=r"work holds thesis\.tex, which no export wrote"):
        export(run, "csv", tmp_path / "work", force=True)
    with pytest.raises(StoreError, match=r"net holds run\.json, which no export wrote"):
        export(run, "csv", run, force=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_directory_will_do_and_parents_are_made(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(run, "csv", tmp_path / "deep" / "below", force=False)
    assert (tmp_path / "deep" / "below" / "accuracy.csv").exists()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    export(run, "csv", Path(), force=False)
    assert (tmp_path / "empty" / "accuracy.csv").exists()
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["accuracy.csv", "model_weight_diff.csv", "reputation"]


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_place_that_cannot_be_written_is_named(name: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=f"^{tmp_path / name} .*--out"):
        export(run, "csv", tmp_path / name, force=True)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("before", [True, False])
def test_a_full_disk_leaves_things_as_they_were(before: bool, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if before:
        export(run, "csv", None, force=False)

    def fail(run: Run, out: Path) -> exports.Told:
        (out / "accuracy.csv").write_text("tick")
        yield "accuracy.csv: 1 row"
        raise OSError(28, "No space left on device")

    there = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    monkeypatch.setitem(exports.FORMATS, "csv", fail)
    with pytest.raises(StoreError, match=r"csv cannot be written \(No space left on device\)"):
        export(run, "csv", None, force=True)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == there
    assert (run / "csv").exists() == before


# --- parquet


def test_parquet_has_the_tables_of_the_data_frames(run: Path) -> None:
    parquet, pandas = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pandas")
    place, told = export(run, "parquet", None, force=False)
    assert told[:4] == ["accuracy.parquet: 4 rows", "updates.parquet: 3 rows", "transactions.parquet: 2 rows", "receipts.parquet: 3 rows"]
    assert sorted(path.stem for path in place.iterdir()) == sorted(FRAMES)
    result = load_run(run)
    for name in FRAMES:
        pandas.testing.assert_frame_equal(pandas.read_parquet(place / f"{name}.parquet"), getattr(result, name), check_dtype=False)
    table = parquet.read_table(place / "receipts.parquet")
    assert {name: str(table.schema.field(name).type) for name in table.column_names} == {
        "seconds": "double", "node": "string", "transaction": "string", "witness": "string", "accuracy": "double", "ms": "double",
    }  # fmt: skip
    assert table["witness"].to_pylist() == ["b", "b", "b"]
    assert table.schema.field("ms").metadata == {b"unit": b"ms"} and b"pauses" in table.schema.field("seconds").metadata[b"unit"]
    assert table.schema.metadata[b"network"] == b"net" and table.schema.metadata[b"kind"] == b"run"
    # A missing value is none, not a number.
    assert parquet.read_table(place / "transactions.parquet")["accuracy"].to_pylist() == [0.3, None]


def test_an_empty_table_has_its_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    place, _ = export(write_run(tmp_path / "net", "ab", [ready()]), "parquet", None, force=False)
    schema = parquet.read_schema(place / "blocks.parquet")
    assert [str(schema.field(name).type) for name in ("seconds", "node", "height", "block")] == ["double", "string", "int64", "string"]
    assert {str(kind) for kind in load_run(tmp_path / "net").blocks.dtypes} >= {"float64", "int64"}


def test_without_pyarrow_the_extra_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^Parquet needs pyarrow: pip install 'dfl-actors\[frames\]'$"):
        export(run, "parquet", None, force=False)
    assert not (run / "parquet").exists()


# --- what is left out


@pytest.mark.parametrize("format", ["csv", "parquet", "tensorboard"])
def test_damaged_lines_and_a_run_that_goes_on_are_said(format: str, run: Path) -> None:
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"t": 1, "event": "eval\n')
    with RunDirectory(run).lock():
        _, told = export(run, format, None, force=False)
    assert len(load_run(run).run.left_out) == 1
    assert told[-2:] == [*load_run(run).run.left_out, "the run goes on: this is what it had written until now"]


# --- what cannot be exported


def test_an_unknown_format_is_refused_with_those_that_are(run: Path) -> None:
    with pytest.raises(ConfigError, match="unknown format 'avro': choose csv, jsonl, parquet, tensorboard, mlflow, wandb"):
        export(run, "avro", None, force=False)


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "tensorboard", "mlflow", "wandb"])
def test_a_run_without_metrics_is_refused(format: str, run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    with pytest.raises(StoreError, match=f"^{run} has no metrics"):
        export(run, format, None, force=False)
    assert not (run / format).exists()


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", ""])
def test_a_node_whose_name_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    path = write_run(tmp_path / "net", ["a", name], [ready(), line(1, name, "updated", reputations={A: 1.0})])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="cannot hold a node named"):
        export(path, "csv", None, force=False)
    assert sorted(tmp_path.rglob("*")) == before
