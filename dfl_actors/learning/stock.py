"""Samples that were fed to a node while it runs: files that grow, written by its injector, mapped by whoever trains and measures.

    x-0.bin, x-1.bin, ...  one an input, sample after sample     y.bin  what they are
    ledger.bin             a row for each batch: who brought it, its number there, and how many samples there are with it

A batch is there once its row is, which is written when all its samples are on the disk; what a crash left beyond the last row is cut
off. So a batch that comes again is known, and none is there twice or in part. Sample `k` has the index `FED + k`, beyond the data set.
"""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dfl_actors.errors import StoreError
from dfl_actors.files import explained
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.form import Array, Samples, arrays_of, joined

FED = 1 << 31  # The index of the first sample that was fed.
ROW = struct.Struct(">16sQQ")
ROOM = "free some space and start the node again"


class Kind(NamedTuple):
    """Shape and type of what one sample has in one of the files."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Bytes of a sample."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def kinds_of(data: Dataset) -> tuple[Kind, ...]:
    """What the files hold of a sample: its inputs in their order, then what it is."""
    inputs = (Kind(one.shape, one.dtype) for one in data.form.inputs)
    return (*inputs, Kind(data.y_train.shape[1:], data.y_train.dtype.name))


def _files(folder: Path, kinds: Sequence[Kind]) -> list[Path]:
    return [*(folder / f"x-{number}.bin" for number in range(len(kinds) - 1)), folder / "y.bin"]


class Stock:
    """The writer's side. Raises `StoreError` when the disk is full or the files do not fit together."""

    def __init__(self, folder: Path, kinds: Sequence[Kind]) -> None:
        self.kinds, self._paths, self._ledger = tuple(kinds), _files(folder, kinds), folder / "ledger.bin"
        self.count = 0
        self._last: dict[bytes, int] = {}
        with explained(f"{folder} cannot be written", ROOM):
            if self._ledger.exists():
                self._reopen()

    def _reopen(self) -> None:
        raw = self._ledger.read_bytes()
        for client, number, count in ROW.iter_unpack(raw[: len(raw) - len(raw) % ROW.size]):
            self._last[client], self.count = number, count
        os.truncate(self._ledger, len(raw) - len(raw) % ROW.size)
        for path, kind in zip(self._paths, self.kinds, strict=True):
            if not path.exists() or path.stat().st_size < self.count * kind.size:
                raise StoreError(f"{path} lacks samples that the node was fed: put back its newest copy, or remove {path.parent}")
            os.truncate(path, self.count * kind.size)

    def take(self, client: bytes, number: int, arrays: Sequence[Array]) -> bool:
        """Append a batch, which is on the disk when this returns; whether it is new. `client` has 16 bytes; its batches rise in number."""
        if number <= self._last.get(client, -1):
            return False
        with explained(f"{self._ledger.parent} cannot be written", ROOM):
            self._ledger.parent.mkdir(exist_ok=True)
            for path, kind, array in zip(self._paths, self.kinds, arrays, strict=True):
                _append(path, self.count * kind.size, array.tobytes())
            count = self.count + len(arrays[-1])
            rows = self._ledger.stat().st_size if self._ledger.exists() else 0
            _append(self._ledger, rows - rows % ROW.size, ROW.pack(client, number, count))
        self._last[client], self.count = number, count
        return True


def _append(path: Path, begin: int, data: bytes) -> None:
    """Put `data` at the end, which is at `begin`: what a failed attempt left behind it goes first."""
    with path.open("ab") as file:
        file.truncate(begin)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class Shelf:
    """The readers' side: samples by their indices, those of the data set and those that were fed."""

    def __init__(self, data: Dataset, folder: Path) -> None:
        self._data, self._kinds = data, kinds_of(data)
        self._paths = _files(folder, self._kinds)
        self._maps: list[Array] = []

    def __getitem__(self, samples: Array) -> tuple[Samples, Array]:
        """x and y of samples [...]."""
        fed = samples >= FED
        if not fed.any():
            return self._data.x_train[samples], self._data.y_train[samples]
        numbers = samples[fed] - FED
        known = (*arrays_of(self._data.x_train), self._data.y_train)
        *x, y = (
            self._mixed(array, kind, samples, fed, mapped[numbers])
            for array, kind, mapped in zip(known, self._kinds, self._mapped(int(numbers.max()) + 1), strict=True)
        )
        return joined(x), y

    @staticmethod
    def _mixed(array: Array, kind: Kind, samples: Array, fed: Array, found: Array) -> Array:
        mixed = np.empty((*samples.shape, *kind.shape), kind.dtype)
        mixed[fed], mixed[~fed] = found, array[samples[~fed]]
        return mixed

    def _mapped(self, count: int) -> list[Array]:
        """The files, with so many samples at least."""
        if not self._maps or len(self._maps[-1]) < count:
            self._maps = [_map(path, kind) for path, kind in zip(self._paths, self._kinds, strict=True)]
        return self._maps


def _map(path: Path, kind: Kind) -> Array:
    count = path.stat().st_size // kind.size
    return np.asarray(np.memmap(path, kind.dtype, "r", shape=(count, *kind.shape)))
