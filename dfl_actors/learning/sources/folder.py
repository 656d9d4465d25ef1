"""A folder of images by label: `train/LABEL/...` and, or not, `test/LABEL/...`; or `LABEL/...` alone.

Images become uint8, grey (height, width) or coloured (height, width, 3), as the first one is; `shape` in the topology resizes them all.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from dfl_actors.config.sections import Data
from dfl_actors.errors import DataError
from dfl_actors.learning.foreign import one_line
from dfl_actors.learning.form import Array
from dfl_actors.learning.sources.columns import Part, Raw, Whole

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # By the number of channels.
DEEP = ("I", "F")  # How Pillow's modes of 16 and 32 bits begin.
AT_ONCE = 64  # Images in a piece.


class Look(NamedTuple):
    """What all images are brought to: Pillow's mode, and the shape of the array."""

    mode: str
    shape: tuple[int, ...]
    resized: bool


class Images(NamedTuple):
    """A column of images, opened when they are read."""

    paths: list[Path]
    look: Look

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.paths), *self.look.shape)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def pieces(self) -> Iterator[Array]:
        for begin in range(0, len(self.paths), AT_ONCE):
            yield np.stack([_read(path, self.look) for path in self.paths[begin : begin + AT_ONCE]])


@contextmanager
def opened(root: Path, said: Data) -> Iterator[Raw]:
    """The images of the folder. Raises `DataError`."""
    parts = [_by_label(folder) for folder in _parts(root)]
    names = said.labels if isinstance(said.labels, tuple) else tuple(sorted({label for part in parts for label, _ in part}))
    if not parts[0]:
        raise DataError("it holds no images; put them in train/LABEL/ and test/LABEL/, or in LABEL/")
    look = look_of(said, lambda: _open(parts[0][0][1]))
    train, *test = [Part({"": Images([path for _, path in part], look)}, Whole(np.array([label for label, _ in part]))) for part in parts]
    yield Raw(train, test[0] if test else None, names)


def _parts(root: Path) -> list[Path]:
    if (root / "train").is_dir():
        return [root / "train", *([root / "test"] if (root / "test").is_dir() else [])]
    return [root]


def _by_label(folder: Path) -> list[tuple[str, Path]]:
    """Label and path of every image, in the order of their paths."""
    labels = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [(label.name, path) for label in labels for path in sorted(label.rglob("*")) if path.suffix.lower() in ENDINGS]


def look_of(said: Data, first: Callable[[], Image.Image]) -> Look:
    """What images are brought to: the topology's shape, or what the first one is."""
    if isinstance(said.shape, tuple) and said.shape:
        channels = said.shape[2] if len(said.shape) == 3 else 1
        if len(said.shape) not in (2, 3) or channels not in MODES:
            raise DataError(f"data.shape = {list(said.shape)} is no image's; give [height, width] or [height, width, 1, 3 or 4]")
        return Look(MODES[channels], said.shape, resized=True)
    with first() as image:
        grey = image.mode in ("L", "1")
        return Look("L" if grey else "RGB", (image.height, image.width) if grey else (image.height, image.width, 3), resized=False)


def brought(image: Image.Image, look: Look, name: str) -> Array:
    """The image as an array of that look. Raises `DataError` where it has another size and nobody said to which to bring it."""
    height, width = look.shape[:2]
    if image.mode.startswith(DEEP):
        raise DataError(f"{name} has more than 8 bits a pixel ({image.mode}), which a picture loses here; give the arrays in an .npz file")
    if image.size != (width, height):
        if not look.resized:
            raise DataError(f"{name} is {image.height} x {image.width}, others {height} x {width}; set data.shape to the size for all")
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image.convert(look.mode), np.uint8).reshape(look.shape)


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except OSError as error:
        raise DataError(f"{path} is no image that can be read ({one_line(error)}); remove or mend it") from error


def _read(path: Path, look: Look) -> Array:
    with _open(path) as image:
        try:
            return brought(image, look, str(path))
        except DataError:
            raise
        except Exception as error:  # whatever a damaged image makes of Pillow
            raise DataError(f"{path} cannot be read ({one_line(error)}); remove or mend it") from error


def digest(root: Path) -> str:
    """SHA-256 over the names and the bytes of all images."""
    found = hashlib.sha256()
    for part in _parts(root):
        for _, path in _by_label(part):
            with path.open("rb") as file:
                found.update(f"{path.relative_to(root)}\n".encode() + hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
