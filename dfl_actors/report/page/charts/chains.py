"""The chains: how they grow, and where a transaction's time goes on its way into one."""

from dfl_actors.report.journeys import PARTS, Journey, Journeys, journeys
from dfl_actors.report.load import Run
from dfl_actors.report.page.charts.base import Chart, Entry, Json, axis, label, layout, line, node_style, share, stepped, time_axis
from dfl_actors.report.series import heights

STEP_TEXTS = {
    "announced": "announced",
    "fetched": "fetched",
    "measured": "measured",
    "receipt": "receipts back",
    "drafted": "in a draft",
    "confirmed": "confirmed",
    "final": "final",
}


def chain_heights(run: Run) -> Chart:
    """Blocks over time."""
    found = heights(run)
    chart = Chart(
        id="chains",
        title="Blocks of each chain",
        about="Each node has a chain of its own; a step is a final block.",
        source="`final`",
        missing="No block was final in this run yet.",
        keyed=True,
    )
    if not found:
        return chart
    nodes, most = list(run.nodes), share(len(found))
    traces = []
    for name, series in found.items():
        traces.append(
            line(
                label(name, 64), series, most, **stepped(node_style(nodes, name)),
                hovertemplate="node <b>%{fullData.name}</b><br>%{y} blocks after %{x:.1f} s<extra></extra>",
            )
        )  # fmt: skip
    return chart.filled(traces, layout(xaxis=time_axis(run), yaxis=axis("blocks", rangemode="tozero", tickformat="d", nticks=8)))


def slowest(run: Run) -> Chart:
    """The slowest transactions, cut at their steps."""
    found = journeys(run)
    chart = Chart(
        id="transactions",
        title="The slowest transactions, by step",
        about=(
            "From the end of training to the final block: how long until it was announced, until the last witness had fetched and measured "
            "the model, until the receipts were back, until the generator drafted a block with it, until that was confirmed and final. "
            "On top, the median of each step."
        ),
        source="`trained`, `announced`, `fetched`, `scored`, `receipt`, `drafted`, `confirmed`, `final`",
        missing="No transaction was followed to a receipt in this run yet.",
        wide=True,
        height=110 + 24 * (len(found.slowest) + 1),
    )
    if not found.slowest:
        return chart
    parts = [_part(number, part, found) for number, part in enumerate(PARTS)]
    shown = [part for part in parts if any(part["x"])]
    key = tuple(Entry(part["name"], part["marker"]["color"]) for part in shown)
    return chart.filled(shown, _bars_layout(), notes=_notes(found), key=key)


def _notes(found: Journeys) -> tuple[str, ...]:
    if not found.slowest[0].finished:
        return ("No transaction of this run can be followed to its final block: shown is what is known.",)
    if not found.unfinished:
        return ()
    every = found.count + found.unfinished
    return (f"Of {every:,} transactions, {found.unfinished:,} were in no final block when the run was read; they are left out.",)


def _names(slow: list[Journey], count: int) -> list[str]:
    return [f"<b>median of {count:,}</b>", *(f"{label(way.generator, 10)} · {way.tx[:8]}" for way in slow)]


def _part(number: int, part: str, found: Journeys) -> Json:
    slow = found.slowest
    values = [found.typical[part], *(way.parts.get(part, 0) for way in slow)]
    totals = ["", *(f"{label(way.generator)}'s {way.tx[:8]}, {way.total:,} ms in all<br>" for way in slow)]
    return {
        "type": "bar", "orientation": "h", "name": STEP_TEXTS[part], "x": values, "y": _names(slow, found.count), "customdata": totals,
        "marker": {"color": f"@step{number}", "line": {"color": "@ground", "width": 1}},
        "hovertemplate": f"%{{customdata}}<b>%{{x:,}} ms</b> until {STEP_TEXTS[part]}<extra></extra>",
        "meta": {"rows": [None, *(way.generator for way in slow)], "cut": ["x", "y", "customdata"]},
    }  # fmt: skip


def _bars_layout() -> Json:
    return layout(
        barmode="stack",
        bargap=0.25,
        xaxis=axis("milliseconds since trained", side="bottom", rangemode="tozero"),
        yaxis=axis(autorange="reversed", type="category", showgrid=False, tickfont={"size": 12}, dtick=1, fixedrange=True),
    )
