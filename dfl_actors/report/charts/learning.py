"""How well the nodes learn, and how far apart their models are."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from dfl_actors.core.events import Evaluated, Trained
from dfl_actors.report.charts.chart import FEW, SYMBOLS, WHOLE, Band, Chart, Line, OverTime, Panel, cut
from dfl_actors.report.charts.palette import LAYERS_LIGHT
from dfl_actors.report.charts.said import course
from dfl_actors.report.load import Run
from dfl_actors.report.roles import honest_of, node_line
from dfl_actors.report.series import Mark, Numbers, Series, accuracies, marks, span_since_all, weight_differences

MOST_LAYERS = 10
DASHES = ("solid", "dot")
LATE = 0.1  # Of a run, after which a mean that begins is late.
THIN, PICKED, THICK = 1.3, 2.2, 3.2  # Widths of a node's curve, of one picked out of a crowd, and of the mean.


def accuracy(run: Run) -> Chart:
    """The paper's figures 7 and 8: on the test samples above, on the node's own samples below, which a simulation does not tell."""
    crowd, found = len(run.nodes) > FEW, marks(run)
    figure = accuracy_figure(run, found)
    panels = figure.panels[:1] if run.simulated else figure.panels
    return Chart(
        id="accuracy",
        title=f"{run.score.title()} over time",
        about=_about(len(panels) > 1, crowd, bool(found)),
        source="`evaluated` and `trained`; `restarted`, `fault`, `happened`",
        height=520 if len(panels) > 1 else 400,
        wide=True,
        keyed=True,
        missing="Nothing was measured in this run yet.",
        figure=msgspec.structs.replace(figure, panels=panels) if any(panel.lines for panel in panels) else None,
        notes=_late(run, figure.panels[0]),
    )


def _late(run: Run, panel: Panel) -> tuple[str, ...]:
    """Why the mean begins so late, if it does."""
    begins = next((float(line.series[0][0]) for line in panel.lines if line.node is None), 0.0)
    if begins <= LATE * run.elapsed:
        return ()
    return (f"The mean on the test samples begins at {run.moment(begins)}, when each of its nodes had been measured.",)


def accuracy_figure(run: Run, found: Sequence[Mark]) -> OverTime:
    """The two panels, which may be empty."""
    targets = () if run.target is None else (run.target,)
    test = accuracy_panel(run, accuracies(run, run.of(Evaluated)), "test samples", targets)
    own = accuracy_panel(run, accuracies(run, run.of(Trained)), "own samples")
    panels = msgspec.structs.replace(test, share=0.67), msgspec.structs.replace(own, share=0.33)
    return OverTime(panels=panels, end=run.elapsed, marks=found, targets=targets)


def accuracy_panel(run: Run, series: Mapping[str, Series], what: str, targets: Sequence[float] = ()) -> Panel:
    """Nodes thin, attackers dashed; thick the mean of the honest, with a band from the worst to the best of them."""
    width = THIN if len(run.nodes) <= FEW else PICKED
    lines = [node_line(run, name, one, width=width, crowd="@crowdfaint", sign=what == "test samples") for name, one in series.items()]
    mean, bands = _mean(run, series)
    ends = fitted([*(values for _, values in series.values()), *(np.array([target]) for target in targets if series)])
    return Panel(title=f"on {what}", of=f", {what}", lines=[*lines, *mean], bands=bands, reach=ends, whole=WHOLE)


def _mean(run: Run, series: Mapping[str, Series]) -> tuple[list[Line], list[Band]]:
    """None of a single node, which is its own mean."""
    honest = honest_of(run, series)
    if len(honest) < 2:
        return [], []
    seconds, mean, low, high = span_since_all(honest)
    kind = "" if not run.attacks else "honest " if series.keys() - run.attacks.keys() else "attacking "
    name = f"mean of {len(honest)} {kind}nodes"
    line = Line(name=name, series=(seconds, mean), colour="@ink", width=THICK, label=f"mean of the {kind}nodes")
    return [line], [Band("@inkband", seconds, low, high, "worst to best of them")]


def fitted(values: Sequence[Numbers]) -> tuple[float, float]:
    """The ends of an axis that shows how these differ; no further than a share goes where they are shares."""
    every = np.concatenate([*values]) if values else np.array([0.0, 1.0])
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    margin = max(0.05 * (high - low), 0.004)
    least, most = WHOLE if low >= 0 and high <= 1 else (-np.inf, np.inf)
    return round(max(low - margin, least), 4), round(min(high + margin, most), 4)


def _about(both: bool, crowd: bool, disturbed: bool) -> str:
    text = "On the test samples: what the network has learned. The axis fits what it shows."
    if both:
        text = (
            "Above, on the test samples: what the network has learned. Below, on the samples a node itself received: this rises first and "
            "drops when models are merged. Each axis fits what it shows."
        )
    if crowd:
        text += " Choose nodes to pick them out of the crowd."
    return text + " Vertical lines mark restarts and injected faults; hover over the sign above one." if disturbed else text


def weight_difference(run: Run) -> Chart:
    """Equation 5, over all layers and by layer."""
    overall, layers = weight_differences(run)
    kept = layers_shown(layers)
    lines = [_difference_line("all layers", overall, "@ink", THICK, "circle"), *layer_lines(layers, kept)]
    panel = Panel(title="weight difference", lines=lines, value="%{y:,.4~g}", log=True)
    return Chart(
        id="weight-difference",
        title="Weight difference",
        about=(
            "How far apart the nodes' models are (equation 5 of the paper): the distances of their weights, from node to next node, summed "
            f"up and divided by the number of nodes. {together(overall)}The models compared are of moments at most one round of "
            "evaluations apart."
        ),
        source="`weight_difference`",
        missing=("Not recorded (yet): it takes at least two nodes on this machine and a measurement of each (run.evaluate_s)."),
        figure=OverTime(panels=[panel], end=run.elapsed) if len(overall[0]) else None,
        notes=(f"The {len(kept)} of {len(layers)} layers that differ most at the end are shown.",) if len(kept) < len(layers) else (),
    )


def together(overall: Series) -> str:
    """Whether the models came together, as the figures say; nothing before there are two."""
    values = overall[1][~np.isnan(overall[1])]
    if len(values) < 2:
        return ""
    steady = 0.1 * float(values.max())
    change = float(values[-1] - values[0])
    meant = "kept their distance" if abs(change) <= steady else "moved apart" if change > 0 else "came together"
    return f"The models {meant}: the difference {course(values, steady)}. "


def layers_shown(layers: Mapping[str, Series]) -> list[str]:
    """In their own order, those layers that differ most at the end."""
    most = sorted(layers, key=lambda name: -float(np.nan_to_num(layers[name][1][-1])))[:MOST_LAYERS]
    return [name for name in layers if name in most]


def layer_lines(layers: Mapping[str, Series], kept: Sequence[str], width: float = 1.6) -> list[Line]:
    """Kernel and bias of a layer have one colour and differ in their dashes; layers of the same colour differ in their signs."""
    families = list(dict.fromkeys(map(_family, kept)))
    lines = []
    for name in kept:
        place = families.index(_family(name))
        dash = DASHES[[other for other in layers if _family(other) == _family(name)].index(name) % len(DASHES)]
        symbol = SYMBOLS[place % len(SYMBOLS)]
        look = f"@layer{place % len(LAYERS_LIGHT)}", width, symbol, dash
        lines.append(_difference_line(_layer_label(name, list(layers)), layers[name], *look))
    return lines


def _difference_line(name: str, series: Series, colour: str, width: float, symbol: str, dash: str = "solid") -> Line:
    seconds, values = series
    positive = seconds, np.where(values > 0, values, np.nan)
    return Line(name=name, series=positive, colour=colour, dash=dash, width=width, symbol=symbol, symbol_size=5 if width < 3 else 6)


def _family(name: str) -> str:
    """The layer whose kernel or bias this is."""
    return name.rpartition("/")[0] or name


def _layer_label(name: str, names: Sequence[str]) -> str:
    """The name without the model's, where all have the same."""
    first = name.partition("/")[0]
    rest = name.removeprefix(f"{first}/")
    return cut(rest if rest and all(other.startswith(f"{first}/") for other in names) else name, 28)
