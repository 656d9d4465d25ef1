"""What a chart shows, in words made from its own figures: for whoever hears a page instead of seeing it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import isnan

import numpy as np

from dfl_actors.config.toml_text import counted
from dfl_actors.report.charts.chart import MARK_STYLES, Bars, Chart, Graph, Line, Matrix, OverTime, Panel, cut
from dfl_actors.report.series import Numbers

ATTACKS = "@alarm"  # The colour by which a line is an attacker's.
MOST_NAMED = 3  # Attackers that are named each.


def spoken(chart: Chart) -> str:
    """The chart in a few sentences; one without a figure says why."""
    figure = chart.figure
    if figure is None:
        return f"{chart.title}: {chart.missing}"
    if isinstance(figure, OverTime):
        told = [*(_panel(panel, len(figure.panels) > 1) for panel in figure.panels), *_marks(figure)]
    elif isinstance(figure, Bars):
        told = [_bars(figure)]
    else:
        told = [_matrix(figure)] if isinstance(figure, Matrix) else [_graph(figure)]
    return f"{chart.title}: {'. '.join(filter(None, told))}."


def course(values: Numbers, steady: float) -> str:
    """How values went from first to last; a difference of up to `steady` is none. Empty where there are none.

    >>> course(np.array([0.1, 0.5, 0.94]), 0.02), course(np.array([3.0, 9.0, 4.0]), 0.5)
    ('rose from 0.1 to 0.94', 'rose from 3 to 9, then fell to 4')
    """
    known = [float(value) for value in values if not isnan(value)]
    if not known:
        return ""
    first, last, most, least = known[0], known[-1], max(known), min(known)
    if most - max(first, last) > 2 * steady:
        return f"rose from {number(first)} to {number(most)}, then fell to {number(last)}"
    if min(first, last) - least > 2 * steady:
        return f"fell from {number(first)} to {number(least)}, then rose to {number(last)}"
    if abs(last - first) <= steady:
        return f"stayed at about {number(last)}"
    return f"{'rose' if last > first else 'fell'} from {number(first)} to {number(last)}"


def number(value: float) -> str:
    """With three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


# --- over time


def _panel(panel: Panel, named: bool) -> str:
    """What is made of all nodes, the worst and the best of the honest, and attackers."""
    lines = [line for line in panel.lines if len(line.series[1]) and not np.isnan(line.series[1]).all()]
    of = [line for line in lines if line.node is None and not line.thin]
    honest = [line for line in lines if line.node is not None and line.colour != ATTACKS]
    told = [f"{line.name} {_course(line, panel)}" for line in of[:1]]
    told += [f"and {counted(len(of) - 1, 'more line')}"] if len(of) > 1 else []
    told += _ends(honest, panel) + _attackers([line for line in lines if line.node is not None and line.colour == ATTACKS])
    return f"{panel.title}: {'; '.join(told)}" if told and named else "; ".join(told)


def _course(line: Line, panel: Panel) -> str:
    values = line.series[1]
    return course(values, 0.5 if panel.counts else 0.1 * float(np.nanmax(np.abs(values))) if panel.log else 0.01)


def _ends(lines: Sequence[Line], panel: Panel) -> list[str]:
    """Of one node how it went, of more the least and the greatest at last."""
    if len(lines) == 1:
        return [f"{cut(lines[0].name)} {_course(lines[0], panel)}"]
    by_last = sorted(lines, key=_last)
    if not by_last:
        return []
    low, high = by_last[0], by_last[-1]
    if number(_last(low)) == number(_last(high)):
        return [f"{len(lines)} nodes stood at {number(_last(low))} at last"]
    return [f"lowest at last node {cut(low.name)} at {number(_last(low))}, highest node {cut(high.name)} at {number(_last(high))}"]


def _last(line: Line) -> float:
    values = line.series[1]
    return float(values[~np.isnan(values)][-1])


def _attackers(lines: Sequence[Line]) -> list[str]:
    told = [f"attacker {line.label or cut(line.name)} at {number(_last(line))}" for line in lines[:MOST_NAMED]]
    return told + ([f"and {counted(len(lines) - MOST_NAMED, 'more attacker')}"] if len(lines) > MOST_NAMED else [])


def _marks(figure: OverTime) -> Iterator[str]:
    kinds = Counter(mark.kind for mark in figure.marks)
    if kinds:
        told = (f"{MARK_STYLES[kind][0]} {'once' if count == 1 else f'{count} times'}" for kind, count in kinds.items())
        yield "marked: " + ", ".join(told)


# --- others


def _bars(bars: Bars) -> str:
    """The longest and the shortest bar, and the part that most of all is."""
    totals = [sum(part.values[place] for part in bars.parts) for place in range(len(bars.names))]
    rows = sorted(zip(totals, bars.names, strict=True), key=lambda row: row[0])
    parts = sorted(((sum(part.values), part.name) for part in bars.parts), reverse=True)
    whole = sum(total for total, _ in parts)
    if not rows or not whole:
        return ""
    ends = [f"most {rows[-1][1]}, {number(rows[-1][0])}"] + ([f"least {rows[0][1]}, {number(rows[0][0])}"] if len(rows) > 1 else [])
    share = f"; {100 * parts[0][0] / whole:.0f} % of all is {parts[0][1]}" if len(parts) > 1 else ""
    return f"{bars.unit}: {'; '.join(ends)}{share}"


def _matrix(matrix: Matrix) -> str:
    """The pairs with the greatest and the least value, at last."""
    values, (rows, columns) = matrix.frames[-1], matrix.sides
    if np.isnan(values).all():
        return ""
    told = []
    for word, place in (("most", np.nanargmax(values)), ("least", np.nanargmin(values))):
        row, column = divmod(int(place), values.shape[1])
        told.append(f"{word} {values[row, column]:.{matrix.decimals}f}, {matrix.labels[row]} and {matrix.labels[column]}")
    same = np.nanmax(values) == np.nanmin(values)
    text = f"{rows}, {columns}: " + (f"{np.nanmax(values):.{matrix.decimals}f} each" if same else "; ".join(told))
    return text if matrix.below is None else f"{text}. {_bars(matrix.below)}"


def _graph(graph: Graph) -> str:
    """How many, and the widest link."""
    text = f"{counted(len(graph.dots), 'node')}, {counted(len(graph.edges), 'link')}"
    busiest = max((edge for edge in graph.edges if edge.busy and edge.text), key=lambda edge: edge.width, default=None)
    return text if busiest is None else f"{text}; one of the busiest: {', '.join(busiest.text.splitlines())}"
