"""A small simulation: its model trains in no time."""

from pathlib import Path

SMALL = """
import keras
def build(shape, labels):
    layers = [keras.layers.Reshape((*shape, 1)), keras.layers.MaxPooling2D(4), keras.layers.Flatten(), keras.layers.Dense(labels)]
    return keras.Sequential([keras.Input(shape), *layers])
"""

TOPOLOGY = """
[network]
nodes = 4
links = "ring"
seed = 5
[training]
model = "small.py:build"
batch = 16
init = "independent"
[data]
test_samples = 20
partition = "dirichlet"
[update]
algorithm = "reputation"
buffer = 2
[sim]
ticks = 41
interval = [3, 4, 5]
check_every = 10
compare_every = 20
share_test_models = true
[node.3]
attack = "random_model"
[node.2]
role = "observer"
"""


def written(folder: Path, **others: str) -> Path:
    """The folder, with `net.toml`, its model, and other files `NAME.py` in it."""
    (folder / "net.toml").write_text(TOPOLOGY)
    for name, text in {"small": SMALL, **others}.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def tables(folder: Path) -> dict[str, bytes]:
    """The tables that a simulation left."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.csv"))}
