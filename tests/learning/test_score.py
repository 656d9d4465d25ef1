"""What a score is for each task, against formulas written down a second time, and that parts of the samples add up."""

import numpy as np
import pytest

from dfl_actors.learning.form import MILLION, Form, Input, Task, numbered
from dfl_actors.learning.score import Score, between, score_of, sums_of, told

RNG = np.random.default_rng(4)


def form(task: Task, labels: int) -> Form:
    return Form((Input("", (3,), "float32"),), task, numbered(labels))


def scored(task: Task, answers: np.ndarray, y: np.ndarray) -> Score:
    """The score of all, of sums over two parts."""
    its = form(task, answers.shape[1])
    sums = its.nothing + sums_of(its, answers[:3], y[:3]) + sums_of(its, answers[3:], y[3:])
    return score_of(its, sums, y)


def test_a_classification_counts_samples() -> None:
    assert scored("classification", np.eye(4)[[0, 1, 2, 3, 3]], np.array([0, 1, 2, 2, 3])) == (4, 5)


def test_a_multilabel_task_counts_samples_of_which_every_label_is_right() -> None:
    y = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], np.uint8)
    assert scored("multilabel", np.array([[0.9, 0.1], [0.9, 0.4], [0.2, 0.5], [0.4, 0.6]]), y) == (3, 4)


def test_a_regression_is_measured_by_the_mean_r2_in_millionths_of_a_sample() -> None:
    y = RNG.normal(size=(40, 2)).astype(np.float32) * [1, 100] + [5, -7]
    answers = y + RNG.normal(size=y.shape) * [0.2, 40]
    r2 = np.mean([1 - np.sum((y[:, k] - answers[:, k]) ** 2) / np.sum((y[:, k] - y[:, k].mean()) ** 2) for k in (0, 1)])
    correct, tested = scored("regression", answers, y)
    assert tested == 40_000_000 and correct % 40 == 0 and correct / tested == pytest.approx(r2, abs=1e-6)
    assert scored("regression", -answers, y).correct == 0 and scored("regression", y, y) == (tested, tested)


@pytest.mark.parametrize(("answer", "right"), [(2.0, 4_000_000), (2.5, 0), (np.nan, 0)])
def test_a_target_that_does_not_vary_is_met_or_not(answer: float, right: int) -> None:
    y = np.full((4, 1), 2.0, np.float32)
    assert scored("regression", np.full((4, 1), answer), y) == (right, 4_000_000)


def test_no_samples_are_no_score() -> None:
    for task in ("classification", "multilabel", "regression"):
        its = form(task, 2)
        assert score_of(its, its.nothing, np.zeros((0, *its.targets[0]), its.targets[1])) == (0, 0)


@pytest.mark.parametrize(
    ("correct", "tested", "least", "most"),
    [(972, 1000, 0.9517, 0.9839), (10, 10, 0.5263, 1.0), (0, 10, 0.0, 0.4737), (0, 0, 0.0, 1.0), (9 * MILLION, 10 * MILLION, 0.0, 1.0)],
)
def test_what_a_sample_shows(correct: int, tested: int, least: float, most: float) -> None:
    """Wilson's interval at three standard errors; the first by hand: (.972 + .0045 -+ .0162) / 1.009."""
    assert between(correct, tested) == pytest.approx((least, most), abs=1e-4)


def test_how_a_score_is_told() -> None:
    assert (told(87, 100), told(87, 100, " of "), told(0, 0)) == ("87/100", "87 of 100", "0/0")
    assert told(91_234_500, 100_000_000) == "0.912345 (R2 on 100 samples)"
