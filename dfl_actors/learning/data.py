"""Data sets: labelled images, checked once when they are loaded, and read-only from then on.

A source is the word ``mnist`` (the packaged file) or the path of an ``.npz`` with `x_train`, `y_train`, `x_test` and
`y_test`. Images are held as uint8 whatever the file holds: a quarter of the memory of float32, and one kind of input for the
models, which do the scaling. Float images must lie in 0..1 and are rounded to the nearest of the 256 levels.

The many processes of a network share one copy in memory: given a cache directory, `load_dataset` unpacks the arrays there once, as
plain ``.npy`` files in a directory named after the sha256 of the source, and maps them. A cache entry appears by one rename, so
that a reader never sees half of one; of several processes that unpack at the same time the first wins, and the others use its entry.
"""

import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from dfl_actors.errors import DataError
from dfl_actors.learning.foreign import one_line

MNIST = "mnist"
MNIST_PATH = Path(__file__).parent / "datasets" / "mnist.npz"
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
LEVELS = 255  # What a float sample in 0..1 is multiplied by before it is rounded to a uint8.

# Part of the name of a cache entry: another layout of the files must not meet the entries of this one.
CACHE_LAYOUT = 1

Bytes = npt.NDArray[np.uint8]
_UNREADABLE = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)


class Samples(msgspec.Struct, frozen=True):
    """How a source holds a sample: in which shape, and whether as floats in 0..1 in place of uint8."""

    shape: tuple[int, ...]
    floats: bool


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """Images uint8 [n, height, width, channels] and labels uint8 [n], each below `labels`. The arrays cannot be written to.

    `samples` is what they were in the source, for those who use a saved model without this program.
    """

    name: str
    x_train: Bytes
    y_train: Bytes
    x_test: Bytes
    y_test: Bytes
    labels: int
    samples: Samples

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels


def load_dataset(source: str, cache: Path | None = None) -> Dataset:
    """Loads and checks the data set `source`: ``mnist``, or the path of an ``.npz`` file.

    With `cache`, a directory (made when missing), the arrays are memory maps of the files unpacked there, shared by all processes
    that name the same directory. Raises `DataError` for a file that is missing, damaged, pickled, incomplete or inconsistent.
    """
    path = _path_of(source)
    name = MNIST if source == MNIST else path.stem
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if source == MNIST and digest != MNIST_SHA256:
                raise DataError(f"data set {path}: sha256 is {digest}, expected {MNIST_SHA256}; the file is damaged, reinstall dfl-actors")
            arrays = _unpack(file, path) if cache is None else _cached(file, path, cache / f"{name}-{digest}-v{CACHE_LAYOUT}")
            return _dataset(name, path, arrays, _samples(file))
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"data set {source!r}: cannot use {error.filename or path}: {reason}; give 'mnist' or a readable .npz file"
        ) from error


def source_digest(source: str) -> str:
    """SHA-256 of the file of `source`, which `load_dataset` has read. Raises `DataError`."""
    try:
        with _path_of(source).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"data set {source!r}: cannot be read ({error.strerror}); give 'mnist' or a readable .npz file") from error


def check_unchanged(source: str, before: str) -> str:
    """The digest of `source`. Raises `DataError` when it is not `before`, what it was when a run began; empty where that is unknown."""
    digest = source_digest(source)
    if before not in ("", digest):
        raise DataError(
            f"data set {source!r} is not the one that this run began with (sha256 {digest[:16]}, not {before[:16]}): "
            "put that one back, or begin a new run"
        )
    return digest


def _path_of(source: str) -> Path:
    return MNIST_PATH if source == MNIST else Path(source).expanduser()


def _dataset(name: str, path: Path, arrays: Mapping[str, Bytes], samples: Samples) -> Dataset:
    """A data set of arrays that `_unpack` made; what is left to find is the number of labels."""
    labels = 1 + int(max(arrays["y_train"].max(), arrays["y_test"].max()))
    if labels < 2:
        raise DataError(f"data set {path}: all labels are 0; a data set needs at least two different labels, counted from 0")
    for array in arrays.values():
        array.flags.writeable = False
    return Dataset(name, arrays["x_train"], arrays["y_train"], arrays["x_test"], arrays["y_test"], labels, samples)


def _samples(file: BinaryIO) -> Samples:
    """What an ``.npz`` that was unpacked before says of its samples."""
    with zipfile.ZipFile(file) as archive, archive.open("x_train.npy") as array:
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[np.lib.format.read_magic(array)[0]]
        shape, _, dtype = read(array)
    return Samples(shape[1:], dtype != np.uint8)


def _unpack(file: BinaryIO, path: Path) -> dict[str, Bytes]:
    """The four arrays of an open ``.npz`` as uint8, checked against each other."""
    raw = _read_arrays(file, path)
    arrays = {name: (_images if name.startswith("x") else _labels)(path, name, array) for name, array in raw.items()}
    _check_consistent(path, raw, arrays)
    return arrays


