"""What the network cost: CPU by task and by node (the paper's tables IV and VI)."""

from collections.abc import Sequence

from dfl_actors.report.load import Run
from dfl_actors.report.page.charts.base import Chart, Entry, Json, axis, labels, layout
from dfl_actors.report.summary import TASKS, WORK, Figures

ABOUT_MISSING = "Every process tells its CPU time when it ends: this run is still under way, or was killed."
WORK_TEXTS = {"learning": "machine learning", "blockchain": "blockchain", "network": "network", "rest": "unattributed"}


def cpu_by_task(run: Run, cpu: Figures) -> Chart:
    """CPU seconds of all nodes by task, and those of the watchers."""
    chart = Chart(
        id="cpu-tasks",
        title="CPU by task",
        about="CPU seconds of all nodes together, by what an actor did and the kind of work that was; supervisor and evaluator apart.",
        source="`cpu`",
        missing=ABOUT_MISSING,
    )
    if not cpu["network"]["total"]:
        return chart
    rows = task_rows(cpu)
    traces = [_bars(work, list(rows), [row[place] for row in rows.values()], "h") for place, work in enumerate(WORK_TEXTS)]
    drawn = layout(
        barmode="stack",
        bargap=0.35,
        xaxis=axis("CPU seconds", rangemode="tozero"),
        yaxis=axis(autorange="reversed", type="category", showgrid=False, fixedrange=True),
    )
    return _filled(chart, [trace for trace in traces if any(trace["x"])], drawn)


def task_rows(cpu: Figures) -> dict[str, list[float]]:
    """CPU seconds of each kind of `WORK_TEXTS`, by task: the greatest first, the watchers last, none without any."""
    nodes = list(cpu["nodes"].values())
    rows = {task.replace("_", " "): [*(sum(node["tasks"][task][work] for node in nodes) for work in WORK), 0.0] for task in TASKS}
    rows["unattributed"] = [0.0, 0.0, 0.0, sum(node["unattributed"] for node in nodes)]
    rows |= {name: [*(its[work] for work in WORK), its["unattributed"]] for name, its in cpu["watchers"].items()}
    order = sorted(rows, key=lambda name: (name in cpu["watchers"], -sum(rows[name])))
    return {name: rows[name] for name in order if sum(rows[name]) >= 0.0005}


def cpu_by_node(run: Run, cpu: Figures) -> Chart:
    """CPU seconds of each node by kind of work."""
    chart = Chart(
        id="cpu-nodes",
        title="CPU by node",
        about="CPU seconds of each node's six actors, by kind of work.",
        source="`cpu`",
        missing=ABOUT_MISSING,
    )
    if not cpu["network"]["total"]:
        return chart
    names, figures = labels(tuple(run.nodes)), list(cpu["nodes"].values())
    traces = []
    for work in (*WORK, "rest"):
        trace = _bars(work, names, [its["unattributed" if work == "rest" else work] for its in figures], "v")
        traces.append({**trace, "meta": {"rows": list(run.nodes), "cut": ["x", "y"]}})
    drawn = layout(
        barmode="stack",
        bargap=0.55 if len(names) <= 4 else 0.3,
        xaxis=axis("node", type="category", showgrid=False, fixedrange=True),
        yaxis=axis("CPU seconds", rangemode="tozero"),
    )
    return _filled(chart, [trace for trace in traces if any(trace["y"])], drawn)


def _filled(chart: Chart, traces: Sequence[Json], drawn: Json) -> Chart:
    return chart.filled(traces, drawn, key=tuple(Entry(trace["name"], trace["marker"]["color"]) for trace in traces))


def _bars(work: str, names: Sequence[str], seconds: Sequence[float], orientation: str) -> Json:
    values = [round(value, 3) for value in seconds]
    along, across = ("x", "y") if orientation == "h" else ("y", "x")
    return {
        "type": "bar", "orientation": orientation, "name": WORK_TEXTS[work], along: values, across: list(names),
        "marker": {"color": f"@{work}"},
        "hovertemplate": f"<b>%{{{across}}}</b>, %{{fullData.name}}<br>%{{{along}:.2f}} s<extra></extra>",
    }  # fmt: skip
