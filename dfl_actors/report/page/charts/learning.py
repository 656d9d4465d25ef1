"""How well the nodes learn, and how far apart their models are."""

from collections.abc import Mapping, Sequence
from math import floor

import numpy as np

from dfl_actors.report.load import Evaluated, Run, Trained
from dfl_actors.report.page.charts.base import (
    FEW,
    SYMBOLS,
    Chart,
    Entry,
    Json,
    axis,
    label,
    layout,
    line,
    node_style,
    rounded,
    share,
    thinning_note,
    time_axis,
)
from dfl_actors.report.plots import series_of, span_of
from dfl_actors.report.series import Mark, Series, marks, weight_differences

MOST_LAYERS = 10
DASHES = ("solid", "dot")

MARK_STYLES = {
    "fault": ("injected fault", "diamond", "@alarm", "solid"),
    "restart": ("restart", "x", "@alarm", "dot"),
    "resume": ("resumed", "triangle-right", "@muted", "dash"),
}


def accuracy(run: Run) -> Chart:
    """The paper's figures 7 and 8: on the test images above, on the node's own samples below."""
    test, own = series_of(run, run.of(Evaluated)), series_of(run, run.of(Trained))
    found = marks(run)
    chart = Chart(
        id="accuracy",
        title="Accuracy over time",
        about=_about(len(run.nodes) > FEW, bool(found)),
        source="`evaluated` and `trained`; `restarted`, `fault`",
        height=520,
        wide=True,
        keyed=True,
        missing="Nothing was measured in this run yet.",
    )
    if not test and not own:
        return chart
    most = share(2 * len(run.nodes))
    traces = [*_panel(run, test, "y", most), *_panel(run, own, "y2", most), *_mark_traces(found)]
    counts = [len(seconds) for series in (test, own) for seconds, _ in series.values()]
    least = min(float(values.min()) for series in (test, own) for _, values in series.values())
    layout = _accuracy_layout(run, found, floor(10 * least) / 10)
    return chart.filled(traces, layout, notes=thinning_note(counts, most), key=_accuracy_key(len(run.nodes) > FEW, found))


def _accuracy_key(crowd: bool, found: Sequence[Mark]) -> tuple[Entry, ...]:
    entries = []
    if crowd:
        for what, colour in (("test images", "crowd"), ("own samples", "own")):
            entries += [Entry(f"{what}: mean", f"@{colour}", "thick"), Entry(f"{what}: span", f"@{colour}", "band")]
        entries.append(Entry("thin: one node", "@muted", "line"))
    kinds = {mark.kind for mark in found}
    return (*entries, *(Entry(name, colour, symbol) for kind, (name, symbol, colour, _) in MARK_STYLES.items() if kind in kinds))


def _about(crowd: bool, disturbed: bool) -> str:
    text = (
        "Above, on the test images: what the network has learned. Below, on the samples a node itself received: this rises first and "
        "drops when models are merged."
    )
    if crowd:
        text += " Choose nodes to pick them out of the crowd."
    return text + " Vertical lines mark restarts and injected faults; hover over the sign above one." if disturbed else text


def _panel(run: Run, series: Mapping[str, Series], place: str, most: int) -> list[Json]:
    nodes = list(run.nodes)
    what = "test images" if place == "y" else "own samples"
    crowd = len(nodes) > FEW
    traces = _crowd_traces(list(series.values()), place, what) if crowd and series else []
    width, colour = (2.2, "@crowdfaint") if place == "y" else (1.2, "@ownfaint")
    for name, one in series.items():
        trace = line(
            label(name, 64), one, most, yaxis=place, **node_style(nodes, name, width, colour),
            hovertemplate=f"node <b>%{{fullData.name}}</b>, {what}<br>%{{y:.3f}} after %{{x:.1f}} s<extra></extra>",
        )  # fmt: skip
        if place == "y" and not crowd:
            marker = {"symbol": SYMBOLS[nodes.index(name)], "size": 7, "maxdisplayed": 30 if len(trace["x"]) > 40 else 0}
            trace |= {"mode": "lines+markers", "marker": marker}
        traces.append(trace)
    return traces[2:] + traces[:2] if crowd else traces


def _crowd_traces(series: Sequence[Series], place: str, what: str) -> list[Json]:
    """The band and the mean of a crowd."""
    # From when every node was measured: a mean of whoever was first would jump.
    begun = max(seconds[0] for seconds, _ in series)
    grid = span_of(list(series), points=400)
    seconds, mean, low, high = (values[grid[0] >= begun] for values in grid)
    there = [*seconds, *seconds[::-1]]
    colour, band = ("@crowd", "@band") if place == "y" else ("@own", "@ownband")
    return [
        {
            "type": "scatter", "mode": "lines", "name": "span", "x": [round(float(x), 3) for x in there],
            "y": [*rounded(high, 4), *rounded(low[::-1], 4)], "yaxis": place, "fill": "toself", "fillcolor": band, "line": {"width": 0},
            "hoverinfo": "skip",
        },
        line(
            f"mean of {len(series)}", (seconds, mean), 400, yaxis=place, line={"color": colour, "width": 3},
            hovertemplate=f"<b>%{{fullData.name}}</b> nodes, {what}<br>%{{y:.3f}} after %{{x:.1f}} s<extra></extra>",
        ),
    ]  # fmt: skip


