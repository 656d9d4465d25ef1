"""Models that Keras saved, as architectures and as weights; and what their outputs may be."""

import importlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors.errors import AlgorithmError, ModelError
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.form import Form, Input, Inputs, numbered
from dfl_actors.learning.models import Learner, Recipe, load_learner
from dfl_actors.learning.momentum import Optimiser
from tests.learning.forms import image_form
from tests.learning.learners import FORM, batches

keras = importlib.import_module("keras")  # After the import above, which sets it up.


def saved(path: Path, compiled: bool = False, **dense: object) -> Any:
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, **dense)])
    if compiled:
        model.compile(keras.optimizers.Adam(0.02), "categorical_focal_crossentropy", metrics=["accuracy"])
    model.save(path)
    return model


def test_a_saved_model_is_an_architecture_and_its_weights_if_asked(tmp_path: Path, mnist: Dataset) -> None:
    path = tmp_path / "mine.keras"
    model = saved(path, activation="softmax", bias_initializer=keras.initializers.Constant(0.5))
    wanted = np.concatenate([one.numpy().ravel() for one in model.trainable_variables])
    drawn, there = load_learner(str(path), Recipe(), FORM), load_learner(str(path), Recipe(init="file"), FORM)
    np.testing.assert_array_equal(there.initial(3), wanted)
    assert drawn.initial(3).tobytes() == drawn.initial(3).tobytes() != drawn.initial(4).tobytes() != wanted.tobytes()
    state, _ = there.train(there.start(wanted), *batches(mnist, 60))
    assert there.measure(state.weights, mnist.x_test[:500], mnist.y_test[:500]) > (300, 500)
    model.trainable_variables[0].assign(np.nan * model.trainable_variables[0])
    model.save(path)
    with pytest.raises(ModelError, match="hold NaN or infinity; save it before it diverged"):
        there.initial(3)
    (tmp_path / "mine.json").write_text(model.to_json())
    assert load_learner(str(tmp_path / "mine.json"), Recipe(), FORM).initial(3).tobytes() == drawn.initial(3).tobytes()


def test_a_compiled_model_is_trained_as_it_was_compiled_unless_the_topology_says_otherwise(tmp_path: Path, mnist: Dataset) -> None:
    path, data = tmp_path / "mine.keras", batches(mnist, 2)
    saved(path, compiled=True, activation="softmax")
    own, same, sgd = (
        load_learner(str(path), recipe, FORM)
        for recipe in (
            Recipe(),
            Recipe(optimizer="adam", learning_rate=0.02, loss="categorical_focal_crossentropy"),
            Recipe(optimizer="sgd", loss="mse"),
        )
    )
    assert own.remark == f"model {str(path)!r} is trained as it was compiled, by Adam and categorical_focal_crossentropy"
    assert same.remark == sgd.remark == ""
    start = own.initial(0)
    trained = [one.train(one.start(start), *data)[0].weights.tobytes() for one in (own, same, sgd)]
    assert trained[0] == trained[1] != trained[2]


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "was_run", tmp_path / "bad.keras"
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])
    keras.Sequential([model, keras.layers.Lambda(lambda x: x + 1)]).save(path)
    refused(path, "holds a Lambda layer, which is code")
    config = json.loads(model.to_json())
    config["config"]["layers"][1] = {"module": "os", "class_name": "system", "config": f"touch {mark}", "registered_name": None}
    for number, part in enumerate(
        (
            {"module": "os", "class_name": "system", "config": f"touch {mark}", "registered_name": None},
            {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
            {"module": "keras.utils", "class_name": "get_file", "config": {}, "registered_name": None},
            {"module": "keras.src.saving.object_registration", "class_name": "x", "config": {}, "registered_name": None},
            {"module": None, "class_name": "Mine", "config": {}, "registered_name": "mine>Mine"},
        )
    ):
        config["config"]["layers"][1] = part
        (other := tmp_path / f"{number}.json").write_text(json.dumps(config))
        refused(other, "which is not of Keras")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, "cannot be read (No such file"), (b"torn", "is no model that Keras 3 saved"), (zipfile, "is no model that Keras 3 saved")],
)
def test_a_file_that_is_no_model_is_said_in_one_line(content: object, text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.keras"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        zipfile.ZipFile(path, "w").close()
    refused(path, text)


def refused(path: Path, text: str) -> None:
    with pytest.raises(ModelError) as wrong:
        load_learner(str(path), Recipe(), FORM)
    line = str(wrong.value)
    assert text in line and path.name in line and "\n" not in line


OUTPUTS = {
    "one logit": "keras.layers.Dense(1)",
    "one probability": 'keras.layers.Dense(1, activation="sigmoid")',
    "another shape": "keras.Sequential([keras.layers.Dense(2), keras.layers.Reshape((1, 2))])",
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_any_output_that_fits_two_classes_will_do(case: str, custom: Callable[..., Learner], tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(
        f"import keras\ndef build(shape):\n    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), {OUTPUTS[case]}])\n"
    )
    learner = load_learner(f"{tmp_path}/two.py:build", Recipe(), image_form((2, 2), labels=2, dtype="float32"))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (40, 32))
    x = (rng.normal(size=(40, 32, 2, 2)) + 2 * y[..., None, None]).astype(np.float32)
    state, _ = learner.train(learner.start(learner.initial(0)), x, y)
    right = learner.measure(state.weights, x[0], y[0])
    assert right > (24, 32)
    answers = learner.answers(state.weights, x[0])
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    assert (answers.argmax(axis=1) == y[0]).sum() == right.correct


@pytest.mark.parametrize("mapping", [False, True])
def test_a_saved_model_of_several_inputs_gets_them_by_name(mapping: bool, tmp_path: Path) -> None:
    """Also where their order is another one than the data set's."""
    a, b = keras.Input((3,), name="a"), keras.Input((5,), name="b")
    keras.Model({"b": b, "a": a} if mapping else [b, a], keras.layers.Dense(2)(keras.layers.Concatenate()([b, a]))).save(
        tmp_path / "m.keras"
    )
    form = Form((Input("a", (3,), "float32"), Input("b", (5,), "float32")), "classification", numbered(2))
    learner = load_learner(str(tmp_path / "m.keras"), Recipe(), form)
    x = Inputs((np.ones((4, 3), np.float32), np.zeros((4, 5), np.float32)))
    weights = learner.initial(0)
    kernel = learner.parameters.views(weights)[learner.parameters.layers[0].name]
    wanted = np.exp(kernel[5:].sum(axis=0))
    np.testing.assert_allclose(learner.answers(weights, x)[0], wanted / wanted.sum(), rtol=1e-5)


def test_what_a_topology_says_in_vain_is_told_and_what_an_optimiser_may_not_bring_refused(tmp_path: Path) -> None:
    path, form = tmp_path / "line.keras", Form((Input("", (4,), "float32"),), "regression", numbered(1))
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]).save(path)
    said, unsaid = Recipe(balance=0.5), Recipe(balance=0.5, unsaid=frozenset({"balance"}))
    assert load_learner(str(path), said, form).remark == "training.balance has no effect: a regression has no labels that are rare"
    assert load_learner(str(path), unsaid, form).remark == ""
    wrong = Optimiser(init=lambda w: (w,), velocity=lambda s, w: w, training={"rate": 1.0})
    with pytest.raises(AlgorithmError, match=r"optimiser .*: its training has 'rate', which is none of learning_rate"):
        load_learner(str(path), unsaid, form, wrong)
