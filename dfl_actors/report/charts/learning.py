"""How well the nodes learn, and how far apart their models are."""

from collections.abc import Mapping, Sequence
from math import floor

import msgspec
import numpy as np

from dfl_actors.core.events import Evaluated, Trained
from dfl_actors.report.charts.chart import FEW, Band, Chart, Line, OverTime, Panel, cut
from dfl_actors.report.load import Run
from dfl_actors.report.roles import honest_of, node_line
from dfl_actors.report.series import Mark, Series, accuracies, marks, span_since_all, weight_differences

MOST_LAYERS = 10
DASHES = ("solid", "dot")


def accuracy(run: Run) -> Chart:
    """The paper's figures 7 and 8: on the test samples above, on the node's own samples below."""
    crowd, found = len(run.nodes) > FEW, marks(run)
    figure = accuracy_figure(run, found)
    return Chart(
        id="accuracy",
        title=f"{run.score.title()} over time",
        about=_about(crowd, bool(found)),
        source="`evaluated` and `trained`; `restarted`, `fault`, `happened`",
        height=520,
        wide=True,
        keyed=True,
        missing="Nothing was measured in this run yet.",
        figure=figure if any(panel.lines for panel in figure.panels) else None,
    )


def accuracy_figure(run: Run, found: Sequence[Mark]) -> OverTime:
    """The two panels, which may be empty."""
    test, own = accuracies(run, run.of(Evaluated)), accuracies(run, run.of(Trained))
    least = min((float(values.min()) for series in (test, own) for _, values in series.values()), default=0.0)
    bottom = floor(10 * least) / 10
    reach = bottom, 1 + 0.03 * (1 - bottom)
    panels = (
        msgspec.structs.replace(_panel(run, test, "test samples", "@crowd", 2.2), reach=reach, share=0.67),
        msgspec.structs.replace(_panel(run, own, "own samples", "@own", 1.2), reach=reach, share=0.33),
    )
    return OverTime(panels=panels, end=run.elapsed, marks=found, targets=() if run.target is None else (run.target,))


def _panel(run: Run, series: Mapping[str, Series], what: str, colour: str, width: float) -> Panel:
    if len(run.nodes) <= FEW or not series:
        sign = what == "test samples"
        few = [node_line(run, name, one, width=width, sign=sign) for name, one in series.items()]
        return Panel(title=f"on {what}", of=f", {what}", lines=few)
    lines = [node_line(run, name, one, width=width, crowd=f"{colour}faint") for name, one in series.items()]
    honest = honest_of(run, series)
    who = f"{len(honest)} honest" if run.attacks else str(len(honest))
    seconds, mean, low, high = span_since_all(honest)
    band = Band(f"{colour}band", seconds, low, high, f"{what}, least to greatest")
    lines.append(Line(name=f"mean of {who} nodes", series=(seconds, mean), colour=colour, width=3, label=f"{what}, mean of {who}"))
    return Panel(title=f"on {what}", of=f", {what}", lines=lines, bands=[band])


def _about(crowd: bool, disturbed: bool) -> str:
    text = (
        "Above, on the test samples: what the network has learned. Below, on the samples a node itself received: this rises first and "
        "drops when models are merged."
    )
    if crowd:
        text += " Choose nodes to pick them out of the crowd."
    return text + " Vertical lines mark restarts and injected faults; hover over the sign above one." if disturbed else text


def weight_difference(run: Run) -> Chart:
    """Equation 5, over all layers and by layer."""
    overall, layers = weight_differences(run)
    kept = _layers_shown(layers)
    lines = [_difference_line("all layers", overall, "@ink", "solid", 3.0), *_layer_lines(layers, kept)]
    panel = Panel(title="weight difference", lines=lines, value="%{y:,.4~g}", log=True)
    return Chart(
        id="weight-difference",
        title="Weight difference",
        about=(
            "How far apart the nodes' models are (equation 5 of the paper): the distances of their weights, from node to next node, summed "
            "up and divided by the number of nodes. It falls as the models agree. The models compared are of moments at most one round of "
            "evaluations apart."
        ),
        source="`weight_difference`",
        missing=("Not recorded (yet): it takes at least two nodes on this machine and a measurement of each (run.evaluate_s)."),
        figure=OverTime(panels=[panel], end=run.elapsed) if len(overall[0]) else None,
        notes=(f"The {len(kept)} of {len(layers)} layers that differ most at the end are shown.",) if len(kept) < len(layers) else (),
    )


def _layers_shown(layers: Mapping[str, Series]) -> list[str]:
    """In their own order, those layers that differ most at the end."""
    most = sorted(layers, key=lambda name: -float(np.nan_to_num(layers[name][1][-1])))[:MOST_LAYERS]
    return [name for name in layers if name in most]


def _layer_lines(layers: Mapping[str, Series], kept: Sequence[str]) -> list[Line]:
    """Kernel and bias of a layer have one colour and differ in their dashes."""
    families = list(dict.fromkeys(map(_family, kept)))
    lines = []
    for name in kept:
        colour = f"@node{families.index(_family(name)) % FEW}"
        dash = DASHES[[other for other in layers if _family(other) == _family(name)].index(name) % len(DASHES)]
        lines.append(_difference_line(_layer_label(name, list(layers)), layers[name], colour, dash, 1.6))
    return lines


def _difference_line(name: str, series: Series, colour: str, dash: str, width: float) -> Line:
    seconds, values = series
    positive = seconds, np.where(values > 0, values, np.nan)
    return Line(name=name, series=positive, colour=colour, dash=dash, width=width, symbol="circle", symbol_size=4 if width < 3 else 6)


def _family(name: str) -> str:
    """The layer whose kernel or bias this is."""
    return name.rpartition("/")[0] or name


def _layer_label(name: str, names: Sequence[str]) -> str:
    """The name without the model's, where all have the same."""
    first = name.partition("/")[0]
    rest = name.removeprefix(f"{first}/")
    return cut(rest if rest and all(other.startswith(f"{first}/") for other in names) else name, 28)
