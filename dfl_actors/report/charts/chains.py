"""The chains: how they grow, and where a transaction's time goes on its way into one."""

from dfl_actors.report.charts.chart import Bars, Chart, OverTime, Panel, Part
from dfl_actors.report.load import Run
from dfl_actors.report.roles import called, looks_of, node_line
from dfl_actors.report.series import heights
from dfl_actors.report.waits import WAITS, Latencies, latencies

STEP_TEXTS = dict(zip(WAITS, ("announced", "fetched", "measured", "receipts back", "in a draft", "confirmed", "final"), strict=True))


def chain_heights(run: Run) -> Chart:
    """Blocks over time."""
    lines = [node_line(run, name, series, stepped=True) for name, series in heights(run).items()]
    panel = Panel(title="blocks", lines=lines, value="blocks: %{y}", counts=True)
    return Chart(
        id="chains",
        title="Blocks of each chain",
        about="Each node has a chain of its own; a step is a final block.",
        source="`final`",
        missing="No block was final in this run yet.",
        keyed=True,
        figure=OverTime(panels=[panel], end=run.elapsed) if lines else None,
    )


def slowest(run: Run) -> Chart:
    """The slowest transactions, cut at their steps."""
    found = latencies(run)
    bars = [*([] if found.typical is None else [found.typical]), *found.slowest]
    parts = [
        Part(text, f"@step{place}", [float(one.waits.get(wait, 0)) for one in bars])
        for place, (wait, text) in enumerate(STEP_TEXTS.items())
    ]
    shown = [part for part in parts if any(part.values)]
    return Chart(
        id="transactions",
        title="The slowest transactions, by step",
        about=(
            "From the end of training to the final block: how long until it was announced, until the last witness had fetched and measured "
            "the model, until the receipts were back, until the generator drafted a block with it, until that was confirmed and final. "
            "On top, the transaction at the median."
        ),
        source="`trained`, `announced`, `fetched`, `scored`, `receipt`, `drafted`, `confirmed`, `final`",
        missing="No transaction was followed to a receipt in this run yet.",
        wide=True,
        height=110 + 24 * (len(found.slowest) + 1),
        figure=_bars(run, found, shown) if found.slowest else None,
        notes=_notes(found),
    )


def _bars(run: Run, found: Latencies, parts: list[Part]) -> Bars:
    slow = found.slowest
    return Bars(
        names=[f"median of {found.count:,}", *(f"{called(run, one.generator, 10)} · {one.tx[:8]}" for one in slow)],
        nodes=[None, *(one.generator for one in slow)],
        looks=[None, *looks_of(run, (one.generator for one in slow))],
        parts=parts,
        unit="ms since trained",
        hover="%{customdata}<b>%{x:,} ms</b> until %{fullData.name}",
        details=["", *(f"{called(run, one.generator)}'s {one.tx[:8]}, {one.total:,} ms in all" for one in slow)],
    )


def _notes(found: Latencies) -> tuple[str, ...]:
    if found.slowest and not found.slowest[0].finished:
        return ("No transaction of this run can be followed to its final block: shown is what is known.",)
    if not found.slowest or not found.unfinished:
        return ()
    every = found.count + found.unfinished
    return (f"Of {every:,} transactions, {found.unfinished:,} were in no final block when the run was read; they are left out.",)
