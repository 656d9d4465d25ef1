"""Keras and TensorFlow as every process finds them: silent, in a fork server, and whatever the user's own settings say."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import dfl_actors
from dfl_actors.learning.framework import limit_threads, settings_are_ours
from dfl_actors.learning.models import Recipe, load_learner
from tests.learning.forms import image_form

# Before any test of any module starts TensorFlow.
limit_threads()


def run(*arguments: str) -> tuple[str, str]:
    """Standard output and error of a Python that finds this package, without the tests' TensorFlow settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    environment["PYTHONPATH"] = str(Path(dfl_actors.__file__).parents[1])
    found = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment, timeout=100)
    return found.stdout, found.stderr


def test_a_loader_that_uses_tensorflow_itself_is_heard_and_tensorflow_is_not(tmp_path: Path) -> None:
    """It starts TensorFlow before we do, in the process that checks a topology."""
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        "import numpy as np, tensorflow as tf\n"
        "def right():\n"
        "    print('my remark', file=sys.stderr)\n"
        "    return tf.data.Dataset.from_tensor_slices((np.ones((8, 2), 'f4'), np.arange(8) % 2))\n"
        "def wrong():\n"
        "    def each():\n"
        "        yield [1.0], 1\n"
        "        raise RuntimeError('boom')\n"
        "    return tf.data.Dataset.from_generator(each, output_signature=(tf.TensorSpec(1), tf.TensorSpec(())))\n"
    )
    source = (
        "from dfl_actors.config.sections import Data\n"
        "from dfl_actors.errors import DataError\n"
        "from dfl_actors.learning.data import load_dataset\n"
        f"print(len(load_dataset(Data(source={str(tmp_path / 'mine.py:right')!r})).x_train))\n"
        "try:\n"
        f"    load_dataset(Data(source={str(tmp_path / 'mine.py:wrong')!r}))\n"
        "except DataError as error:\n"
        "    print(str(error).partition('wrong: ')[2])\n"
        "from dfl_actors.learning.models import *\n"
        "limit_threads()\n"
    )
    assert run("-c", source) == ("6\nits tf.data.Dataset failed: UnknownError: RuntimeError: boom\n", "my remark\n")


SETTINGS = {
    "channels first": (b'{"image_data_format": "channels_first", "floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow"}', False),
    "half precision": (b'{"floatx": "float16"}', False),
    "both of these": (b'{"image_data_format": "channels_first", "floatx": "float16"}', False),
    "another epsilon": (b'{"epsilon": 0.1}', False),
    "epsilon as text": (b'{"epsilon": "small"}', False),
    "unknown format": (b'{"image_data_format": 3}', False),
    "other libraries": (b'{"nnx_enabled": true}', False),
    "a list": (b"[1, 2]", False),
    "a number": (b"3", False),
    "no JSON": (b'{"floatx": ', False),
    "no text": (bytes(range(128, 256)), False),
    "another backend, which the environment decides": (b'{"floatx": "float32", "backend": "jax"}', True),
    "nothing": (b"{}", True),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_only_settings_that_change_nothing_are_read(case: str, tmp_path: Path) -> None:
    said, ours = SETTINGS[case]
    assert settings_are_ours(tmp_path)
    (tmp_path / "keras.json").write_bytes(said)
    assert settings_are_ours(tmp_path) == ours


def test_a_folder_in_the_place_of_the_settings_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "keras.json").mkdir()
    assert not settings_are_ours(tmp_path)


DIGEST = (
    "from dfl_actors.learning.models import *\n"
    "from tests.learning.forms import image_form\n"
    "import hashlib, keras, numpy, os, sys\n"
    "from tensorflow.python.eager import context\n"
    "assert not context.context()._initialized, 'an operation ran: children of a fork server that imports this would hang'\n"
    "limit_threads()\n"
    "learner = load_learner(sys.argv[1], Recipe(), image_form((12, 12, 1)))\n"
    "state, loss = learner.train(learner.start(learner.initial(0)), numpy.ones((2, 4, 12, 12, 1), numpy.uint8), numpy.zeros((2, 4), int))\n"
    "print(keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format(), os.environ.get('KERAS_HOME'), end=' ')\n"
    "print(hashlib.sha256(state.weights.tobytes()).hexdigest())\n"
)
CONVOLUTION = """
import keras
def build(input_shape, labels):
    layers = [keras.layers.Conv2D(2, 3), keras.layers.BatchNormalization(), keras.layers.Flatten(), keras.layers.Dense(labels)]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""


def test_in_a_process_of_its_own_tensorflow_is_silent_and_the_settings_of_a_users_keras_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(CONVOLUTION)
    (tmp_path / ".keras").mkdir()
    settings = tmp_path / ".keras" / "keras.json"
    settings.write_bytes(SETTINGS["both of these"][0])
    monkeypatch.setenv("HOME", str(tmp_path))
    said, wrong = run("-c", DIGEST, f"{tmp_path / 'mine.py'}:build")
    assert said.startswith("float32 1e-07 channels_last None ") and said.count("\n") == 1 and wrong == ""
    learner = load_learner(f"{tmp_path / 'mine.py'}:build", Recipe(), image_form((12, 12, 1)))
    state, _ = learner.train(learner.start(learner.initial(0)), np.ones((2, 4, 12, 12, 1), np.uint8), np.zeros((2, 4), int))
    assert said.split()[-1] == sha256(state.weights.tobytes()).hexdigest()
    assert settings.read_bytes() == SETTINGS["both of these"][0]
