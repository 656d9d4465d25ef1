"""TOML as text: lines, option values, writing."""

import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.config.toml_text import Mistakes, Path, Source, convert, dump_table, find_line, listed, parse_table, parse_value

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


LIST = """\
[network]
links = ["a--b", "b--c",
    # "not--this"
    'c--d', "d--e]",
    "e--f"]  # ]
seed = 1
"""


@pytest.mark.parametrize(("item", "line"), [(0, 2), (1, 2), (2, 4), (3, 4), (4, 5), (5, 2), (99, 2)])
def test_the_line_of_an_item_of_a_list_or_else_of_the_list(item: int, line: int) -> None:
    assert find_line(LIST, ("network", "links"), item) == line


def test_an_item_of_a_key_that_is_not_there_is_where_its_table_is() -> None:
    assert find_line(LIST, ("network", "nodes"), 1) == 1
    assert find_line(LIST, ("data", "rate"), 1) is None


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=("Cs", "Cc"))), min_size=1, max_size=6), st.data())
def test_every_item_of_any_list_is_found(items: list[str], data: st.DataObject) -> None:
    breaks = [data.draw(st.integers(0, 2)) for _ in items]
    text, lines = "head = 1\nkey = [", []
    for item, count in zip(items, breaks, strict=True):
        text += "\n" * count
        lines.append(text.count("\n") + 1)
        text += dump_table({"x": item}).removeprefix("x = ").rstrip("\n") + ", "
    assert tomllib.loads(text + "]\n")["key"] == items
    assert [find_line(text + "]\n", ("key",), number) for number in range(len(items))] == lines


# ---- mistakes


class Small(msgspec.Struct, frozen=True):
    number: int = 1
    word: str = "a"
    both: int | str = 2


def mistakes_of(text: str, **options: Any) -> Mistakes:
    return Mistakes(Source(where="f", text=text, **options))


def test_a_wrong_value_is_noted_and_its_default_stands_in() -> None:
    mistakes = mistakes_of("[part]\nnumber = 'x'\nword = 3\nboth = 4\nzz = 1\n")
    table = parse_table(mistakes.source.text, mistakes)
    assert convert(Small, table["part"], ("part",), mistakes) == Small(number=1, word="a", both=4)
    assert [mistake.text for mistake in mistakes.found] == [
        "f:5: part.zz: unknown key; known here: number, word, both",
        'f:2: part.number: "x" does not fit; give a whole number',
        "f:3: part.word: 3 does not fit; give a text",
    ]
    assert [mistake.line for mistake in mistakes.found] == [5, 2, 3]


@pytest.mark.parametrize(
    ("wrong", "reads", "touched"),
    [
        (("network", "nodes"), ["network.nodes"], True),
        (("network",), ["network.nodes"], True),
        (("network", "node"), ["network.nodes"], False),
        (("node", "7", "rate"), ["node.rate"], True),
        (("node", "7", "rate"), ["node.role"], False),
        (("node", "7"), ["node.rate"], True),
        (("node", "7"), ["network.nodes"], False),
        ((), ["anything"], True),
    ],
)
def test_a_check_knows_when_what_it_reads_is_wrong_already(wrong: Path, reads: list[str], touched: bool) -> None:
    mistakes = mistakes_of("")
    assert not mistakes.touch(reads)
    mistakes.add(wrong, "is wrong; mend it")
    assert mistakes.touch(reads) is touched


def test_a_mistake_of_an_option_names_it_and_has_no_line() -> None:
    mistakes = mistakes_of("[part]\nnumber = 1\n", options={("part", "number"): "part.number=0"})
    mistakes.add(("part", "number"), "is wrong; mend it")
    assert (mistakes.found[0].text, mistakes.found[0].line) == ("--set part.number=0: part.number: is wrong; mend it", None)


@pytest.mark.parametrize(
    ("text", "table", "lines"),
    [
        ("a = 1\nb = \nc = 3\n d e\n", {"a": 1, "c": 3}, [2, 4]),
        ("a = 1\na = 2\n", {"a": 1}, [2]),
        ("a = [\n1\n2,\n]\n", {"a": [1]}, [3]),
        ("a = 1\n[part\nb = 2\n", {}, [2]),
        ("a = 1\nb = [1,\n", {}, [2]),
        ('a = "x\nb = 1\n', {"b": 1}, [1]),
        ("a = 'x\nb = 1\n", {}, [2]),
        ("x\n" * 50, {}, list(range(1, 21))),
    ],
)
def test_what_is_no_toml_is_told_line_by_line_and_the_rest_is_read(text: str, table: dict[str, Any], lines: list[int]) -> None:
    mistakes = mistakes_of(text)
    assert parse_table(text, mistakes) == table
    assert [mistake.line for mistake in mistakes.found] == lines
    assert all("not TOML: " in mistake.text and mistake.text.endswith("; mend that line") for mistake in mistakes.found)


@given(st.text())
def test_any_text_is_read_to_its_end(text: str) -> None:
    mistakes = mistakes_of(text)
    table = parse_table(text, mistakes)
    assert mistakes.found or table == tomllib.loads(text)


def test_a_long_row_of_words_loses_its_middle() -> None:
    assert listed([str(number) for number in range(20)]) == ", ".join(map(str, range(20)))
    assert listed([str(number) for number in range(21)]).endswith("16, 17, ..., 20")
