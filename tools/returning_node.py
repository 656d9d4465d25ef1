"""How soon a node that was away is as accurate as the others (the paper, IV-D), from a run directory with `leave` and `join` events.

    dfl-actors run examples/returning.toml --out returned
    python tools/returning_node.py returned

Prints, for each return, how far the node is below the mean of the others at each of its measurements, by how many averages it had made.
"""

import argparse
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dfl_actors.core.events import Evaluated, Happened, Updated
from dfl_actors.errors import DflError
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.series import Series, accuracies

UPDATES = 20  # The paper's: in so many averages the node has caught up.


def gaps(run: Run, name: str, joined: float) -> Iterator[tuple[int, float, float]]:
    """For each measurement of a node after it has joined: averages since, its accuracy, the others' mean at that moment."""
    measured = accuracies(run, run.of(Evaluated))
    updates = [second for event in run.of(Updated) if event.node == name and (second := run.seconds(event.t)) >= joined]
    for second, accuracy in zip(*measured[name], strict=True):
        if second >= joined:
            others = [at(series, second) for other, series in measured.items() if other != name]
            yield bisect_right(updates, second), float(accuracy), float(np.mean(others))


def at(series: Series, second: float) -> float:
    """The value of a curve at a moment, between its neighbours; its last one after its end."""
    return float(np.interp(second, *series))


def main(path: Path) -> None:
    run = load_run(path)
    for event in run.of(Happened):
        if event.do != "join":
            continue
        joined = run.seconds(event.t)
        print(f"node {event.node} came back after {joined:.1f} s of the run")
        print("averages  accuracy  others  below")
        for updates, accuracy, others in gaps(run, event.node, joined):
            print(f"{updates:8d}  {accuracy:8.4f}  {others:.4f}  {others - accuracy:+.4f}{'' if updates <= UPDATES else '  (later)'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's directory")
    try:
        main(parser.parse_args().run)
    except DflError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
