"""byzfl (arXiv 2505.24802) as an oracle: every aggregator and attack that it has and whose definition agrees with one here.

It is no dependency: `pip install torch scipy && pip install --no-deps byzfl`, and `pytest -m byzfl`. Where definitions differ:

* Krum and Multi-Krum: byzfl sums over the n - f - 1 nearest and averages the n - f best; here, as in the paper, over n - f - 2, and as many
  as `m`. So byzfl's f is one more.
* A little is enough: byzfl divides the variance by n - 1 and adds; here, as in the paper, by n, and what is offered lies below the mean.
* Centred clipping: byzfl's has the server's last mean for a centre; here it is the own model.
* Sign flipping: byzfl turns the honest mean round, here `inner_product` with tau = 1; `sign_flip` turns the own model round.
* Gaussian: byzfl offers noise, `gaussian_noise` the own model with noise, from another generator. Inf: no node takes it. Label flipping:
  byzfl's is the honest mean, for its labels are flipped elsewhere.
* No counterpart here: geometric median, MDA, Meamed, CAF, SMEA; bucketing, clipping and ARC before an aggregator.
"""

import sys
from collections.abc import Callable, Sequence
from math import sqrt
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dfl_actors.sdk import ReceivedModel, Stage, View
from dfl_actors.sdk.attacks import checked_offer, load_attack
from dfl_actors.sdk.loader import checked_apply, load_algorithm

pytestmark = pytest.mark.byzfl
for unused in ("byzfl.benchmark", "byzfl.fed_framework"):  # they would need torchvision and more
    sys.modules[unused] = ModuleType(unused)
byzfl = pytest.importorskip("byzfl", reason="an oracle that is no dependency")

SEEDS = range(5)
Aggregator = Callable[[np.ndarray], np.ndarray]


def models(seed: int, count: int = 7) -> np.ndarray:
    """Honest ones and one far away, [count, 40]."""
    drawn = np.random.default_rng(seed).normal(size=(count, 40)).astype(np.float32)
    drawn[-1] *= 4
    return drawn


def ours(rows: Sequence[np.ndarray] | np.ndarray, name: str, **parameters: object) -> np.ndarray:
    """What an algorithm makes of the first model as the own one and the others of a sender each."""
    received = [ReceivedModel(f"{place:02}", row.astype(np.float32)) for place, row in enumerate(rows[1:])]
    return checked_apply(load_algorithm(name, parameters), None, rows[0].astype(np.float32), received, {}).weights


def centred(tau: float) -> Aggregator:
    def aggregate(rows: np.ndarray) -> np.ndarray:
        clipping = byzfl.CenteredClipping(tau=tau)
        clipping.m = rows[0]  # its constructor takes no centre
        return np.asarray(clipping(rows))

    return aggregate


def mixed(f: int) -> Aggregator:
    return lambda rows: byzfl.TrMean(f=f)(byzfl.NNM(f=f)(rows))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("theirs", "name", "parameters"),
    [
        (byzfl.Average(), "fedavg", {}),
        (byzfl.Median(), "median", {}),
        (byzfl.TrMean(f=1), "trimmed_mean", {"beta": 1 / 7}),
        (byzfl.TrMean(f=2), "trimmed_mean", {"beta": 2 / 7}),
        (byzfl.Krum(f=2), "krum", {"f": 1}),
        (byzfl.Krum(f=3), "krum", {"f": 2}),
        (byzfl.MultiKrum(f=2), "multi_krum", {"f": 1, "m": 5}),
        (byzfl.MoNNA(f=1), "monna", {"f": 1}),
        (byzfl.MoNNA(f=3), "monna", {"f": 3}),
        (mixed(1), "nnm_trimmed_mean", {"f": 1}),
        (mixed(3), "nnm_trimmed_mean", {"f": 3}),
        (centred(2.0), "scclip", {"tau": 2.0}),
        (centred(100.0), "scclip", {"tau": 100.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_aggregators_agree(theirs: Aggregator, name: str, parameters: dict[str, Any], seed: int) -> None:
    rows = models(seed)
    np.testing.assert_allclose(ours(rows, name, **parameters), theirs(rows.astype(np.float64)), rtol=1e-6, atol=1e-6)


def offered(rows: np.ndarray, name: str, rule: str = "", f: int = 2, **parameters: object) -> np.ndarray:
    """What an attack offers that knows all of them; its victim is the first, with an algorithm, and it hears f attackers."""
    own, others = rows[0], {f"{place:02}": row for place, row in enumerate(rows[1:])}

    def outcome(model: np.ndarray) -> np.ndarray:
        return ours([*rows, *[model] * f], rule, f=f) if rule != "fedavg" else ours([*rows, *[model] * f], rule)

    stage = Stage("victim", own, list(others.values()), outcome)
    return checked_offer(load_attack(name, parameters), View(own, 0, np.random.default_rng(0), others, stage=stage))


@pytest.mark.parametrize("seed", SEEDS)
def test_attacks_agree(seed: int) -> None:
    rows = models(seed)
    exact, count = rows.astype(np.float64), len(rows)
    np.testing.assert_allclose(offered(rows, "inner_product"), byzfl.SignFlipping()(exact), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        offered(rows, "inner_product", tau=2.5), byzfl.InnerProductManipulation(tau=2.5)(exact), rtol=1e-6, atol=1e-6
    )
    theirs = byzfl.ALittleIsEnough(tau=-1.5 * sqrt((count - 1) / count))(exact)
    np.testing.assert_allclose(offered(rows, "a_little_is_enough", z=1.5), theirs, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(offered(rows, "mimic", number=2), byzfl.Mimic(epsilon=3)(exact), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("rule", "theirs"), [("fedavg", byzfl.Average()), ("monna", byzfl.MoNNA(f=2)), ("nnm_trimmed_mean", mixed(2))])
def test_optimal_attacks_agree(rule: str, theirs: Aggregator, seed: int) -> None:
    """Both search from 0 on with 16 tries; byzfl's deviation is longer, its steps are shorter by as much and point down."""
    rows = models(seed)
    exact, count = rows.astype(np.float64), len(rows)
    settings = {"agg": theirs, "pre_agg_list": [], "f": 2, "evals": 16, "start": 0.0, "ratio": 0.8}
    attack = byzfl.Optimal_InnerProductManipulation(delta=1.0, **settings)
    np.testing.assert_allclose(offered(rows, "inner_product", rule, optimal=True), attack(exact), rtol=1e-6, atol=1e-6)
    attack = byzfl.Optimal_ALittleIsEnough(delta=-sqrt((count - 1) / count), **settings)
    np.testing.assert_allclose(offered(rows, "a_little_is_enough", rule, optimal=True), attack(exact), rtol=1e-6, atol=1e-6)
