"""TOML as text: lines, option values, writing."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.toml_text import Path, dump_table, find_line, parse_value

TEXT = """\
# a comment
title = "x"
training.batch = 3

[ network ]  # another
nodes = 4

[node."a-b"]
rate = 1
[node]
c = { rate = 2 }
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("training", "batch"), 3),
        (("network", "nodes"), 6),
        (("network", "links"), 5),
        (("node", "a-b", "rate"), 9),
        (("node", "a-b", "buffer"), 8),
        (("node", "c", "rate"), 11),
        (("gossip", "ttl"), None),
    ],
)
def test_the_line_of_a_key_or_of_what_holds_it(path: Path, line: int | None) -> None:
    assert find_line(TEXT, path) == line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("0.5", 0.5),
        ("true", True),
        ('"4"', "4"),
        ('["0--1"]', ["0--1"]),
        ("{ penalty = 0.1 }", {"penalty": 0.1}),
        ("reputation", "reputation"),
        ("my.module:build", "my.module:build"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_an_option_is_toml_where_it_can_be_and_text_otherwise(text: str, value: Any) -> None:
    assert parse_value(text) == value


PLAIN = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(), PLAIN, max_size=3)
TABLES = st.dictionaries(st.text(), VALUES | st.dictionaries(st.text(), VALUES, max_size=3), max_size=4)


@given(TABLES)
def test_what_is_written_is_read_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(dump_table(table)) == table


def test_a_value_without_a_place_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no place"):
        dump_table({"key": object()})
