"""What a simulation comes to: its closing figures, the table of its nodes, and its picture.

A node's accuracy jumps from measurement to measurement, so the closing figures are means of the last ones, and say of which; beside each
stands the last measurement, for where learning is not over the mean lags behind it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson
from rich.console import Console
from rich.text import Text

from dfl_actors.config.toml_text import counted
from dfl_actors.core.events import Evaluated, Trained
from dfl_actors.files import whole
from dfl_actors.report.charts.chart import FEW, Line, OverTime, Panel, cut
from dfl_actors.report.charts.learning import accuracy_panel, layer_lines
from dfl_actors.report.findings import findings, kept_out
from dfl_actors.report.judged import held_back, judged_by, judged_in, judged_lines
from dfl_actors.report.kinds import kind_text
from dfl_actors.report.load import Run, by_node
from dfl_actors.report.picture_files import save
from dfl_actors.report.pictures import NOTHING, draw_over_time
from dfl_actors.report.privacy import privacy_lines, spent
from dfl_actors.report.roles import ALARM, attackers_text
from dfl_actors.report.series import Numbers, accuracies, marks, weight_differences
from dfl_actors.report.simulated import ensemble_of
from dfl_actors.report.summary import Figures, stands, stood
from dfl_actors.report.table import Column, grid, names_column, tell
from dfl_actors.sim.about import load_about

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAST = 20  # Measurements that the final accuracy is the mean of.
GOAL = 0.9  # The accuracy whose first tick is told: the paper's.


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """The closing figures of the honest nodes: each node's mean over its last `measurements`, `since` one tick `until` another, and of
    these the mean, the worst, and the standard deviation over the nodes (divided by their number).

    `last_mean` and `last_worst` are of the last measurement alone; `goal_at` is the first tick at which the nodes' mean stood at `GOAL`.
    """

    honest: int
    measurements: int
    since: float
    until: float
    mean: float
    worst: float
    std: float
    last_mean: float
    last_worst: float
    goal_at: float | None


def closing(run: Run) -> Closing | None:
    """The closing figures, over all nodes where none is honest; None where nothing was measured. Of a run, a tick is a second."""
    measured = accuracies(run, run.of(Evaluated))
    honest = [series for name, series in measured.items() if name not in run.attacks] or list(measured.values())
    if not honest:
        return None
    means = np.array([values[-LAST:].mean() for _, values in honest])
    lasts = np.array([values[-1] for _, values in honest])
    return Closing(
        honest=len(honest),
        measurements=min(LAST, max(len(values) for _, values in honest)),
        since=float(min(when[-LAST:][0] for when, _ in honest)),
        until=float(max(when[-1] for when, _ in honest)),
        mean=float(means.mean()),
        worst=float(means.min()),
        std=float(means.std()),
        last_mean=float(lasts.mean()),
        last_worst=float(lasts.min()),
        goal_at=first_at(honest, GOAL),
    )


def first_at(curves: Sequence[tuple[Numbers, Numbers]], goal: float) -> float | None:
    """When the mean of the latest values of all curves stood at `goal` or above for the first time; None if it never did."""
    news: dict[float, dict[int, float]] = defaultdict(dict)
    for number, (when, values) in enumerate(curves):
        for moment, value in zip(when, values, strict=True):
            news[float(moment)][number] = float(value)
    latest: dict[int, float] = {}
    for moment in sorted(news):
        latest |= news[moment]
        if len(latest) == len(curves) and sum(latest.values()) / len(latest) >= goal:
            return moment
    return None


def summarise_simulation(run: Run) -> Figures:
    """The summary of a simulation, ready for JSON; accuracies are fractions. Raises `DflError`."""
    about, figures = load_about(run.path), closing(run)
    measured, trained, said = accuracies(run, run.of(Evaluated)), by_node(run.of(Trained)), judged_by(run)
    return {
        "name": run.name,
        "directory": str(run.path),
        "started": run.started,
        "seed": run.seed,
        "over": about.over,
        "ticks": round(run.elapsed),
        "seconds": about.seconds,
        "cpu_seconds": about.cpu,
        "measured_by": run.measured_by,
        "headline": stands(run),
        "findings": findings(run, stood(run)),
        "accuracy": None if figures is None else msgspec.to_builtins(figures),
        "nodes": {
            name: {
                "role": run.roles.get(name, "normal"),
                "attack": run.attacks.get(name),
                "steps": trained[name][-1].steps if trained.get(name) else None,
                "accuracy": float(measured[name][1][-LAST:].mean()) if name in measured else None,
                "last": float(measured[name][1][-1]) if name in measured else None,
                "judged": said.get(name, {}),
            }
            for name in run.nodes
        },
        **({"privacy": privacy} if (privacy := spent(run)) else {}),
        "ensemble": {row["set"]: {"correct": int(row["correct"]), "tested": int(row["tested"])} for row in ensemble_of(run.path)},
    }


def leave(run: Run, *, picture: bool = True, place: Path | None = None) -> Figures:
    """Write `summary.json`, and the `picture` `accuracy.png`, into the simulation's directory, which will be `place`; returns the summary.

    Raises `StoreError`.
    """
    summary = summarise_simulation(run) | ({} if place is None else {"directory": str(place)})
    if picture and summary["accuracy"] is not None:
        with whole(run.path / "accuracy.png") as draft:
            save(draw_simulation(run), draft, "png")
    with whole(run.path / "summary.json") as draft:
        draft.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    return summary


def render_simulation(summary: Figures, console: Console) -> None:
    """Print the closing figures: each node, the honest together, all models together, and where everything lies."""
    nodes, accuracy, judged = summary["nodes"], summary["accuracy"], judged_in(summary["nodes"])
    if accuracy is not None:
        columns = [
            names_column(nodes),
            Column("kind", [kind_text(node["role"], node["attack"]) for node in nodes.values()], left=True),
            Column(f"mean of {accuracy['measurements']}", [f"{node['accuracy']:.3f}" for node in nodes.values()], style="bold"),
            Column("last", [f"{node['last']:.3f}" for node in nodes.values()]),
            *held_back(judged, list(nodes)),
        ]
        tell(console, summary["headline"]["text"], "bold")
        for finding in summary["findings"]:
            tell(console, finding, "yellow")
        console.print(grid(columns, console.width, alarm=[bool(node["attack"]) for node in nodes.values()]))
        tell(console, closing_text(accuracy))
    attacks = {name: node["attack"] for name, node in nodes.items() if node["attack"]}
    for line in [*judged_lines(judged, kept_out(judged, attacks)), *privacy_lines(summary.get("privacy", {}))]:
        tell(console, line, "yellow")
    for name, votes in summary["ensemble"].items():
        share = votes["correct"] / votes["tested"]
        tell(console, f"all models together on the {name} set: {share:.4f} ({votes['correct']} of {votes['tested']})")
    console.print(Text(f"everything lies in {summary['directory']}"), soft_wrap=True)


def closing_text(accuracy: Figures) -> str:
    """The honest nodes in a line: what the mean is a mean of."""
    means = f"{counted(accuracy['honest'], 'honest node')}: mean {accuracy['mean']:.3f}, worst {accuracy['worst']:.3f}"
    last = counted(accuracy["measurements"], "measurement")
    return f"{means} (of the last {last}, ticks {accuracy['since']:.0f} to {accuracy['until']:.0f})"


def draw_simulation(run: Run) -> "Figure":
    """The paper's figure 9: accuracy above, weight difference below."""
    accuracy = accuracy_panel(run, accuracies(run, run.of(Evaluated)), "test samples")
    apart = Line(name="attackers", series=NOTHING, colour=ALARM, dash="dash", width=0.9, label=attackers_text(run))
    lines = [*accuracy.lines, *([apart] if len(run.nodes) > FEW and run.attacks else [])]
    layers = weight_differences(run)[1]
    panels = (
        msgspec.structs.replace(accuracy, title=run.score, lines=lines, share=0.6),
        Panel(title="weight difference", lines=layer_lines(layers, list(layers), 1), log=True, share=0.4),
    )
    shown = OverTime(panels=panels, end=run.elapsed, marks=marks(run), unit=run.unit)
    return draw_over_time(shown, cut(run.name, 60), (10, 7))


def render_repeat(seeds: Mapping[int, Figures], together: Figures, console: Console) -> None:
    """Print the closing figures of simulations that differ in the seed, and their mean and standard deviation."""
    found = {seed: summary["accuracy"] for seed, summary in seeds.items() if summary["accuracy"] is not None}
    names = {"mean": "mean", "worst": "worst", "last_mean": "last mean", "last_worst": "last worst"}
    rows = [*map(str, found), "mean", "std"]
    if not found:
        return
    columns = [Column("seed", rows, left=True, style="cyan")]
    for name, header in names.items():
        std = together[name]["std"]
        cells = [f"{one[name]:.3f}" for one in found.values()]
        columns.append(Column(header, [*cells, f"{together[name]['mean']:.3f}", "-" if std is None else f"{std:.3f}"]))
    console.print(grid(columns, console.width))
    measurements = next(iter(found.values()))["measurements"]
    tell(console, f"of the honest nodes: means of the last {measurements} measurements, and the last one")
    console.print(Text(f"everything lies in {together['directory']}"), soft_wrap=True)
