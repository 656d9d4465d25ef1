"""Edge lists: every usual way to write one, and the line that is to blame for one that is none."""

from pathlib import Path

import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.topo.edges import read_edges
from dfl_actors.topo.generate import draw
from dfl_actors.topo.kinds import Request


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "links.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "0 1\n1 2\n",
        "0--1\n1--2",
        "0,1\n1,2\n",
        "0 ; 1\r\n1;2\r\n",
        "# two links\n\n  0\t1  # the first\n1 2\n",
        "0 1\n1 0\n1 2\n2 1\n",
        "\ufeff0 1\n1 2\n",
        "0 1 {}\n1 2 {}\n",
    ],
)
def test_a_link_is_two_names_however_they_are_parted(text: str, tmp_path: Path) -> None:
    assert read_edges(written(tmp_path, text), 1000) == (("0", "1", "2"), (("0", "1"), ("1", "2")), False)


def test_numbers_are_ordered_as_numbers_and_names_as_they_appear(tmp_path: Path) -> None:
    assert read_edges(written(tmp_path, "10 9\n9 2\n"), 1000).names == ("2", "9", "10")
    assert read_edges(written(tmp_path, "lab-2 b\nb 10\n"), 1000).names == ("lab-2", "b", "10")


def test_more_columns_are_read_over_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, "0 1 0.5\n1 2 0.7\n")
    assert draw(Request(kind="edges", edges=path)).notes == (f"{path}: only the first two columns were read",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 1\n2\n", 'links.txt:2: "2" is half a link; write two names a line'),
        ("0 1\n1 1\n", 'links.txt:2: "1" is linked with itself; remove that line'),
        ("0 a/b\n", "links.txt:1: 'a/b' is no name for a node; use 1 to 32 letters"),
        ("0 1\n2 3\n", 'links.txt: node "2" cannot be reached from node "0"; add a link'),
        ("# nothing\n", "links.txt: it links 0 nodes; a network has 2 to 4"),
        ("0 1\n1 2\n2 3\n3 4\n", "links.txt: it links 5 nodes; a network has 2 to 4"),
        (b"\xff\xfe0 1", "links.txt: cannot be read (not a text file in UTF-8); give a readable file"),
    ],
)
def test_what_is_no_edge_list_is_refused_with_its_line(text: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read_edges(written(tmp_path, text), 4)
    assert words in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: cannot be read"):
        read_edges(tmp_path / "nowhere", 3)
