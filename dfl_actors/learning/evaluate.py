"""How good an exported model is on the test samples of a source, by the rule of its network."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from dfl_actors.config.sections import Data
from dfl_actors.errors import DataError
from dfl_actors.learning.data import Dataset, load_dataset
from dfl_actors.learning.export import Contract, answers_of, read_contract, read_model
from dfl_actors.learning.form import MILLION, Form, Input, numbered
from dfl_actors.learning.score import score_of, sums_of

AT_ONCE = 1_000  # Samples in memory.


class Measured(msgspec.Struct, frozen=True):
    """A score: `correct` of `tested`, and of how many samples. `word` is what it is called."""

    word: str
    correct: int
    tested: int
    samples: int

    @property
    def value(self) -> float:
        """In 0..1."""
        return self.correct / self.tested


def measured(file: Path, source: str) -> Measured:
    """Measure a `.keras` file on the test samples of a source. Raises `ModelError`, or `DataError` for samples that do not fit it."""
    contract = read_contract(file)
    data = load_dataset(_said(contract, source))
    form = _checked(contract, data, file)
    model, sums = read_model(file), form.nothing
    for start in range(0, len(data.y_test), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        sums = sums + sums_of(form, answers_of(model, form, data.x_test[part]), np.asarray(data.y_test[part]))
    score, word = score_of(form, sums, data.y_test), "score" if form.task == "regression" else "accuracy"
    return Measured(word, score.correct, score.tested, score.tested // (MILLION if form.task == "regression" else 1))


def _said(contract: Contract, source: str) -> Data:
    """What a topology would say of the source: as it did where the model was trained, with all labels known."""
    labels: object = contract.data.get("labels", 0)
    if contract.task != "regression":
        count = len(contract.labels)
        labels = count if contract.labels == numbered(count) else contract.labels
    return msgspec.convert({**contract.data, "source": source, "task": contract.task, "labels": labels, "scale": contract.scale}, Data)


def _checked(contract: Contract, data: Dataset, file: Path) -> Form:
    """The model's form. Raises `DataError` for samples of another one."""
    ours_theirs = [(_texts(form.inputs), form.labels) for form in (contract.form, data.form)]
    for name, ours, theirs in zip(("inputs", "labels"), *ours_theirs, strict=True):
        if ours != theirs:
            raise DataError(f"data set {data.name!r} does not fit {file}: its {name} are {_few(theirs)}, the model's {_few(ours)}")
    return contract.form


def _texts(inputs: Sequence[Input]) -> tuple[str, ...]:
    return tuple(f"{one.name} {one.dtype}{list(one.shape)}".strip() for one in inputs)


def _few(texts: Sequence[str]) -> str:
    return ", ".join([*texts[:6], *(["..."] if len(texts) > 6 else [])])
