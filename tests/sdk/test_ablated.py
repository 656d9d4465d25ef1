"""What the ablation sweep changes of `steady`: nothing unless it is asked for, and then that alone."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.config.sections import Parameter
from dfl_actors.errors import AlgorithmError
from dfl_actors.sdk import steady
from dfl_actors.sdk.interface import Context, ReceivedModel, Result
from dfl_actors.sdk.loader import checked_apply, first_state, load_algorithm
from tests.sdk.test_steady import LAYERS, OWN, near, received

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "topologies" / "paper"
MODELS = received([("a", near(0.02)), ("a", near(0.02)), ("b", near(0.05)), ("c", OWN * 0.1), ("d", -OWN)])


def mixed(parameters: dict[str, Parameter], name: str = f"{PAPER}/ablated.py:build", models: Sequence[ReceivedModel] = MODELS) -> Result:
    """Two updates: reputations count in the second."""
    algorithm = load_algorithm(name, parameters, ROOT)
    state = first_state(algorithm, Context("me", ("a", "b", "c", "d"), LAYERS, np.random.default_rng(1)))
    first = checked_apply(algorithm, state, OWN, models, {})
    return checked_apply(algorithm, first.state, OWN, models, first.reputations)


def same(one: Result, other: Result) -> bool:
    assert one.serving is not None and other.serving is not None
    return np.array_equal(one.weights, other.weights) and np.array_equal(one.serving, other.serving)


def test_nothing_changes_unless_it_is_asked_for_and_steady_itself_never_does() -> None:
    usual = mixed({}, "steady")
    for off in ("lengths", "serving", "standing", "part", "own_share"):
        assert not same(mixed({"off": off}), usual), off
    assert not same(mixed({"REACH": 0.1, "FLOOR": 0.001}), usual) and same(mixed({}), usual) and same(mixed({}, "steady"), usual)
    assert steady.REACH == 6.0


def test_without_echoes_what_repeats_the_node_itself_makes_others_far() -> None:
    """The own model to the bit stayed an echo, so that leaving echoes out changed nothing."""
    repeated = received([("a", OWN.copy()), ("b", near(0.05))])
    assert not same(mixed({"off": "echo"}, models=repeated), mixed({}, models=repeated))


def test_every_point_of_the_sweep_is_an_algorithm_and_a_wrong_one_is_told() -> None:
    parts = tomllib.loads((PAPER / "steady_ablation.toml").read_text())["vary"]["part"]
    for point in parts.values():
        if str(point["update.algorithm"]).endswith("ablated.py:build"):
            load_algorithm(f"{ROOT}/{point['update.algorithm']}", point["update.parameters"], ROOT)
    for wrong in ({"off": "nothing"}, {"REACHED": 1.0}):
        with pytest.raises(AlgorithmError, match="steady has no"):
            load_algorithm(f"{PAPER}/ablated.py:build", wrong, ROOT)
