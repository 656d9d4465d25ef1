"""From data to a picture, in cells: VS Code, PyCharm, Spyder and Jupytext run them one by one; `python notebook.py` runs all."""

# %% The data, once
import csv
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import stripes

stripes.write("stripes.npz")
data = np.load("stripes.npz")
print({name: array.shape for name, array in data.items()})

# %% Does the algorithm keep its contract? Each rule, and how it is broken
from dfl_actors.sdk.contract import check_plugin, load_plugin

for finding in check_plugin(lambda: load_plugin("nearest.py:build", {"keep": 2}, Path())):
    print(f"{finding.rule:<30}{finding.failure or 'holds'}")

# %% Two simulations that differ in the algorithm alone
RUNS = {"nearest": [], "half_fedavg": ["--set", "update.algorithm=half_fedavg", "--set", "update.parameters={}"]}
for name, options in RUNS.items():
    command = [sys.executable, "-m", "dfl_actors", "sim", "stripes.toml", "--seed", "1", "--out", f"sims/{name}", "--quiet", *options]
    subprocess.run(command, check=True)


# %% What came of them: the mean accuracy of the nodes that do not attack, tick by tick
def curve(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ticks, and accuracies."""
    with Path("sims", name, "accuracy.csv").open(encoding="utf-8") as file:
        table = np.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]])
    return table[:, 0], table[:, 1:6].mean(axis=1)


for name in RUNS:
    print(f"{name:<12} {curve(name)[1][-1]:.3f} at the end")

# %% And a picture
mpl.use("agg")
from matplotlib import pyplot as plt

for name in RUNS:
    plt.plot(*curve(name), label=name)
plt.xlabel("tick")
plt.ylabel("accuracy")
plt.legend()
plt.savefig("stripes.png")
