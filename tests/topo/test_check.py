"""Every mistake of a topology at once: those of its values, and what it names and is not there."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.config.sections import Data
from dfl_actors.learning.data import Dataset, load_dataset
from dfl_actors.topo.check import check_topology

MNIST = cache(load_dataset)


def mnist_once(said: Data, folder: Path | None = None) -> Dataset:
    return MNIST(Data()) if said.source == "mnist" else load_dataset(said, folder)


@pytest.fixture(autouse=True)
def load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set is read once for all tests here; it is the real one."""
    monkeypatch.setattr("dfl_actors.learning.data.load_dataset", mnist_once)


PLUGIN = """
from dfl_actors.sdk import Algorithm
def build(least: float = 0.5):
    return Algorithm("mine", lambda context: None, lambda *given: None)
def broken():
    raise ValueError("no such thing")
"""

FILE = """\
[network]
nodes = ["a", "b", "c"]
links = [
    "a--b",
    "b--d",
    "a--b",
]

[training]
bach = 3
momentum = 1

[data]
source = "nowhere.npz"

[update]
algorithm = "fedavgg"

[node.a]
algorithm = "reputation"
parameters = { penalti = 1 }

[node.b]
attack = "sing_flip"

[node.c]
attack = "sign_flip"
attack_parameters = { scale = -1 }
"""


def told(folder: Path, text: str, *options: str) -> list[str]:
    path = folder / "net.toml"
    path.write_text(text, encoding="utf-8")
    return [mistake.text.removeprefix(f"{path}:") for mistake in check_topology(str(path), options).mistakes]


def test_every_mistake_is_told_in_the_order_of_its_line(tmp_path: Path) -> None:
    lines = told(tmp_path, FILE)
    assert [line.partition(": ")[0] + ": " + line.split(": ")[1] for line in lines] == [
        "5: network.links",
        "6: network.links",
        "10: training.bach",
        "11: training.momentum",
        "14: data.source",
        "17: update.algorithm",
        "21: node.a.parameters",
        "24: node.b.attack",
        "28: node.c.attack_parameters",
    ]


def test_a_topology_without_mistakes_has_none(tmp_path: Path) -> None:
    assert told(tmp_path, "") == []


def test_what_has_no_effect_is_said(tmp_path: Path) -> None:
    """`sim` and `run` said it, when it was too late."""
    file = tmp_path / "net.toml"
    for text, said in (
        ("momentum = 0.5", ["training.momentum has no effect: optimiser 'quasi_global' has a momentum of its own"]),
        ("", []),
    ):
        for more in ("", 'model = "mine.py:build"'):
            (tmp_path / "mine.py").write_text(MINE)
            file.write_text(f"[training]\n{text}\n{more}\n")
            assert check_topology(str(file))[1:] == ([], said)
    file.write_text('[training]\nmomentum = 0.5\n[update]\nalgorithm = "median"\n')
    assert check_topology(str(file)).warnings == []


