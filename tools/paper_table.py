"""Set what came of a sweep of the paper's simulations beside what was published, and draw the paper's figures 9 to 11 of it.

    dfl-actors sweep topologies/paper/table_9_sweep.toml -o OUT         # simulate: hours; any part with --only
    python tools/paper_table.py OUT [OUT ...]                           # the table; OUT gets paper.json, paper.md and the figures
    dfl-actors sweep DIR/simulator_config.json --seeds 1-3 -o OUT       # a configuration of the authors' program
    python tools/paper_table.py OUT --reference DIR                     # beside the accuracy.csv that lies with it

A cell is one simulation: `ALGORITHM/ATTACK/PARTITION` of table IX and figure 9, `UPDATES-TRAININGS/PARTITION` of figures 10 and 11.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import orjson
from paper_figures import draw_figures
from paper_results import HEADERS, MARKS, Curves, first_at, markdown, read_curves, results_in, row, runs_in, share, table, tick
from rich.console import Console

from dfl_actors.errors import DflError, StoreError
from dfl_actors.files import whole


def show(sweeps: Sequence[Path], console: Console) -> None:
    """The table of the paper's cells; the first sweep's directory gets the files. Raises `StoreError`."""
    results = results_in(sweeps)
    if not results:
        raise StoreError(f"{', '.join(map(str, sweeps))}: no simulation of the paper is over there; sweep a file of topologies/paper")
    rows, out = [row(result) for result in results], sweeps[0]
    console.print(table(HEADERS, rows))
    with whole(out / "paper.json") as draft:
        draft.write_bytes(orjson.dumps({result.cell.name: result.as_json() for result in results}, option=orjson.OPT_INDENT_2))
    with whole(out / "paper.md") as draft:
        draft.write_text(markdown(HEADERS, rows), encoding="utf-8")
    console.print(f"{', '.join(['paper.json', 'paper.md', *draw_figures(results, out)])} lie in {out}", highlight=False)


def show_reference(sweep: Path, folder: Path, console: Console) -> None:
    """Ours beside the published, a run a row. Raises `StoreError`."""
    runs = [run for cell in runs_in(sweep).values() for run in cell]
    if not runs:
        raise StoreError(f"{sweep}: no simulation is over there; sweep {folder / 'simulator_config.json'}")
    every = [published_curves(folder, runs[0].attackers), *runs]
    console.print(table(("run", "final", *(f"{mark} at" for mark in MARKS)), [reference_row(run) for run in every]))


def reference_row(run: Curves) -> list[str]:
    return [run.name, share(run.final), *(tick(first_at(run.ticks, run.honest, mark)) for mark in MARKS)]


def published_curves(folder: Path, attackers: frozenset[str]) -> Curves:
    """The accuracies that lie beside a reference configuration. Raises `StoreError`."""
    path = folder / "accuracy.csv"
    try:
        return read_curves("published", path, attackers)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}): give a folder of the paper's published results") from error
    except (ValueError, KeyError, IndexError, TypeError):
        raise StoreError(f"{path} is no table of accuracies: its columns are tick and the nodes") from None


class Parser(argparse.ArgumentParser):
    """Says a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description=(__doc__ or "").partition("\n")[0], epilog="docs/experiments.md tells more.")
    parser.add_argument("sweeps", nargs="+", type=Path, metavar="OUT", help="the directory of a sweep of topologies/paper")
    parser.add_argument("--reference", type=Path, metavar="DIR", help="a folder with the authors' accuracy.csv")
    given = parser.parse_args(arguments)
    if given.reference and len(given.sweeps) > 1:
        parser.error("--reference goes with one sweep: that of the folder's simulator_config.json")
    return given


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    given = parse_arguments(arguments)
    # A log has lines of any length: only a terminal has a width.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    try:
        if given.reference:
            show_reference(given.sweeps[0], given.reference, console)
        else:
            show(given.sweeps, console)
    except (DflError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
