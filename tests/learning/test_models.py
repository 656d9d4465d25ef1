"""Training and measuring real Keras models on real MNIST; what is computed here is checked against Keras used the plain way."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors.errors import ModelError
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.models import Learner, Recipe, TrainState, load_learner
from dfl_actors.learning.momentum import Optimiser
from tests.learning.forms import image_form
from tests.learning.learners import FORM, NORMALISED, RECIPE, SHAPE, batches

# After the import above, which sets TensorFlow up.
keras, tf = (importlib.import_module(name) for name in ("keras", "tensorflow"))


def plain_lenet(views: dict[str, np.ndarray]) -> Any:
    """LeNet for pixels 0..255, written down a second time, with these weights."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Reshape((*SHAPE, 1)),
            layers.Rescaling(0.00390625),
            layers.Conv2D(20, (5, 5), padding="valid"),
            layers.MaxPool2D((2, 2)),
            layers.Conv2D(50, (5, 5), padding="valid"),
            layers.MaxPool2D((2, 2)),
            layers.Flatten(),
            layers.Dense(500, activation="relu"),
            layers.Dense(10),
        ]
    )
    model.set_weights(list(views.values()))
    return model


def test_lenet_is_caffes(lenet: Learner) -> None:
    assert lenet.parameters.size == 431_080
    assert [(layer.name, layer.shape) for layer in lenet.parameters.layers] == [
        ("lenet/conv1/kernel", (5, 5, 1, 20)),
        ("lenet/conv1/bias", (20,)),
        ("lenet/conv2/kernel", (5, 5, 20, 50)),
        ("lenet/conv2/bias", (50,)),
        ("lenet/ip1/kernel", (800, 500)),
        ("lenet/ip1/bias", (500,)),
        ("lenet/ip2/kernel", (500, 10)),
        ("lenet/ip2/bias", (10,)),
    ]


def test_initial_weights_are_caffes_xavier(lenet: Learner) -> None:
    flat = lenet.initial(7)
    assert flat.dtype == np.float32
    views = lenet.parameters.views(flat)
    for name, fan_in in {"conv1": 25, "conv2": 500, "ip1": 800, "ip2": 500}.items():
        kernel, bound = views[f"lenet/{name}/kernel"], np.sqrt(3 / fan_in)
        assert not views[f"lenet/{name}/bias"].any()
        assert 0.9 * bound < np.abs(kernel).max() <= bound * (1 + 1e-6)
        assert abs(kernel.std() * np.sqrt(fan_in) - 1) < 0.1


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(lenet: Learner) -> None:
    again = load_learner("lenet", RECIPE, FORM)
    assert again.parameters == lenet.parameters
    assert again.initial(3).tobytes() == lenet.initial(3).tobytes() != lenet.initial(4).tobytes()


