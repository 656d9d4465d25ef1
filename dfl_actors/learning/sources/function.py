"""Data that code of the user's loads. Such code, Keras' loaders among it, may return one of these.

* `(x_train, y_train), (x_test, y_test)` as Keras' own loaders, the four in a row, or `x, y` alone;
* a mapping with `x_train`, `y_train` and so on, as an `.npz` file has them;
* a `tf.data.Dataset` of `(x, y)`, batched or not, or two of them: training and test.

`x` is an array, or a mapping of several inputs by their names. A `tf.data.Dataset` goes into files of its own first, element by element.
"""

import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeGuard

import numpy as np

from dfl_actors.config.toml_text import counted
from dfl_actors.errors import DataError
from dfl_actors.learning.foreign import guarded, module_at, only_python_heard
from dfl_actors.learning.form import Array
from dfl_actors.learning.sources.columns import Column, Part, Raw, Whole

if TYPE_CHECKING:
    from dfl_actors.learning.framework import tf

MAY_RETURN = "return (x_train, y_train), (x_test, y_test), or x, y, a mapping as an .npz file has it, or a tf.data.Dataset of (x, y)"


class Stream(Protocol):
    """What is used of a `tf.data.Dataset`."""

    @property
    def element_spec(self) -> "tf.TypeSpec | tuple[tf.TypeSpec, ...]": ...

    def as_numpy_iterator(self) -> Iterator[object]: ...


@contextmanager
def opened(source: str) -> Iterator[Raw]:
    """What the function `source`, "file.py:load" or "package.module:load", returns. Raises `DataError`."""
    place, _, name = source.rpartition(":")
    with only_python_heard():
        load = guarded(f"{place} cannot be imported", lambda: getattr(module_at(place), name, None), DataError)
        if not callable(load):
            raise DataError(f"{place} has no function {name!r}")
        with taken(guarded("it failed", load, DataError)) as raw:
            yield raw


@contextmanager
def taken(made: object) -> Iterator[Raw]:
    """A source of what a loader returned. Raises `DataError` for what is none of the above."""
    with tempfile.TemporaryDirectory(prefix="dfl-data-") as folder:
        parts = _parts(made)
        if parts is None or not 1 <= len(parts) <= 2:
            raise DataError(f"it returned {type(made).__name__} in no known form; {MAY_RETURN}")
        train, *test = [_part(one, Path(folder, str(number))) for number, one in enumerate(parts)]
        yield Raw(train, test[0] if test else None)


def _parts(made: object) -> list[object] | None:
    """The training and, or not, the test part of what was returned: pairs, or data sets of TensorFlow's."""
    if isinstance(made, Mapping):
        return _of_mapping(made)
    if _is_stream(made):
        return [made]
    if isinstance(made, tuple | list):
        if len(made) == 4 and not any(map(_is_pair, made)):
            return [(made[0], made[1]), (made[2], made[3])]
        if all(_is_stream(one) or _is_pair(one) for one in made):
            return list(made)
        if len(made) == 2:
            return [tuple(made)]
    return None


def _is_stream(value: object) -> TypeGuard[Stream]:
    return hasattr(value, "as_numpy_iterator")


def _is_pair(value: object) -> TypeGuard[tuple[object, object]]:
    return isinstance(value, tuple) and len(value) == 2


def _of_mapping(made: Mapping[str, object]) -> list[object] | None:
    if "train" in made:
        return [made[part] for part in ("train", "test") if part in made]
    parts: list[object] = []
    for part in ("train", "test"):
        named = {name[len(part) + 3 :]: value for name, value in made.items() if str(name).startswith(f"x_{part}.")}
        has_x = bool(named) or f"x_{part}" in made
        if has_x != (f"y_{part}" in made):
            raise DataError(f"it returned one of x_{part} and y_{part} without the other; return both, or neither")
        if has_x:
            parts.append((made.get(f"x_{part}", named), made[f"y_{part}"]))
    return parts or None


def _part(made: object, folder: Path) -> Part:
    if _is_stream(made):
        return _spooled(made, folder)
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise DataError(f"a part of it is {type(made).__name__}, no pair (x, y); {MAY_RETURN}")
    x, y = made
    if not named(x):
        raise DataError(f"the samples of a part are an empty mapping; {MAY_RETURN}")
    return Part({name: _column(f"x.{name}" if name else "x", one) for name, one in named(x).items()}, _column("y", y))


