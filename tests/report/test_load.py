"""Reading a run back: forgiving about the metrics, strict about what is not a run."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from time import process_time

import pytest

from dfl_actors.core.events import Evaluated, Ready, Scored, Trained
from dfl_actors.errors import StoreError
from dfl_actors.report.load import load_run
from dfl_actors.report.runs.exports import write_jsonl
from dfl_actors.report.runs.listing import _last_time
from dfl_actors.runtime.rundir import RunDirectory
from tests.report.made_run import START, address, ready, realistic, write_run


def test_a_run_whose_metrics_went_on_in_new_files_is_read_whole(tmp_path: Path) -> None:
    run = write_run(tmp_path / "net", ["0"], [ready()])
    before = load_run(run)
    line = (run / "metrics.jsonl").read_bytes()
    (run / "metrics.jsonl").rename(run / "metrics-0001.jsonl")
    (run / "metrics-0002.jsonl").write_bytes(line)
    (run / "metrics-old.jsonl").write_bytes(b"of somebody else")
    after = load_run(run)
    assert after.of(Ready) == before.of(Ready) * 2 and after.skipped == 0
    assert _last_time(RunDirectory(run).metrics_files()) == before.of(Ready)[0].t
    assert list(write_jsonl(after, tmp_path)) == ["metrics.jsonl: 2 events"]


def test_events_come_back_by_kind_in_order(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "net", ["0", "1"], realistic(["0", "1"], seconds=20), target=0.9))
    assert (run.name, run.target, run.ready_seconds, run.elapsed) == ("net", 0.9, 8.0, 20.0)
    assert run.nodes == {"0": address("0"), "1": address("1")}
    assert run.links == (("0", "1"),)
    assert run.neighbours("0") == {"1"}
    assert len(run.of(Trained)) == len(run.of(Scored)) == 2 * 19
    assert [event.t for event in run.of(Evaluated)] == sorted(event.t for event in run.of(Evaluated))
    assert run.skipped == 0


def test_names_and_roles_that_the_configuration_adds(tmp_path: Path) -> None:
    run = write_run(tmp_path / "net", ["0"], [ready()])
    key = "ab" * 32
    (run / "config.toml").write_text(f'[node.0]\nrole = "observer"\n[node.far]\npublic_key = "{key}"\nrole = "normal"\nrate = 3.0\n')
    loaded = load_run(run)
    assert loaded.roles == {"0": "observer"} and loaded.node_named(sha256(bytes.fromhex(key)).hexdigest()) == "far"
    assert loaded.node_named("c" * 64) == "cccccccc"


@pytest.mark.parametrize("config", ["", "[node", "node = 3", "[node.0]\nrole = 7", "[node.0]\npublic_key = 'no key'", "\x00"])
def test_a_configuration_that_cannot_be_read_adds_nothing(tmp_path: Path, config: str) -> None:
    run = write_run(tmp_path / "net", ["0"], [ready()])
    (run / "config.toml").write_text(config)
    assert (load_run(run).elsewhere, load_run(run).roles) == ({}, {})


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_in_the_place_of_metrics_is_named_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    run = write_run(tmp_path / "net", ["0"], [])
    (run / "metrics.jsonl").unlink()
    make(run / "metrics.jsonl")
    with pytest.raises(StoreError, match=r"metrics.jsonl is no regular file: remove it or name another run"):
        load_run(run)


@pytest.mark.parametrize(
    "tail",
    [
        b'{"t":1700000001000,"node":"0","actor":"tra',
        b"\x00\x00\x00\n",
        b"[1,2]\n",
        b"12\n",
        b'{"t":"late","node":"0","event":"evaluated","correct":1,"tested":2}\n',
        b'{"t":1700000001000,"node":"0","event":"evaluated","correct":1}\n',
        b'{"t":1700000001000,"no{"t":1700000001000,"node":"0","event":"evaluated","correct":1,"tested":2}\n',
        '{"t":1,"event":"é'.encode()[:-1],
        b"\n",
    ],
    ids=["torn", "zeros", "list", "number", "wrong type", "missing field", "torn then continued", "torn character", "empty line"],
)
def test_a_line_that_cannot_be_understood_is_skipped_and_counted(tmp_path: Path, tail: bytes) -> None:
    run = load_run(write_run(tmp_path / "net", ["0"], [ready()], tail))
    assert run.skipped == 1
    assert run.ready is not None and run.ready.t == START


def test_unknown_fields_are_ignored_and_unknown_events_counted(tmp_path: Path) -> None:
    new_event = {"t": START + 1, "node": "0", "actor": "trainer", "event": "daydreamed", "of": "sheep"}
    new_field = {"t": START + 2, "node": "0", "actor": "evaluator", "event": "evaluated", "correct": 9, "tested": 10, "colour": "red"}
    run = load_run(write_run(tmp_path / "net", ["0"], [ready(), new_event, new_field], future="field"))
    assert (run.skipped, run.unknown) == (0, 1)
    assert [event.correct for event in run.of(Evaluated)] == [9]


@pytest.mark.parametrize("odd", [[], {}, 7, None])
def test_an_event_kind_that_is_not_a_name_is_skipped(tmp_path: Path, odd: object) -> None:
    assert load_run(write_run(tmp_path / "net", ["0"], [ready(), {"t": START, "event": odd}])).skipped == 1


def test_a_run_without_metrics_is_one_in_which_nothing_happened(tmp_path: Path) -> None:
    path = write_run(tmp_path / "net", ["0"], [])
    (path / "metrics.jsonl").unlink()
    run = load_run(path)
    assert (run.ready, run.elapsed, run.events) == (None, 0.0, {})


def test_the_pause_before_a_resume_does_not_count(tmp_path: Path) -> None:
    def measured(t: int) -> dict[str, object]:
        return {"t": t, "node": "0", "actor": "evaluator", "event": "evaluated", "correct": 1, "tested": 2}

    killed = [ready(START), measured(START + 10_000)]
    stopped = [ready(START + 100_000), {"t": START + 105_000, "event": "stopped", "reason": "x"}, measured(START + 106_000)]
    last = [ready(START + 200_000), measured(START + 203_000)]
    run = load_run(write_run(tmp_path / "net", ["0"], [*killed, *stopped, *last]))
    assert [run.seconds(event.t) for event in run.of(Evaluated)] == [10, 15, 18]
    assert run.elapsed == 18
    assert run.seconds(START - 5000) == 0


@pytest.mark.parametrize("content", [b"", b"{", b'{"name": 3}', b"\xff"])
def test_a_damaged_run_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"run\.json is damaged"):
        load_run(tmp_path)


def test_a_directory_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"run\.json cannot be read") as caught:
        load_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_hundred_thousand_lines_take_about_a_second(tmp_path: Path) -> None:
    names = [str(number) for number in range(10)]
    path = write_run(tmp_path / "net", names, realistic(names, seconds=750))
    began = process_time()
    run = load_run(path)
    assert sum(map(len, run.events.values())) > 95_000
    assert process_time() - began < 5, "five times what it may take: other programs may be running"
