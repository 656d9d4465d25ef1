"""Loading real MNIST and small hand-made files: what comes out, what is refused, and that processes share one copy."""

import io
import multiprocessing
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.errors import DataError
from dfl_actors.learning import data
from dfl_actors.learning.data import ARRAYS, Dataset, load_dataset


def small(**changes: object) -> dict[str, object]:
    """The arrays of a data set of 3 labels, with some of them changed; None leaves one out."""
    rng = np.random.default_rng(1)
    arrays: dict[str, object] = {
        "x_train": rng.integers(0, 256, (6, 4, 5), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2], dtype=np.int64),
        "x_test": rng.integers(0, 256, (3, 4, 5), dtype=np.uint8),
        "y_test": np.array([0, 1, 2], dtype=np.int64),
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def save(path: Path, **changes: object) -> str:
    np.savez(path, allow_pickle=True, **small(**changes))  # type: ignore[arg-type]
    return str(path)


def refusal(source: str, cache: Path | None = None) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(source, cache)
    text = str(caught.value)
    assert "\n" not in text
    return text


def assert_same(left: Dataset, right: Dataset) -> None:
    assert (left.name, left.labels, left.input_shape) == (right.name, right.labels, right.input_shape)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_mnist_is_the_known_data_set() -> None:
    mnist = load_dataset("mnist")
    assert (mnist.name, mnist.labels, mnist.input_shape) == ("mnist", 10, (28, 28, 1))
    assert mnist.x_train.shape == (60_000, 28, 28, 1) and mnist.x_test.shape == (10_000, 28, 28, 1)
    assert {getattr(mnist, name).dtype for name in ARRAYS} == {np.dtype(np.uint8)}
    assert np.bincount(mnist.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert mnist.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.x_train[0].max() == 255


def test_arrays_cannot_be_written_to(tmp_path: Path) -> None:
    for dataset in (load_dataset(save(tmp_path / "a.npz")), load_dataset(save(tmp_path / "a.npz"), tmp_path / "cache")):
        for name in ARRAYS:
            with pytest.raises(ValueError, match="read-only"):
                getattr(dataset, name)[0] = 1


def test_a_cached_data_set_equals_the_plain_one_and_is_a_memory_map(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    plain, first, second = load_dataset("mnist"), load_dataset("mnist", cache), load_dataset("mnist", cache)
    assert_same(plain, first)
    assert_same(plain, second)
    assert isinstance(second.x_train.base, np.memmap)
    (entry,) = cache.iterdir()
    assert data.MNIST_SHA256 in entry.name
    assert sorted(path.name for path in entry.iterdir()) == sorted(f"{name}.npy" for name in ARRAYS)


def test_a_second_load_uses_the_entry_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = save(tmp_path / "a.npz")
    first = load_dataset(source, tmp_path / "cache")
    monkeypatch.setattr(data, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert_same(first, load_dataset(source, tmp_path / "cache"))


def test_a_changed_source_gets_another_entry(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_dataset(save(tmp_path / "a.npz"), cache)
    changed = load_dataset(save(tmp_path / "a.npz", y_test=np.array([2, 1, 0])), cache)
    assert changed.y_test.tolist() == [2, 1, 0]
    assert len(list(cache.iterdir())) == 2


def test_an_entry_that_appears_meanwhile_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes unpack at once: the loser of the rename takes the winner's entry and leaves nothing behind."""
    source, cache, unpack = save(tmp_path / "a.npz"), tmp_path / "cache", data._unpack
    plain = load_dataset(source)

    def overtaken(*arguments: object) -> object:
        monkeypatch.setattr(data, "_unpack", unpack)
        load_dataset(source, cache)
        return unpack(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(data, "_unpack", overtaken)
    assert_same(plain, load_dataset(source, cache))
    assert len(list(cache.iterdir())) == 1


def _first_labels(source: str, cache: Path) -> list[int]:
    labels: list[int] = load_dataset(source, cache).y_train.tolist()
    return labels


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    source, cache = save(tmp_path / "a.npz"), tmp_path / "cache"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        answers = pool.starmap(_first_labels, [(source, cache)] * 6)
    assert answers == [[0, 1, 2, 0, 1, 2]] * 6
    assert len(list(cache.iterdir())) == 1


def test_a_failed_unpacking_leaves_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data, "_save_synced", full)
    assert "No space left" in refusal(save(tmp_path / "a.npz"), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(("shape", "input_shape"), [((4,), (4, 1, 1)), ((4, 5), (4, 5, 1)), ((4, 5, 1), (4, 5, 1)), ((4, 5, 3), (4, 5, 3))])
def test_images_get_the_axes_they_lack(tmp_path: Path, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
    images = {"x_train": np.zeros((6, *shape), np.uint8), "x_test": np.zeros((3, *shape), np.uint8)}
    assert load_dataset(save(tmp_path / "a.npz", **images)).input_shape == input_shape


def test_float_images_are_rounded_to_256_levels(tmp_path: Path) -> None:
    images = np.zeros((3, 1, 4), np.float32)
    images[0, 0] = [0.0, 0.5, 1.0, 100.4 / 255]
    dataset = load_dataset(save(tmp_path / "a.npz", x_test=images, x_train=np.zeros((6, 1, 4), np.float64)))
    assert dataset.x_test.dtype == np.uint8
    assert dataset.x_test[0, 0, :, 0].tolist() == [0, 128, 255, 100]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_test": None, "y_test": None}, "array x_test, y_test is missing"),
        ({"y_train": np.array([0, 1, 2, 0, 1])}, "x_train has 6 images but y_train has 5 labels"),
        ({"x_test": np.zeros((3, 4, 6), np.uint8)}, r"x_train are \(4, 5, 1\) but of x_test \(4, 6, 1\)"),
        ({"x_train": np.zeros((6,), np.uint8)}, "x_train has shape"),
        ({"x_train": np.zeros((0, 4, 5), np.uint8)}, "x_train has shape"),
        ({"x_train": np.zeros((6, 4, 5, 1, 1), np.uint8)}, "x_train has shape"),
        ({"x_train": np.zeros((6, 4, 5), np.int32)}, "x_train is int32; convert"),
        ({"x_train": np.full((6, 4, 5), 1.5, np.float32)}, "values outside 0..1"),
        ({"x_train": np.full((6, 4, 5), -0.1, np.float32)}, "values outside 0..1"),
        ({"x_train": np.full((6, 4, 5), np.nan, np.float32)}, "values outside 0..1"),
        ({"y_train": np.zeros((6, 3), np.uint8)}, "y_train is uint8 .*; labels must be integers in one dimension"),
        ({"y_train": np.zeros(6, np.float32)}, "y_train is float32"),
        ({"y_train": np.array([0, 1, 2, 0, 1, -1])}, "y_train has labels outside 0..255"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 256])}, "y_train has labels outside 0..255"),
        ({"y_train": np.zeros(6, int), "y_test": np.zeros(3, int)}, "at least two different labels"),
        ({"x_train": np.array([{}] * 6, dtype=object)}, "cannot be read .*no pickled objects"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_name(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    path = tmp_path / "odd.npz"
    text = refusal(save(path, **changes))
    assert str(path) in text
    assert re.search(words, text), text


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    text = refusal(str(tmp_path / "nowhere.npz"))
    assert "nowhere.npz" in text and "No such file" in text and "'mnist'" in text


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"not a zip file")
    assert "not an .npz file" in refusal(str(tmp_path / "a.npz"))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    source = Path(save(tmp_path / "a.npz"))
    raw = bytearray(source.read_bytes())
    raw[200] ^= 0xFF
    source.write_bytes(raw)
    assert "cannot be read" in refusal(str(source))


def test_a_damaged_packaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MNIST_PATH", Path(save(tmp_path / "mnist.npz")))
    text = refusal("mnist")
    assert data.MNIST_SHA256 in text and "reinstall" in text


def test_a_damaged_cache_entry_is_refused_with_the_directory_to_delete(tmp_path: Path) -> None:
    source, cache = save(tmp_path / "a.npz"), tmp_path / "cache"
    load_dataset(source, cache)
    (entry,) = cache.iterdir()
    (entry / "x_train.npy").write_bytes((entry / "x_train.npy").read_bytes()[:-20])
    text = refusal(source, cache)
    assert str(entry) in text and "delete that directory" in text


def test_a_cache_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a directory")
    assert str(tmp_path / "cache") in refusal(save(tmp_path / "a.npz"), tmp_path / "cache")


def test_what_a_source_holds_is_remembered(tmp_path: Path) -> None:
    images = np.zeros((6, 4, 5))
    assert load_dataset("mnist").samples == load_dataset("mnist", tmp_path / "cache").samples == data.Samples((28, 28), False)
    assert load_dataset(save(tmp_path / "a.npz", x_train=images, x_test=images[:3])).samples == data.Samples((4, 5), True)


def test_samples_of_two_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x_train is uint8 but x_test float64; save both as one type"):
        load_dataset(save(tmp_path / "a.npz", x_train=np.zeros((6, 4, 5), np.uint8), x_test=np.zeros((3, 4, 5))))


@pytest.mark.parametrize("place", [8, 6], ids=["compressed in a way nobody knows", "encrypted"])
def test_an_archive_that_nobody_can_unpack_is_an_error(place: int, tmp_path: Path) -> None:
    source = Path(save(tmp_path / "a.npz"))
    content = bytearray(source.read_bytes())
    for signature, offset in ((b"PK\x03\x04", place), (b"PK\x01\x02", place + 2)):
        begin = content.find(signature)
        while begin >= 0:
            content[begin + offset] |= 65
            begin = content.find(signature, begin + 1)
    source.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(str(source))


def test_an_array_larger_than_any_memory_is_an_error(tmp_path: Path) -> None:
    source = Path(save(tmp_path / "a.npz"))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**15, 4)})
    with zipfile.ZipFile(source, "w") as archive:
        for name in ARRAYS:
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(DataError, match=r"cannot be read \("):
        load_dataset(str(source))
