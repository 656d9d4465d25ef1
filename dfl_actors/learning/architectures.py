"""Where a model comes from: LeNet, a function of the user's that builds it, or a file that Keras saved.

A file is read as data: whatever in it would run code (Lambda layers, classes and functions that are not of Keras) is refused before Keras
sees it, and Keras' own safe mode stays on. Weights come from a `.keras` file alone, and only where they are asked for.
"""

import json
import zipfile
from collections.abc import Callable, Iterator
from inspect import Parameter, signature
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dfl_actors.config.sections import MODEL_FILES
from dfl_actors.errors import ModelError
from dfl_actors.learning.foreign import find_function, guarded
from dfl_actors.learning.form import Form
from dfl_actors.learning.framework import keras
from dfl_actors.learning.weights import LENET

Build = Callable[[Form], keras.Model]
Description: TypeAlias = dict[str, object]
"""An object of Keras, or a part of one, as JSON describes it."""

LARGEST_CONFIG = 1 << 26  # bytes
CODE = ("Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")  # Layers that hold code, or a program's file.
HARMLESS = (
    "activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models", "ops", "optimizers", "random",
    "regularizers",
)  # fmt: skip
"""Modules of Keras whose classes compute and do nothing else."""


def build_of(model: str) -> Build:
    """What builds `model`: "lenet", "name.keras", "name.json", "package.module:build" or "path/file.py:build". Raises `ModelError`."""
    if model == LENET:
        return lenet
    if model.endswith(MODEL_FILES):
        return lambda form: _of_file(model)
    function = find_function("model", model, ModelError, "'lenet', 'name.keras', 'name.json', ")
    return lambda form: _called(model, function, form)


def file_weights(model: str) -> list[np.ndarray]:
    """The weights in a `.keras` file, those to train first. Raises `ModelError`."""
    check_safe(Path(model))
    read = guarded(f"model {model!r} cannot be read", lambda: keras.saving.load_model(model, compile=False), ModelError)
    return [one.numpy() for one in (*read.trainable_variables, *read.non_trainable_variables) if "float" in one.dtype]


SMALLEST = 16  # Pixels of each side that its two convolutions and poolings leave anything of.
OWN = 'set training.model to "file.py:build", a function that returns a keras.Model (docs/models.md)'


def lenet(form: Form) -> keras.Model:
    """LeNet as in Caffe's example for MNIST: 431,080 weights for 28x28 and 10 labels; the output is logits.

    Grey images need no axis for their channel; it is added here.
    """
    layers, shape = keras.layers, form.shape
    if isinstance(shape, dict) or len(shape) not in (2, 3):
        raise ModelError(f"model {LENET!r} takes images, not samples {shape}; {OWN}")
    if min(shape[:2]) < SMALLEST:
        raise ModelError(f"model {LENET!r} takes images of at least {SMALLEST}x{SMALLEST}, not {shape[0]}x{shape[1]}; {OWN}")
    return keras.Sequential(
        [
            keras.Input(shape),
            *([layers.Reshape((*shape, 1), name="channel")] if len(shape) == 2 else []),
            layers.Conv2D(20, 5, name="conv1", data_format="channels_last", dtype="float32"),
            layers.MaxPooling2D(2, name="pool1", data_format="channels_last", dtype="float32"),
            layers.Conv2D(50, 5, name="conv2", data_format="channels_last", dtype="float32"),
            layers.MaxPooling2D(2, name="pool2", data_format="channels_last", dtype="float32"),
            layers.Flatten(name="flat", data_format="channels_last", dtype="float32"),
            layers.Dense(500, activation="relu", name="ip1", dtype="float32"),
            layers.Dense(form.outputs, name="ip2", dtype="float32"),
        ],
        name=LENET,
    )


def _called(model: str, function: Callable[..., object], form: Form) -> keras.Model:
    """What a builder of the user's returns. It is given, by their names, as many of `shape`, `labels` and `task` as it takes."""
    known = {"shape": form.shape, "input_shape": form.shape, "labels": form.outputs, "task": form.task}
    taken = signature(function).parameters
    for name, one in taken.items():
        if name not in known and one.default is Parameter.empty and one.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            raise ModelError(f"model {model!r}: its argument {name!r} is not known; write build(shape, labels), or fewer arguments")
    made: keras.Model = function(**{name: value for name, value in known.items() if name in taken})
    return made


def _config(path: Path) -> Description:
    """What a saved model says of its architecture. Raises `ModelError`."""
    try:
        if path.suffix == ".json":
            return _parsed(path, path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > LARGEST_CONFIG:
                raise ModelError(f"model {str(path)!r}: its config.json is too large; save it again with model.save")
            return _parsed(path, archive.read("config.json"))
    except OSError as error:
        raise ModelError(f"model {str(path)!r} cannot be read ({error.strerror or error}); correct the path") from error
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ModelError(f"model {str(path)!r} is no model that Keras 3 saved ({error}); save it with model.save") from error


def _parsed(path: Path, text: bytes) -> Description:
    config = json.loads(text)
    if not isinstance(config, dict) or "class_name" not in config:
        raise ModelError(f"model {str(path)!r} does not describe a Keras model; write it with model.to_json() or model.save")
    return Description(config)


def check_safe(path: Path) -> Description:
    """What a saved model says of its architecture. Raises `ModelError` for what would run code."""
    config = _config(path)
    for part in _parts(config):
        if problem := _problem(part):
            raise ModelError(f'model {str(path)!r} {problem}, and no code is run from a file: give the model as "file.py:build"')
    return config


def _of_file(model: str) -> keras.Model:
    """The model in a file, weights as its initialisers draw them. Raises `ModelError`."""
    config = check_safe(Path(model))
    what = f"model {model!r} cannot be built"
    made: keras.Model = guarded(what, lambda: keras.saving.deserialize_keras_object(config, safe_mode=True), ModelError)
    return made


def _parts(value: object) -> Iterator[Description]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(inner)


def _problem(part: Description) -> str:
    """Why an object of a description is none that only computes; "" if it is one."""
    name, module = part.get("class_name"), part.get("module")
    if isinstance(part.get("vocabulary"), str):
        return f"names the file {part['vocabulary']!r}"
    if name in CODE:
        return f"holds a {name} layer, which is code"
    if not isinstance(name, str) or (module is None and not part.get("registered_name")):
        return ""
    first = str(module or "").removeprefix("keras.src.").removeprefix("keras.").partition(".")[0]
    ours = module == "keras" or (str(module).startswith("keras.") and first in HARMLESS)
    return "" if ours and name != "function" else f"needs {part['config'] if name == 'function' else name!r}, which is not of Keras"