@pytest.mark.parametrize(
    ("recipe", "iteration"),
    [(RECIPE, 0), (RECIPE, 5000), (Recipe(learning_rate=0.05, momentum=0.7, weight_decay=0.2, gamma=1e-3, power=0.5, bias_rate=3.0), 1000)],
)
def test_a_step_is_caffes_sgd(recipe: Recipe, iteration: int, mnist: Dataset) -> None:
    lenet = load_learner("lenet", recipe, FORM)
    x, y = batches(mnist, 1)
    rng = np.random.default_rng(1)
    noise, velocities = rng.normal(0, [[0.05], [1e-3]], (2, 431_080)).astype(np.float32)
    before = TrainState(lenet.initial(0) + noise, velocities, iteration)
    model = plain_lenet(lenet.parameters.views(before.weights))
    with tf.GradientTape() as tape:
        plain_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y[0], model(x[0].astype(np.float32)))
    gradients = tape.gradient(plain_loss, model.trainable_variables)
    after, loss = lenet.train(before, x, y)

    rate = recipe.rate * (1 + recipe.gamma * iteration) ** -recipe.power
    weights, momentum = lenet.parameters.views(before.weights), lenet.parameters.views(before.slots)
    for (name, found), gradient in zip(lenet.parameters.views(after.weights).items(), gradients, strict=True):
        factor = recipe.bias_rate if name.endswith("bias") else 1.0
        velocity = recipe.momentum * momentum[name] + rate * factor * (gradient.numpy() + recipe.weight_decay * weights[name])
        np.testing.assert_allclose(lenet.parameters.views(after.slots)[name], velocity, rtol=1e-4, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(found, weights[name] - velocity, rtol=1e-5, atol=1e-6, err_msg=name)
    assert loss == pytest.approx(float(plain_loss), rel=1e-5)
    assert after.iteration == iteration + 1


def test_balance_clip_floor_and_a_velocity_of_an_optimiser_are_parts_of_the_compiled_step(mnist: Dataset) -> None:
    recipe = Recipe(gamma=1.0, floor=0.5, balance=0.5, clip=0.75, weight_decay=0.0, learning_rate=0.01)
    lenet = load_learner("lenet", recipe, FORM, Optimiser(init=lambda w: (w,), velocity=lambda s, w: w, training={"balance": 0.0}))
    x, y = batches(mnist, 1)
    y = np.minimum(y, 3)  # a label that most samples have
    start = lenet.start(lenet.initial(0))._replace(iteration=1000)
    velocity = np.linspace(-1e-3, 1e-3, start.weights.size, dtype=np.float32)
    after, loss = lenet.train(start, x, y, velocity)

    weight = np.bincount(y[0])[y[0]] ** -0.5
    weight = (weight / weight.mean()).astype(np.float32)
    model = plain_lenet(lenet.parameters.views(start.weights))
    with tf.GradientTape() as tape:
        single = keras.losses.sparse_categorical_crossentropy(y[0], model(x[0].astype(np.float32)), from_logits=True)
        wanted = tf.reduce_mean(single * weight)
    flat = np.concatenate([one.numpy().ravel() for one in tape.gradient(wanted, model.trainable_variables)])
    factor = np.concatenate([np.full(view.size, 2.0 if view.ndim == 1 else 1.0) for view in lenet.parameters.views(flat).values()])
    assert np.linalg.norm(flat) > 0.75, "or nothing is clipped here"
    moved = velocity + 0.01 * 0.5 * factor * flat * 0.75 / np.linalg.norm(flat)
    np.testing.assert_allclose(start.weights - after.weights, moved, rtol=1e-3, atol=1e-6)
    assert loss == pytest.approx(float(wanted), rel=1e-4) and after.slots.size == 0


def test_steps_in_one_call_are_the_same_steps_one_by_one(mnist: Dataset) -> None:
    lenet = load_learner("lenet", Recipe(gamma=1.0), FORM)
    x, y = batches(mnist, 5)
    at_once, mean_loss = lenet.train(lenet.start(lenet.initial(0)), x, y)
    single, losses = lenet.start(lenet.initial(0)), []
    for step in range(5):
        single, loss = lenet.train(single, x[step : step + 1], y[step : step + 1])
        losses.append(loss)
    np.testing.assert_allclose(at_once.weights, single.weights, atol=1e-5)
    np.testing.assert_allclose(at_once.slots, single.slots, atol=1e-5)
    assert at_once.iteration == single.iteration == 5
    assert mean_loss == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("n", [0, 1, 7, 100, 500, 1237])
def test_measure_counts_what_predict_gets_right(lenet: Learner, mnist: Dataset, n: int) -> None:
    weights = lenet.train(lenet.start(lenet.initial(0)), *batches(mnist, 6))[0].weights
    x, y = mnist.x_test[:n], mnist.y_test[:n]
    model = plain_lenet(lenet.parameters.views(weights))
    expected = int((model.predict(x, verbose=0).argmax(axis=1) == y).sum()) if n else 0
    assert lenet.measure(weights, x, y) == (expected, n)


def test_sixty_steps_learn_and_the_same_run_gives_the_same_bytes(lenet: Learner, mnist: Dataset) -> None:
    def run() -> TrainState:
        state = lenet.start(lenet.initial(0))
        for call in range(6):
            state, _ = lenet.train(state, *batches(mnist, 10, seed=call))
        return state

    state = run()
    assert lenet.measure(state.weights, mnist.x_test[:1000], mnist.y_test[:1000]) > (750, 1000)
    assert run().weights.tobytes() == state.weights.tobytes()


def test_weights_may_be_read_only_and_are_left_alone(lenet: Learner, mnist: Dataset) -> None:
    weights = np.frombuffer(lenet.initial(0).tobytes(), np.float32)
    before = weights.tobytes()
    state, _ = lenet.train(lenet.start(weights), *batches(mnist, 2))
    lenet.measure(weights, mnist.x_test[:10], mnist.y_test[:10])
    assert weights.tobytes() == before
    assert not np.shares_memory(state.weights, weights)


def test_an_earlier_state_outlives_later_steps(lenet: Learner, mnist: Dataset) -> None:
    first, _ = lenet.train(lenet.start(lenet.initial(0)), *batches(mnist, 1))
    before = first.weights.tobytes(), first.slots.tobytes()
    lenet.train(lenet.train(first, *batches(mnist, 2))[0], *batches(mnist, 2))
    assert (first.weights.tobytes(), first.slots.tobytes()) == before
    assert not first.weights.flags.writeable


def test_float32_samples_are_taken_as_they_are(lenet: Learner, mnist: Dataset) -> None:
    x, y = batches(mnist, 1)
    scaled = x.astype(np.float32) / 256
    weights, floats = lenet.initial(0), load_learner("lenet", RECIPE, image_form(SHAPE, dtype="float32"))
    assert floats.measure(weights, scaled[0], y[0]) == lenet.measure(weights, x[0], y[0])
    from_bytes, from_floats = lenet.train(lenet.start(weights), x, y)[0], floats.train(floats.start(weights), scaled, y)[0]
    np.testing.assert_allclose(from_floats.weights, from_bytes.weights, atol=1e-6)


def test_a_warm_learner_traces_nothing_more(monkeypatch: pytest.MonkeyPatch, mnist: Dataset) -> None:
    traced: list[object] = []
    compile_it = sys.modules["tensorflow"].function

    def counted(function: Any = None, *rest: Any, **more: Any) -> Any:
        if getattr(function, "__module__", "").startswith("dfl_actors."):  # Keras compiles functions of its own
            traced.append(function)
        return compile_it(function, *rest, **more)

    monkeypatch.setattr("tensorflow.function", counted)
    learner = load_learner("lenet", RECIPE, FORM)
    assert not traced
    learner.warm(batch=8, k=1, measure_n=4)
    assert len(traced) == 2
    learner.train(learner.start(learner.initial(0)), *batches(mnist, 3, batch=16))
    learner.measure(learner.initial(0), mnist.x_test[:33], mnist.y_test[:33])
    assert len(traced) == 2


def test_a_wrong_number_of_weights_or_no_samples_is_an_error(lenet: Learner) -> None:
    with pytest.raises(ValueError, match="a vector of 431080 is needed"):
        lenet.start(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="at least one step"):
        lenet.train(lenet.start(lenet.initial(0)), np.zeros((0, 64, *SHAPE), np.uint8), np.zeros((0, 64), np.uint8))


@pytest.mark.parametrize("source", [None, NORMALISED])
def test_a_saved_model_predicts_from_raw_pixels_what_measure_counts(
    source: str | None, lenet: Learner, custom: Callable[..., Learner], mnist: Dataset, tmp_path: Path
) -> None:
    learner = custom(source) if source else lenet
    weights = learner.train(learner.start(learner.initial(0)), *batches(mnist, 10))[0].weights
    learner.save(weights, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x, y = mnist.x_test[:300], mnist.y_test[:300]
    assert int((loaded.predict(x, verbose=0).argmax(axis=1) == y).sum()) == learner.measure(weights, x, y).correct
    assert learner.initial(0).tobytes() != weights.tobytes()


def test_a_model_cannot_be_saved_where_there_is_no_folder(lenet: Learner, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be saved to .*none/model\.keras"):
        lenet.save(lenet.initial(0), tmp_path / "none" / "model.keras")
