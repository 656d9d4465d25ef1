"""One worker's nodes: what an attack there sees of the others and of its own past, what an algorithm is told, and where biases stay."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors.config import parse_topology
from dfl_actors.config.toml_text import dump_table
from dfl_actors.sdk.attacks.a_little_is_enough import beside
from dfl_actors.sim import checkpoint
from dfl_actors.sim.worker import Worker, WorkerPlan

LABELS, SLOTS = 3, 6
FILES = {
    "small.py": """
import keras
def build(shape, labels):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(labels)])
""",
    "told.py": """
from dfl_actors.sdk import Algorithm, Result
def build():
    def apply(state, own, received, reputations, own_accuracy):
        return Result(state, own, {"told": 0.0 if own_accuracy is None else own_accuracy}, {})
    return Algorithm("told", lambda context: None, apply, frozenset({"own_accuracy"}))
""",
    "counts.py": """
from dfl_actors.sdk import Algorithm, Result
def build():
    return Algorithm("counts", apply=apply, needs=frozenset({"own_models"}))
def apply(state, own, received, reputations, own_models):
    return Result(state, own, {"tenths": own_models / 10}, {})
""",
    "sees.py": """
from dfl_actors.sdk import Algorithm, Result
def build():
    def apply(state, own, received, reputations):
        return Result([own, *(model.weights for model in received)], own + 1, {}, {})
    return Algorithm("sees", lambda context: [], apply)
""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place, rng = tmp_path_factory.mktemp("worker"), np.random.default_rng(3)
    for name, text in FILES.items():
        (place / name).write_text(text)
    y = rng.integers(0, LABELS, 200, np.uint8)
    x = (rng.integers(0, 100, (200, 4, 4)) + 50 * y[:, None, None]).astype(np.uint8)
    np.savez(place / "data.npz", x_train=x, y_train=y, x_test=x[:90], y_test=y[:90])
    return place


def worker(folder: Path, attack: str | None, algorithm: str = "fedavg", without_biases: bool = False, **parameters: Any) -> Worker:
    """Node 0, with neighbours a and b; `without_biases`: they neither travel nor are measured with."""
    slab = folder / "slab"
    slab.touch()
    table = {
        "network": {"nodes": ["0", "a", "b"]},
        "training": {"model": "small.py:build"},
        "data": {"source": "data.npz"},
        "update": {"algorithm": algorithm},
        "sim": {"exchange": "weights" if without_biases else "all", "measure_biases": not without_biases},
        "node": {"0": {} if attack is None else {"attack": attack, "attack_parameters": parameters}},
    }
    config = parse_topology(dump_table(table), where="made", name="made", folder=folder)
    plan = WorkerPlan(config, folder, folder, slab, SLOTS)
    return Worker(plan, [0])


def own(made: Worker) -> np.ndarray:
    made.show(0, 5)
    return np.array(made._slab[5])


def trained(made: Worker, turn: int = 0) -> np.ndarray:
    """One step; the model that is offered."""
    made.train(0, np.arange(16 * turn, 16 * turn + 16), 0)
    return np.array(made._slab[0])


def received(made: Worker, **values: float) -> dict[str, np.ndarray]:
    """Models of these senders in slots 1 and up, averaged by the node; what they were."""
    for slot, value in enumerate(values.values(), 1):
        made._slab[slot] = np.linspace(-value, value, made._slab.shape[1])
    senders, slots = [name.strip("_") for name in values], list(range(1, len(values) + 1))
    made.update(0, senders, slots, None, None)
    models = {sender: made._slab[slot].copy() for sender, slot in zip(senders, slots, strict=True)}
    made._slab[1:5] = 99.0  # the slots are used again
    return models


def test_an_attacker_that_watches_offers_something_beside_the_newest_model_of_each_sender(folder: Path) -> None:
    made = worker(folder, "a_little_is_enough", z=1.5)
    assert np.array_equal(trained(made), own(made)), "while it knows nobody, its own"
    seen = received(made, a=1.0, b=0.5, a_=0.25)
    offered = trained(made, 1)
    assert np.array_equal(offered, beside([own(made), seen["a"], seen["b"]], 1.5)) and not np.array_equal(offered, own(made))
    assert np.abs(seen["a"]).max() == 0.25, "the second model of a took the place of its first"
    seen |= received(made, b=2.0)
    assert np.array_equal(trained(made, 2), beside([own(made), seen["a"], seen["b"]], 1.5)), "of a, the one of the update before"


