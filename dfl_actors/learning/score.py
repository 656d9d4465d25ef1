"""How good a model's answers are, as the whole numbers `correct` of `tested` that receipts state.

* classification: samples whose largest output is that of their label, of all samples.
* multilabel: samples of which every label is right (probability above one half, or not): subset accuracy, which scikit-learn calls the
  accuracy of such a task. Labels counted one by one would give a model that says no to everything a high score.
* regression: R2, the coefficient of determination, the mean over the targets, clipped to 0..1 and in millionths: every sample counts
  a million in `tested`. A target that does not vary among the samples counts 1 where it is met exactly, else 0.

What a model makes of each part of the samples, `sums`, adds up; the score is that of all samples together.
"""

import math
from typing import Literal, NamedTuple

import numpy as np

from dfl_actors.learning.form import MILLION, Array, Form

Measure = Literal["accuracy", "score"]
MEASURES: tuple[Measure, ...] = ("accuracy", "score")  # Words for what models are measured by; a regression has no accuracy.
IN_JSON: dict[Measure, str] = {"accuracy": "accuracy", "score": "r2"}
"""What the fractions in JSON are, whose keys are `accuracy` whatever the task: that, or R2, clipped to 0..1."""


def word_for(task: str) -> Measure:
    """What a task's models are measured by, for titles and tables."""
    return "score" if task == "regression" else "accuracy"


class Score(NamedTuple):
    """`correct` of `tested`, at most."""

    correct: int
    tested: int


def told(correct: int, tested: int, of: str = "/") -> str:
    """`87/100`; of a regression the score itself, and on how many samples it was measured. Nobody states classifications of so many."""
    if tested and tested % MILLION == 0:
        return f"{correct / tested:.6f} (R2 on {tested // MILLION} samples)"
    return f"{correct}{of}{tested}"


def between(correct: int, tested: int) -> tuple[float, float]:
    """What a model gets right of all samples that those tested were drawn from, at the least and at the most: Wilson's interval at three
    standard errors (Probable inference, 1927), wrong in 1 of 370 cases. Of a regression anything: its score is no share of samples."""
    if not tested or tested % MILLION == 0:
        return 0.0, 1.0
    share, z = correct / tested, 3.0
    middle, spread = share + z * z / tested / 2, z * math.sqrt(share * (1 - share) / tested + (z / tested / 2) ** 2)
    return (middle - spread) / (1 + z * z / tested), (middle + spread) / (1 + z * z / tested)


def at_target(correct: int, tested: int, target: float, complete: bool) -> bool:
    """Whether a model stands at the target without doubt: of all samples (`complete`), or of so many that the rest change nothing."""
    if not tested or correct / tested < target:
        return False
    return complete or between(correct, tested)[0] >= target


def score_of(form: Form, sums: Array, y: Array) -> Score:
    """The score of the samples with these `y`, given the sums over all of them: samples right [1], or squared errors [targets]."""
    if form.task != "regression":
        return Score(int(sums.sum()), len(y))
    spread = np.square(y - y.mean(axis=0, dtype=np.float64)).sum(axis=0) if len(y) else np.zeros(form.outputs)
    exact = (sums == 0).astype(np.float64)
    r2 = np.where(spread > 0, 1 - sums / np.where(spread > 0, spread, 1), exact).mean()
    millionths = round(MILLION * float(np.clip(np.nan_to_num(r2), 0, 1)))
    return Score(millionths * len(y), MILLION * len(y))


def sums_of(form: Form, answers: Array, y: Array) -> Array:
    """Those sums, of what a model answered: probabilities, or the numbers themselves, [n, outputs]."""
    if form.task == "classification":
        return np.array([(answers.argmax(axis=1) == y).sum()], np.float64)
    if form.task == "multilabel":
        return np.array([((answers > 0.5) == (y > 0)).all(axis=1).sum()], np.float64)
    return np.asarray(np.square(answers.astype(np.float64) - y).sum(axis=0))
