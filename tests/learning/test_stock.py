"""Samples that are fed to a node: each batch is there once and whole, whatever ended its writer, and is read beside the data set."""

from pathlib import Path

import numpy as np
import pytest

from dfl_actors.config.sections import Data
from dfl_actors.errors import StoreError
from dfl_actors.learning.data import Dataset, load_dataset
from dfl_actors.learning.form import Array, arrays_of
from dfl_actors.learning.stock import FED, ROW, Shelf, Stock, kinds_of

ONE, OTHER = b"1" * 16, b"2" * 16


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Two inputs, six samples, three classes."""
    a, b, y = np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(6, dtype=np.int32)[:, None] + 100, np.array([0, 1, 2, 0, 1, 2])
    arrays = {f"x_{part}.{name}": array for part in ("train", "test") for name, array in (("a", a), ("b", b))}
    np.savez(tmp_path / "two.npz", allow_pickle=False, **arrays, y_train=y, y_test=y)
    return load_dataset(Data(source=str(tmp_path / "two.npz")))


def batch(first: int, count: int) -> list[Array]:
    a = np.full((count, 2), first, np.float32)
    return [a, np.arange(first, first + count, dtype=np.int32)[:, None], np.full(count, first % 3, np.uint8)]


def values(shelf: Shelf, *samples: int) -> list[list[float]]:
    x, y = shelf[np.array(samples, np.uint32)]
    return [array.ravel().tolist() for array in (*arrays_of(x), y)]


def test_what_was_fed_is_read_beside_the_data_set(data: Dataset, tmp_path: Path) -> None:
    stock, shelf = Stock(tmp_path / "fed", kinds_of(data)), Shelf(data, tmp_path / "fed")
    assert stock.take(ONE, 1, batch(7, 2)) and stock.count == 2
    assert values(shelf, 1, FED + 1) == [[2, 3, 7, 7], [101, 8], [1, 1]]
    assert stock.take(OTHER, 1, batch(9, 1)) and stock.count == 3
    assert values(shelf, FED + 2) == [[9, 9], [9], [0]], "what came later is found too"
    x, y = shelf[np.array([[0, FED], [FED + 1, 5]], np.uint32)]
    assert [array.shape for array in (*arrays_of(x), y)] == [(2, 2, 2), (2, 2, 1), (2, 2)]
    assert values(shelf, 0, 5) == [[0, 1, 10, 11], [100, 105], [0, 2]]


def test_a_batch_that_comes_again_is_known_also_by_the_next_writer(data: Dataset, tmp_path: Path) -> None:
    stock = Stock(tmp_path / "fed", kinds_of(data))
    assert stock.take(ONE, 1, batch(1, 2)) and not stock.take(ONE, 1, batch(1, 2)) and stock.take(OTHER, 1, batch(3, 2))
    again = Stock(tmp_path / "fed", kinds_of(data))
    assert again.count == 4 and not again.take(ONE, 1, batch(1, 2)) and again.take(ONE, 2, batch(5, 1)) and again.count == 5


@pytest.mark.parametrize("beyond", [b"", b"\xff" * 3, b"\xff" * 100])
def test_what_a_crash_left_half_done_is_cut_off(data: Dataset, tmp_path: Path, beyond: bytes) -> None:
    Stock(tmp_path / "fed", kinds_of(data)).take(ONE, 1, batch(1, 2))
    for path in (tmp_path / "fed").iterdir():
        with path.open("ab") as file:
            file.write(beyond[: ROW.size - 1] if path.name == "ledger.bin" else beyond)
    stock, shelf = Stock(tmp_path / "fed", kinds_of(data)), Shelf(data, tmp_path / "fed")
    assert stock.count == 2 and stock.take(ONE, 2, batch(4, 1)) and stock.count == 3
    assert values(shelf, FED, FED + 1, FED + 2) == [[1, 1, 1, 1, 4, 4], [1, 2, 4], [1, 1, 1]]


def test_files_that_lack_samples_are_one_line(data: Dataset, tmp_path: Path) -> None:
    Stock(tmp_path / "fed", kinds_of(data)).take(ONE, 1, batch(1, 2))
    (tmp_path / "fed" / "x-1.bin").write_bytes(b"")
    with pytest.raises(StoreError, match=r"x-1\.bin lacks samples that the node was fed: put back its newest copy, or remove"):
        Stock(tmp_path / "fed", kinds_of(data))
