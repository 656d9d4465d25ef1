"""The charts of the report's page, in their order: functions from a run to a `Chart`."""

from dfl_actors.report.load import Run
from dfl_actors.report.page.charts.base import Chart
from dfl_actors.report.page.charts.chains import chain_heights, slowest
from dfl_actors.report.page.charts.cost import cpu_by_node, cpu_by_task
from dfl_actors.report.page.charts.learning import accuracy, weight_difference
from dfl_actors.report.page.charts.traffic import network
from dfl_actors.report.page.charts.trust import receipt_matrix, reputation_matrix, standing
from dfl_actors.report.summary import Figures


def charts(run: Run, summary: Figures) -> list[Chart]:
    """Every chart of the run."""
    cpu = summary["cpu"]
    return [
        accuracy(run),
        weight_difference(run),
        chain_heights(run),
        reputation_matrix(run),
        standing(run),
        network(run),
        receipt_matrix(run),
        cpu_by_task(run, cpu),
        cpu_by_node(run, cpu),
        slowest(run),
    ]
