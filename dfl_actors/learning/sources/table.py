"""Tables: `.csv` and `.parquet` files, a row a sample. `target` names the column, or the columns, that say what a row is.

All other columns, or those that `columns` names, are numbers and make one float32 vector a row; a cell that is no number is refused with
its place. A table has no test part.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from dfl_actors.config.sections import Data
from dfl_actors.config.toml_text import counted, nearest
from dfl_actors.errors import DataError
from dfl_actors.learning.form import Array
from dfl_actors.learning.sources.columns import Part, Raw, Whole

if TYPE_CHECKING:
    from pyarrow import RecordBatch

ROWS = 8192  # Rows that are read at once.
DELIMITERS = ",;\t"
WRONG_CELL = re.compile(r"could not convert string '(.*)' to float32 at row (\d+), column (\d+)")


class Chosen(NamedTuple):
    """The columns of a table, by their places: those of the samples, and those that say what these are."""

    x: list[int]
    y: list[int]


class Rows(NamedTuple):
    """The columns of a table that are samples, as float32 [n, columns], from a reader of its pieces."""

    rows: int
    width: int
    read: Callable[[], Iterator[Array]]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows, self.width

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def pieces(self) -> Iterator[Array]:
        return self.read()


def chosen(header: Sequence[str], said: Data) -> Chosen:
    """Which columns are what. Raises `DataError` for a name that the table does not have."""
    targets = [said.target] if isinstance(said.target, str) else list(said.target)
    if not said.target:
        raise DataError(f"it is a table; say which column is to be learned, data.target = {header[-1]!r} for instance")
    if len(set(header)) < len(header):
        raise DataError("two of its columns have one name; give every column its own")
    for key, names in (("target", targets), ("columns", said.columns)):
        for name in names:
            if name not in header:
                raise DataError(f"it has no column {name!r}, which data.{key} names; {nearest(name, list(header))}")
    x = [header.index(name) for name in said.columns or header if name not in targets]
    if not x:
        raise DataError("it has no column but data.target; there is nothing to learn from")
    return Chosen(x, [header.index(name) for name in targets])


def raw(said: Data, x: Rows, y: Array) -> Raw:
    """The table as a source; the names of several targets are the labels'."""
    names = () if isinstance(said.target, str) or said.task == "classification" else said.target
    return Raw(Part({"": x}, Whole(y)), None, names)


@contextmanager
def opened_csv(path: Path, said: Data) -> Iterator[Raw]:
    """A text table with a line of names first, its cells divided by commas, semicolons or tabs. Raises `DataError`."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    delimiter = max(DELIMITERS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first.rstrip("\r\n")], delimiter=delimiter), [])]
    if not any(header):
        raise DataError("it is empty; its first line must name the columns")
    columns = chosen(header, said)
    texts = _texts(path, delimiter, len(header), columns.y)
    y = _numbers_or_names(said, texts)
    yield raw(said, Rows(len(texts), len(columns.x), lambda: _csv_pieces(path, delimiter, header, columns.x)), y)


def _csv_pieces(path: Path, delimiter: str, header: Sequence[str], columns: list[int]) -> Iterator[Array]:
    return _read(path, delimiter, len(header), columns, np.float32, lambda error, done: _wrong_cell(error, header, done))


def _wrong_cell(error: ValueError, header: Sequence[str], done: int) -> DataError:
    """numpy names the cell: row of this piece and place of the column, both from 0 (column) or 1 (row)."""
    found = WRONG_CELL.search(str(error))
    if found is None:
        return DataError(f"its rows after row {done} cannot be read ({str(error)[:200]}); every row needs {len(header)} cells")
    text, row, column = found[1], int(found[2]), int(found[3])
    name = header[column - 1] if 0 < column <= len(header) else "?"
    what = "an empty cell" if not text.strip() else f"{text[:40]!r}, which is no number"
    return DataError(
        f"column {name!r} holds {what} (row {done + row + 1}); fill or encode it, or name the columns to learn from in data.columns"
    )


def _texts(path: Path, delimiter: str, cells: int, columns: list[int]) -> Array:
    def explain(error: ValueError, done: int) -> DataError:
        return DataError(f"its rows after row {done} cannot be read ({str(error)[:200]}); is a quote left open?")

    pieces = list(_read(path, delimiter, cells, columns, np.str_, explain))
    if not pieces:
        raise DataError("it has no rows below its first line, which names the columns")
    return np.concatenate(pieces)


def _read(
    path: Path, delimiter: str, cells: int, columns: list[int], dtype: npt.DTypeLike, explain: Callable[[ValueError, int], DataError]
) -> Iterator[Array]:
    """These columns of the rows below the first line, each of so many `cells`, a piece at a time."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        next(file)
        lines, done = filter(str.strip, file), 0
        while some := list(islice(lines, ROWS)):
            _check_cells(some, delimiter, cells, done)
            try:
                yield np.loadtxt(some, dtype, delimiter=delimiter, usecols=columns, ndmin=2, comments=None, quotechar='"')
            except ValueError as error:
                raise explain(error, done) from error
            done += len(some)


