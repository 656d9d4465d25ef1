"""`.npz` files as numpy writes them: `x_train`, `y_train`, `x_test`, `y_test`, and `x_train.NAME` where a sample has several inputs.

Members are read a piece at a time, compressed or not. One whose rows do not lie in order (a transposed array) is read as a whole.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from dfl_actors.errors import DataError
from dfl_actors.learning.form import Array
from dfl_actors.learning.sources.columns import Column, Part, Raw, rows_of

HEADERS = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}


class Member:
    """One array of an archive."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive, self._name = archive, name
        with archive.open(name) as file:
            self.shape, self._transposed, self.dtype = _header(file)
        if self.dtype.hasobject:
            raise DataError("it holds pickled objects; save plain arrays, texts with .astype(str)")

    def pieces(self) -> Iterator[Array]:
        """Raises whatever a damaged archive makes of it."""
        if self._transposed:
            with self._archive.open(self._name) as file:
                yield np.lib.format.read_array(file, allow_pickle=False)
            return
        step, row = rows_of(self), self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        with self._archive.open(self._name) as file:
            _header(file)
            for begin in range(0, self.shape[0], step):
                rows = min(step, self.shape[0] - begin)
                yield np.frombuffer(_exactly(file, rows * row), self.dtype).reshape(rows, *self.shape[1:])


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)[0]
    if version not in HEADERS:
        raise ValueError(f"its arrays are of version {version}")
    shape, transposed, dtype = HEADERS[version](file)
    if min(shape, default=0) < 0:
        raise ValueError(f"an array has the shape {shape}")
    return shape, transposed, dtype


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("an array ends early")
    return data


@contextmanager
def opened(path: Path) -> Iterator[Raw]:
    """The arrays of the file. Raises `DataError` for one that lacks some."""
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise DataError("it is not an .npz file; write it with numpy.savez(path, x_train=..., y_train=...)")
    with zipfile.ZipFile(path) as archive:
        columns = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        train, test = (_part(archive, columns, part) for part in ("train", "test"))
        if train is None:
            raise DataError(f"it has no {'y_train' if 'x_train' in columns else 'x_train'}; the file must hold x_train and y_train")
        yield Raw(train, test)


def _part(archive: zipfile.ZipFile, columns: dict[str, str], part: str) -> Part | None:
    """The training or the test samples; None where one of their arrays is missing. Raises `DataError` where that is half of them."""
    x, y = f"x_{part}", f"y_{part}"
    named = {name[len(x) + 1 :]: member for name, member in columns.items() if name.startswith(f"{x}.")}
    inputs = {"": columns[x]} if x in columns else named
    if x in columns and named:
        raise DataError(f"it has {x} and {x}.{next(iter(named))}; give all inputs a name, or none")
    if part == "test" and bool(inputs) != (y in columns):
        raise DataError(f"it has {'no ' + y if inputs else y + ' and no ' + x}; save both, or neither")
    if not inputs or y not in columns:
        return None
    return Part({name: _member(archive, member) for name, member in sorted(inputs.items())}, _member(archive, columns[y]))


def _member(archive: zipfile.ZipFile, name: str) -> Column:
    try:
        return Member(archive, name)
    except DataError as error:
        raise DataError(f"{name.removesuffix('.npy')}: {error}") from error
