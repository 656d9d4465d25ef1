"""Optimisers and losses other than the program's own: as Keras has them, with a state that goes from process to process."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from dfl_actors.errors import ModelError
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.models import Learner, Recipe, TrainState, load_learner
from tests.learning.forms import image_form
from tests.learning.learners import NORMALISED, batches

SMALL = """
import keras
def build(shape, labels):
    layers = [keras.layers.Flatten(), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(labels)]
    return keras.Sequential([keras.Input(shape), *layers])
"""
Custom = Callable[..., Learner]


@pytest.mark.parametrize(
    ("optimizer", "parameters", "loss"),
    [
        ("adam", {}, ""),
        ("adamw", {"weight_decay": 0.1, "clipnorm": 0.5}, "huber"),
        ("nadam", {}, "categorical_focal_crossentropy"),
        ("adafactor", {}, ""),
        ("adam", {"gradient_accumulation_steps": 2}, ""),
    ],
)
def test_a_step_is_that_of_keras(optimizer: str, parameters: dict[str, float], loss: str, custom: Custom, mnist: Dataset) -> None:
    from dfl_actors.learning.framework import keras

    learner = custom(SMALL, Recipe(optimizer=optimizer, optimizer_parameters=parameters, loss=loss))  # type: ignore[arg-type]
    x, y = batches(mnist, 6)
    start = learner.start(learner.initial(1))
    ours, _ = learner.train(start, x, y)

    keras.utils.set_random_seed(1)
    theirs = keras.Sequential(
        [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(10)]
    )
    makes = {
        "": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "huber": keras.losses.Huber(),
        "categorical_focal_crossentropy": keras.losses.CategoricalFocalCrossentropy(from_logits=True),
    }
    kinds = {"adam": "Adam", "adamw": "AdamW", "nadam": "Nadam", "adafactor": "Adafactor"}
    theirs.compile(getattr(keras.optimizers, kinds[optimizer])(**parameters), makes[loss])
    for samples, labels in zip(x, y, strict=True):
        theirs.train_on_batch(samples / np.float32(256), labels if not loss else np.eye(10, dtype=np.float32)[labels])
    wanted = np.concatenate([one.numpy().ravel() for one in theirs.trainable_variables])
    np.testing.assert_allclose(ours.weights, wanted, atol=2e-5)


def test_the_state_goes_on_in_another_process_as_in_one(custom: Custom, mnist: Dataset) -> None:
    recipe = Recipe(optimizer="adam", learning_rate=0.003)
    x, y = batches(mnist, 8)
    one, other = custom(NORMALISED, recipe), custom(NORMALISED, recipe)
    whole, _ = one.train(one.start(one.initial(0)), x, y)
    half, _ = one.train(one.start(one.initial(0)), x[:4], y[:4])
    one.train(one.start(one.initial(9)), x, y)  # what else the learner does meanwhile leaves no trace
    kept = TrainState(half.weights.copy(), np.frombuffer(half.slots.tobytes(), "<f4"), half.iteration)
    after, _ = other.train(kept, x[4:], y[4:])
    np.testing.assert_array_equal(after.weights, whole.weights)
    np.testing.assert_array_equal(after.slots, whole.slots)


WARMING = """
import keras
def build(peak=0.001):
    return keras.optimizers.Adam(keras.optimizers.schedules.PolynomialDecay(0.0, 10, peak))
def error(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
def make():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
def wrong():
    return 3
def wrapped():
    return keras.optimizers.LossScaleOptimizer(build())
def whole(y_true, y_pred):
    return 1
def raising(y_true, y_pred):
    return y_pred.no_such_thing
"""


def test_ones_own_optimizer_and_loss(tmp_path: Path, custom: Custom, mnist: Dataset) -> None:
    """Its schedule follows the iteration: nothing moves at 0."""
    own = tmp_path / "own.py"
    own.write_text(WARMING)
    x, y = batches(mnist, 1)
    for name in ("error", "make"):
        learner = custom(SMALL, Recipe(optimizer=f"{own}:build", optimizer_parameters={"peak": 0.01}, loss=f"{own}:{name}"))
        start = learner.start(learner.initial(0))
        still, first = learner.train(start, x, y)
        np.testing.assert_array_equal(still.weights, start.weights)
        moved, _ = learner.train(start._replace(iteration=10), x, y)
        assert learner.train(moved, x, y)[1] < first


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("whole", "own.py:whole' returns int; return a float tensor made of y_pred: the loss of each sample [n], or their mean"),
        ("raising", "own.py:raising' fails: AttributeError: "),
    ],
)
def test_a_loss_that_is_none_is_named(name: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(WARMING)
    learner = load_learner("lenet", Recipe(loss=f"{tmp_path}/own.py:{name}"), image_form((28, 28)))
    with pytest.raises(ModelError, match=r"^training\.loss '") as told:
        learner.warm(2, 1, 2)
    assert wanted in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("recipe", "wanted"),
    [
        (Recipe(optimizer="adm"), "training.optimizer 'adm' is not known; give one of adadelta, "),
        (
            Recipe(optimizer="adam", optimizer_parameters={"beta1": 1}),
            "has no parameter 'beta1': remove training.optimizer_parameters.beta1",
        ),
        (Recipe(optimizer="adam", optimizer_parameters={"clipvalue": 1.0, "clipnorm": 1.0}), "cannot be made"),
        (Recipe(optimizer_parameters={"beta_1": 1}), "training.optimizer_parameters has no effect"),
        (Recipe(optimizer="OWN:wrapped"), "a LossScaleOptimizer keeps other optimizers, which are lost between steps"),
        (Recipe(optimizer="adam", learning_rate=0.1, optimizer_parameters={"learning_rate": 1}), "are one and the same: give one of them"),
        (Recipe(loss="crossentropy"), "training.loss 'crossentropy' is not known; give one of binary_crossentropy"),
        (Recipe(optimizer="OWN:wrong"), "it must return a keras.optimizers.Optimizer or an Optimiser, not int"),
        (Recipe(optimizer="OWN:none"), "has no function 'none'"),
        (Recipe(loss="OWN:wrong"), "a loss is a keras.losses.Loss or a function (y_true, y_pred), not int"),
    ],
)
def test_what_cannot_be_is_one_line(recipe: Recipe, wanted: str, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(WARMING)
    given = msgspec.structs.replace(recipe, optimizer=recipe.optimizer.replace("OWN", str(own)), loss=recipe.loss.replace("OWN", str(own)))
    with pytest.raises(ModelError) as told:
        load_learner("lenet", given, image_form((28, 28)))
    assert wanted in str(told.value) and "\n" not in str(told.value)
