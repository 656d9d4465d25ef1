"""MNIST and learners. They are imported where they are used: TensorFlow takes seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dfl_actors.config.sections import Data
from dfl_actors.learning.data import Dataset, load_dataset

if TYPE_CHECKING:
    from dfl_actors.learning.models import Learner, Recipe


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset(Data())


@pytest.fixture(scope="session")
def lenet() -> "Learner":
    from dfl_actors.learning.models import load_learner
    from tests.learning.learners import FORM, RECIPE

    return load_learner("lenet", RECIPE, FORM)


@pytest.fixture
def custom(tmp_path: Path) -> "Callable[..., Learner]":
    """The learner of a model of the user's, whose file has this text."""
    from dfl_actors.learning.models import load_learner
    from tests.learning.learners import FORM, RECIPE

    def load(source: str, recipe: "Recipe" = RECIPE) -> "Learner":
        path = tmp_path / "mine.py"
        path.write_text(source)
        return load_learner(f"{path}:build", recipe, FORM)

    return load
