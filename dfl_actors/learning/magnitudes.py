"""Whether numbers of the samples, or those that a regression is to find, lie so far from 1 that a model learns them slowly or never.

Steps are as long for all of them: with the usual rates what is near 1 is learnt, numbers of thousands are not, and neither are those of
thousandths. A model may scale what it is given, and what it answers with, so that it is a warning and not a mistake.
"""

from collections.abc import Iterator, Mapping
from math import sqrt

import numpy as np

from dfl_actors.learning.data import Dataset
from dfl_actors.learning.form import Array, arrays_of

LEAST, MOST = 0.05, 50.0
"""Of a sample's length, and of the largest number of a sample, both as root mean square. Beyond these a
regression loses a third of its score and more (docs/data.md, "What samples are")."""

SAMPLES, NUMBERS = 4096, 4_000_000
"""How many are looked at at most: so many samples, and so many numbers of these, or one sample."""


def far_from_one(data: Mapping[str, Dataset]) -> list[str]:
    """A line for each of these nodes' data sets, and each of its inputs, that lies far from 1, and for what a regression is to find."""
    different = {one.digest: one for one in data.values()}
    return [line for one in different.values() for line in _lines(one)]


def _lines(data: Dataset) -> Iterator[str]:
    for form, array in zip(data.form.inputs, arrays_of(data.x_train), strict=True):
        if form.dtype.startswith("float") and (found := _far(array)):
            whose = f"input {form.name!r}" if form.name else "samples"
            yield _said(data, whose, found, f"begin with keras.layers.Rescaling({1 / found:.1g})")
    if data.form.task == "regression" and (found := _far(data.y_train)):
        yield _said(data, "targets", found, f"end in keras.layers.Rescaling({float(f'{found:.1g}'):g})")


def _said(data: Dataset, whose: str, found: float, remedy: str) -> str:
    about = f"data set {data.name!r} has {whose} of {float(f'{found:.2g}'):,g} or so"
    return f"{about}: far from 1 they are learnt slowly or never; scale them, or let the model {remedy}"


def _far(array: Array) -> float:
    """The root mean square of the column where it is largest, where that, or the length of a row, is too far from 1; else 0."""
    count = max(1, min(len(array), SAMPLES, NUMBERS // max(1, array[0].size)))
    squares = (np.asarray(array[:count], np.float64).reshape(count, -1) ** 2).mean(axis=0)
    largest = sqrt(squares.max(initial=0))
    return largest if largest > MOST or 0 < squares.sum() < LEAST**2 else 0.0
