"""What the nodes of a network agree on before they begin."""

from typing import TYPE_CHECKING

from dfl_actors.config import Config
from dfl_actors.core import codec
from dfl_actors.core.codec import model_digest
from dfl_actors.core.objects import PROTOCOL, Genesis
from dfl_actors.errors import ModelError, Refused
from dfl_actors.learning.form import SCALE, Form, numbered
from dfl_actors.learning.weights import encode_model

if TYPE_CHECKING:
    from dfl_actors.learning.models import Learner


def genesis_of(config: Config, learner: "Learner") -> Genesis:
    """What every node of the network agrees on. Raises `ModelError` for a model that the genesis cannot describe."""
    try:
        return codec.convert(
            Genesis,
            {
                "network": config.network.name,
                "protocol": PROTOCOL,
                "model": config.architecture,
                "layers": [{"name": layer.name, "shape": list(layer.shape)} for layer in learner.parameters.layers],
                "dtype": "float32",
                "labels": learner.form.outputs,
                "initial": model_digest(encode_model(learner.initial(config.network.seed), "float32")),
                "hash": "sha256",
                "model_hash": "blake3",
                "signature": "ed25519",
            }
            | _unusual(learner.form),
        )
    except Refused as error:
        raise ModelError(f"training.model {config.training.model!r} does not fit a genesis ({error.detail}): choose another") from error


def _unusual(form: Form) -> dict[str, object]:
    """What of a form is not as in a network of uint8 images whose labels are numbers; the rest is left out."""
    said: dict[str, object] = {}
    if form.task != "classification":
        said["task"] = form.task
    if form.task == "regression":
        said["score"] = "r2"
    if form.labels != numbered(form.outputs):
        said["names"] = list(form.labels)
    if len(form.inputs) > 1 or not form.inputs[0].scaled:
        said["inputs"] = [{"name": one.name, "shape": list(one.shape), "dtype": one.dtype} for one in form.inputs]
    if form.scale != SCALE:
        said["scale"] = repr(form.scale)
    return said