@pytest.mark.parametrize("name", ["fully_connected_4", "paper_two_node", "paper_four_node", "ring_6_noniid"])
def test_the_ready_topologies_are_fine_by_their_bare_names(name: str) -> None:
    assert check_topology(name)[1:] == ([], [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[data]\npartition='labels'\nlabels_per_node=11", "3: data.labels_per_node: data.labels_per_node is 11; use 1 to 10"),
        (
            "[network]\nnodes=2\n[data]\npartition='weights'\n[node]\n0={label_weights=[0,0,0,0,0,0,0,0,0,0,1]}\n1={label_weights=[1]}",
            "6: node.0.label_weights: goes up to label 10, and the data have labels 0 to 9; give weights for those alone",
        ),
        (
            "[[event]]\ntick=1\ndo='drift'\nnode='1'\nlabel_weights={12=1}",
            "5: event.1.label_weights: goes up to label 12, and the data have labels 0 to 9; give weights for those alone",
        ),
        ("[update]\nalgorithm='mine.py:build'\nparameters={least=1,most=2}", "3: update.parameters: algorithm"),
        ("[update]\nalgorithm='mine.py:broken'", "2: update.algorithm: algorithm"),
        ("[node.2]\nalgorithm='mine.py:nothing'", "2: node.2.algorithm: algorithm"),
        ("[node.2]\nattack='absent.py:build'", "2: node.2.attack: attack"),
    ],
)
def test_what_a_topology_names_is_tried(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (line,) = told(tmp_path, text)
    assert line.startswith(words) and "\n" not in line


def test_an_event_keeps_its_number_beside_one_that_is_wrong(tmp_path: Path) -> None:
    slow = "[[event]]\ntick=1\ndo='slow'\nnode='0'\n"
    drift, attack = "do='drift'\nlabel_weights={12=1}", "do='attack'\nattack='absent.py:build'"
    lines = told(tmp_path, slow + "".join(f"[[event]]\ntick=1\nnode='1'\n{what}\n" for what in (drift, attack)))
    assert [line.partition(": ")[2].partition(": ")[0] for line in lines] == ["event.1.factor", "event.2.label_weights", "event.3.attack"]
    assert [int(line.partition(":")[0]) for line in lines] == [1, 9, 14]


def test_an_algorithm_of_ones_own_that_works_is_fine(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    assert told(tmp_path, "[update]\nalgorithm = 'mine.py:build'\nparameters = { least = 0.7 }") == []


@pytest.mark.parametrize("model", ["lenett", "models.py:build"])
def test_a_model_that_is_not_there_is_told(model: str, tmp_path: Path) -> None:
    (line,) = told(tmp_path, f"[training]\nmodel = '{model}'")
    assert line.startswith("2: training.model: model ")


MINE = """
import keras
class Mine(keras.Model):
    def __init__(self, labels):
        super().__init__()
        self.flat, self.out = keras.layers.Flatten(), keras.layers.Dense(labels)
    def call(self, x):
        return self.out(self.flat(x))
    def get_config(self):
        return {}
def build(shape, labels):
    return Mine(labels)
"""


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("call(self, x):", ""),
        ("call(self, x, training=None):\n        if training: raise SystemExit", "cannot be trained: it ends the program"),
        ("call(self, x):\n        if keras.ops.sum(x) > 0: x = -x", "cannot be trained: "),
    ],
)
def test_a_model_is_called_as_training_calls_it(call: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.replace("call(self, x):", call))
    lines = told(tmp_path, "[training]\nmodel = 'mine.py:build'")
    assert len(lines) == bool(words) and all(line.startswith("2: training.model: model ") and words in line for line in lines)


def test_a_model_that_no_network_can_agree_on_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.replace("Dense(labels)", "Dense(labels, name='n' * 130)"))
    (line,) = told(tmp_path, "[training]\nmodel = 'mine.py:build'")
    assert line.startswith("2: training.model: ") and "does not fit a genesis" in line


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("optimizer = 'adamm'", "3: training.optimizer: 'adamm' is not known; "),
        ("loss = 'foo'", "3: training.loss: 'foo' is not known; "),
        ("init = 'file'", '3: training.init: "file" takes the weights of a saved model'),
    ],
)
def test_what_is_wrong_beside_the_model_is_told_once_and_under_its_key(said: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (told_,) = told(tmp_path, f"[training]\nmodel = 'mine.py:build'\n{said}")
    assert told_.startswith(line)


def test_images_too_small_for_the_model_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    x, y = np.zeros((4, 8, 8), np.uint8), np.arange(4)
    np.savez(tmp_path / "small.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (line,) = told(tmp_path, f"[data]\nsource = '{tmp_path / 'small.npz'}'\npartition = 'samples'")
    assert "model 'lenet' takes images of at least 16x16, not 8x8" in line


def test_a_value_that_is_wrong_already_is_not_tried(tmp_path: Path) -> None:
    assert len(told(tmp_path, "[data]\npartition = 'labels'\nlabels_per_node = 0")) == 1


def test_mistakes_of_options_name_the_option_and_come_first(tmp_path: Path) -> None:
    lines = told(tmp_path, "[training]\nbatch = 0", "update.algorithm=fedavgg", "training.momentum=2")
    assert [line.partition(": ")[0] for line in lines] == ["--set training.momentum=2", "--set update.algorithm=fedavgg", "2"]


def test_labels_that_nobody_draws_are_a_warning_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text("[network]\nnodes = 3\n[data]\npartition = 'labels'\nlabels_per_node = 3\n", encoding="utf-8")
    _, mistakes, warnings = check_topology(str(path))
    assert mistakes == []
    (warning,) = warnings
    assert warning.startswith(f"{path}:4: data.partition: no node draws label 5, 6, 7, 8, 9 to train on; ")
    assert check_topology(str(path), ["data.labels_per_node=8"]).warnings == []
    assert check_topology(str(path), ["data.labels_per_node=11"]).warnings == []
    assert check_topology(str(path), ["data.partition=labels"]).warnings[0].startswith("--set data.partition=labels: data.partition: ")
