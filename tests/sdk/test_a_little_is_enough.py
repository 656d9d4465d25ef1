"""A little is enough: z from the paper's formula, and what is offered against an example by hand."""

import numpy as np
import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.sdk import Scene, Stage, View
from dfl_actors.sdk.attacks import checked_offer, load_attack
from dfl_actors.sdk.attacks.a_little_is_enough import z_max
from dfl_actors.sdk.attacks.known import LARGEST

OWN = np.array([1.0, -2.0, 7.0], np.float32)
OTHERS = {"a": np.array([3.0, -2.0, 7.0], np.float32), "b": np.array([5.0, 4.0, 7.0], np.float32)}


def offered(others: dict[str, np.ndarray], own: np.ndarray = OWN, **parameters: float) -> np.ndarray:
    return checked_offer(load_attack("a_little_is_enough", parameters), View(own, 0, np.random.default_rng(0), others))


@pytest.mark.parametrize(
    ("n", "m", "z"),
    [
        (50, 24, 1.4261),  # s = 2: the normal distribution reaches 24/26 there
        (51, 24, 1.4461),  # s = 2: 25/27
        (9, 4, 0.8416),  # s = 1: 4/5
        (10, 4, 0.4307),  # s = 2: 4/6
        (3, 1, 0.0),  # s = 1: 1/2
        (4, 1, 0.0),  # s = 2: 1/3, below the middle
        (2, 0, 0.0),  # s = 2: nobody is left
    ],
)
def test_z_is_the_largest_at_which_enough_honest_models_lie_further_out(n: int, m: int, z: float) -> None:
    assert z_max(n, m) == pytest.approx(z, abs=5e-5)


def test_the_mean_less_so_many_deviations_of_the_models_it_knows() -> None:
    """Of 1, 3, 5 the mean is 3 and the variance 8/3; of -2, -2, 4 it is 0 and 8; equal ones have no deviation."""
    expected = [3 - 1.5 * np.sqrt(8 / 3), 0 - 1.5 * np.sqrt(8), 7]
    assert offered(OTHERS, z=1.5) == pytest.approx(expected, rel=1e-6)
    assert offered(dict(reversed(OTHERS.items())), z=1.5).tolist() == offered(OTHERS, z=1.5).tolist()
    assert offered(OTHERS, z=0.0).tolist() == [3, 0, 7]


def test_left_out_z_follows_from_what_is_known_and_from_n_and_m() -> None:
    """Nine models by twos from 0: mean 8, variance 80/3."""
    known = {f"{place}": np.array([2.0 * place], np.float32) for place in range(1, 9)}
    own = np.zeros(1, np.float32)
    for parameters, z in (({}, z_max(9, 4)), ({"m": 3}, z_max(9, 3)), ({"n": 50}, z_max(50, 24)), ({"n": 50, "m": 20}, z_max(50, 20))):
        assert offered(known, own, **parameters) == pytest.approx([8 - z * np.sqrt(80 / 3)], rel=1e-6)
    assert offered(known, own, m=8).tolist() == offered(known, own).tolist(), "more than a minority counts as the largest"


def test_fellow_attackers_are_no_part_of_the_mean() -> None:
    view = View(OWN, 0, np.random.default_rng(0), {**OTHERS, "c": np.full(3, 1e9, np.float32)}, scene=Scene("me", frozenset("c")))
    assert checked_offer(load_attack("a_little_is_enough", {"z": 1.5}), view).tolist() == offered(OTHERS, z=1.5).tolist()


def test_the_optimum_is_what_brings_the_victim_furthest_and_is_not_given_besides() -> None:
    """1 and 3: mean 2, deviation 1. A defence that gives way up to z = 5, and not beyond: the search doubles 1, 3, 7 and comes back."""
    one, three = np.array([1.0], np.float32), np.array([3.0], np.float32)
    stage = Stage("a", one, [three], lambda model: model if model >= -3.1 else model * 0)
    view = View(one, 0, np.random.default_rng(0), {"a": three}, stage=stage)
    assert -3.1 <= checked_offer(load_attack("a_little_is_enough", {"optimal": True}), view)[0] <= -2.7
    with pytest.raises(ConfigError, match="optimal finds how many deviations harm most; leave out z and m, or optimal"):
        load_attack("a_little_is_enough", {"optimal": True, "z": 1.0, "m": 1})


def test_alone_it_offers_its_own() -> None:
    assert offered({}, z=3.0).tolist() == OWN.tolist()


def test_what_lies_beyond_float32_ends_at_its_largest() -> None:
    others = {"a": np.full(3, -3e38, np.float32)}
    assert offered(others, np.full(3, 3e38, np.float32), z=100.0).tolist() == [-np.float32(LARGEST)] * 3


@pytest.mark.parametrize("parameters", [{"z": -1.0}, {"n": 1}, {"m": -1}, {"n": 50, "m": 25}, {"z": float("nan")}, {"s": 1}])
def test_wrong_parameters_are_named(parameters: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="attack a_little_is_enough, parameters"):
        load_attack("a_little_is_enough", parameters)
