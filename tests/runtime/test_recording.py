"""Recordings: what was written comes back, what was altered is named, what was cut short is read as far as it is whole."""

from pathlib import Path

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.runtime.header import Record
from dfl_actors.runtime.recording import FORMAT, Network, Recorder, Recording

NETWORK = Network(name="net", nodes=("0", "1"), links=(("0", "1"),), begun=5)
RECORDS = [Record(t=i, node="0", actor="keeper", n=i, kind="event", type="Scored", tx=f"{i:064x}", size=7) for i in range(1, 6)]
RAWS = [msgspec.json.encode(record) for record in RECORDS]


def recorded(path: Path, close: bool = True) -> bytes:
    recorder = Recorder(path, NETWORK, "1.2.3")
    for raw in RAWS:
        recorder.write(raw)
    recorder.flush()
    if close:
        recorder.close()
    return path.read_bytes()


def read(path: Path) -> tuple[list[Record], Recording]:
    recording = Recording(path)
    records = [record for _, record in recording.records()]
    recording.close()
    return records, recording


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return recorded(tmp_path_factory.mktemp("recording") / "whole")


def test_what_was_recorded_comes_back_byte_for_byte(tmp_path: Path) -> None:
    recorded(tmp_path / "file")
    recording = Recording(tmp_path / "file")
    assert list(recording.records()) == list(zip(RAWS, RECORDS, strict=True))
    assert recording.network == NETWORK and recording.read == 5 and not recording.cut_short


def test_every_line_is_json(whole: bytes) -> None:
    header, *records, footer = map(orjson.loads, whole.splitlines())
    assert header["tail"] == FORMAT and header["version"] == "1.2.3" and footer["records"] == 5
    assert [record["tx"] for record in records] == [record.tx for record in RECORDS]


def test_a_recording_without_its_end_was_cut_short(tmp_path: Path) -> None:
    recorded(tmp_path / "file", close=False)
    records, recording = read(tmp_path / "file")
    assert records == RECORDS and recording.cut_short


def test_a_recording_is_read_as_far_as_it_is_whole(tmp_path: Path, whole: bytes) -> None:
    lines = whole.splitlines(keepends=True)
    for end in range(len(lines[0]), len(whole)):
        (tmp_path / "file").write_bytes(whole[:end])
        records, recording = read(tmp_path / "file")
        assert records == RECORDS[: min(5, whole[:end].count(b"\n") - 1)] and recording.cut_short


@given(data=st.data())
def test_an_altered_byte_is_found_and_its_line_named(data: st.DataObject, whole: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    path = tmp_path_factory.getbasetemp() / "altered"
    path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    line = whole[:place].count(b"\n") + 1
    if place == len(whole) - 1:  # the last line has lost its end: that is a recording cut short
        assert read(path)[1].cut_short
        return
    with pytest.raises(StoreError) as error:
        read(path)
    assert f"line {line}:" in str(error.value) or (line == 1 and "is not a recording" in str(error.value)), error.value


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: lines[:2] + lines[3:], 3),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3),
        (lambda lines: [*lines, b"{}\n"], 7),
        (lambda lines: [*lines, *lines], 7),
    ],
    ids=["a line lost", "a line twice", "two lines changed places", "a line behind the end", "twice over"],
)
def test_lines_that_were_moved_are_found(change: object, line: int, whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"".join(change(whole.splitlines(keepends=True))))  # type: ignore[operator]
    with pytest.raises(StoreError, match=rf"file is damaged in line {line}: "):
        read(tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b"\n", b"[1]\n", b"text\n", b'{"t":1}\n', b"[" * 5000 + b"\n", b"\xff\xfe\n", b'{"tail":"1"}\n'])
def test_what_is_no_recording_is_called_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(StoreError, match=r"file is not a recording: name a file"):
        Recording(tmp_path / "file")


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b'{"tail":2}\n')
    with pytest.raises(StoreError, match=r"has format 2, this program reads 1: use the version that made it"):
        Recording(tmp_path / "file")


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"file exists and is not overwritten: .*--force"):
        Recorder(path, NETWORK, "")
    assert path.read_text() == "mine"
    Recorder(path, NETWORK, "", force=True).close()
    assert read(path)[0] == []


@pytest.mark.parametrize(("path", "words"), [("none/file", "cannot be written"), ("", "exists|cannot be written")])
def test_a_place_that_cannot_be_written_is_named(path: str, words: str, tmp_path: Path) -> None:
    with pytest.raises((StoreError, ConfigError), match=words):
        Recorder(tmp_path / path, NETWORK, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_named() -> None:
    with pytest.raises(StoreError, match=r"/dev/full cannot be written \(No space left on device\)"):
        Recorder(Path("/dev/full"), NETWORK, "", force=True)


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none cannot be read \(No such file or directory\)"):
        Recording(tmp_path / "none")
