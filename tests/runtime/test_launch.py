"""A start that fails leaves its directory as it was, and says why in one error."""

from pathlib import Path

import pytest

from dfl_actors.errors import DataError, StoreError
from dfl_actors.runtime import launch
from dfl_actors.runtime.rundir import RunDirectory


def test_a_directory_that_somebody_else_removed_or_fills_does_not_hide_why_a_start_failed(tmp_path: Path) -> None:
    def fail(out: Path) -> None:
        with launch._begun(out) as run:
            run.config.touch()
            run.lock_file.unlink()
            if out.name == "gone":
                run.config.unlink()
                out.rmdir()
            else:
                (out / "of-somebody-else").touch()
            raise DataError("no data")

    for name in ("gone", "filled"):
        with pytest.raises(DataError, match="no data"):
            fail(tmp_path / name)
    assert [path.name for path in (tmp_path / "filled").iterdir()] == ["of-somebody-else"]


def test_what_cannot_be_removed_is_told_beside_why_the_start_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(run: RunDirectory, _: tuple[str, ...]) -> None:
        raise StoreError(f"{run.path} cannot be removed (Directory not empty): choose another --out")

    with pytest.raises(StoreError, match=r"^no data; and .* cannot be removed \(Directory not empty\)"), launch._begun(tmp_path / "out"):
        monkeypatch.setattr(RunDirectory, "forget", forget)
        raise DataError("no data")
