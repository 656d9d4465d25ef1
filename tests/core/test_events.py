"""The events of the metrics: their lines, and the table of them in `docs/metrics.md`."""

import json
from pathlib import Path

import pytest

from dfl_actors.core import events

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "metrics.md"


def row(name: str, kind: type[events.Event]) -> str:
    """How the table in the document begins the line of a kind of event."""
    fields = (f"`{field}`" for field in kind.__struct_encode_fields__ if field not in events.Event.__struct_fields__)
    return f"| `{name}` | {kind.says} | {', '.join(fields)} |"


def test_the_document_has_every_event_with_its_writer_and_its_fields() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    begin = lines.index("| event | by | fields | meaning |") + 2
    table = [" |".join(line.split(" |")[:3]) + " |" for line in lines[begin : lines.index("", begin)]]
    assert table == [row(name, kind) for name, kind in events.KINDS.items()]


def test_a_line_says_when_and_where_first_and_comes_back_as_the_event() -> None:
    event = events.Fetched(tx="ab", source="cd", ms=3)
    line = events.line(event, "0", "gossiper", 1_700)
    assert line == b'{"t":1700,"node":"0","actor":"gossiper","event":"fetched","tx":"ab","from":"cd","ms":3}\n'
    assert events.read(line) == events.Fetched(tx="ab", source="cd", ms=3, t=1_700, node="0", actor="gossiper")
    assert events.fields_of(event) == {"tx": "ab", "from": "cd", "ms": 3}


def test_an_event_may_be_written_in_the_name_of_another() -> None:
    line = events.line(events.Restarted(reason="killed", node="2", actor="keeper"), "", "supervisor", 9)
    assert json.loads(line) == {"t": 9, "node": "2", "actor": "keeper", "event": "restarted", "reason": "killed"}


def test_numbers_that_json_lacks_are_null() -> None:
    line = events.line(events.Trained(tx="ab", loss=float("nan")), "0", "trainer", 9)
    read = events.read(line)
    assert isinstance(read, events.Trained) and read.loss is None


@pytest.mark.parametrize(
    "line",
    [
        {"event": "drafted", "height": 3, "draft": "ab"},
        {"event": "receipt", "tx": "ab", "creator": "cd"},
        {"event": "fault", "node": "2"},
        {"event": "scored", "tx": "ab", "of a later version": {"a": [1]}},
    ],
)
def test_lines_of_other_versions_and_of_scripts_are_read(line: dict[str, object]) -> None:
    read = events.read(json.dumps({"t": 5, **line}).encode())
    assert read is not None and events.name_of(type(read)) == line["event"]


def test_an_event_of_a_later_version_is_nothing() -> None:
    assert events.read(b'{"t":5,"event":"dreamt","of":1}') is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"t":5,"ev',
        b"[1]",
        b'{"t":5}',
        b'{"event":"fault"}',
        b'{"t":"x","event":"fault"}',
        b'{"t":5,"event":"trained"}',
        b'{"t":5,"event":"fault","what":"\xff"}',
        b'{"t":1,"event":"evaluated","correct":1e300,"tested":1000}',
        b'{"t":1,"event":"evaluated","correct":1001,"tested":1000}',
        b'{"t":1,"event":"trained","tx":"ab","steps":1000000000000000000000000000000}',
        b'{"t":1,"event":"final","height":-1,"block":"ab","transactions":1,"confirmations":1,"expected":1}',
    ],
)
def test_a_torn_or_damaged_line_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        events.read(line)
