"""Who trusts whom, and who measured whose models."""

from collections.abc import Mapping

import numpy as np

from dfl_actors.config.toml_text import listed
from dfl_actors.report.charts.chart import FEW, WHOLE, Chart, Matrix, OverTime, Panel, cut
from dfl_actors.report.load import Run
from dfl_actors.report.pairs import receipts
from dfl_actors.report.roles import labels, looks_of, node_line
from dfl_actors.report.series import Numbers, reputations, standings

MOST_CELLS = 150_000  # Cells of all frames of the reputation matrix together.
SAME = 0.005  # A difference of reputations that nobody sees.
NO_REPUTATIONS = "No reputations were recorded: they appear with the first update of a node's model."


def reputation_matrix(run: Run) -> Chart:
    """A matrix for each moment, moved through with a slider; one where nothing changed, and none where all reputations are the same."""
    found = reputations(run, min(max(MOST_CELLS // max(len(run.nodes), 1) ** 2, 12), 80))
    same, moves = _one(found.values), _moves(found.values)
    matrix = Matrix(
        nodes=list(run.nodes), labels=labels(run), looks=looks_of(run, run.nodes), frames=found.values,
        moments=tuple(map(run.moment, found.seconds)) if moves else (),
        sides=("who trusts", "whom"), colours="@trust", most=1, decimals=2, hover="<b>%{y}</b> trusts <b>%{x}</b><br>%{z:.3f}",
    )  # fmt: skip
    about = "A row is what a node thinks of the others, from 0 to 1: how much their models weigh when it averages."
    return Chart(
        id="reputations",
        title="Reputations: who trusts whom",
        about=f"{about} Move the slider to go through the run." if moves and same is None else about,
        source="`updated`",
        missing=NO_REPUTATIONS if same is None else f"Every reputation was {same:.2f}, all the time: nobody lost trust, and nobody gained.",
        height=0,
        figure=matrix if len(found.seconds) and same is None else None,
        notes=() if moves or same is not None or not len(found.seconds) else ("No reputation changed during the run.",),
    )


def _one(values: Numbers) -> float | None:
    """The one value that all of them have, as far as a person can see."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size and float(np.ptp(known)) < SAME else None


def _moves(values: Numbers) -> bool:
    """Whether any of them [K, N, N] changes over time."""
    steps = np.abs(np.diff(values, axis=0))
    appear = np.isnan(values[:-1]) != np.isnan(values[1:])
    return bool((steps >= SAME).any() or appear.any())


def standing(run: Run) -> Chart:
    """The mean reputation of each node over time; a sentence where none changed."""
    found = standings(run)
    lines = [node_line(run, name, series, stepped=True) for name, series in found.items()]
    still = {name: value for name, (_, values) in found.items() if (value := _one(values)) is not None}
    figure = OverTime(panels=[Panel(title="mean reputation", lines=lines, reach=WHOLE)], end=run.elapsed)
    return Chart(
        id="standing",
        title="Standing of each node",
        about="What the others think of a node, in the mean: who loses trust, and when.",
        source="`updated`",
        missing=_constant(still) if still else NO_REPUTATIONS,
        keyed=True,
        figure=figure if len(still) < len(found) else None,
    )


def _constant(values: Mapping[str, float]) -> str:
    """Standings that never changed, in a sentence."""
    by: dict[str, list[str]] = {}
    for name, value in sorted(values.items(), key=lambda item: -item[1]):
        by.setdefault(f"{value:.2f}", []).append(cut(name))
    if len(by) == 1:
        return f"No standing changed: the others thought {next(iter(by))} of every node, all the time."
    told = [f"{value} of {listed(names) if len(names) <= FEW else f'{len(names)} nodes'}" for value, names in by.items()]
    return f"No standing changed: all the time, the others thought {'; '.join(told[:FEW])}{'; ...' if len(told) > FEW else ''}."


def receipt_matrix(run: Run) -> Chart:
    """Receipts by witness and generator."""
    found = receipts(run)
    matrix = Matrix(
        nodes=list(run.nodes), labels=labels(run), looks=looks_of(run, run.nodes),
        frames=np.where(found.counts > 0, found.counts, np.nan)[None], moments=(),
        sides=("witness", "generator"), colours="@scale", most=int(found.counts.max(initial=0)), decimals=0,
        hover="<b>%{y}</b> witnessed <b>%{x}</b><br>receipts: %{z}%{customdata}",
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
