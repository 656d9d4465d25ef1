"""Training and measuring real Keras models on real MNIST; what is computed here is checked against Keras used the plain way."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors.errors import ModelError
from dfl_actors.learning.data import Dataset, Samples, load_dataset
from dfl_actors.learning.foreign import load_file
from dfl_actors.learning.models import Learner, Recipe, TrainState, limit_threads, load_learner
from dfl_actors.learning.network import Network

# After the import above, which sets TensorFlow up.
keras, tf = (importlib.import_module(name) for name in ("keras", "tensorflow"))
# Before any test of any module starts TensorFlow.
limit_threads()

SHAPE = (28, 28, 1)
RECIPE = Recipe()

NORMALISED = """
import keras
def build(input_shape, labels):
    samples = keras.Input(input_shape)
    x = keras.layers.Flatten()(samples)
    x = keras.layers.Dense(32, use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.Activation("relu")(x)
    return keras.Model(samples, keras.layers.Dense(labels, activation="softmax")(x))
"""

DROPPING = """
import keras
def build(input_shape, labels):
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(labels)]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load_dataset("mnist")


@pytest.fixture(scope="module")
def lenet() -> Learner:
    return load_learner("lenet", RECIPE, SHAPE, 10)


@pytest.fixture
def custom(tmp_path: Path) -> Callable[..., Learner]:
    def load(source: str, recipe: Recipe = RECIPE) -> Learner:
        path = tmp_path / "mine.py"
        path.write_text(source)
        return load_learner(f"{path}:build", recipe, SHAPE, 10)

    return load


