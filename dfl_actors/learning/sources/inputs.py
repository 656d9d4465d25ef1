"""What a model gets of the samples of a source: each input's shape and type, and its pieces brought to them and checked.

Types stay: float64 becomes float32, whole numbers of 32 and 64 bits become int32 when they fit, the rest is as it was.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from dfl_actors.config.sections import Data
from dfl_actors.errors import DataError
from dfl_actors.learning.form import Array, Input
from dfl_actors.learning.sources.columns import Column, Part, check_finite, source_row

KEPT = frozenset({"bool", "int8", "uint8", "int16", "uint16", "int32", "float16", "float32"})
NARROWED = {"int64": "int32", "uint64": "int32", "uint32": "int32", "float64": "float32", "longdouble": "float32"}
INT32 = np.iinfo(np.int32)


def inputs_of(said: Data, part: Part, name: str) -> tuple[Input, ...]:
    """The inputs of the samples of a part, in the order of their names; `name` is the part's in errors. Raises `DataError`."""
    shapes = _said_shapes(said, part.x)
    return tuple(
        Input(one, _shape(name_of(name, one), column, shapes.get(one)), _dtype(name_of(name, one), column))
        for one, column in sorted(part.x.items())
    )


def name_of(part: str, name: str) -> str:
    """What an input is called in errors, as in a file: x_train.NAME."""
    return f"x_{part}.{name}" if name else f"x_{part}"


def _said_shapes(said: Data, x: Mapping[str, Column]) -> dict[str, tuple[int, ...]]:
    shapes = said.shape if isinstance(said.shape, dict) else {"": said.shape} if said.shape else {}
    for name in shapes:
        if name not in x:
            inputs = ", ".join(filter(None, x)) or "a single one"
            raise DataError(f"data.shape is given for {'a single input' if not name else f'input {name!r}'}, and the inputs are {inputs}")
    return shapes


def _shape(name: str, column: Column, said: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of a sample: as it lies there, unless the topology says another of as many numbers."""
    found = tuple(column.shape[1:])
    if not column.shape or 0 in column.shape:
        raise DataError(f"{name} has shape {tuple(column.shape)}; there must be samples, and something in them")
    if said is None:
        return found or (1,)
    if np.prod(said) != np.prod(found):
        raise DataError(f"{name} has samples of shape {found}, which data.shape = {list(said)} does not fit; correct either")
    return said


def _dtype(name: str, column: Column) -> str:
    given = column.dtype.newbyteorder("=").name
    if given not in KEPT and given not in NARROWED:
        raise DataError(f"{name} is {column.dtype}; give numbers: floats, whole numbers, or uint8 for images")
    return NARROWED.get(given, given)


def check_alike(train: tuple[Input, ...], test: tuple[Input, ...]) -> None:
    """Raises `DataError` unless test samples are what training samples are."""
    if [one.name for one in train] != [one.name for one in test]:
        raise DataError("x_train and x_test have other inputs; give both the same")
    for one, other in zip(train, test, strict=True):
        here, there = name_of("train", one.name), name_of("test", one.name)
        if one.dtype != other.dtype:
            raise DataError(f"{here} is {one.dtype} but {there} {other.dtype}; save both as one type")
        if one.shape != other.shape:
            raise DataError(f"samples of {here} are {one.shape} but of {there} {other.shape}; bring them to one shape")


def pieces(name: str, column: Column, form: Input) -> Iterator[Array]:
    """The column, piece by piece, as the input wants it. Raises `DataError` for a number that is not finite or too large."""
    begin = 0
    for piece in column.pieces():
        yield _brought(name, piece, form, column, begin)
        begin += len(piece)


def _brought(name: str, piece: Array, form: Input, column: Column, begin: int) -> Array:
    if piece.dtype.kind in "iu" and piece.size and not INT32.min <= int(piece.min()) <= int(piece.max()) <= INT32.max:
        raise DataError(f"{name} holds whole numbers beyond 32 bits; number such codes anew, or save them as floats")
    with np.errstate(over="ignore"):
        brought = np.ascontiguousarray(piece.astype(form.dtype, copy=False)).reshape(len(piece), *form.shape)
    check_finite(name, brought, lambda row: source_row(column, begin + row))
    return brought
