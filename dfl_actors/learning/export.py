"""A trained model as others use it: it takes samples as their source holds them and answers in the user's labels, without this program.

* `m.keras`: for `keras.saving.load_model`. The output layer, `probabilities` (of a regression `values`), has a number for each label, in
  the order of the `labels` in `contract.json`, a member of the archive that Keras passes over.
* `m.safetensors`: the weights by name; the contract stands in the metadata, as `contract` and its `labels`.
* a folder: TensorFlow's SavedModel. Its endpoint `serve` answers `probabilities` (or `values`) and, of a classification, `label` in words;
  the contract lies in `assets.extra/contract.json`.
"""

import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from dfl_actors.config.sections import Data
from dfl_actors.errors import ModelError
from dfl_actors.learning.architectures import check_safe
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.form import Array, Form, Input, Samples, arrays_of, by_name
from dfl_actors.learning.framework import keras, tf

CONTRACT = "contract.json"
OUTPUTS = {"classification": "probabilities", "multilabel": "probabilities", "regression": "values"}
CHUNK = 250  # Samples that are asked at once.


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody must know who uses a model. `data` says how `[data]` read the source; `origin` where the model comes from."""

    task: Literal["classification", "multilabel", "regression"]
    labels: tuple[str, ...]
    inputs: tuple[Input, ...]
    scale: float
    output: str
    data: dict[str, object] = {}
    origin: dict[str, object] = {}

    @property
    def form(self) -> Form:
        """What the model is built for."""
        return Form(self.inputs, self.task, self.labels, self.scale)

    def text(self) -> str:
        """As it stands in a file."""
        return json.dumps(msgspec.to_builtins(self), indent=2, ensure_ascii=False)


def contract_of(form: Form, data: Data, origin: Mapping[str, object]) -> Contract:
    """The contract of a model that was trained on such data."""
    said = {key: msgspec.to_builtins(getattr(data, key)) for key in ("labels", "shape", "target", "holdout")}
    return Contract(
        task=form.task, labels=form.labels, inputs=form.inputs, scale=form.scale, output=OUTPUTS[form.task], data=said, origin=dict(origin)
    )


def write(model: keras.Model, weights: Mapping[str, Array], contract: Contract, path: Path, kind: str) -> None:
    """Write a model that takes samples as they are, or its `weights` by name, as a file or folder of `kind`. Raises whatever Keras does."""
    with warnings.catch_warnings(action="ignore"):
        if kind == ".safetensors":
            _write_safetensors(weights, contract, path)
        elif kind == ".keras":
            model.save(path)
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(CONTRACT, contract.text())
        else:
            _write_saved_model(model, contract, path)


def _write_safetensors(weights: Mapping[str, Array], contract: Contract, path: Path) -> None:
    try:
        from safetensors.numpy import save_file
    except ImportError as error:
        raise ModelError("safetensors is not installed: pip install 'dfl-actors[safetensors]', or write a .keras file") from error
    said = {"format": "np", "labels": json.dumps(contract.labels, ensure_ascii=False), "contract": contract.text()}
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, path, said)


def _write_saved_model(model: keras.Model, contract: Contract, path: Path) -> None:
    names = tf.constant(contract.labels)

    def serve(samples: tf.Tensor | dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        answers = model(samples, training=False)
        found = {contract.output: answers}
        return found | ({"label": tf.gather(names, tf.argmax(answers, 1))} if contract.task == "classification" else {})

    specs = {one.name: tf.TensorSpec([None, *one.shape], one.dtype, one.name or "samples") for one in contract.inputs}
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", serve, [specs if len(specs) > 1 else specs[contract.inputs[0].name]])
    archive.write_out(path, verbose=False)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / CONTRACT).write_text(contract.text(), encoding="utf-8")


def taking_samples(model: keras.Model, form: Form, width: int, from_logits: bool) -> keras.Model:
    """The model with what is done to a sample in front of it, and what makes its `width` numbers answers behind it."""
    given = {one.name: keras.Input(one.shape, name=one.name or None, dtype=one.dtype) for one in form.inputs}
    scale = keras.layers.Rescaling(form.scale)
    seen = {one.name: scale(given[one.name]) if one.scaled else given[one.name] for one in form.inputs}
    alone = len(given) == 1
    output = model(next(iter(seen.values())) if alone else seen)
    several = list(output.values()) if isinstance(output, dict) else output
    output = several[0] if isinstance(several, list | tuple) else several
    answers = _answers(keras.layers.Reshape((width,))(output), form, from_logits)
    return keras.Model(next(iter(given.values())) if alone else given, answers)


def _answers(output: keras.KerasTensor, form: Form, from_logits: bool) -> keras.KerasTensor:
    name = None if OUTPUTS[form.task] in [one.name for one in form.inputs] else OUTPUTS[form.task]
    if form.task == "regression":
        return keras.layers.Identity(name=name)(output)
    single = output.shape[1] != form.outputs
    if from_logits:
        output = keras.layers.Activation("sigmoid" if single or form.task == "multilabel" else "softmax")(output)
    if single:
        output = keras.layers.Concatenate()([keras.layers.Rescaling(-1.0, 1.0)(output), output])
    return keras.layers.Identity(name=name)(output)


def read_contract(path: Path) -> Contract:
    """The contract in a `.keras` file. Raises `ModelError` for a file without one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return msgspec.json.decode(archive.read(CONTRACT), type=Contract)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror or error}); name a .keras file") from error
    except zipfile.BadZipFile as error:
        raise ModelError(f"{path} is no whole .keras file ({error}); copy it again, or write it with dfl-actors model export") from error
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise ModelError(f"{path} holds no {CONTRACT} that says what its labels are; write it with dfl-actors model export") from error


def read_model(path: Path) -> keras.Model:
    """A `.keras` file as a model. Raises `ModelError` for one that cannot be read or holds code."""
    check_safe(path)
    return guarded(f"{path} cannot be read", lambda: keras.saving.load_model(path, compile=False), ModelError)


def answers_of(model: keras.Model, form: Form, x: Samples) -> Array:
    """What an exported model says of samples: float32 [n, labels]."""
    return np.concatenate([np.asarray(model(_given(form, x[start : start + CHUNK]), training=False)) for start in range(0, len(x), CHUNK)])


def _given(form: Form, x: Samples) -> Array | dict[str, Array]:
    arrays = arrays_of(x)
    return arrays[0] if len(arrays) == 1 else dict(by_name(form, arrays))
