"""What a node of a simulation draws."""

import numpy as np

from dfl_actors.config import parse_topology
from dfl_actors.config.sections import LabelWeights
from dfl_actors.sim.plan import draws
from tests.learning.forms import alike, image_data

TEXT = "[network]\nnodes = 2\n[training]\nbatch = 200\n[data]\ntest_samples = 200\n"


def test_from_a_drift_on_a_node_draws_by_the_new_weights_and_measures_on_what_the_test_set_has_of_them() -> None:
    data = image_data([0, 1, 2, 3], [0, 0, 1, 2])
    config = parse_topology(TEXT, where="here", name="net")
    one, other = draws(config, alike(config, data))
    courses: list[tuple[LabelWeights, set[int], set[int]]] = [
        ({"1": 1.0, "2": 3.0}, {1, 2}, {1, 2}),
        ({"3": 1.0, "0": 1.0}, {0, 3}, {0}),
        ({"3": (1.0, 2.0), "0": 1.0}, {0, 3}, {0}),
        ({"3": (1.0, 2.0)}, {3}, {0, 1, 2}),
    ]
    for weights, trained, tested in courses:
        one.drift(weights)
        assert set(data.y_train[one.batch()].tolist()) == trained, weights
        assert set(data.y_test[one.tests(2)].ravel().tolist()) == tested, weights
    assert np.unique(data.y_train[other.batch()]).tolist() == [0, 1, 2, 3]
