"""The paper's table IX as a sweep's file: the very configurations that tools/paper_experiments.py simulates."""

from paper_cells import PAPER, SHARED, figure_9

from dfl_actors import Topology
from dfl_actors.api.sweeps.plan import cells_of, plan_of


def test_the_sweep_is_the_cells_of_table_ix() -> None:
    swept = {"/".join(cell.values.values()): cell.config for cell in cells_of(plan_of(PAPER / "table_9_sweep.toml", {}, [1]))}
    assert swept.keys() == {cell.name for cell in figure_9()} and len(swept) == 24
    for cell in figure_9():
        # HalfFedAvg measures nothing, so that what its nodes would share makes no difference.
        shared = (SHARED,) if cell.partition != "iid" else ()
        assert swept[cell.name] == Topology(cell.topology, [*cell.options, *shared, "network.seed=1"]).toml()
