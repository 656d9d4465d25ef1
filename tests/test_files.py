"""Files as editors leave them, and files that are written whole or not at all."""

from pathlib import Path

import pytest

from dfl_actors.config import load_topology
from dfl_actors.errors import DataError, StoreError
from dfl_actors.files import check_free, explained, read_text, whole
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.topo.reference import read_reference
from tests.topo.made import saved

MARK = b"\xef\xbb\xbf"


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(MARK + "é\r\nb\n".encode())
    assert read_text(path) == "é\nb\n"


def test_every_text_that_people_may_have_edited_is_read_with_a_mark(tmp_path: Path) -> None:
    topology, reference, run = tmp_path / "net.toml", tmp_path / "simulator_config.json", RunDirectory(tmp_path)
    topology.write_bytes(MARK + b"[network]\nnodes = 3\n")
    saved(reference)
    reference.write_bytes(MARK + reference.read_bytes())
    run.run.write_bytes(MARK + b'{"name": "net", "started": 1, "nodes": {}}')
    assert len(load_topology(topology).nodes) == 3
    assert read_about(run).name == "net"
    assert read_reference(reference)[0].nodes


def test_a_draft_that_cannot_be_written_nor_removed_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "part-file").mkdir()
    with pytest.raises(StoreError, match=r"file cannot be written \(Is a directory\): free some space"), whole(tmp_path / "file") as draft:
        draft.write_text("text")
    with pytest.raises(StoreError, match="a name in it is no UTF-8"), whole(tmp_path / "other") as draft:
        draft.write_text("\udcff", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["part-file"]


def test_what_the_system_refuses_is_one_line_with_its_cause_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught, explained("it cannot be read", "name another", DataError):
        (tmp_path / "none").read_bytes()
    assert str(caught.value) == "it cannot be read (No such file or directory): name another"
    with (
        pytest.raises(StoreError, match=r"^it cannot be made \(File exists\): name another$"),
        explained("it cannot be made", "name another"),
    ):
        tmp_path.mkdir()


def test_what_can_become_a_file(tmp_path: Path) -> None:
    check_free(tmp_path / "new", force=False)
    (tmp_path / "there").touch()
    check_free(tmp_path / "there", force=True)
    for path, text in ((tmp_path, "is a directory"), (tmp_path / "no" / "x", "is no directory"), (tmp_path / "there", "is there already")):
        with pytest.raises(StoreError, match=text):
            check_free(path, force=False)
