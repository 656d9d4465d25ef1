"""What an algorithm costs a received model on top of plain averaging, by CPU: models of LeNet's size, near to each other."""

import time
from collections.abc import Callable

import numpy as np

from dfl_actors.learning.weights import Layer, Parameters
from dfl_actors.sdk.interface import Context, ReceivedModel, weighted_mean
from dfl_actors.sdk.loader import checked_apply, first_state, load_algorithm

MODELS, UPDATES, ROUNDS = 4, 40, 5
SHAPES = {
    "conv1": (5, 5, 1, 20), "bias1": (20,), "conv2": (5, 5, 20, 50), "bias2": (50,),
    "ip1": (800, 500), "bias3": (500,), "ip2": (500, 10), "bias4": (10,),
}  # fmt: skip


def cost_a_model(algorithm: str) -> dict[str, float]:
    """Milliseconds of CPU a received model that `algorithm` takes, that a mean of own and received models takes, and their difference:
    the least of the rounds, which other work on the machine disturbs least."""
    parameters = Parameters(tuple(Layer(name=name, shape=shape) for name, shape in SHAPES.items()))
    rng = np.random.default_rng(1)
    own = rng.normal(0, 0.05, parameters.size).astype(np.float32)
    near = [own + rng.normal(0, 1e-4, own.size).astype(np.float32) for _ in range(MODELS)]
    senders = [ReceivedModel(str(number), model) for number, model in enumerate(near)]
    chosen = load_algorithm(algorithm, {}, None)
    state = first_state(chosen, Context("me", tuple(model.sender for model in senders), parameters, rng))

    def applied() -> object:
        nonlocal state
        result = checked_apply(chosen, state, own, senders, {}, None)
        state = result.state
        return result

    each, plain = spent(applied), spent(lambda: weighted_mean([own, *near], [1.0] * (MODELS + 1)))
    return {"ms a model on top": each - plain, f"ms a model by {algorithm}": each, "ms a model by a plain mean": plain}


def spent(update: Callable[[], object]) -> float:
    """Milliseconds of CPU that an update takes for each model."""
    update()
    return min(_round(update) for _ in range(ROUNDS)) / (UPDATES * MODELS)


def _round(update: Callable[[], object]) -> float:
    begun = time.process_time()
    for _ in range(UPDATES):
        update()
    return 1000 * (time.process_time() - begun)
