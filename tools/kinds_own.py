"""What nodes' own models say of each test sample, by the path that measures them: JSON on stdin says what, answers go to files."""

import json
import sys
from pathlib import Path

import numpy as np

from dfl_actors.api.models import found_models, learner_for
from dfl_actors.learning.data import load_datasets


def main() -> None:
    asked = json.load(sys.stdin)
    found = found_models(Path(asked["run"]))
    learner, data = learner_for(found), load_datasets(found.config, names=found.names)
    for name, path in asked["answers"].items():
        weights, x, y = found.model(name, None).weights, data[name].x_test, np.asarray(data[name].y_test)
        score = learner.measure(weights, x, y)
        np.savez(path, allow_pickle=False, answers=learner.answers(weights, x), score=score.correct / score.tested)


if __name__ == "__main__":
    main()