def named(x: object) -> Mapping[str, object]:
    """Inputs by their names: "" for a single one."""
    return {str(name): one for name, one in x.items()} if isinstance(x, Mapping) else {"": x}


def _column(name: str, value: object) -> Column:
    array = guarded(f"{name} is no array", lambda: np.asarray(value), DataError)
    if isinstance(value, np.ma.MaskedArray) and (masked := int(np.ma.getmaskarray(value).sum())):
        raise DataError(f"{name} is a masked array, {counted(masked, 'value')} of it masked; fill them, or leave such samples out")
    if array.dtype.hasobject and all(isinstance(one, str) for one in array.flat):
        array = array.astype(str)
    if array.dtype.hasobject or not array.ndim:
        raise DataError(
            f"{name} is {type(value).__name__}, and its samples differ in length or kind; make them one array, padded to one length"
        )
    return Whole(array)


def _spooled(stream: Stream, folder: Path) -> Part:
    """A data set of TensorFlow's, read once into files."""
    folder.mkdir()
    spools: dict[str, Spool] = {}
    batched = _is_batched(stream)
    elements = iter(stream.as_numpy_iterator())
    while (element := guarded("its tf.data.Dataset failed", lambda: next(elements, None), DataError)) is not None:
        if not _is_pair(element):
            raise DataError("an element of the tf.data.Dataset is no pair (x, y); map it to one")
        for name, value in {**{f"x.{name}": one for name, one in named(element[0]).items()}, "y": element[1]}.items():
            rows = np.asarray(value) if batched else np.asarray(value)[None]
            spools.setdefault(name, Spool(folder / f"{len(spools)}", name)).add(rows)
    if not spools:
        raise DataError("the tf.data.Dataset is empty")
    columns = {name: Whole(spool.array()) for name, spool in spools.items()}
    return Part({name[2:]: column for name, column in columns.items() if name != "y"}, columns["y"])


def _is_batched(stream: Stream) -> bool:
    """Whether its elements are batches: all their arrays begin with an axis of one length, or of none known."""
    spec = stream.element_spec
    parts = spec if isinstance(spec, tuple) else ()
    shapes = [one.shape for part in parts for one in (part.values() if isinstance(part, Mapping) else [part])]
    return bool(shapes) and all(shape.rank for shape in shapes) and len({shape[0] for shape in shapes}) == 1


class Spool:
    """An array that grows in a file."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name, self._rows = path, name, 0
        self._texts: list[Array] = []
        self._like: Array | None = None
        self._file: IO[bytes] = path.open("wb")

    def add(self, rows: Array) -> None:
        """Rows [k, ...], like those before. Raises `DataError` for others."""
        if rows.dtype.hasobject:
            self._texts.append(np.array([one.decode() if isinstance(one, bytes) else str(one) for one in rows.flat]))
            return
        if self._like is not None and (rows.dtype, rows.shape[1:]) != (self._like.dtype, self._like.shape[1:]):
            raise DataError(f"{self._name} is {self._like.shape[1:]} and then {rows.shape[1:]}; bring all samples to one shape and type")
        self._like = rows[:0]
        self._rows += len(rows)
        self._file.write(np.ascontiguousarray(rows).data)

    def array(self) -> Array:
        """All that was added."""
        self._file.close()
        if self._like is None:
            return np.concatenate(self._texts)
        return np.memmap(self._path, self._like.dtype, "r", shape=(self._rows, *self._like.shape[1:]))


@contextmanager
def opened_keras(name: str) -> Iterator[Raw]:
    """A data set of Keras' by its name. Raises `DataError`, also where there is neither a network nor a copy in ~/.keras/datasets."""
    from dfl_actors.learning.framework import keras

    load = getattr(getattr(keras.datasets, name, None), "load_data", None)
    if load is None:
        known = ", ".join(sorted(one for one in dir(keras.datasets) if hasattr(getattr(keras.datasets, one), "load_data")))
        raise DataError(f"Keras has no data set {name!r}; it has {known}")
    with redirect_stdout(io.StringIO()):
        made = guarded("Keras cannot fetch it, and it is not in ~/.keras/datasets; is there a network", load, DataError)
    with taken(made) as raw:
        yield raw
