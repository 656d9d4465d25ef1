"""Where a node's randomness begins: from the network's seed and the node's name alone, so that it is the same wherever the node runs."""

import numpy as np

from dfl_actors.config import Config
from dfl_actors.core.codec import sha256


def name_number(name: str) -> int:
    return int(sha256(name.encode())[:12], 16)


def initial_seed(config: Config, name: str) -> int:
    """Seed of the weights a node begins with: the genesis' own, or another one for each node when they start from independent ones."""
    seed = config.network.seed
    if config.training.init != "independent":
        return seed
    return int.from_bytes(np.random.SeedSequence([seed, name_number(name)]).generate_state(1).tobytes(), "little")
