"""Who trusts whom, and who measured whose models."""

from math import floor

import numpy as np

from dfl_actors.report.charts.chart import Chart, Matrix, OverTime, Panel
from dfl_actors.report.load import Run
from dfl_actors.report.pairs import receipts
from dfl_actors.report.roles import labels, node_line
from dfl_actors.report.series import reputations, standings

MOST_CELLS = 150_000  # Cells of all frames of the reputation matrix together.
NO_REPUTATIONS = "No reputations were recorded: they appear with the first update of a node's model."


def reputation_matrix(run: Run) -> Chart:
    """A matrix for each moment, moved through with a slider."""
    found = reputations(run, min(max(MOST_CELLS // max(len(run.nodes), 1) ** 2, 12), 80))
    matrix = Matrix(
        nodes=list(run.nodes), labels=labels(run), frames=found.values, moments=tuple(map(run.moment, found.seconds)),
        sides=("who trusts", "whom"), colours="@trust", most=1, decimals=2, hover="<b>%{y}</b> trusts <b>%{x}</b><br>%{z:.3f}",
    )  # fmt: skip
    return Chart(
        id="reputations",
        title="Reputations: who trusts whom",
        about=(
            "A row is what a node thinks of the others, from 0 to 1: how much their models weigh when it averages. "
            "Move the slider to go through the run."
        ),
        source="`updated`",
        missing=NO_REPUTATIONS,
        height=0,
        figure=matrix if matrix.moments else None,
    )


def standing(run: Run) -> Chart:
    """The mean reputation of each node over time."""
    found = standings(run)
    low = min((float(values.min()) for _, values in found.values()), default=1.0)
    least = (floor(10 * low) / 10 if low < 1 else 0.9) - 0.02
    lines = [node_line(run, name, series, stepped=True) for name, series in found.items()]
    panel = Panel(title="mean reputation", lines=lines, reach=(least, 1 + 0.03 * (1 - least)))
    return Chart(
        id="standing",
        title="Standing of each node",
        about="What the others think of a node, in the mean: who loses trust, and when.",
        source="`updated`",
        missing=NO_REPUTATIONS,
        keyed=True,
        figure=OverTime(panels=[panel], end=run.elapsed) if found else None,
    )


def receipt_matrix(run: Run) -> Chart:
    """Receipts by witness and generator."""
    found = receipts(run)
    matrix = Matrix(
        nodes=list(run.nodes), labels=labels(run), frames=np.where(found.counts > 0, found.counts, np.nan)[None], moments=(),
        sides=("witness", "generator"), colours="@scale", most=int(found.counts.max(initial=0)), decimals=0,
        hover="<b>%{y}</b> witnessed <b>%{x}</b><br>%{z} receipts%{customdata}",
        details=[["" if value != value else f"<br>mean {run.score} {value:.3f}" for value in row] for row in found.accuracies],
    )  # fmt: skip
    return Chart(
        id="receipts",
        title="Receipts: witness by generator",
        about="How many receipts each witness (row) signed for transactions of each generator. Hover for the mean "
        f"{run.score} it measured.",
        source="`receipt`",
        missing="No receipts were recorded in this run yet.",
        height=0,
        figure=matrix if found.counts.any() else None,
    )
