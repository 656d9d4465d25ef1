"""Draw the paper's worst cell then and now: two simulations of the same network, the paper's algorithm and ours, in one picture.

    python tools/worst_cell.py THEN NOW [--out docs/images/worst_cell.png]

THEN and NOW are directories of `dfl-actors sim`; `docs/learning.md` has the commands that made those of the README.
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot

from dfl_actors.core.events import Evaluated
from dfl_actors.report.load import load_run
from dfl_actors.report.series import Numbers, accuracies
from dfl_actors.report.simulation import closing

PLACE = Path(__file__).parents[1] / "docs" / "images" / "worst_cell.png"
COLOURS = {"then": "#b5483a", "now": "#1f6f8b"}
TITLE = "Ten nodes, two of ten digits each, one attacker: it sends small random numbers for a model"


def curves(path: Path) -> tuple[Numbers, list[Numbers], str]:
    """The ticks, each honest node's accuracies at them, and the closing figures in words."""
    run = load_run(path, (Evaluated,))
    honest = [series for name, series in accuracies(run, run.of(Evaluated)).items() if name not in run.attacks]
    figures = closing(run)
    length = min(len(ticks) for ticks, _ in honest)
    said = "" if figures is None else f"mean {figures.mean:.3f}, worst node {figures.worst:.3f}"
    return honest[0][0][:length], [values[:length] for _, values in honest], said


def draw(then: Path, now: Path, out: Path) -> None:
    """Thin lines are nodes, thick ones their mean."""
    figure, axes = pyplot.subplots(figsize=(9, 4.2), dpi=110, layout="constrained")
    labels = {"then": "the paper's HalfFedAvg", "now": "steady, the default here"}
    for name, path in (("then", then), ("now", now)):
        ticks, nodes, said = curves(path)
        for values in nodes:
            axes.plot(ticks, values, color=COLOURS[name], linewidth=0.5, alpha=0.35)
        mean = sum(nodes[1:], start=nodes[0]) / len(nodes)
        axes.plot(ticks, mean, color=COLOURS[name], linewidth=2.4, label=f"{labels[name]}: {said}")
    axes.set(xlabel="tick (a node trains a batch every ten)", ylabel="accuracy on all ten digits", ylim=(0, 1))
    axes.set_title(TITLE, fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(loc="center right", frameon=False)
    figure.savefig(out)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw two simulations, then and now, in one picture.")
    parser.add_argument("then", type=Path)
    parser.add_argument("now", type=Path)
    parser.add_argument("--out", type=Path, default=PLACE, help="[%(default)s]")
    arguments = parser.parse_args()
    draw(arguments.then, arguments.now, arguments.out)


if __name__ == "__main__":
    main()