def test_an_attacker_that_looks_back_offers_what_was_its_own(folder: Path) -> None:
    made = worker(folder, "delayed", by=2)
    models, offered = [], []
    for turn in range(5):
        offered.append(trained(made, turn))
        models.append(own(made))
    for turn, model in enumerate(offered):
        assert np.array_equal(model, models[max(0, turn - 2)])
    assert len({model.tobytes() for model in models}) == 5


def test_attackers_that_act_together_see_what_any_of_them_averages(folder: Path) -> None:
    for together in (True, False):
        made = worker(folder, "mimic", together=together)
        made._slab[1] = 7.0
        made.see(0, ["b"], [1])
        made._slab[1] = 99.0
        assert np.array_equal(trained(made), np.full_like(own(made), 7.0) if together else own(made))


def test_an_attacker_rehearses_with_the_defence_of_its_victims(folder: Path) -> None:
    """They average by FedAvg, which gives way to anything: the strength doubles sixteen times."""
    made = worker(folder, "a_little_is_enough", optimal=True)
    assert np.array_equal(trained(made), own(made)), "while it knows no victim, its own"
    seen = received(made, a=1.0, b=0.5)
    assert np.array_equal(trained(made, 1), beside([own(made), seen["a"], seen["b"]], 2.0**15 - 1))


REHEARSING = ("adaptive", {"aim": "noise"})


@pytest.mark.parametrize(("attack", "parameters"), [("delayed", {"by": 2}), ("a_little_is_enough", {"z": 1.0}), REHEARSING])
def test_what_an_attack_has_seen_is_in_a_checkpoint(folder: Path, tmp_path: Path, attack: str, parameters: dict[str, Any]) -> None:
    place = checkpoint.begin(tmp_path)
    first = worker(folder, attack, **parameters)
    for turn in range(3):
        trained(first, turn)
    received(first, a=1.0, b=0.5)
    first.save(0, place)
    second = worker(folder, attack, **parameters)
    second.load(0, place)
    for turn in (3, 4):
        assert np.array_equal(trained(first, turn), trained(second, turn))
        assert not np.array_equal(second._slab[0], own(second))


def test_an_honest_node_keeps_no_models_of_others(folder: Path) -> None:
    for attack in (None, "sign_flip"):
        made = worker(folder, attack)
        received(made, a=1.0, b=0.5)
        assert made._nodes[0].seen == {}


def test_an_algorithm_hears_the_accuracy_of_the_own_model_before_it_averages(folder: Path) -> None:
    made, samples = worker(folder, None, algorithm="told.py:build"), np.arange(60)
    for turn in range(5):
        trained(made, turn)
    score = made.check(0, samples)
    assert 0 < score.correct < 60 == score.tested
    assert made.update(0, ["a"], [1], None, samples) == ({"told": score.correct / 60}, {}, score)
    assert made.update(0, ["a"], [1], None, None)[0] == {"told": 0.0}


def test_an_algorithm_hears_how_many_models_the_node_has_made_since_the_last_average(folder: Path, tmp_path: Path) -> None:
    def heard(made: Worker) -> float:
        return made.update(0, ["a"], [1], None, None)[0]["tenths"]

    made = worker(folder, None, algorithm="counts.py:build")
    for models, tenths in ((3, 0.3), (0, 0.0), (1, 0.1)):
        for turn in range(models):
            trained(made, turn)
        assert heard(made) == tenths
    trained(made)
    place = checkpoint.begin(tmp_path)
    made.save(0, place)
    resumed = worker(folder, None, algorithm="counts.py:build")
    resumed.load(0, place)
    assert heard(resumed) == heard(made) == 0.1


def test_biases_stay_at_home_and_nobody_sees_them(folder: Path) -> None:
    made = worker(folder, None, f"{folder}/sees.py:build", without_biases=True)
    biases = slice(made._slab.shape[1] - LABELS, None)
    offered = trained(made)
    kept = own(made)[biases]
    assert kept.any() and not offered[biases].any() and np.array_equal(offered[:-LABELS], own(made)[:-LABELS])
    samples = np.arange(50)
    right = made.check(0, samples)
    assert right == made.measure(0, [0], samples[None])[0], "measured as whoever receives it would"
    before = own(made)
    made.update(0, ["a"], [0], None, None)
    seen: Any = made._nodes[0].memory
    assert [not weights[biases].any() for weights in seen] == [True, True]
    assert np.array_equal(own(made)[biases], kept), "the node's own are as they were, whatever the algorithm says of them"
    assert np.allclose(own(made)[:-LABELS], before[:-LABELS] + 1)
