"""The charts of the report, in their order: functions from a run to a `Chart`."""

import msgspec

from dfl_actors.report.charts.chains import chain_heights, slowest
from dfl_actors.report.charts.chart import Chart, OverTime
from dfl_actors.report.charts.cost import cpu_by_node, cpu_by_task
from dfl_actors.report.charts.learning import accuracy, weight_difference
from dfl_actors.report.charts.network import network
from dfl_actors.report.charts.trust import receipt_matrix, reputation_matrix, standing
from dfl_actors.report.load import Run
from dfl_actors.report.summary import Figures


def charts(run: Run, summary: Figures) -> list[Chart]:
    """Every chart of the run; of a simulation those that do without a chain and without processes."""
    if run.simulated:
        return [_over(run, chart(run)) for chart in (accuracy, weight_difference, reputation_matrix, standing, network)]
    over_time = accuracy, weight_difference, chain_heights, reputation_matrix, standing, network, receipt_matrix
    return [*(chart(run) for chart in over_time), cpu_by_task(summary["cpu"]), cpu_by_node(summary["cpu"]), slowest(run)]


def _over(run: Run, chart: Chart) -> Chart:
    """The chart over the run's own axis."""
    figure = chart.figure
    return msgspec.structs.replace(chart, figure=msgspec.structs.replace(figure, unit=run.axis)) if isinstance(figure, OverTime) else chart
