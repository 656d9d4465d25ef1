"""Twelve kinds of data and models, learned in every way there is; what the nodes report against what their saved models answer.

python tools/kinds.py                              # all of it, about twenty minutes on two idle cores
python tools/kinds.py --only table words           # some kinds
python tools/kinds.py --ways sim run               # some ways: sim, run, node (two commands, as on two hosts)

Every kind is written as its user has it, an .npz file and a topology. A row says the score that the nodes report at the
end, what a model without knowledge would get, and whether each node's exported model, in a process of its own without dfl_actors,
gets the same score on the test part. Exit code 1 if a kind does not learn, or a model answers otherwise than its node said.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import kinds_data
import numpy as np
import orjson
from kinds_node import run_nodes

from dfl_actors import load_run, run, simulate
from dfl_actors.api import frames
from dfl_actors.api.result import Result
from dfl_actors.errors import DflError

TICKS, SECONDS = 240, 25.0
OUTSIDE = Path(__file__).parent / "kinds_outside.py"


class Row(NamedTuple):
    """What came of a kind in one way."""

    kind: str
    way: str
    score: float
    chance: float
    same: str

    @property
    def good(self) -> bool:
        return self.score > self.chance + 0.05 and self.same == "yes"


def by_sim(topology: Path, out: Path) -> Result:
    return simulate(topology, ticks=TICKS, out=out, progress="none")


def by_run(topology: Path, out: Path) -> Result:
    return run(topology, duration=SECONDS, out=out, progress="none")


def by_node(topology: Path, out: Path) -> Result:
    return load_run(run_nodes(topology, out, SECONDS))


WAYS: Mapping[str, Callable[[Path, Path], Result]] = {"sim": by_sim, "run": by_run, "node": by_node}


def last_scores(result: Result) -> dict[str, float]:
    """The score that each node reported last, by its name."""
    columns = frames.accuracy(result.run)
    return {str(node): float(score) for node, score in zip(columns["node"], columns["accuracy"], strict=True)}  # the last one stays


def measured_outside(result: Result, kind: kinds_data.Kind, folder: Path) -> dict[str, float]:
    """The score of each node's exported model, which a process without dfl_actors finds."""
    models = {}
    for name in last_scores(result):
        models[name] = str(folder / f"{name}.keras")
        subprocess.run(
            [sys.executable, "-m", "dfl_actors", "model", "export", str(result.path), "--node", name, "-o", models[name]],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    np.savez(folder / "test.npz", allow_pickle=False, **kind.test)
    asked = orjson.dumps({"models": models, "test": str(folder / "test.npz"), "task": kind.task, "labels": kind.labels})
    said = subprocess.run([sys.executable, str(OUTSIDE)], input=asked, check=True, capture_output=True)
    found: dict[str, float] = orjson.loads(said.stdout)
    return found


def compared(reported: Mapping[str, float], outside: Mapping[str, float]) -> str:
    """`yes`, or the first node whose model answers otherwise."""
    for name, score in reported.items():
        if abs(outside[name] - score) > 1e-6:
            return f"node {name}: {score:.6f} reported, {outside[name]:.6f} outside"
    return "yes" if reported else "nobody reported a score"


def rows(kinds: list[str], ways: list[str], folder: Path) -> Iterator[Row]:
    for name in kinds:
        kind = kinds_data.KINDS[name]()
        home = folder / name
        topology = kind.write(home)
        for way in ways:
            place = home / way
            try:
                result = WAYS[way](topology, place / "out")
                reported = last_scores(result)
                same = compared(reported, measured_outside(result, kind, place))
                yield Row(name, way, float(np.mean(list(reported.values()))), kind.chance, same)
            except DflError as error:
                yield Row(name, way, 0.0, kind.chance, str(error))
            except subprocess.CalledProcessError as error:
                yield Row(name, way, 0.0, kind.chance, str(error.stderr)[-300:])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=kinds_data.KINDS, default=list(kinds_data.KINDS), metavar="KIND")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--folder", type=Path, help="keep everything there")
    given: Any = parser.parse_args(arguments)
    bad = 0
    print(f"{'kind':12} {'way':5} {'score':>6} {'chance':>7}  export answers the same")
    with tempfile.TemporaryDirectory(prefix="kinds-") as folder:
        for row in rows(given.only, given.ways, given.folder or Path(folder)):
            bad += not row.good
            print(f"{row.kind:12} {row.way:5} {row.score:6.3f} {row.chance:7.3f}  {row.same}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
