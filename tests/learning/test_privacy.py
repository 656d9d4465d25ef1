"""Noise: what one sample can do to a step, who is drawn for it, and what the accountant makes of the steps."""

from math import erfc, exp, sqrt
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.config import load_topology, parse_topology
from dfl_actors.errors import ConfigError, ModelError
from dfl_actors.learning.models import Learner, Recipe, TrainState, load_learner
from dfl_actors.learning.momentum import quasi_global
from dfl_actors.learning.partition import SampleStream
from dfl_actors.learning.privacy import batch_of, can_account, chance, epsilon, step_seed, unclaimed
from tests.learning.forms import image_data, image_form
from tests.learning.learners import NORMALISED

CLIP, NOISE, BATCH, RATE = 0.5, 2.0, 10, 0.25
FORM = image_form((3, 3), labels=4)
DENSE = """
import keras
def build(shape, labels):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dropout(0.2), keras.layers.Dense(labels)])
"""


def recipe(noise: float = NOISE) -> Recipe:
    return Recipe(
        noise=noise, clip=CLIP, batch=BATCH, learning_rate=RATE, momentum=0, weight_decay=0, gamma=0, bias_rate=1,
        unsaid=frozenset({"balance"}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private")
    for name, text in (("dense", DENSE), ("normalised", NORMALISED)):
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def learner(place: Path) -> Learner:
    return load_learner(f"{place}/dense.py:build", recipe(), FORM)


def moved(learner: Learner, x: np.ndarray, y: np.ndarray, seed: int = 0) -> np.ndarray:
    """How far a step on these samples goes."""
    weights = learner.initial(3)
    start = TrainState(weights, learner.rest.copy(), 0)
    return weights - learner.train(start, x[None], y[None], seed=step_seed([seed], 0))[0].weights


def samples(count: int, light: int = 250) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    return rng.integers(0, light + 1, (count, 3, 3)).astype(np.uint8), rng.integers(0, 4, count).astype(np.uint8)


def test_one_sample_more_changes_a_step_by_its_shortened_gradient_and_no_more(learner: Learner) -> None:
    x, y = samples(7)
    more = np.full((1, 3, 3), 255, np.uint8), np.zeros(1, np.uint8)
    without, others = moved(learner, x, y), moved(learner, np.concatenate([x, more[0]]), np.concatenate([y, more[1]]))
    assert np.linalg.norm(others - without) == pytest.approx(RATE * CLIP / BATCH, rel=1e-3), "a long gradient"
    parts = [moved(learner, x[[one]], y[[one]]) - moved(learner, x[:0], y[:0]) for one in range(7)]
    assert all(np.linalg.norm(part) <= RATE * CLIP / BATCH * 1.001 for part in parts)


def test_a_batch_without_samples_is_noise_alone_of_the_size_that_is_said_and_another_with_each_seed(learner: Learner) -> None:
    x, y = samples(0)
    steps = np.array([moved(learner, x, y, seed) for seed in range(80)])
    assert steps.std() == pytest.approx(RATE * NOISE * CLIP / BATCH, rel=0.05) and abs(steps.mean()) < 0.002
    assert len({step.tobytes() for step in steps}) == 80 and np.array_equal(steps[0], moved(learner, x, y, 0))
    two = np.zeros((2, 0, 3, 3), np.uint8), np.zeros((2, 0), np.uint8)
    both = learner.train(learner.start(learner.initial(3)), *two, seed=step_seed([0], 0))[0].weights
    assert not np.allclose(learner.initial(3) - both, 2 * steps[0]), "two steps of a call do not have the same noise"


def test_what_an_algorithms_optimiser_brings_does_not_weigh_samples_by_each_other(place: Path) -> None:
    with_optimiser = load_learner(f"{place}/dense.py:build", recipe(noise=1e-9), FORM, quasi_global())
    x, y = samples(1)
    still = np.zeros(with_optimiser.parameters.size, np.float32)

    def step(count: int) -> np.ndarray:
        start = with_optimiser.start(with_optimiser.initial(3))
        return with_optimiser.train(start, x.repeat(count, 0)[None], y.repeat(count)[None], still, step_seed([0], 0))[0].weights

    one, three = (np.linalg.norm(with_optimiser.initial(3) - step(count)) for count in (1, 3))
    assert three > 2 * one, "each of three alike counts in full"


def test_models_whose_statistics_samples_move_are_refused(place: Path) -> None:
    with pytest.raises(ModelError, match="use LayerNormalization"):
        load_learner(f"{place}/normalised.py:build", recipe(), FORM)


def test_samples_are_drawn_independently_of_each_other_none_twice_and_as_likely_as_is_said() -> None:
    labels = [0] * 4 + [1] * 12
    data, weights = image_data(labels, [0, 1]), np.array([0.5, 0.5])
    stream, rng = SampleStream(data.kinds_train, weights, np.random.default_rng(1)), np.random.default_rng(2)
    there = np.zeros((6000, len(labels)))
    for row in there:
        drawn = batch_of(stream, 6, rng)
        assert len(set(drawn.tolist())) == len(drawn)
        row[drawn] = 1
    likely = 1 - np.exp(-6 * np.array([0.5 / 4] * 4 + [0.5 / 12] * 12))
    assert np.allclose(there.mean(0), likely, atol=0.025)
    assert chance(weights, data, 6) == pytest.approx(likely.max())
    assert np.abs(np.corrcoef(there.T) - np.eye(len(labels))).max() < 0.06


def gaussian_delta(mu: float, eps: float) -> float:
    def below(x: float) -> float:
        return erfc(-x / sqrt(2)) / 2

    return below(mu / 2 - eps / mu) - exp(eps) * below(-mu / 2 - eps / mu)


@pytest.mark.skipif(not can_account(), reason="needs dp-accounting")
def test_the_accountant_is_right_where_the_truth_is_known_and_chance_helps() -> None:
    found = epsilon(5.0, 1.0, 25, 1e-6)
    assert gaussian_delta(1.0, found) == pytest.approx(1e-6, rel=0.02), "25 steps on all samples: one Gaussian of a fifth of the noise"
    assert epsilon(1.0, 0.01, 400, 1e-6) == pytest.approx(1.45, abs=0.03)
    assert epsilon(1.0, 0.01, 400, 1e-6) < epsilon(1.0, 0.02, 400, 1e-6) < epsilon(0.8, 0.02, 400, 1e-6)
    assert epsilon(1.0, 0.01, 0, 1e-6) == 0


def test_it_is_said_of_whom_nothing_is_claimed() -> None:
    text = "[network]\nnodes = 3\n[training]\nnoise = 1\nclip = 1\n[node.1]\nattack = 'sign_flip'\n"
    drift = "[[event]]\ntick = 9\ndo = 'drift'\nnode = '2'\nlabel_weights = [1]\n"
    config = parse_topology(text + drift, where="here", name="net")
    said = [unclaimed(config, node, False) for node in config.nodes]
    assert said == ["", "it attacks", "its label weights change"]
    assert "accuracies on its samples" in unclaimed(config, config.nodes[0], True)
    weights = "[data]\npartition = 'weights'\n[node.0]\nlabel_weights = [1, 2]\n[node.1]\nlabel_weights = { '0' = [1, 2] }\n"
    config = parse_topology("[network]\nnodes = 2\n" + weights, where="here", name="net")
    assert [unclaimed(config, node, False) for node in config.nodes] == ["", "its label weights are ranges"]


@pytest.mark.parametrize(("options", "words"), [((), "training.noise"), (("training.clip=1", "training.balance=0.5"), "training.balance")])
def test_noise_that_would_hide_nothing_is_refused(options: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_topology("fully_connected_4", ("training.noise=1", *options))
