"""Models for data of other kinds than images: each trains, and its measure is that of its own answers."""

from pathlib import Path

import numpy as np
import pytest

from dfl_actors.learning.form import Form, Input, Samples, Task, joined, numbered
from dfl_actors.learning.models import Learner, load_learner
from dfl_actors.learning.score import score_of, sums_of
from tests.learning.learners import RECIPE

RNG = np.random.default_rng(3)
TABLE = Input("", (12,), "float32")
DENSE = """
import keras
def build(shape, labels):
    return keras.Sequential([keras.Input(shape), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(labels)])
"""
TWO = """
import keras
def build(shape, labels):
    words, pixels = keras.Input(shape["words"], name="words", dtype="int32"), keras.Input(shape["pixels"], name="pixels")
    both = [keras.layers.Flatten()(keras.layers.Embedding(30, 4)(words)), keras.layers.Flatten()(pixels)]
    return keras.Model([pixels, words], keras.layers.Dense(labels)(keras.layers.Concatenate()(both)))
"""


def table(task: Task, outputs: int) -> tuple[str, Form, Samples, np.ndarray]:
    x = RNG.normal(size=(640, 12)).astype(np.float32)
    found = x @ RNG.normal(size=(12, outputs)).astype(np.float32) / 4
    return DENSE, Form((TABLE,), task, numbered(outputs)), x, found if task == "regression" else (found > 0).astype(np.uint8)


def two_inputs() -> tuple[str, Form, Samples, np.ndarray]:
    y = RNG.integers(0, 3, 640)
    words = (10 * y[:, None] + RNG.integers(0, 10, (640, 5))).astype(np.int32)
    form = Form((Input("pixels", (4, 4), "uint8"), Input("words", (5,), "int32")), "classification", numbered(3))
    return TWO, form, joined([RNG.integers(0, 256, (640, 4, 4), dtype=np.uint8), words]), y.astype(np.uint8)


@pytest.mark.parametrize("case", ["multilabel", "regression", "two inputs"])
def test_a_model_learns_and_its_measure_is_that_of_its_answers(case: str, tmp_path: Path) -> None:
    source, form, x, y = two_inputs() if case == "two inputs" else table("multilabel" if case == "multilabel" else "regression", 2)
    (tmp_path / "mine.py").write_text(source)
    learner: Learner = load_learner(f"{tmp_path / 'mine.py'}:build", RECIPE, form)
    state = learner.start(learner.initial(0))
    before, batches = learner.measure(state.weights, x, y), np.arange(640).reshape(10, 64)
    for _ in range(12):
        state, _ = learner.train(state, x[batches], y[batches])
    after = learner.measure(state.weights, x, y)
    answers = learner.answers(state.weights, x)
    assert after.tested == before.tested == 640 * form.unit and after.correct > max(before.correct, 0.7 * after.tested)
    assert after == pytest.approx(score_of(form, sums_of(form, answers, y), y), rel=1e-5)
    learner.save(state.weights, tmp_path / "model.keras")
