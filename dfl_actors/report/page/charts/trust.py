"""Who trusts whom, and who measured whose models."""

from math import floor

import numpy as np

from dfl_actors.report.load import Run
from dfl_actors.report.matrices import receipts
from dfl_actors.report.page.charts.base import (
    Chart,
    Json,
    axis,
    label,
    labels,
    layout,
    line,
    node_style,
    rounded,
    share,
    stepped,
    time_axis,
)
from dfl_actors.report.series import Numbers, reputations, standings

MOST_CELLS = 150_000
"""Cells of all frames of the reputation matrix together."""

MOST_TEXTS = 12
"""Matrices of more nodes show no numbers in their cells."""

NO_REPUTATIONS = "No reputations were recorded: they appear with the first update of a node's model."


def reputation_matrix(run: Run) -> Chart:
    """A matrix for each moment, moved through with a slider."""
    frames = min(max(MOST_CELLS // max(len(run.nodes), 1) ** 2, 12), 80)
    found = reputations(run, frames)
    chart = Chart(
        id="reputations",
        title="Reputations: who trusts whom",
        about=(
            "A row is what a node thinks of the others, from 0 to 1: how much their models weigh when it averages. "
            "Move the slider to go through the run."
        ),
        source="`updated`",
        missing=NO_REPUTATIONS,
        height=0,
    )
    if not len(found.seconds):
        return chart
    matrix = _matrix(
        run, found.values[-1],
        hovertemplate="<b>%{y}</b> trusts <b>%{x}</b><br>%{z:.3f}<extra></extra>", texttemplate="%{z:.2f}", zmin=0, zmax=1,
        colorscale="@trust",
    )  # fmt: skip
    matrix["meta"]["frames"] = [_rows(values, 3) for values in found.values]
    slider = tuple(f"{second:.1f} s" for second in found.seconds)
    return chart.filled([matrix], _matrix_layout(run, "who trusts", "whom"), slider=slider)


def standing(run: Run) -> Chart:
    """The mean reputation of each node over time."""
    found = standings(run)
    chart = Chart(
        id="standing",
        title="Standing of each node",
        about="What the others think of a node, in the mean: who loses trust, and when.",
        source="`updated`",
        missing=NO_REPUTATIONS,
        keyed=True,
    )
    if not found:
        return chart
    nodes, most = list(run.nodes), share(len(found))
    traces = [
        line(
            label(name, 64), series, most, **stepped(node_style(nodes, name)),
            hovertemplate="node <b>%{fullData.name}</b><br>%{y:.3f} after %{x:.1f} s<extra></extra>",
        )
        for name, series in found.items()
    ]  # fmt: skip
    low = min(float(values.min()) for _, values in found.values())
    least = (floor(10 * low) / 10 if low < 1 else 0.9) - 0.02
    return chart.filled(traces, layout(xaxis=time_axis(run), yaxis=axis("mean reputation", range=[least, 1 + 0.03 * (1 - least)])))


def receipt_matrix(run: Run) -> Chart:
    """Receipts by witness and generator."""
    found = receipts(run)
    chart = Chart(
        id="receipts",
        title="Receipts: witness by generator",
        about="How many receipts each witness (row) signed for transactions of each generator. Hover for the mean accuracy it measured.",
        source="`receipt`",
        missing="No receipts were recorded in this run yet.",
        height=0,
    )
    if not found.counts.any():
        return chart
    counts = np.where(found.counts > 0, found.counts, np.nan)
    accuracies = [["" if value != value else f"<br>mean accuracy {value:.3f}" for value in row] for row in found.accuracies]
    matrix = _matrix(
        run, counts, customdata=accuracies, colorscale="@scale", zmin=0, zmax=int(found.counts.max()),
        hovertemplate="<b>%{y}</b> witnessed <b>%{x}</b><br>%{z} receipts%{customdata}<extra></extra>", texttemplate="%{z}",
    )  # fmt: skip
    matrix["meta"]["cut"].append("customdata")
    return chart.filled([matrix], _matrix_layout(run, "witness", "generator"))


def _matrix(run: Run, values: Numbers, **more: object) -> Json:
    names = labels(tuple(run.nodes))
    few = len(names) <= MOST_TEXTS
    if not few:
        more.pop("texttemplate", None)
    return {
        "type": "heatmap", "x": names, "y": names, "z": _rows(values, 3), "xgap": 2 if few else 0.5, "ygap": 2 if few else 0.5,
        "hoverongaps": False, "textfont": {"size": 12},
        "colorbar": {
            "orientation": "h", "thickness": 10, "outlinewidth": 0, "len": 1, "x": 0.5, "y": -0.03, "yanchor": "top",
            "tickfont": {"size": 11}, "nticks": 6,
        },
        "meta": {"rows": list(run.nodes), "cut": ["y", "z"]}, **more,
    }  # fmt: skip


def _matrix_layout(run: Run, rows: str, columns: str) -> Json:
    names = labels(tuple(run.nodes))
    few = len(names) <= MOST_TEXTS
    categories = {"type": "category", "showgrid": False, "showline": False, "ticks": "", "tickfont": {"size": 12 if few else 10}}
    if few:
        categories |= {"tickmode": "array", "tickvals": names}
    else:
        categories["nticks"] = 13
    return layout(
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis=axis(columns, side="top", tickangle=0 if max(map(len, names)) <= 3 else -45, **categories),
        yaxis=axis(rows, autorange="reversed", **categories),
        plot_bgcolor="@empty",
        dragmode=False,
    )


def _rows(values: Numbers, digits: int) -> list[list[float | None]]:
    return [rounded(row, digits) for row in values]
