"""Forms and small data sets for tests, without TensorFlow."""

from collections.abc import Sequence

import numpy as np

from dfl_actors.config import Config
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.form import Form, Input, Samples, arrays_of, numbered


def image_form(shape: tuple[int, ...] = (2, 2), labels: int = 10, dtype: str = "uint8") -> Form:
    """Of images to be classified."""
    return Form((Input("", shape, dtype),), "classification", numbered(labels))


def image_data(y_train: Sequence[int], y_test: Sequence[int]) -> Dataset:
    """Black images with these labels."""
    train, test = (np.array(labels, np.uint8) for labels in (y_train, y_test))
    black = [np.zeros((len(y), 2, 2), np.uint8) for y in (train, test)]
    return Dataset("small", "", image_form(labels=1 + int(max(*y_train, *y_test))), black[0], train, black[1], test)


def alike(config: Config, data: Dataset) -> dict[str, Dataset]:
    """The same data set for every node."""
    return {node.name: data for node in config.nodes}


def only(samples: Samples) -> np.ndarray:
    """The samples of a single input."""
    (array,) = arrays_of(samples)
    return array