def _check_cells(lines: Sequence[str], delimiter: str, cells: int, done: int) -> None:
    """Every row has a cell for each name. Raises `DataError`. A quoted cell that goes on in the next line is left to numpy."""
    for row, line in enumerate(lines, start=done + 1):
        found = line.count(delimiter) + 1
        if '"' in line:
            found = cells if line.count('"') % 2 else len(next(csv.reader([line], delimiter=delimiter)))
        if found != cells:
            raise DataError(
                f"row {row} has {counted(found, 'cell')}, and its first line names {counted(cells, 'column')}; give that row one cell a"
                " column, empty ones too, and quote a cell that holds the delimiter"
            )


def _numbers_or_names(said: Data, texts: Array) -> Array:
    """The target columns [n, k] as numbers where they all are, unless they are the names that the topology gives; one column as [n]."""
    one = texts[:, 0] if texts.shape[1] == 1 else texts
    one = np.char.strip(one)
    if isinstance(said.labels, tuple) and said.task == "classification" and np.isin(one, said.labels).all():
        return one
    try:
        return one.astype(np.float64)
    except ValueError as error:
        if said.task == "classification":
            return one
        raise DataError(f"data.target holds a cell that is no number ({error}); a {said.task} needs numbers") from error


@contextmanager
def opened_parquet(path: Path, said: Data) -> Iterator[Raw]:
    """A Parquet file. Raises `DataError`, also where pyarrow is not installed."""
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError("it takes pyarrow to read; pip install pyarrow") from error
    with path.open("rb"):
        file = ParquetFile(path)
    header = list(file.schema_arrow.names)
    columns = chosen(header, said)
    names = [header[place] for place in columns.x]
    parts = [_parquet_piece(batch, None) for batch in file.iter_batches(ROWS, columns=[header[place] for place in columns.y])]
    if not parts:
        raise DataError("it has no rows")
    y = np.concatenate(parts)

    def pieces() -> Iterator[Array]:
        return (_parquet_piece(batch, np.float32) for batch in file.iter_batches(ROWS, columns=names))

    yield raw(said, Rows(len(y), len(names), pieces), y[:, 0] if y.shape[1] == 1 else y)


def _parquet_piece(batch: "RecordBatch", dtype: type[np.float32] | None) -> Array:
    arrays = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count:
            raise DataError(f"column {name!r} holds an empty cell; fill it, or name the columns to learn from in data.columns")
        array = column.to_numpy(zero_copy_only=False)
        array = array.astype(str) if array.dtype.hasobject and dtype is None else array
        if dtype is not None and array.dtype.kind not in "iufb":
            raise DataError(
                f"column {name!r} holds {column.type}, no numbers; encode it, or name the columns to learn from in data.columns"
            )
        arrays.append(array if dtype is None else array.astype(dtype))
    return np.stack(arrays, axis=1)
