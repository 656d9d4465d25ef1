"""Differential privacy of what a node sends: which steps count, who is drawn for them, and what an accountant says of it.

With `training.noise` a step is one of DP-SGD (arXiv 1607.00133). A random number of samples is drawn, Poisson around `training.batch`,
and one that was drawn twice counts once: so each sample of the node is in the batch or not, independently of all others, with the chance

    1 - exp(-batch * weight of its label / samples of that label)

Its gradient is shortened to `training.clip`; to the sum of these Gaussian noise is added whose standard deviation is noise * clip in every
coordinate; and the sum is divided by `batch`. All that becomes of it, models and whatever is averaged with them, is made of what is
noised: this is the Poisson-sampled Gaussian mechanism, composed over the steps, and `epsilon` asks the accountant of
`dp-accounting` for it. docs/privacy.md says what that protects, against whom, and what not.
"""

from collections.abc import Collection
from functools import cache
from importlib.util import find_spec
from math import exp, inf

import numpy as np

from dfl_actors.config import Config, Node
from dfl_actors.core.events import Noised
from dfl_actors.learning.data import Dataset
from dfl_actors.learning.partition import Floats, Indices, SampleStream, stock

DELTA = 1e-6
INTERVAL = 1e-3  # Of the accountant's distributions: the coarser, the further what it finds may lie above the truth.
NOISE = 6  # Among a node's generators in the simulator, the number of that of its noise.
FED = "samples were fed to it, which are not drawn by chance"


def batch_of(stream: SampleStream, mean: int, rng: np.random.Generator) -> Indices:
    """The samples of a noised step: maybe none, none twice."""
    return np.unique(stream.draw(int(rng.poisson(mean))))


def step_seed(numbers: Collection[int], step: int) -> np.ndarray:
    """The seed of a step's noise in the simulator, int64 [2]: another one for each step of each node, the same in each simulation."""
    return np.random.SeedSequence([*numbers, step]).generate_state(2, np.uint64).view(np.int64)


def chance(weights: Floats, data: Dataset, batch: int) -> float:
    """Of the sample of a node that is drawn most often: how likely it is to be in a batch."""
    counts = np.bincount(data.kinds_train, minlength=len(weights))
    most = max(weight / count for weight, count in zip(weights, counts, strict=True) if weight > 0)
    return 1 - exp(-batch * most)


def noised(config: Config, node: Node, data: Dataset, weights: Floats, measures: bool) -> Noised:
    """What a node says of its noise. `measures`: its algorithm goes by accuracies on its samples."""
    its = config.training
    return Noised(
        noise=its.noise,
        clip=its.clip or 0.0,
        chance=chance(weights, data, its.batch),
        samples=stock(data, weights),
        unclaimed=unclaimed(config, node, measures),
    )


def unclaimed(config: Config, node: Node, measures: bool) -> str:
    """Why nothing is claimed of a node; empty if something is."""
    if node.attack is not None:
        return "it attacks"
    if measures:
        return f"its algorithm {node.algorithm!r} goes by accuracies on its samples, to which no noise is added"
    ranges = node.label_weights or ()
    if any(low != high for low, high in (ranges.values() if isinstance(ranges, dict) else ranges)):
        return "its label weights are ranges"
    if any(event.do == "drift" and event.node == node.name for event in config.events):
        return "its label weights change"
    return ""


def can_account() -> bool:
    """Whether the accountant is installed."""
    return find_spec("dp_accounting") is not None


@cache
def epsilon(noise: float, chance: float, steps: int, delta: float) -> float:
    """Of so many steps, each with a sample that is there with this chance: an upper bound. Needs `dp-accounting`."""
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.pld import PLDAccountant

    if not steps:
        return 0.0
    accountant = PLDAccountant(value_discretization_interval=INTERVAL)
    accountant.compose(PoissonSampledDpEvent(chance, GaussianDpEvent(noise)), steps)
    found = float(accountant.get_epsilon(delta))
    return found if found >= 0 else inf
