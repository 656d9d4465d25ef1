"""The paper's simulations: the cells of the sweeps in topologies/paper, the figure in which each stands, and the accuracy published for it.

The accuracies are those of the paper (section V, figures 9 to 11), worked out from the curves that its authors published: the mean over
the honest nodes and the last twenty measurements, ticks 3620 to 4000; where label weights are drawn, the mean over their ten draws.
"""

from typing import NamedTuple


class Cell(NamedTuple):
    """One simulation of the paper. `name` is what a sweep calls it: its points, joined by strokes."""

    name: str
    figure: str
    published: float

    @property
    def row(self) -> str:
        """All of the name but its partition."""
        return self.name.rpartition("/")[0]

    @property
    def partition(self) -> str:
        return self.name.rpartition("/")[2]


PARTITIONS = ("iid", "dirichlet_1", "dirichlet_0.1", "two_labels")

TABLE_9 = {
    "half_fedavg/none": (0.953, 0.940, 0.806, 0.764),
    "half_fedavg/random_data": (0.947, 0.931, 0.787, 0.688),
    "half_fedavg/random_model": (0.101, 0.099, 0.102, 0.092),
    "reputation/none": (0.953, 0.941, 0.805, 0.762),
    "reputation/random_data": (0.954, 0.938, 0.795, 0.714),
    "reputation/random_model": (0.943, 0.214, 0.121, 0.095),
}
"""With the partitions as columns."""

CELLS = (
    *(
        Cell(f"{row}/{partition}", "figure_9", published)
        for row, line in TABLE_9.items()
        for partition, published in zip(PARTITIONS, line, strict=True)
    ),
    Cell("4-1/iid", "figure_10", 0.97),
    Cell("1-1/iid", "figure_10", 0.95),
    Cell("1-4/iid", "figure_10", 0.94),
    # Those with Dirichlet are one draw each.
    Cell("1-32/iid", "figure_11", 0.932),
    Cell("1-32/dirichlet_1", "figure_11", 0.895),
    Cell("1-32/dirichlet_0.1", "figure_11", 0.465),
)

FIGURES = ("figure_9", "figure_10", "figure_11")
