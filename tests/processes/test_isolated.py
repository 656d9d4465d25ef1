"""A function in a process of its own: its answer, its error, its death."""

from pathlib import Path
from signal import SIGBUS, SIGKILL

import pytest

from dfl_actors.errors import ChainError, StoreError
from dfl_actors.processes.isolated import in_child
from tests.processes import work


def test_a_child_answers() -> None:
    assert (
        in_child(work.upper, "a text\nof two lines, and \N{GREEK SMALL LETTER ALPHA}")
        == "A TEXT\nOF TWO LINES, AND \N{GREEK CAPITAL LETTER ALPHA}"
    )
    for data in (b"", b"\n\0\xff\n" * 100_000):
        assert in_child(work.joined, data, data) == 2 * data


def test_the_error_of_a_child_is_ours(tmp_path: Path) -> None:
    with pytest.raises(ChainError, match=f"^{tmp_path}: block 3 has another previous$"):
        in_child(work.refuse, tmp_path)


def test_a_mistake_in_a_child_is_seen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="exit code 70"):
        in_child(work.err, tmp_path)
    assert "a mistake in the program" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("signal", "text"),
    [(SIGBUS, r"is damaged \(the reader died of SIGBUS\)"), (SIGKILL, r"was not read to its end \(the reader died of SIGKILL\)")],
)
def test_a_child_killed_by_a_signal_is_a_store_error(tmp_path: Path, signal: int, text: str) -> None:
    with pytest.raises(StoreError, match=f"^{tmp_path} {text}"):
        in_child(work.die, tmp_path, signal)


def test_a_child_imports_nothing_from_where_the_user_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("random", "copy", "socket", "queue", "numpy", "pickle", "msgspec"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')\n")
    monkeypatch.chdir(tmp_path)
    for empty in ("", str(tmp_path)):
        monkeypatch.syspath_prepend(empty)
        assert in_child(work.upper, "fine") == "FINE"
