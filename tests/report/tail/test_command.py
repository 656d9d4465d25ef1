"""`tail` over recordings and finished runs: what is shown, what is left out, where it ends, and what it says of mistakes."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from dfl_actors.errors import ConfigError, DflError, StoreError
from dfl_actors.report.tail.command import Order, tail_run
from dfl_actors.runtime.header import Record
from dfl_actors.runtime.recording import Network, Recorder
from tests.report.made_run import START, ready, write_run
from tests.report.tail.test_tree import heard_life
from tests.report.test_trace import TX, whole_life

NETWORK = Network(name="net", nodes=("0", "1", "2"), links=(("0", "1"), ("1", "2")))


def record(path: Path, records: list[Record], close: bool = True) -> Path:
    recorder = Recorder(path, NETWORK, "")
    for one in records:
        recorder.write(msgspec.json.encode(one))
    recorder.flush()
    if close:
        recorder.close()
    return path


def numbered() -> list[Record]:
    """A life, its records a second apart. Of node 0 the third number is missing, and at the end it has a new life."""
    numbers: Counter[str] = Counter()
    records = []
    for second, one in enumerate(sorted(heard_life(), key=lambda one: one.t)):
        numbers[one.node] += 2 if (one.node, numbers[one.node]) == ("0", 2) else 1
        records.append(msgspec.structs.replace(one, actor="gossiper", n=numbers[one.node], t=(START + 1000 * second) * 1000))
    return [*records, msgspec.structs.replace(records[0], life=2, t=records[-1].t + 1)]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return record(tmp_path / "file", numbered())


def shown(capsys: pytest.CaptureFixture[str], **order: Any) -> list[str]:
    tail_run(Order(**order))
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def test_a_recording_is_shown_line_by_line(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, file=recording)
    assert len(lines) == 15 + 1 + 2
    assert "Trained" in lines[0] and "Announced" in lines[3] and "1 records of this actor were missed" in lines[2]
    assert "was restarted (life 2)" in lines[-2] and "Trained" in lines[-1]


def test_a_recording_is_shown_as_json(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [orjson.loads(line) for line in shown(capsys, file=recording, json=True)]
    assert [one["type"] for one in records[:5]] == ["Trained", "TransactionNews", "missed", "Announced", "Fetched"]
    assert (records[2]["kind"], records[2]["count"], records[-2]["kind"], records[-2]["life"]) == ("missed", 1, "restarted", 2)
    assert msgspec.convert(records[0], Record) == numbered()[0]


def test_count_counts_messages_that_are_shown(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [orjson.loads(line)["kind"] for line in shown(capsys, file=recording, json=True, count=5)]
    assert kinds == ["letter", "news", "missed", "letter", "letter", "letter"]
    lines = shown(capsys, file=recording, types=("Witnessed", "Drafted"), count=3)
    assert ["missed" in line or "Witnessed" in line or "Drafted" in line for line in lines] == [True] * 4


@pytest.mark.parametrize("name", ["held back", "expired", "lost"])
def test_notes_are_found_by_their_names(recording: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    for order in ({"types": (name,)}, {"types": (f"{name[:3]}*",)}, {"expression": f"type='{name}'"}):
        assert all("missed" in line or "restarted" in line or name in line for line in shown(capsys, file=recording, **order))


def test_for_is_the_recordings_own_time(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(shown(capsys, file=recording, seconds=3.0)) == 5
    assert len(shown(capsys, file=recording, seconds=0.0)) == 1


def test_the_table_of_a_recording(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, file=recording, stats=True)
    assert lines[0] == "net: 3 nodes, 14 s, 1 restart" and lines[-1].split()[:2] == ["all", "16"]
    (line,) = shown(capsys, file=recording, stats=True, json=True, types=("Witnessed",))
    summary = orjson.loads(line)
    assert [(row["type"], row["messages"]) for row in summary["types"]] == [("Witnessed", 2)] and summary["missed"] == 1


def test_the_table_by_node_and_an_expression(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = shown(capsys, file=recording, stats=True, by="node", json=True, expression="node!=2")
    assert [row["node"] for row in orjson.loads(line)["nodes"]] == ["0", "1"]
    lines = shown(capsys, file=recording, expression="type=Witnessed and ttl=0")
    assert [("Witnessed" in line, "missed" in line, "restarted" in line) for line in lines] == [
        (False, True, False), (True, False, False), (False, False, True),
    ]  # fmt: skip


def test_a_transaction_of_a_recording_is_followed(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, file=recording, follow=TX[:8])
    assert lines[0].startswith(f"transaction {TX[:16]} of node 0") and "final after 14,000 ms" in lines[0]
    (line,) = shown(capsys, file=recording, follow=TX, json=True)
    assert len(orjson.loads(line)["steps"]) == 11


def test_a_transaction_of_a_finished_run_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "net", ["0", "1", "2"], [ready(), *whole_life()], command=[])
    lines = shown(capsys, directory=run, follow=TX[:4])
    assert len(lines) == 14 and lines[-1].endswith("block 3, 1 of 2 confirmed")
    with pytest.raises(ConfigError, match=r"no transaction of .*net begins so; it has 1"):
        tail_run(Order(directory=run, follow="0000"))
    with pytest.raises(ConfigError, match="--save records what moves, and this run is over"):
        tail_run(Order(directory=run, follow=TX, save=tmp_path / "save"))


def test_the_newest_run_is_followed_when_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs" / "net", ["0", "1", "2"], [ready(), *whole_life()], command=[])
    assert len(shown(capsys, follow=TX[:4])) == 14
    with pytest.raises(StoreError, match=r"no network is running under runs/: start one with `dfl-actors run`"):
        tail_run(Order())


def test_a_recording_cut_short_is_shown_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path / "file", heard_life()[:3], close=False)
    path.write_bytes(path.read_bytes()[:-9])
    tail_run(Order(file=path))
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert err == "the recording was cut short: it is whole up to record 2\n"


def test_what_is_whole_of_a_damaged_recording_is_shown_before_its_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path / "file", heard_life()[:3])
    path.write_bytes(path.read_bytes().replace(b"Announced", b"Renounced"))
    with pytest.raises(StoreError, match=r"file is damaged in line 4: "):
        tail_run(Order(file=path))
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"nodes": ("7",)}, "--node 7: there is none of that name; known here: 0, 1, 2"),
        ({"actors": ("train",)}, '--actor train: there is none of that name; did you mean "trainer"?'),
        ({"types": ("Draft",)}, '--type Draft: there is none of that name; did you mean "Drafted"?'),
        ({"types": ("x*",)}, "--type x\\*: there is none of that name"),
        ({"expression": "type=Draft"}, '--expression, character 6, at "Draft": no type is called so; did you mean "Drafted"?'),
        ({"expression": "node=7"}, 'at "7": no node is called so; known here: 0, 1, 2'),
        ({"follow": "ab"}, "--follow ab: give the first 4 or more"),
        ({"follow": "1234"}, "no transaction of .*file begins so; it has"),
    ],
)
def test_mistakes_are_explained(order: dict[str, Any], words: str, recording: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        tail_run(Order(file=recording, **order))


def test_what_is_no_run_and_no_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for order, words in (
        (Order(directory=tmp_path / "none"), "none does not exist"),
        (Order(directory=tmp_path / "empty"), "there is no run.json"),
        (Order(file=tmp_path / "none"), "none cannot be read"),
        (Order(file=Path(__file__)), "test_command.py is not a recording"),
    ):
        with pytest.raises(StoreError, match=words):
            tail_run(order)


def test_an_ambiguous_beginning_names_the_transactions(tmp_path: Path) -> None:
    path = record(tmp_path / "file", [*heard_life("abcd" * 16), *heard_life("abcdef" + "0" * 58)])
    with pytest.raises(DflError, match=r"2 transactions of .*file begin so .*: give 5 digits or more"):
        tail_run(Order(file=path, follow="abcd"))