def _mark_traces(found: Sequence[Mark]) -> list[Json]:
    """A sign for each mark on the upper edge, with what happened."""
    traces = []
    for kind, (name, symbol, colour, _) in MARK_STYLES.items():
        these = [mark for mark in found if mark.kind == kind]
        if these:
            traces.append({
                "type": "scatter", "mode": "markers", "name": name, "x": [round(mark.second, 3) for mark in these], "y": [1.0] * len(these),
                "yaxis": "y3", "text": [label(mark.text, 160) for mark in these], "cliponaxis": False,
                "marker": {"symbol": symbol, "size": 10, "color": colour},
                "hovertemplate": "%{text}<br>after %{x:.1f} s<extra></extra>",
            })  # fmt: skip
    return traces


def _accuracy_layout(run: Run, found: Sequence[Mark], least: float) -> Json:
    shapes: list[Json] = [
        {
            "type": "line", "xref": "x", "yref": "paper", "x0": round(mark.second, 3), "x1": round(mark.second, 3), "y0": 0, "y1": 1,
            "line": {"color": MARK_STYLES[mark.kind][2], "width": 1, "dash": MARK_STYLES[mark.kind][3]},
            "opacity": 0.8 if len(found) <= 12 else 0.35, "layer": "below",
        }
        for mark in found
    ]  # fmt: skip
    notes = []
    if run.target is not None:
        shapes.append({
            "type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": run.target, "y1": run.target,
            "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below",
        })  # fmt: skip
        notes.append({
            "xref": "paper", "yref": "y", "x": 0.005, "xanchor": "left", "y": run.target, "yanchor": "bottom", "showarrow": False,
            "text": f"target {run.target:g}", "font": {"color": "@muted", "size": 12},
        })  # fmt: skip
    reach = {"tickformat": ".2~f", "range": [least, 1 + 0.03 * (1 - least)]}
    return layout(
        xaxis=time_axis(run, anchor="y2"),
        yaxis=axis("on test images", domain=[0.38, 1], nticks=8, **reach),
        yaxis2=axis("on own samples", domain=[0, 0.31], nticks=5, **reach),
        yaxis3={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        shapes=shapes,
        annotations=notes,
    )


def weight_difference(run: Run) -> Chart:
    """Equation 5, over all layers and by layer."""
    overall, layers = weight_differences(run)
    chart = Chart(
        id="weight-difference",
        title="Weight difference",
        about=(
            "How far apart the nodes' models are (equation 5 of the paper): the distances of their weights, from node to next node, summed "
            "up and divided by the number of nodes. It falls as the models agree. The models compared are of moments at most one round of "
            "evaluations apart."
        ),
        source="`weight_difference`",
        missing=(
            "Not recorded (yet): it takes at least two nodes on this machine and a measurement of each on the test images (run.evaluate_s)."
        ),
    )
    if not len(overall[0]):
        return chart
    kept = layers_shown(layers)
    most = share(len(kept) + 1)
    traces = [_difference_line("all layers", overall, most, "@ink", "solid", 3.0)]
    families = dict.fromkeys(_family(name) for name in kept)
    for name in kept:
        family = list(families).index(_family(name))
        dash = DASHES[[other for other in layers if _family(other) == _family(name)].index(name) % len(DASHES)]
        traces.append(_difference_line(layer_label(name, list(layers)), layers[name], most, f"@node{family % FEW}", dash, 1.6))
    drawn = layout(
        xaxis=time_axis(run),
        yaxis=axis("weight difference", type="log", exponentformat="power", dtick=1, tickfont={"size": 10}),
    )
    notes = [f"The {len(kept)} of {len(layers)} layers that differ most at the end are shown."] if len(kept) < len(layers) else []
    key = tuple(Entry(trace["name"], trace["line"]["color"], "dot" if trace["line"]["dash"] == "dot" else "line") for trace in traces[1:])
    notes += thinning_note([len(overall[0])], most)
    return chart.filled(traces, drawn, notes=tuple(notes), key=(Entry("all layers", "@ink", "thick"), *key))


def layers_shown(layers: Mapping[str, Series]) -> list[str]:
    """In their own order, those layers that differ most at the end."""
    most = sorted(layers, key=lambda name: -float(np.nan_to_num(layers[name][1][-1])))[:MOST_LAYERS]
    return [name for name in layers if name in most]


def _difference_line(name: str, series: Series, most: int, colour: str, dash: str, width: float) -> Json:
    seconds, values = series
    positive = (seconds, values.copy())
    positive[1][positive[1] <= 0] = float("nan")
    return line(
        name, positive, most, 6, line={"color": colour, "width": width, "dash": dash}, mode="lines+markers",
        marker={"size": 4 if width < 3 else 6, "color": colour},
        hovertemplate="<b>%{fullData.name}</b><br>%{y:,.4~g} after %{x:.1f} s<extra></extra>",
    )  # fmt: skip


def _family(name: str) -> str:
    """The layer whose kernel or bias this is."""
    return name.rpartition("/")[0] or name


def layer_label(name: str, names: Sequence[str]) -> str:
    """The name without the model's, where all have the same."""
    first = name.partition("/")[0]
    rest = name.removeprefix(f"{first}/")
    return label(rest if rest and all(other.startswith(f"{first}/") for other in names) else name, 28)
