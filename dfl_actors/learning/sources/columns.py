"""What a source gives: columns, read a piece at a time and as often as one likes, so that no array ever has to be in memory as a whole."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from dfl_actors.errors import DataError
from dfl_actors.learning.form import Array

PIECE = 4 << 20  # Bytes of a piece, about.


class Column(Protocol):
    """One array of a source, samples first."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def pieces(self) -> Iterator[Array]:
        """All of it, in order."""


class Whole(NamedTuple):
    """A column that is an array already, in memory or mapped."""

    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    def pieces(self) -> Iterator[Array]:
        step = rows_of(self)
        return (self.array[begin : begin + step] for begin in range(0, len(self.array), step))


class Picked(NamedTuple):
    """Those rows of a column where `mask` [n] says so."""

    column: Column
    mask: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return (int(self.mask.sum()), *self.column.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.column.dtype

    def pieces(self) -> Iterator[Array]:
        begin = 0
        for piece in self.column.pieces():
            yield piece[self.mask[begin : begin + len(piece)]]
            begin += len(piece)


def source_row(column: Column, row: int) -> int:
    """Which row of its source a row of a column is."""
    return int(np.flatnonzero(column.mask)[row]) if isinstance(column, Picked) else row


def check_finite(name: str, samples: Array, source: Callable[[int], int] = lambda row: row) -> None:
    """Raises `DataError` for samples [n, ...] with a number that is not finite; `source` says which row of the source a row is."""
    if samples.dtype.kind == "f" and not (finite := np.isfinite(samples)).all():
        row = source(int(np.flatnonzero(~finite.reshape(len(samples), -1).all(axis=1))[0]))
        raise DataError(f"{name} holds NaN or infinity (sample {row}, counted from 0); remove or fill such samples")


def chosen(column: Column, rows: Array) -> Array:
    """Of the rows of a source those that a column has."""
    return np.asarray(rows[column.mask]) if isinstance(column, Picked) else rows


class Part(NamedTuple):
    """The training or the test samples of a source: inputs by name ("" for the only one), and what they are."""

    x: Mapping[str, Column]
    y: Column


class Raw(NamedTuple):
    """A source as it is. `names` are those it has for its labels, if it has any."""

    train: Part
    test: Part | None
    names: tuple[str, ...] = ()


def rows_of(column: Column) -> int:
    """Samples in a piece."""
    row = column.dtype.itemsize * int(np.prod(column.shape[1:], dtype=np.int64))
    return max(1, PIECE // max(1, row))


def whole(column: Column) -> Array:
    """All of a column in memory."""
    pieces = list(column.pieces())
    return np.concatenate(pieces) if pieces else np.zeros(column.shape, column.dtype)
