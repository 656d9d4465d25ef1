"""What the network cost: CPU by task and by node (the paper's tables IV and VI)."""

from dfl_actors.report.charts.chart import Bars, Chart, Part
from dfl_actors.report.load import Run
from dfl_actors.report.roles import labels, looks_of
from dfl_actors.report.summary import TASKS, WORK, Figures

WORK_TEXTS = {"learning": "machine learning", "blockchain": "blockchain", "network": "network", "rest": "unattributed"}


def cpu_by_task(cpu: Figures) -> Chart:
    """CPU seconds of all nodes by task, and those of the watchers."""
    about = "CPU seconds of all nodes together, by what an actor did and the kind of work that was; supervisor and evaluator apart."
    rows = _task_rows(cpu)
    bars = Bars(names=list(rows), nodes=[], parts=_parts(list(rows.values())), unit="CPU seconds", hover=_hover("y", "x"), cut=False)
    return _chart("cpu-tasks", "CPU by task", about, bars)


def cpu_by_node(run: Run, cpu: Figures) -> Chart:
    """CPU seconds of each node by kind of work."""
    nodes = list(run.nodes)
    parts = _parts([[*(its[work] for work in WORK), its["unattributed"]] for its in cpu["nodes"].values()])
    bars = Bars(
        names=labels(run), nodes=[*nodes], looks=looks_of(run, nodes), parts=parts, unit="CPU seconds", side="node", flat=False,
        hover=_hover("x", "y"),
    )  # fmt: skip
    return _chart("cpu-nodes", "CPU by node", "CPU seconds of each node's six actors, by kind of work.", bars)


def _chart(name: str, title: str, about: str, bars: Bars) -> Chart:
    missing = "Every process reports its CPU time when it ends: this run is still under way, or was killed."
    return Chart(id=name, title=title, about=about, source="`cpu`", missing=missing, figure=bars if bars.parts else None)


def _hover(across: str, along: str) -> str:
    return f"<b>%{{{across}}}</b>, %{{fullData.name}}<br>%{{{along}:.2f}} s"


def _task_rows(cpu: Figures) -> dict[str, list[float]]:
    """CPU seconds of each kind of `WORK_TEXTS`, by task: the greatest first, the watchers last, none without any."""
    nodes = list(cpu["nodes"].values())
    rows = {task.replace("_", " "): [*(sum(node["tasks"][task][work] for node in nodes) for work in WORK), 0.0] for task in TASKS}
    rows["unattributed"] = [0.0, 0.0, 0.0, sum(node["unattributed"] for node in nodes)]
    rows |= {name: [*(its[work] for work in WORK), its["unattributed"]] for name, its in cpu["watchers"].items()}
    order = sorted(rows, key=lambda name: (name in cpu["watchers"], -sum(rows[name])))
    return {name: rows[name] for name in order if sum(rows[name]) >= 0.0005}


def _parts(rows: list[list[float]]) -> list[Part]:
    """The kinds of work that there is any of."""
    columns = zip(WORK_TEXTS.items(), zip(*rows, strict=True), strict=False)
    return [Part(text, f"@{work}", [round(value, 3) for value in column]) for (work, text), column in columns if any(column)]
