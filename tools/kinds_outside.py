"""What saved models say of each test sample, and how good that is, without dfl_actors: JSON on stdin says what, answers go to files."""

import json
import os
import sys
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np


def answers(model: Any, test: dict[str, np.ndarray]) -> np.ndarray:
    inputs = {name.partition(".")[2]: array for name, array in test.items() if name.startswith("x")}
    return np.asarray(model.predict(inputs[""] if list(inputs) == [""] else inputs, verbose=0, batch_size=250))


def score(task: str, output: np.ndarray, y: np.ndarray, labels: list[str]) -> float:
    """As docs/data.md defines it."""
    if task == "classification":
        numbers = np.array([labels.index(str(one)) for one in y]) if labels else y
        return float((output.argmax(axis=1) == numbers).mean())
    if task == "multilabel":
        return float(((output > (0.5 if output.min() >= 0 and output.max() <= 1 else 0)) == (y > 0)).all(axis=1).mean())
    errors, spread = np.square(output - y).sum(axis=0), np.square(y - y.mean(axis=0)).sum(axis=0)
    return float(np.clip(np.mean(1 - errors / spread), 0, 1))


def main() -> None:
    asked = json.load(sys.stdin)
    with np.load(asked["test"]) as file:
        test = dict(file)
    y = test.pop("y_test")
    if y.ndim == 1 and asked["task"] == "regression":
        y = y[:, None]
    for path, into in asked["answers"].items():
        said = answers(keras.saving.load_model(path), test)
        np.savez(into, allow_pickle=False, answers=said, score=score(asked["task"], said, y, asked["labels"]))
    if "dfl_actors" in sys.modules:
        raise SystemExit("this process has imported dfl_actors")


if __name__ == "__main__":
    main()
