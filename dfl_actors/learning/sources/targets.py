"""What the samples of a source are: classes, labels that hold or not, or numbers, brought into the form that learning needs.

Classes become whole numbers from 0, whatever the source has: numbers, names, or rows with a single 1 as `to_categorical` makes them.
"""

import re
from typing import NamedTuple, TypeAlias

import numpy as np

from dfl_actors.config.sections import Data
from dfl_actors.config.toml_text import counted
from dfl_actors.errors import DataError
from dfl_actors.learning.form import Array, Task, numbered
from dfl_actors.learning.sources.columns import check_finite

MOST_LABELS = 65_536
LONGEST_LABEL = 128  # Characters.
SURROGATE = re.compile("[\ud800-\udfff]")

Named: TypeAlias = tuple[str, Array]
"""The name of an array in errors, and the array."""


class Targets(NamedTuple):
    """The labels' names, and for each part what its samples are: uint8 or int32 [n], uint8 [n, labels] or float32 [n, labels]."""

    labels: tuple[str, ...]
    parts: list[Array]


def targets(said: Data, known: tuple[str, ...], parts: list[Named]) -> Targets:
    """What the parts hold, as the topology says to read it; `known` are the names that the source has. Raises `DataError`."""
    names = said.labels if isinstance(said.labels, tuple) else known
    _check_names(names)
    count = said.labels if isinstance(said.labels, int) else len(said.labels)
    if names and count not in (0, len(names)):
        raise DataError(
            f"it names {counted(len(names), 'label')} itself, and data.labels is {count}; leave data.labels out, or give the names"
        )
    if said.task == "classification":
        return _classes(names, count, [(name, _flat(name, array)) for name, array in parts])
    tables = [_table(said.task, name, array) for name, array in parts]
    return _columns(names, count, [(name, table) for (name, _), table in zip(parts, tables, strict=True)])


def _classes(names: tuple[str, ...], count: int, parts: list[Named]) -> Targets:
    if any(array.dtype.kind in "US" for _, array in parts):
        if count and not names:
            raise DataError(f"{parts[0][0]} holds names, and data.labels is a number; give the names in their order")
        texts = [(name, array.astype(str)) for name, array in parts]
        for name, array in texts:
            if len(empty := np.flatnonzero(array == "")):
                raise DataError(
                    f"{name} holds a label that is no name at all (sample {empty[0]}, counted from 0); remove or name such samples"
                )
        names = names or tuple(np.unique(np.concatenate([array for _, array in texts])).tolist())
        _check_names(names)
        parts = [(name, _positions(names, name, array)) for name, array in texts]
    numbers = [(name, _whole_numbers(name, array)) for name, array in parts]
    for name, array in numbers:
        _check_range(name, array, len(names) or count or MOST_LABELS)
    labels = names or numbered(count or 1 + max(int(array.max()) for _, array in numbers))
    _check_count(labels)
    kind = np.uint8 if len(labels) <= 256 else np.int32
    return Targets(labels, [array.astype(kind) for _, array in numbers])


def _check_names(names: tuple[str, ...]) -> None:
    """What names hosts may agree on. Raises `DataError`."""
    if len(names) > MOST_LABELS:
        raise DataError(f"it has {len(names)} different labels, and {MOST_LABELS} may be; is it data.target that says what a sample is?")
    if len(set(names)) < len(names):
        raise DataError("data.labels names a label twice; name each once")
    for name in names:
        if SURROGATE.search(name):
            raise DataError(f"a label is {name[:20]!r}, which is no Unicode text; write it anew, in UTF-8")
        if not 0 < len(name) <= LONGEST_LABEL:
            what = "no name at all" if not name else f"{name[:20]!r}..., longer than {LONGEST_LABEL} characters"
            raise DataError(f"a label is {what}; give it a short one")


def _check_count(labels: tuple[str, ...]) -> None:
    if len(labels) < 2:
        raise DataError('all labels are the same; a classification needs two at least, or is it data.task = "regression"?')


def _flat(name: str, array: Array) -> Array:
    """Classes as [n], out of [n, 1] or rows with a single 1."""
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "iufb" and ((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all():
        return np.asarray(array.argmax(axis=1))
    if array.ndim != 1:
        raise DataError(f'{name} has shape {array.shape}; give a label a sample, or set data.task to "multilabel" or "regression"')
    return array


def _positions(names: tuple[str, ...], name: str, array: Array) -> Array:
    unique, places = np.unique(array, return_inverse=True)
    known = {label: number for number, label in enumerate(names)}
    for label in unique.tolist():
        if label not in known:
            raise DataError(f"{name} holds the label {label!r}, which data.labels does not name; add it there, or remove those samples")
    return np.array([known[label] for label in unique.tolist()], np.int64)[places.reshape(-1)]


def _whole_numbers(name: str, array: Array) -> Array:
    if array.dtype.kind not in "iufb":
        raise DataError(f"{name} is {array.dtype}; labels are whole numbers or names")
    check_finite(name, array)
    if array.dtype.kind == "f" and len(wrong := np.flatnonzero(array != np.trunc(array))):
        what = f"{array[wrong[0]]:g}, which is not whole (sample {wrong[0]}, counted from 0)"
        raise DataError(f'{name} holds {what}; set data.task = "regression", or number the labels from 0')
    return array


def _check_range(name: str, array: Array, labels: int) -> None:
    low, high = array.min().item(), array.max().item()
    if low < 0 or high >= labels or labels > MOST_LABELS:
        wrong = low if low < 0 else high
        most = min(labels, MOST_LABELS) - 1
        text = f"{wrong:.15g}" if array.dtype.kind == "f" else f"{wrong}"
        raise DataError(
            f"{name} holds the label {text}, outside 0 to {most}; number the labels from 0, and set data.labels to how many there are,"
            ' or set data.task = "regression" where these are quantities'
        )


def _table(task: Task, name: str, array: Array) -> Array:
    """[n, labels] out of [n, labels] or [n]."""
    if array.dtype.kind not in "iufb" or array.ndim > 2:
        raise DataError(f"{name} is {array.dtype} {array.shape}; a {task} needs numbers, [samples, labels]")
    table = array.reshape(len(array), -1)
    if task == "multilabel":
        if not ((table == 0) | (table == 1)).all():
            raise DataError(f"{name} holds more than 0 and 1; in a multilabel task 1 says that a label holds, 0 that it does not")
        return table.astype(np.uint8)
    with np.errstate(over="ignore"):
        table = table.astype(np.float32)
    check_finite(name, table)
    return table


def _columns(names: tuple[str, ...], count: int, parts: list[Named]) -> Targets:
    labels = names or numbered(count or parts[0][1].shape[1])
    for name, table in parts:
        if table.shape[1] != len(labels):
            raise DataError(
                f"{name} has {counted(table.shape[1], 'column')} where there are {counted(len(labels), 'label')}; bring both to one number"
            )
    return Targets(labels, [table for _, table in parts])
