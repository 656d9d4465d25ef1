"""What a data set gives a model and asks of it: its inputs, its task, its labels. Models are built for a form, and hosts agree on one.

Arrays keep the type and the shape that their source gives them. The one thing that is done to a sample, inside the compiled function and in
a saved model, is that uint8 images are multiplied by `scale`; an image is an input of two axes or more.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Task = Literal["classification", "multilabel", "regression"]
MILLION = 1_000_000
SCALE = 1 / 256  # Of uint8 images, unless the topology says otherwise: Caffe's for LeNet.
Array: TypeAlias = npt.NDArray[Any]
"""Of any type: what samples are is found out when they are read."""

Chosen: TypeAlias = int | slice | npt.NDArray[np.integer] | None
"""Which samples an index takes; None adds an axis before them."""


class Input(Struct, frozen=True):
    """One of the arrays that make a sample; `name` is "" for the only one. `dtype` as numpy names it, `shape` without the samples' axis."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def scaled(self) -> bool:
        """Whether it is a uint8 image, which is multiplied by the form's `scale` before a model sees it."""
        return self.dtype == "uint8" and len(self.shape) > 1


class Form(Struct, frozen=True):
    """Inputs in their order, task, and names: of classes, of the labels of a multilabel task, or of the numbers that a regression finds."""

    inputs: tuple[Input, ...]
    task: Task
    labels: tuple[str, ...]
    scale: float = SCALE

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for a sample."""
        return len(self.labels)

    @property
    def classes(self) -> int:
        """How many kinds of samples a partition tells apart: the classes; one for tasks that have none."""
        return len(self.labels) if self.task == "classification" else 1

    @property
    def shape(self) -> tuple[int, ...] | dict[str, tuple[int, ...]]:
        """What a model's builder is told: the shape of a sample, or that of each input by its name."""
        if len(self.inputs) == 1:
            return self.inputs[0].shape
        return {one.name: one.shape for one in self.inputs}

    @property
    def targets(self) -> tuple[tuple[int, ...], str]:
        """Shape and dtype of what a sample's `y` is when a model trains on it."""
        return ((), "int64") if self.task == "classification" else ((self.outputs,), "float32")

    @property
    def nothing(self) -> Array:
        """What `learning.score` adds up, of no samples: zeros."""
        return np.zeros(self.outputs if self.task == "regression" else 1)

    @property
    def unit(self) -> int:
        """What a sample counts in the `correct` and `tested` of a score."""
        return MILLION if self.task == "regression" else 1

    def zeros(self, *lead: int) -> "Samples":
        """Samples of nothing but zeros, with the axes `lead` before those of a sample."""
        return joined([np.zeros((*lead, *one.shape), one.dtype) for one in self.inputs])


class Inputs:
    """The arrays of samples that have several inputs, in the order of the form's. An index goes to all of them alike."""

    def __init__(self, arrays: Iterable[Array]) -> None:
        self.arrays = tuple(arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, chosen: Chosen) -> "Inputs":
        return Inputs(array[chosen] for array in self.arrays)


Samples: TypeAlias = Array | Inputs
"""Samples [n, ...]: an array where there is one input."""


def joined(arrays: Iterable[Array]) -> Samples:
    """Samples of these arrays, one an input."""
    several = Inputs(arrays)
    return several if len(several.arrays) > 1 else several.arrays[0]


def arrays_of(samples: Samples) -> tuple[Array, ...]:
    """The arrays of samples, one an input."""
    return samples.arrays if isinstance(samples, Inputs) else (samples,)


def numbered(count: int) -> tuple[str, ...]:
    """The names of labels that have none: their numbers."""
    return tuple(str(label) for label in range(count))


def by_name(form: Form, arrays: Iterable[Array]) -> Mapping[str, Array]:
    """The arrays by their inputs' names."""
    return dict(zip((one.name for one in form.inputs), arrays, strict=True))
