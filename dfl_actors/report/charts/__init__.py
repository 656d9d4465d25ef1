"""The charts of the report, in their order: functions from a run to a `Chart`."""

from collections.abc import Callable
from functools import partial

import msgspec

from dfl_actors.report.charts.chains import chain_heights, slowest
from dfl_actors.report.charts.chart import Chart, OverTime
from dfl_actors.report.charts.cost import cpu_by_node, cpu_by_task
from dfl_actors.report.charts.learning import accuracy, weight_difference
from dfl_actors.report.charts.network import network
from dfl_actors.report.charts.refused import refused
from dfl_actors.report.charts.trust import receipt_matrix, reputation_matrix, standing
from dfl_actors.report.load import Run
from dfl_actors.report.summary import Figures

IDS: dict[Callable[[Run], Chart], str] = {
    accuracy: "accuracy", weight_difference: "weight-difference", chain_heights: "chains", reputation_matrix: "reputations",
    standing: "standing", network: "network", receipt_matrix: "receipts", refused: "refusals", slowest: "transactions",
}  # fmt: skip


_TRUST = "`reputation/NODE_reputation.csv`"

TABLES = {
    "accuracy": "`accuracy.csv`; `events.csv`", "weight-difference": "`model_weight_diff.csv`", "reputations": _TRUST, "standing": _TRUST,
    "network": f"`config.toml`; {_TRUST}",
}  # fmt: skip
"""What a simulation's charts are made from."""


def charts(run: Run, summary: Figures) -> list[Chart]:
    """Every chart of the run; of a simulation those that do without a chain and without processes."""
    return [make() for make in makers(run, summary).values()]


def makers(run: Run, summary: Figures) -> dict[str, Callable[[], Chart]]:
    """What makes each of them, by its id."""
    if run.simulated:
        simulated = accuracy, weight_difference, reputation_matrix, standing, network
        return {IDS[chart]: partial(_over, run, chart) for chart in simulated}
    over_time = accuracy, weight_difference, chain_heights, reputation_matrix, standing, network, receipt_matrix, refused
    cpu = {"cpu-tasks": lambda: cpu_by_task(summary["cpu"]), "cpu-nodes": lambda: cpu_by_node(run, summary["cpu"])}
    return {**{IDS[chart]: partial(chart, run) for chart in over_time}, **cpu, IDS[slowest]: partial(slowest, run)}


def _over(run: Run, make: Callable[[Run], Chart]) -> Chart:
    """The chart over a simulation's own axis, from its own files."""
    chart = msgspec.structs.replace(make(run), source=TABLES[IDS[make]])
    figure = chart.figure
    return msgspec.structs.replace(chart, figure=msgspec.structs.replace(figure, unit=run.axis)) if isinstance(figure, OverTime) else chart
