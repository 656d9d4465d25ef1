"""Models of a user's own: what they may be made of, and what is wrong with one is said in a line."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.errors import ModelError
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.foreign import load_file
from dfl_actors.learning.models import Learner, load_learner
from tests.learning.forms import image_form
from tests.learning.learners import DROPPING, FORM, NORMALISED, RECIPE, batches

keras = importlib.import_module("keras")  # After the import above, which sets it up.


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
    assert learner.measure(state.weights, mnist.x_test[:1000], mnist.y_test[:1000]) > (800, 1000)
    assert not state.slots[-64:].any()


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
    assert load_learner("dropping_model:build", RECIPE, FORM).parameters.size == 7850


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
    assert learner.measure(state.weights, mnist.x_test[:500], mnist.y_test[:500]) > (250, 500)
    views = learner.parameters.views(state.weights)
    assert all(views[name].any() for name in views if "moving" in name)
    # Nine of ten inputs are dropped in training, and none when it is measured: what training makes of a model depends on the step.
    again = learner.train(start._replace(iteration=1), *batches(mnist, 1))[1], learner.train(start, *batches(mnist, 1))[1]
    assert again[0] != again[1]
    x, y = mnist.x_test[:250], mnist.y_test[:250]
    assert learner.measure(state.weights, x, y) == learner.measure(state.weights, x, y)
    learner.save(state.weights, tmp_path / "model.keras")
    mine = load_file(tmp_path / "mine.py").Mine
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"Mine": mine})
    assert int((loaded.predict(x, verbose=0).argmax(axis=1) == y).sum()) == learner.measure(state.weights, x, y).correct


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
        "def build(labels): raise RuntimeError('first\\nsecond')",
        "cannot be built for samples (28, 28): RuntimeError: first second",
    ),
    "ends the program": ("import sys\ndef build(shape, labels): sys.exit(1)", "(28, 28): it ends the program (sys.exit(1))"),
    "ends the program at once": ("raise SystemExit('no')", "cannot be imported: it ends the program (sys.exit('no'))"),
    "recursion": ("def build(shape, labels): return build(shape, labels)", "RecursionError: maximum recursion depth exceeded"),
    "other arguments": ("def build(samples, n): return 3", "its argument 'samples' is not known; write build(shape, labels)"),
    "not a model": ("def build(shape, labels): return 3", "build must return a keras.Model, not int"),
    "no function": ("other = 1", "has no function 'build'"),
    "syntax": ("def build(:", "cannot be imported: SyntaxError"),
    "wrong output": (DROPPING.replace("Dense(labels)", "Dense(labels + 1)"), "must be (10,), one number a label, not (11,)"),
    "two outputs": (
        NORMALISED.replace("return keras.Model(samples, ", "return keras.Model(samples, [x, ").replace('"softmax")(x))', '"softmax")(x)])'),
        "one number a label, not list",
    ),
    "wrong input": (DROPPING.replace("Input(input_shape)", "Input((5, 5, 1))"), "does not accept samples (28, 28): "),
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
            "def build(shape, labels): return Two()"
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
        ("resnet", "is not known; give 'lenet', 'name.keras', 'name.json', 'package.module:build' or 'path/file.py:build'"),
        ("resnet:", "is not known"),
        (":build", "is not known"),
        ("no_such_package.module:build", "no_such_package.module cannot be imported: ModuleNotFoundError"),
        ("no_such_file.py:build", "no_such_file.py cannot be imported: FileNotFoundError"),
    ],
)
def test_a_model_that_cannot_be_found_is_an_error(model: str, text: str) -> None:
    with pytest.raises(ModelError) as wrong:
        load_learner(model, RECIPE, FORM)
    assert text in str(wrong.value)


def test_samples_too_small_for_lenet_are_an_error() -> None:
    with pytest.raises(ModelError, match="of at least 16x16, not 8x8; set training"):
        load_learner("lenet", RECIPE, image_form((8, 8, 1)))
