"""Run networks under attack as processes, and the same in the simulator for as many steps, and compare what they learn.

    python tools/deployed.py [--only ring.flip ...] [--steps 400] [--algorithm steady] [--out FOLDER]

Three networks (full, of 4 nodes; ring, of 6; world, a small world of 10), each with an attacker under two partitions: a random
model where a node has two labels (`model`), a sign flip under Dirichlet .1 (`flip`). A node trains at a rate that two cores keep pace
with, until each has made `--steps` steps; then all models are measured on the whole test set. The simulation is of the same topology
and seed, and as long as the honest nodes' mean number of steps. Each row has the honest nodes' mean and worst in both, and their
difference beside the one wanted. Exit code 1 if a run came to more than that less than its simulation.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ending import orderly

from dfl_actors import Result, Topology, run, simulate
from dfl_actors.errors import DflError

WANTED = 0.010
BATCH, INTERVAL = 64, 10  # Samples of a step; ticks between two steps of a simulated node, in the mean.
CORES_A_STEP = 0.05  # Seconds of CPU that a step costs a network at most, with all that it brings about: two cores do 40 a second.

NETWORKS: Mapping[str, Mapping[str, object]] = {
    "full": {"network.nodes": 4, "network.links": "full"},
    "ring": {"network.nodes": 6, "network.links": "ring"},
    "world": {
        "network.nodes": 10,
        "network.links": [
            *("0--1", "0--2", "0--8", "0--9", "1--2", "1--3", "1--9", "2--3", "2--4", "3--8"),
            *("3--5", "4--5", "4--6", "5--6", "5--7", "6--7", "6--1", "7--8", "7--9", "8--9"),
        ],
    },
}
SEEDS = {"full": 1401, "ring": 825, "world": 1531}
"""With these the honest nodes hold every label under Dirichlet .1: of the first 3,000 those whose rarest label is the least rare."""

CELLS: Mapping[str, Mapping[str, object]] = {
    "model": {"data.partition": "labels", "data.labels_per_node": 2, "node.0.attack": "random_model"},
    "flip": {"data.partition": "dirichlet", "data.alpha": 0.1, "node.0.attack": "sign_flip"},
}


class Row(NamedTuple):
    """Honest nodes' mean and worst accuracy, and mean number of steps, of a run and of its simulation."""

    name: str
    steps: float
    deployed: tuple[float, float]
    simulated: tuple[float, float]

    @property
    def difference(self) -> float:
        return self.deployed[0] - self.simulated[0]

    def text(self) -> str:
        figures = "   ".join(f"{mean:.4f} {worst:.4f}" for mean, worst in (self.deployed, self.simulated))
        return f"{self.name:12} {self.steps:7.1f}   {figures}   {self.difference:+.4f}  {'yes' if self.difference >= -WANTED else 'NO'}"


def topology(network: str, cell: str, algorithm: str) -> Topology:
    """The network under the attack, one step a transaction."""
    common = {"network.name": f"{network}-{cell}", "network.seed": SEEDS[network], "update.algorithm": algorithm, "training.batch": BATCH}
    common |= {"training.steps_per_transaction": 1, "training.init": "shared", "update.buffer": 4}
    return Topology("deployed", {**NETWORKS[network], **common, **CELLS[cell]}, text="[network]\nnodes = 2\n")


def figures(result: Result) -> tuple[float, float]:
    """The honest nodes' mean and worst accuracy at the end. Raises `DflError` where nobody was measured."""
    head = result.summary["headline"]
    if not head or head["mean"] is None:
        raise DflError(f"{result.path}: no honest node was measured")
    return float(head["mean"]), float(head["worst"])


def compared(network: str, cell: str, given: argparse.Namespace, folder: Path) -> Row:
    """Both, one after the other. Raises `DflError`."""
    plan, name = topology(network, cell, given.algorithm), f"{network}.{cell}"
    nodes = len(plan.config.nodes)
    rate = given.pace / CORES_A_STEP / nodes
    timed = {"data.rate": rate * BATCH, "run.duration_s": given.steps / rate, "run.evaluate_s": 30}
    ran = run(plan.override(timed), out=folder / f"{name}-run", progress="none")
    honest = [node["steps"] for node in ran.summary["nodes"].values() if node["attack"] is None]
    steps = sum(honest) / len(honest)
    ticks = round(steps * INTERVAL)
    measured = {"sim.check_every": ticks, "sim.check_samples": 10_000, "sim.compare_every": 0}
    simulated = simulate(plan.override(measured), ticks=ticks + 1, out=folder / f"{name}-sim", progress="none")
    return Row(name, steps, figures(ran), figures(simulated))


def rows(given: argparse.Namespace, folder: Path) -> Iterator[Row]:
    for network in NETWORKS:
        for cell in CELLS:
            if not given.only or f"{network}.{cell}" in given.only:
                yield compared(network, cell, given, folder)


def main() -> None:
    names = [f"{network}.{cell}" for network in NETWORKS for cell in CELLS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--steps", type=int, default=400, metavar="N", help="of each node [%(default)s]")
    parser.add_argument("--pace", type=float, default=1.0, metavar="CORES", help="processors to keep busy [%(default)s]")
    parser.add_argument("--algorithm", default="steady", metavar="NAME", help="[%(default)s]")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the runs there")
    given = parser.parse_args()
    orderly()
    with tempfile.TemporaryDirectory() as scratch:
        print(f"{'':12} {'steps':>7}   {'deployed':13}   {'simulated':13}   mean     within .01")
        met = True
        for row in rows(given, given.out or Path(scratch)):
            print(row.text(), flush=True)
            met = met and row.difference >= -WANTED
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