def batches(mnist: Dataset, k: int, batch: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.random.default_rng(seed).choice(len(mnist.x_train), (k, batch), replace=False)
    return mnist.x_train[chosen], mnist.y_train[chosen]


def plain_lenet(views: dict[str, np.ndarray]) -> Any:
    """LeNet for pixels 0..255, written down a second time, with these weights."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
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
    again = load_learner("lenet", RECIPE, SHAPE, 10)
    assert again.parameters == lenet.parameters
    assert again.initial(3).tobytes() == lenet.initial(3).tobytes() != lenet.initial(4).tobytes()


@pytest.mark.parametrize(
    ("recipe", "iteration"),
    [(RECIPE, 0), (RECIPE, 5000), (Recipe(learning_rate=0.05, momentum=0.7, weight_decay=0.2, gamma=1e-3, power=0.5, bias_rate=3.0), 1000)],
)
def test_a_step_is_caffes_sgd(recipe: Recipe, iteration: int, mnist: Dataset) -> None:
    lenet = load_learner("lenet", recipe, SHAPE, 10)
    x, y = batches(mnist, 1)
    rng = np.random.default_rng(1)
    noise, velocities = rng.normal(0, [[0.05], [1e-3]], (2, 431_080)).astype(np.float32)
    before = TrainState(lenet.initial(0) + noise, velocities, iteration)
    model = plain_lenet(lenet.parameters.views(before.weights))
    with tf.GradientTape() as tape:
        plain_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y[0], model(x[0].astype(np.float32)))
    gradients = tape.gradient(plain_loss, model.trainable_variables)
    after, loss = lenet.train(before, x, y)

    rate = recipe.learning_rate * (1 + recipe.gamma * iteration) ** -recipe.power
    weights, momentum = lenet.parameters.views(before.weights), lenet.parameters.views(before.momentum)
    for (name, found), gradient in zip(lenet.parameters.views(after.weights).items(), gradients, strict=True):
        factor = recipe.bias_rate if name.endswith("bias") else 1.0
        velocity = recipe.momentum * momentum[name] + rate * factor * (gradient.numpy() + recipe.weight_decay * weights[name])
        np.testing.assert_allclose(lenet.parameters.views(after.momentum)[name], velocity, rtol=1e-4, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(found, weights[name] - velocity, rtol=1e-5, atol=1e-6, err_msg=name)
    assert loss == pytest.approx(float(plain_loss), rel=1e-5)
    assert after.iteration == iteration + 1


def test_steps_in_one_call_are_the_same_steps_one_by_one(mnist: Dataset) -> None:
    lenet = load_learner("lenet", Recipe(gamma=1.0), SHAPE, 10)
    x, y = batches(mnist, 5)
    at_once, mean_loss = lenet.train(lenet.start(lenet.initial(0)), x, y)
    single, losses = lenet.start(lenet.initial(0)), []
    for step in range(5):
        single, loss = lenet.train(single, x[step : step + 1], y[step : step + 1])
        losses.append(loss)
    np.testing.assert_allclose(at_once.weights, single.weights, atol=1e-5)
    np.testing.assert_allclose(at_once.momentum, single.momentum, atol=1e-5)
    assert at_once.iteration == single.iteration == 5
    assert mean_loss == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("n", [0, 1, 7, 100, 500, 1237])
def test_measure_counts_what_predict_gets_right(lenet: Learner, mnist: Dataset, n: int) -> None:
    weights = lenet.train(lenet.start(lenet.initial(0)), *batches(mnist, 6))[0].weights
    x, y = mnist.x_test[:n], mnist.y_test[:n]
    model = plain_lenet(lenet.parameters.views(weights))
    expected = int((model.predict(x, verbose=0).argmax(axis=1) == y).sum()) if n else 0
    assert lenet.measure(weights, x, y) == expected


def test_sixty_steps_learn_and_the_same_run_gives_the_same_bytes(lenet: Learner, mnist: Dataset) -> None:
    def run() -> TrainState:
        state = lenet.start(lenet.initial(0))
        for call in range(6):
            state, _ = lenet.train(state, *batches(mnist, 10, seed=call))
        return state

    state = run()
    assert lenet.measure(state.weights, mnist.x_test[:1000], mnist.y_test[:1000]) > 750
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
    before = first.weights.tobytes(), first.momentum.tobytes()
    lenet.train(lenet.train(first, *batches(mnist, 2))[0], *batches(mnist, 2))
    assert (first.weights.tobytes(), first.momentum.tobytes()) == before
    assert not first.weights.flags.writeable


def test_float32_samples_are_taken_as_they_are(lenet: Learner, mnist: Dataset) -> None:
    x, y = batches(mnist, 1)
    scaled = x.astype(np.float32) / 256
    weights = lenet.initial(0)
    assert lenet.measure(weights, scaled[0], y[0]) == lenet.measure(weights, x[0], y[0])
    from_bytes, from_floats = lenet.train(lenet.start(weights), x, y)[0], lenet.train(lenet.start(weights), scaled, y)[0]
    np.testing.assert_allclose(from_floats.weights, from_bytes.weights, atol=1e-6)


def test_a_warm_learner_traces_nothing_more(monkeypatch: pytest.MonkeyPatch, mnist: Dataset) -> None:
    traced: list[object] = []
    compile_it = sys.modules["tensorflow"].function

    def counted(function: Any = None, *rest: Any, **more: Any) -> Any:
        if getattr(function, "__module__", "") == Network.__module__:  # Keras compiles functions of its own
            traced.append(function)
        return compile_it(function, *rest, **more)

    monkeypatch.setattr("tensorflow.function", counted)
    learner = load_learner("lenet", RECIPE, SHAPE, 10)
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
    learner.save(weights, tmp_path / "model.keras", mnist.samples)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x, y = mnist.x_test[:300], mnist.y_test[:300]
    assert int((loaded.predict(x, verbose=0).argmax(axis=1) == y).sum()) == learner.measure(weights, x, y)
    assert learner.initial(0).tobytes() != weights.tobytes()


PLAIN = """
import sys
sys.modules["dfl_actors"] = None  # a process that has only Keras
import keras, numpy
data, model = numpy.load(sys.argv[1]), keras.saving.load_model(sys.argv[2])
print(int((model.predict(data["x_test"], verbose=0).argmax(axis=1) == data["y_test"]).sum()))
"""


def raw_samples(mnist: Dataset, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """400 samples to train on and 300 to test, in the shape and of the type of a source."""
    x = np.concatenate([mnist.x_train[:400], mnist.x_test[:300]])
    # Fractions between the levels, so that the rounding matters too.
    floats = np.clip(x.astype(np.float64) / 255 + np.random.default_rng(1).uniform(-0.003, 0.003, x.shape), 0, 1)
    x = {"flat": x[..., 0], "float32": floats.astype(np.float32), "float64": floats[..., 0], "rows": floats[:, 14, :, 0]}[kind]
    return x[:400], x[400:]


@pytest.mark.parametrize(("source", "kind"), [(None, "flat"), (None, "float32"), (NORMALISED, "float64"), (NORMALISED, "rows")])
def test_a_saved_model_takes_the_samples_of_the_source_in_a_process_with_keras_alone(
    source: str | None, kind: str, custom: Callable[..., Learner], mnist: Dataset, tmp_path: Path
) -> None:
    x_train, x_test = raw_samples(mnist, kind)
    np.savez(tmp_path / "data.npz", x_train=x_train, y_train=mnist.y_train[:400], x_test=x_test, y_test=mnist.y_test[:300])
    data = load_dataset(str(tmp_path / "data.npz"), tmp_path / "cache" if kind == "float32" else None)
    assert data.samples == Samples(x_train.shape[1:], kind != "flat")
    (tmp_path / "mine.py").write_text(source or "")
    learner = load_learner(f"{tmp_path / 'mine.py'}:build" if source else "lenet", RECIPE, data.input_shape, 10)
    state = learner.start(learner.initial(0))
    for _ in range(4):
        state, _ = learner.train(state, data.x_train.reshape(10, 40, *data.input_shape), data.y_train.reshape(10, 40))
    learner.save(state.weights, tmp_path / "model.keras", data.samples)
    right = learner.measure(state.weights, data.x_test, data.y_test)
    command = [sys.executable, "-c", PLAIN, str(tmp_path / "data.npz"), str(tmp_path / "model.keras")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(said) == right > 75


def test_a_model_cannot_be_saved_under_another_ending(lenet: Learner, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be saved to .*model\.npz"):
        lenet.save(lenet.initial(0), tmp_path / "model.npz", Samples(SHAPE, False))


def test_the_statistics_of_batch_normalisation_are_weights_that_move(custom: Callable[..., Learner], mnist: Dataset) -> None:
    learner = custom(NORMALISED)
    assert [layer.name.rpartition("/")[2] for layer in learner.parameters.layers][-2:] == ["moving_mean", "moving_variance"]
    start = learner.start(learner.initial(0))
    x, y = batches(mnist, 1)
    before = learner.parameters.views(start.weights)
    after = learner.parameters.views(learner.train(start, x, y)[0].weights)
    mean, kernel = list(after)[-2], next(name for name in after if name.endswith("kernel"))
    hidden = x[0].reshape(64, -1).astype(np.float32) / 256 @ before[kernel]
    np.testing.assert_allclose(after[mean], 0.5 * hidden.mean(axis=0), atol=1e-4)


def test_a_softmax_model_learns_and_its_loss_is_its_cross_entropy(custom: Callable[..., Learner], mnist: Dataset) -> None:
    learner = custom(NORMALISED)
    state, loss = learner.train(learner.start(learner.initial(0)), *batches(mnist, 1))
    assert 1.5 < loss < 4
    state, _ = learner.train(state, *batches(mnist, 300))
    assert learner.measure(state.weights, mnist.x_test[:1000], mnist.y_test[:1000]) > 800
    assert not state.momentum[-64:].any()


@pytest.mark.parametrize(
    "end",
    [
        'keras.layers.Dense(labels, activation="softmax")',
        "keras.Sequential([keras.layers.Dense(labels), keras.layers.Softmax()])",
        'keras.Sequential([keras.layers.Dense(labels), keras.layers.Activation("softmax")])',
    ],
)
def test_logits_and_softmax_of_the_same_model_train_alike(end: str, custom: Callable[..., Learner], mnist: Dataset) -> None:
    given = 'keras.layers.Dense(labels, activation="softmax")'
    softmax, logits = custom(NORMALISED.replace(given, end)), custom(NORMALISED.replace(given, "keras.layers.Dense(labels)"))
    data, weights = batches(mnist, 4), softmax.initial(0)
    (left, left_loss), (right, right_loss) = (one.train(one.start(weights), *data) for one in (softmax, logits))
    assert left_loss == pytest.approx(right_loss, rel=1e-5)
    np.testing.assert_allclose(left.weights, right.weights, atol=1e-5)


def test_dropout_differs_from_step_to_step_and_repeats_with_the_state(custom: Callable[..., Learner], mnist: Dataset) -> None:
    learner = custom(DROPPING)
    assert learner.parameters.size == 7850
    x, y = batches(mnist, 1)
    start = learner.start(learner.initial(0))
    first, again, later = (learner.train(start._replace(iteration=it), x, y)[1] for it in (0, 0, 1))
    assert first == again != later


def test_regularisation_of_a_custom_model_is_in_the_loss(custom: Callable[..., Learner], mnist: Dataset) -> None:
    plain = DROPPING.replace("keras.layers.Dropout(0.5), ", "")
    heavy = plain.replace("Dense(labels)", "Dense(labels, kernel_regularizer=keras.regularizers.L2(0.5))")
    (left, right), data = (custom(plain), custom(heavy)), batches(mnist, 1)
    weights = left.initial(0)
    losses = [learner.train(learner.start(weights), *data)[1] for learner in (left, right)]
    assert losses[1] - losses[0] == pytest.approx(0.5 * float((weights[:7840] ** 2).sum()), rel=1e-3)


def test_a_custom_model_has_the_same_names_and_initial_weights_each_time(custom: Callable[..., Learner]) -> None:
    left, right = custom(NORMALISED), custom(NORMALISED)
    assert left.parameters == right.parameters
    assert left.initial(5).tobytes() == right.initial(5).tobytes() == left.initial(5).tobytes() != left.initial(6).tobytes()


def test_a_model_is_found_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dropping_model.py").write_text(DROPPING)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_learner("dropping_model:build", RECIPE, SHAPE, 10).parameters.size == 7850


SUBCLASSED = """
import keras
class Mine(keras.Model):
    def __init__(self, labels):
        super().__init__()
        self.labels = labels
        self.flat, self.drop, self.out = keras.layers.Flatten(), keras.layers.Dropout(0.9), keras.layers.Dense(labels)
        self.norm = keras.layers.BatchNormalization()
        self.calls = self.add_weight(name="calls", shape=(), dtype="int32", trainable=False)
        self.noise = keras.random.SeedGenerator(7)
    def call(self, x):
        self.calls.assign_add(1)
        return self.out(self.norm(self.drop(self.flat(x)))) + 0 * keras.random.normal((1, 1), seed=self.noise)
    def get_config(self):
        return {"labels": self.labels}
    @classmethod
    def from_config(cls, config):
        return cls(config["labels"])
def build(input_shape, labels):
    return Mine(labels)
"""
DROP = "drop(self.flat(x)", "drop(self.flat(x), training=training"


def subclassed(call: str, *changed: tuple[str, str]) -> str:
    """The model with another `call`: its arguments and first line, and what else is changed."""
    source = SUBCLASSED.replace("call(self, x):", call)
    for old, new in changed:
        source = source.replace(old, new)
    return source


RUNS = {
    "no training": SUBCLASSED,
    "training": subclassed("call(self, x, training=None):", DROP),
    "training by default": subclassed("call(self, x, training=False):"),
    "any arguments": subclassed("call(self, x, **others):"),
    "inside a functional model": subclassed(
        "call(self, x):", ("return Mine(labels)", "x = keras.Input(input_shape)\n    return keras.Model(x, Mine(labels)(x))")
    ),
    "inside a sequence": subclassed(
        "call(self, x):", ("return Mine(labels)", "return keras.Sequential([keras.Input(input_shape), Mine(labels)])")
    ),
}


@pytest.mark.parametrize("case", RUNS)
def test_a_subclassed_model_trains_is_measured_and_saved(case: str, custom: Callable[..., Learner], mnist: Dataset, tmp_path: Path) -> None:
    learner = custom(RUNS[case])
    learner.rehearse(batch=8, measure_n=4)
    start = learner.start(learner.initial(0))
    state, _ = learner.train(start, *batches(mnist, 40))
    assert learner.measure(state.weights, mnist.x_test[:500], mnist.y_test[:500]) > 250
    views = learner.parameters.views(state.weights)
    assert all(views[name].any() for name in views if "moving" in name)
    # Nine of ten inputs are dropped in training, and none when it is measured: what training makes of a model depends on the step.
    again = learner.train(start._replace(iteration=1), *batches(mnist, 1))[1], learner.train(start, *batches(mnist, 1))[1]
    assert again[0] != again[1]
    x, y = mnist.x_test[:250], mnist.y_test[:250]
    assert learner.measure(state.weights, x, y) == learner.measure(state.weights, x, y)
    learner.save(state.weights, tmp_path / "model.keras", mnist.samples)
    mine = load_file(tmp_path / "mine.py").Mine
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"Mine": mine})
    assert int((loaded.predict(x, verbose=0).argmax(axis=1) == y).sum()) == learner.measure(state.weights, x, y)


IN_TRAINING = "call(self, x, training=None):\n        if training: "
ONLY_LATER = {
    "in training": (subclassed(IN_TRAINING + "raise SystemExit"), "cannot be trained: it ends the program"),
    "in a graph": (subclassed("call(self, x):\n        if keras.ops.sum(x) > 5: x = -x"), "cannot be trained: "),
    "made too late": (subclassed(IN_TRAINING + "self.more = keras.layers.Dense(2); self.more(self.flat(x))"), "cannot be trained: "),
    "recursion": (subclassed(IN_TRAINING + "self.call(x, training)"), "RecursionError"),
    "training that must be given, when saved": (subclassed("call(self, x, training):"), "cannot be saved to "),
    "when saved": (
        subclassed("call(self, x):", ('return {"labels": self.labels}', "raise NotImplementedError('later')")),
        "cannot be saved to ",
    ),
}


@pytest.mark.parametrize("case", ONLY_LATER)
def test_what_would_fail_only_later_is_found_by_a_rehearsal(case: str, custom: Callable[..., Learner]) -> None:
    source, text = ONLY_LATER[case]
    with pytest.raises(ModelError) as wrong:
        custom(source).rehearse(batch=8, measure_n=4)
    assert text in str(wrong.value) and "mine.py" in str(wrong.value) and "\n" not in str(wrong.value)


def test_training_that_fails_is_an_error_of_one_line(custom: Callable[..., Learner], mnist: Dataset) -> None:
    learner = custom(ONLY_LATER["in training"][0])
    with pytest.raises(ModelError, match=r"mine.py:build' cannot be trained: it ends the program"):
        learner.train(learner.start(learner.initial(0)), *batches(mnist, 1))


WRONG = {
    "raises": (
        "def build(s, n): raise RuntimeError('first\\nsecond')",
        "cannot be built for samples (28, 28, 1): RuntimeError: first second",
    ),
    "ends the program": ("import sys\ndef build(s, n): sys.exit(1)", "(28, 28, 1): it ends the program (sys.exit(1))"),
    "ends the program at once": ("raise SystemExit('no')", "cannot be imported: it ends the program (sys.exit('no'))"),
    "recursion": ("def build(s, n): return build(s, n)", "RecursionError: maximum recursion depth exceeded"),
    "not a model": ("def build(s, n): return 3", "build must return a keras.Model, not int"),
    "no function": ("other = 1", "has no function 'build'"),
    "syntax": ("def build(:", "cannot be imported: SyntaxError"),
    "wrong output": (DROPPING.replace("Dense(labels)", "Dense(labels + 1)"), "must be (10,), one number a label, not (11,)"),
    "two outputs": (
        NORMALISED.replace("return keras.Model(samples, ", "return keras.Model(samples, [x, ").replace('"softmax")(x))', '"softmax")(x)])'),
        "one number a label, not list",
    ),
    "wrong input": (DROPPING.replace("Input(input_shape)", "Input((5, 5, 1))"), "does not accept samples (28, 28, 1): "),
    "half precision": (
        DROPPING.replace("Dense(labels)", 'Dense(labels, dtype="float16")'),
        "is float16; build the model with float32 weights",
    ),
    "untrainable": (
        DROPPING.replace("keras.layers.Dropout(0.5), keras.layers.Dense(labels)", "keras.layers.Lambda(lambda x: x[:, :10])"),
        "no weights",
    ),
    "same names": (
        (
            "import keras\ndef dense(n): return keras.layers.Dense(n, name='one')\n"
            "class Two(keras.Model):\n"
            "    def __init__(self): super().__init__(name='two'); self.a, self.b = dense(4), dense(10)\n"
            "    def call(self, x): return self.b(self.a(keras.ops.reshape(x, (-1, 784))))\n"
            "def build(s, n): return Two()"
        ),
        "give its layers different names",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_custom_model_is_said_in_one_line(case: str, custom: Callable[..., Learner]) -> None:
    source, text = WRONG[case]
    with pytest.raises(ModelError) as wrong:
        custom(source)
    line = str(wrong.value)
    assert text in line
    assert "mine.py" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("resnet", "is not known; give 'lenet', 'package.module:build' or 'path/file.py:build'"),
        ("resnet:", "is not known"),
        (":build", "is not known"),
        ("no_such_package.module:build", "no_such_package.module cannot be imported: ModuleNotFoundError"),
        ("no_such_file.py:build", "no_such_file.py cannot be imported: FileNotFoundError"),
    ],
)
def test_a_model_that_cannot_be_found_is_an_error(model: str, text: str) -> None:
    with pytest.raises(ModelError) as wrong:
        load_learner(model, RECIPE, SHAPE, 10)
    assert text in str(wrong.value)


def test_samples_too_small_for_lenet_are_an_error() -> None:
    with pytest.raises(ModelError, match=r"model 'lenet' cannot be built for samples \(8, 8, 1\): ValueError"):
        load_learner("lenet", RECIPE, (8, 8, 1), 10)