def _read_arrays(file: BinaryIO, path: Path) -> dict[str, npt.NDArray[np.generic]]:
    file.seek(0)
    if not zipfile.is_zipfile(file):
        raise DataError(f"data set {path}: not an .npz file; write it with numpy.savez(x_train=..., y_train=..., x_test=..., y_test=...)")
    file.seek(0)
    try:
        with np.load(file, allow_pickle=False) as archive:
            missing = [name for name in ARRAYS if name not in archive]
            if missing:
                raise DataError(f"data set {path}: array {', '.join(missing)} is missing; the file must hold {', '.join(ARRAYS)}")
            return {name: archive[name] for name in ARRAYS}
    except DataError:
        raise
    except Exception as error:  # a damaged archive may raise anything: NotImplementedError, MemoryError, ...
        raise DataError(
            f"data set {path}: cannot be read ({one_line(error)}); save plain arrays, no pickled objects, and copy it again"
        ) from error


def _images(path: Path, name: str, array: npt.NDArray[np.generic]) -> Bytes:
    """Images as uint8 [n, h, w, c]: [n, h] becomes [n, h, 1, 1] and [n, h, w] becomes [n, h, w, 1]."""
    if not 2 <= array.ndim <= 4 or 0 in array.shape:
        raise DataError(f"data set {path}: {name} has shape {array.shape}; expected [n, h], [n, h, w] or [n, h, w, c], none of them 0")
    shape = array.shape + (1,) * (4 - array.ndim)
    return np.ascontiguousarray(_levels(path, name, array).reshape(shape))


def _levels(path: Path, name: str, array: npt.NDArray[np.generic]) -> Bytes:
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if array.dtype not in (np.float32, np.float64):
        raise DataError(f"data set {path}: {name} is {array.dtype}; convert the images to uint8, or to float32 in 0..1")
    values = array.astype(np.float32, copy=False)
    # Written so that a NaN fails too.
    if not (values.min() >= 0.0 and values.max() <= 1.0):
        raise DataError(f"data set {path}: {name} has values outside 0..1; scale float images to 0..1, or save them as uint8")
    levels: Bytes = np.rint(values * np.float32(LEVELS)).astype(np.uint8)
    return levels


def _labels(path: Path, name: str, array: npt.NDArray[np.generic]) -> Bytes:
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0:
        raise DataError(f"data set {path}: {name} is {array.dtype} {array.shape}; labels must be integers in one dimension, at least one")
    values = array.astype(np.int64)
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"data set {path}: {name} has labels outside 0..255; number the labels from 0")
    return values.astype(np.uint8)


def _check_consistent(path: Path, raw: Mapping[str, npt.NDArray[np.generic]], arrays: Mapping[str, Bytes]) -> None:
    for part in ("train", "test"):
        images, labels = len(arrays[f"x_{part}"]), len(arrays[f"y_{part}"])
        if images != labels:
            raise DataError(f"data set {path}: x_{part} has {images} images but y_{part} has {labels} labels; save one label an image")
    if (raw["x_train"].dtype == np.uint8) != (raw["x_test"].dtype == np.uint8):
        raise DataError(f"data set {path}: x_train is {raw['x_train'].dtype} but x_test {raw['x_test'].dtype}; save both as one type")
    train, test = arrays["x_train"].shape[1:], arrays["x_test"].shape[1:]
    if train != test:
        raise DataError(f"data set {path}: images of x_train are {train} but of x_test {test}; bring them to one shape")


def _cached(file: BinaryIO, path: Path, entry: Path) -> dict[str, Bytes]:
    """Memory maps of the cache entry, which is made first when it is not there."""
    if not entry.is_dir():
        _make_entry(entry, _unpack(file, path))
    try:
        # As plain arrays over the maps: every slice of a `memmap` would pay for its subclass.
        return {name: np.asarray(np.load(entry / f"{name}.npy", mmap_mode="r", allow_pickle=False)) for name in ARRAYS}
    except _UNREADABLE as error:
        raise DataError(f"data set {path}: its cache {entry} is damaged ({one_line(error)}); delete that directory") from error


def _make_entry(entry: Path, arrays: Mapping[str, Bytes]) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))
    try:
        for name, array in arrays.items():
            _save_synced(draft / f"{name}.npy", array)
        _rename_unless_there(draft, entry)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _save_synced(path: Path, array: Bytes) -> None:
    """Synced before the entry gets its name: a power cut must not leave a complete-looking entry of zeros."""
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _rename_unless_there(draft: Path, entry: Path) -> None:
    try:
        draft.rename(entry)
    except OSError:
        # Another process was first, and its entry is as good: the name holds the digest of the source.
        if not entry.is_dir():
            raise
