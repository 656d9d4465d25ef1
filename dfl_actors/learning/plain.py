"""Values and arrays as bytes that nothing but values and arrays can come from: an `.npz` file whose entry `values` is JSON.

What an algorithm remembers is written so, by a simulation's checkpoint and by a node that stops. It must be made of numbers, texts, arrays,
lists, tuples, dictionaries and numpy generators.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

Arrays = dict[str, np.ndarray]
UNREADABLE = (EOFError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile)
"""What `read_plain` raises for bytes that `write_plain` did not write."""


class Unkept(Exception):
    """Something that cannot be written; the text says what it is."""


def write_plain(file: IO[bytes], arrays: Mapping[str, np.ndarray], values: Mapping[str, object]) -> None:
    """Write arrays, and values in which arrays may be too. Raises `Unkept` or `OSError`."""
    found: Arrays = {}
    text = json.dumps(_plain(dict(values), found))
    np.savez(file, allow_pickle=False, **arrays, **found, values=np.frombuffer(text.encode(), np.uint8))


def read_plain(file: IO[bytes]) -> tuple[Arrays, dict[str, Any]]:
    """What `write_plain` wrote. Raises one of `UNREADABLE`."""
    with np.load(file, allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    return arrays, dict(_rich(json.loads(arrays.pop("values").tobytes()), arrays))


def packed(values: Mapping[str, object]) -> bytes:
    """Values as bytes. Raises `Unkept`."""
    file = io.BytesIO()
    write_plain(file, {}, values)
    return file.getvalue()


def unpacked(data: bytes) -> dict[str, Any]:
    """What was packed. Raises one of `UNREADABLE`."""
    return read_plain(io.BytesIO(data))[1]


def _plain(value: object, arrays: Arrays) -> object:
    """`value` as JSON holds it: what JSON has no word for is a list of its kind and its parts; arrays go into `arrays`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray) and not value.dtype.hasobject:
        name = f"array{len(arrays)}"
        arrays[name] = np.asarray(value)
        return ["scalar" if isinstance(value, np.generic) else "array", name]
    if type(value) is list or type(value) is tuple:
        return [type(value).__name__, [_plain(part, arrays) for part in value]]
    if type(value) is dict:
        return ["dict", [[_plain(key, arrays), _plain(part, arrays)] for key, part in value.items()]]
    if isinstance(value, np.random.Generator) and type(value.bit_generator) is np.random.PCG64:
        return ["generator", _plain(value.bit_generator.state, arrays)]
    raise Unkept(f"an object of type {type(value).__name__}")


def _rich(value: object, arrays: Arrays) -> Any:
    """The value that `_plain` wrote."""
    if not isinstance(value, list):
        return value
    kind, parts = value
    match kind:
        case "scalar":
            return arrays[parts][()]
        case "array":
            return arrays[parts]
        case "list" | "tuple":
            return (list if kind == "list" else tuple)(_rich(part, arrays) for part in parts)
        case "dict":
            return {_rich(key, arrays): _rich(part, arrays) for key, part in parts}
        case "generator":
            generator = np.random.Generator(np.random.PCG64())
            generator.bit_generator.state = _rich(parts, arrays)
            return generator
    raise ValueError(f"a value of kind {kind}")
