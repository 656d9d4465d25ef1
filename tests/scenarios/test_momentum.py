"""Momentum in a network whose nodes train and average when they can."""

from itertools import combinations

import numpy as np

from dfl_actors.learning.momentum import quasi_global
from dfl_actors.learning.weights import TrainState
from dfl_actors.sdk.fedavg import build as fedavg
from tests.scenarios.conditions import SECOND
from tests.scenarios.interface import Plan
from tests.simnet import parts
from tests.simnet.network import SimNetwork


class Slope(parts.Slope):
    optimiser = quasi_global(jump=1e9)


def test_nodes_that_train_as_fast_as_they_can_go_on_evenly() -> None:
    """They train two transactions on end while the neighbours answer, and then average once or twice: 1.7 a step. Where an average without
    a step before it was taken for the way of one step, four hundred further ones came to two million."""
    plan = Plan(links=tuple(combinations("abcd", 2)), settings={"rate": 0.0, "steps": 4})
    network = SimNetwork(plan, learner=Slope, algorithm=fedavg())
    network.start()

    def trainers() -> list[TrainState]:
        return [node.processes["trainer"].actor.state for node in network.nodes.values()]  # type: ignore[union-attr]

    def reached(steps: int) -> tuple[float, float]:
        assert network.run(lambda: min(state.iteration for state in trainers()) >= steps, 60 * SECOND)
        return float(np.mean([state.weights for state in trainers()])), float(np.mean([state.iteration for state in trainers()]))

    (high, first), (low, last) = reached(400), reached(800)
    assert 1 < (high - low) / (last - first) < 10
