"""Numbers that lie far from 1 are told of before anything is learnt from them."""

import numpy as np
import pytest

from dfl_actors.learning.data import Dataset
from dfl_actors.learning.form import Array, Form, Input, Inputs, Samples, Task, arrays_of, numbered
from dfl_actors.learning.magnitudes import far_from_one

rng = np.random.default_rng(1)
X = rng.normal(size=(300, 3)).astype(np.float32)
Y = rng.normal(size=(300, 1)).astype(np.float32)


def told(x: Samples, y: Array = Y, task: Task = "regression", names: tuple[str, ...] = ("",)) -> list[str]:
    inputs = tuple(Input(name, array.shape[1:], str(array.dtype)) for name, array in zip(names, arrays_of(x), strict=True))
    data = Dataset("small.npz", "", Form(inputs, task, numbered(1 if task == "regression" else 2)), x, y, x[:9], y[:9])
    return far_from_one({"0": data, "1": data})


@pytest.mark.parametrize("size", [0.1, 1.0, 30.0])
def test_numbers_near_one_are_nothing_to_tell(size: float) -> None:
    assert told(X * np.float32(size)) == [] and told(X, Y * np.float32(size)) == []


@pytest.mark.parametrize(("size", "text", "remedy"), [(412_000, "400,000", "400000"), (1000, "970", "1000"), (0.01, "0.0097", "0.01")])
def test_targets_far_from_one(size: float, text: str, remedy: str) -> None:
    (line,) = told(X, (Y / Y.std() * np.float32(size * 0.97)).astype(np.float32))
    assert line == (
        f"data set 'small.npz' has targets of {text} or so: far from 1 they are learnt slowly or never; scale them, "
        f"or let the model end in keras.layers.Rescaling({remedy})"
    )


def test_targets_that_lie_far_from_zero_and_near_each_other() -> None:
    assert len(told(X, Y + np.float32(1000))) == 1


def test_one_column_that_is_far_larger_than_the_others() -> None:
    (line,) = told(np.ones((300, 3), np.float32) * np.array([1, 1, 50_000], np.float32))
    assert "has samples of 50,000 or so" in line and line.endswith("begin with keras.layers.Rescaling(2e-05)")


def test_many_small_numbers_that_are_one_together_are_near_one() -> None:
    assert told(np.full((300, 10_000), 0.01, np.float32)) == []
    assert len(told(np.full((300, 9), 0.01, np.float32))) == 1


def test_each_input_by_its_name_and_token_ids_by_none() -> None:
    several = Inputs([X * np.float32(1000), np.full((300, 4), 9000)])
    (line,) = told(several, names=("income", "words"))
    assert "input 'income'" in line


def test_images_are_scaled_already_and_classes_are_no_quantities() -> None:
    assert told(np.full((300, 4, 4), 255, np.uint8), np.arange(300) % 2, "classification") == []


def test_nothing_but_zeros_is_not_scaled() -> None:
    assert told(np.zeros((300, 3), np.float32), np.zeros((300, 1), np.float32)) == []
