"""What the nodes of a network agree on before they begin."""

from typing import TYPE_CHECKING

from dfl_actors.config import Config
from dfl_actors.core import codec
from dfl_actors.core.codec import model_digest
from dfl_actors.core.objects import PROTOCOL, Genesis
from dfl_actors.errors import ModelError, Refused
from dfl_actors.learning.weights import encode_model

if TYPE_CHECKING:
    from dfl_actors.learning.models import Learner


def genesis_of(config: Config, learner: "Learner", labels: int) -> Genesis:
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
                "labels": labels,
                "initial": model_digest(encode_model(learner.initial(config.network.seed), "float32")),
                "hash": "sha256",
                "model_hash": "blake3",
                "signature": "ed25519",
            },
        )
    except Refused as error:
        raise ModelError(f"training.model {config.training.model!r} does not fit a genesis ({error.detail}): choose another") from error
