"""The paper's simulations: what each is called, how it differs from its topology file, and the accuracy that was published for it.

The accuracies are those of the paper (section V, figures 9 to 11), worked out from the curves that its authors published: the mean over
the honest nodes and the last twenty measurements, ticks 3620 to 4000; where label weights are drawn, the mean over their ten draws.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

PAPER = Path(__file__).parents[1] / "topologies" / "paper"
FIGURES = ("figure_9", "figure_10", "figure_11")

ALGORITHMS = {
    "half_fedavg": ("update.algorithm=half_fedavg",),
    "reputation": ("update.algorithm=reputation", "update.parameters={ penalty = 0.05, every_model = true }"),
}
ATTACKS = {
    "none": (),
    # The authors' program draws pixels in 0 to 1 and keeps them as whole numbers: zeros and ones, of 255.
    "random_data": ("node.0.attack=random_data", "node.0.attack_parameters={ high = 1 }"),
    "random_model": ("node.0.attack=random_model", "node.0.attack_parameters={ high = 0.001 }"),
}
PARTITIONS = {
    "iid": ("data.partition=iid",),
    "dirichlet_1": ("data.partition=dirichlet", "data.alpha=1.0"),
    "dirichlet_0.1": ("data.partition=dirichlet", "data.alpha=0.1"),
    "two_labels": ("data.partition=labels", "data.labels_per_node=2"),
}
SHARED = "sim.share_test_models=true"
"""Where label weights differ, the authors' program takes far longer to draw test images than to measure a model on them: in one tick all
nodes have set their test models, which they share, before any measures (docs/experiments.md). Only Reputation-0.05 measures at all."""

BUFFERS = {"4-1": 2, "1-1": 8, "1-4": 32, "1-32": 256}
"""Models that start an update, by the ratio of updates to trainings. Eight others train once in ten ticks as the node itself does, so that
8 models are one update to a training. The paper gives 2, 8 and 32, its configuration files 256 for 1:32."""

PUBLISHED = {
    ("half_fedavg", "none"): (0.953, 0.940, 0.806, 0.764),
    ("half_fedavg", "random_data"): (0.947, 0.931, 0.787, 0.688),
    ("half_fedavg", "random_model"): (0.101, 0.099, 0.102, 0.092),
    ("reputation", "none"): (0.953, 0.941, 0.805, 0.762),
    ("reputation", "random_data"): (0.954, 0.938, 0.795, 0.714),
    ("reputation", "random_model"): (0.943, 0.214, 0.121, 0.095),
}
"""Table IX, with the partitions as columns."""

PUBLISHED_RATIOS = {
    ("4-1", "iid"): 0.97,
    ("1-1", "iid"): 0.95,
    ("1-4", "iid"): 0.94,
    ("1-32", "iid"): 0.932,
    ("1-32", "dirichlet_1"): 0.895,
    ("1-32", "dirichlet_0.1"): 0.465,
}
"""Figures 10 and 11. Those with Dirichlet are one draw each."""

MOST_RUNS = 3
"""Runs of a cell whose label weights are drawn; of any other, one."""


@dataclass(frozen=True)
class Cell:
    """One simulation of the paper. `cost` compares its computing time with that of the cheapest."""

    name: str
    figure: str
    topology: Path
    options: tuple[str, ...]
    published: float
    attackers: tuple[str, ...] = ()
    cost: float = 1.0

    @property
    def row(self) -> str:
        """All of the name but its partition."""
        return self.name.rpartition("/")[0]

    @property
    def partition(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def runs(self) -> int:
        """So many where nobody says how many."""
        return MOST_RUNS if self.partition.startswith("dirichlet") else 1


def measured(partition: str) -> tuple[str, ...]:
    """How received models are measured."""
    return () if partition == "iid" else (SHARED,)


def figure_9() -> tuple[Cell, ...]:
    """Table IX, row by row."""
    return tuple(
        Cell(
            name=f"{algorithm}/{attack}/{partition}",
            figure="figure_9",
            topology=PAPER / "figure_9.toml",
            options=(
                *ALGORITHMS[algorithm],
                *ATTACKS[attack],
                *PARTITIONS[partition],
                *(measured(partition) if algorithm == "reputation" else ()),
            ),
            published=published,
            attackers=() if attack == "none" else ("0",),
            cost=1.8 if algorithm == "reputation" else 1.0,
        )
        for (algorithm, attack), row in PUBLISHED.items()
        for partition, published in zip(PARTITIONS, row, strict=True)
    )


def ratio(figure: str, ratio: str, partition: str) -> Cell:
    return Cell(
        name=f"ratio/{ratio}/{partition}",
        figure=figure,
        topology=PAPER / "figure_10.toml",
        options=(f"update.buffer={BUFFERS[ratio]}", *PARTITIONS[partition], *measured(partition)),
        published=PUBLISHED_RATIOS[ratio, partition],
        cost=3.5,
    )


CELLS = (
    *figure_9(),
    *(ratio("figure_10", name, "iid") for name in ("4-1", "1-1", "1-4")),
    *(ratio("figure_11", "1-32", partition) for partition in ("iid", "dirichlet_1", "dirichlet_0.1")),
)


def chosen(patterns: Sequence[str], cells: Iterable[Cell] = CELLS) -> list[Cell]:
    """The cells that a name, a pattern such as `reputation/*/iid` or a figure stands for, in the paper's order; all without any.

    Raises `ValueError` for a pattern that stands for none.
    """
    every = list(cells)
    for pattern in patterns:
        if not any(stands_for(pattern, cell) for cell in every):
            raise ValueError(f"no cell {pattern}: --list shows them; a pattern such as 'reputation/*/iid' or {', '.join(FIGURES)} does too")
    return [cell for cell in every if not patterns or any(stands_for(pattern, cell) for pattern in patterns)]


def stands_for(pattern: str, cell: Cell) -> bool:
    return pattern == cell.figure or fnmatchcase(cell.name, pattern)
