"""Twelve kinds of data and models, learned in every way there is; what the nodes report against what their saved models answer.

python tools/kinds.py                              # all of it, about twenty minutes on two idle cores
python tools/kinds.py --only table words           # some kinds
python tools/kinds.py --ways sim run               # some ways: sim, run, node (two commands, as on two hosts)

Every kind is written as its user has it, an .npz file and a topology. A row says the score that the nodes report at the end, what a model
without knowledge would get, and whether each node's exported model, in a process of its own without dfl_actors, says of **each test
sample** what the node's own weights say by the path that measures them: the same label (or labels, of a multilabel task), and each number
that either answers (a probability, or the value of a regression) within 1e-5 and 1e-5 of its size. Both scores must be the one reported.
Exit code 1 if a kind does not learn, or a model answers otherwise than its node.
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
import numpy.typing as npt
import orjson
from ending import orderly
from kinds_node import run_nodes

from dfl_actors import load_run, run, simulate
from dfl_actors.api.result import Result
from dfl_actors.errors import DflError
from dfl_actors.report import frames

TICKS, SECONDS = 240, 25.0
HERE, CLOSE = Path(__file__).parent, 1e-5


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


def by_sim(topology: Path, out: Path) -> list[Result]:
    return [simulate(topology, ticks=TICKS, out=out, progress="none")]


def by_run(topology: Path, out: Path) -> list[Result]:
    return [run(topology, duration=SECONDS, out=out, progress="none")]


def by_node(topology: Path, out: Path) -> list[Result]:
    return [load_run(place) for place in run_nodes(topology, out, SECONDS)]


WAYS: Mapping[str, Callable[[Path, Path], list[Result]]] = {"sim": by_sim, "run": by_run, "node": by_node}


def last_scores(result: Result) -> dict[str, float]:
    """The score that each node reported last, by its name."""
    columns = frames.accuracy(result.run)
    return {str(node): float(score) for node, score in zip(columns["node"], columns["accuracy"], strict=True)}  # the last one stays


def compared(result: Result, reported: Mapping[str, float], kind: kinds_data.Kind, folder: Path) -> str:
    """`yes`, or how the first node's exported model and its own differ."""
    folder.mkdir()
    np.savez(folder / "test.npz", allow_pickle=False, **kind.test)
    files = {name: folder / f"{name}.keras" for name in reported}
    for name, path in files.items():
        asked("-m", "dfl_actors", "model", "export", str(result.path), "--node", name, "-o", str(path))
    own, out = ({name: str(folder / f"{name}-{who}.npz") for name in reported} for who in ("own", "outside"))
    asked(str(HERE / "kinds_own.py"), says={"run": str(result.path), "answers": own})
    facts = {"test": str(folder / "test.npz"), "task": kind.task, "labels": kind.labels}
    asked(str(HERE / "kinds_outside.py"), says={"answers": {str(files[name]): out[name] for name in reported}, **facts})
    faults = (difference(kind.task, reported[name], Path(own[name]), Path(out[name])) for name in reported)
    named = [f"node {name}: {fault}" for name, fault in zip(reported, faults, strict=True) if fault]
    return named[0] if named else "yes" if reported else "nobody reported a score"


def asked(*command: str, says: object = None) -> None:
    """Run Python with these arguments and an object on stdin. Raises `CalledProcessError`."""
    given = "" if says is None else orjson.dumps(says).decode()
    subprocess.run([sys.executable, *command], input=given, check=True, capture_output=True, text=True)


def difference(task: str, reported: float, own: Path, outside: Path) -> str:
    """How the two files of answers [samples, outputs] differ, sample by sample, or their scores; empty where they are the same."""
    with np.load(own) as one, np.load(outside) as other:
        ours, theirs, scores = one["answers"], other["answers"], (float(one["score"]), float(other["score"]))
    if ours.shape != theirs.shape:
        return f"{ours.shape} answers of its own, {theirs.shape} outside"
    apart = ~np.isclose(ours, theirs, rtol=CLOSE, atol=CLOSE).all(axis=1) | (said(task, ours) != said(task, theirs)).any(axis=1)
    if apart.any():
        first = int(apart.argmax())
        return f"{apart.sum()} of {len(apart)} samples otherwise, first {first}: {ours[first]} its own, {theirs[first]} outside"
    if any(abs(score - reported) > 1e-6 for score in scores):
        return f"{reported:.6f} reported, {scores[0]:.6f} its own, {scores[1]:.6f} outside"
    return ""


def said(task: str, answers: npt.NDArray[np.float32]) -> kinds_data.Array:
    """What answers [samples, outputs] choose for each sample: its label [samples, 1], yes or no for each [samples, outputs], or nothing."""
    if task == "classification":
        return np.asarray(answers.argmax(axis=1)[:, None])
    return np.asarray(answers > 0.5) if task == "multilabel" else np.zeros((len(answers), 1))


def rows(kinds: list[str], ways: list[str], folder: Path) -> Iterator[Row]:
    for name in kinds:
        kind = kinds_data.KINDS[name]()
        home = folder / name
        topology = kind.write(home)
        for way in ways:
            place = home / way
            try:
                results = WAYS[way](topology, place / "out")
                reported = [last_scores(result) for result in results]
                same = [compared(one, reported[i], kind, place / f"answers-{i}") for i, one in enumerate(results)]
                scores = [score for each in reported for score in each.values()]
                yield Row(name, way, float(np.mean(scores)), kind.chance, next((one for one in same if one != "yes"), "yes"))
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
    orderly()
    bad = 0
    print(f"{'kind':12} {'way':5} {'score':>6} {'chance':>7}  each sample answered the same by the export")
    with tempfile.TemporaryDirectory(prefix="kinds-") as folder:
        for row in rows(given.only, given.ways, given.folder or Path(folder)):
            bad += not row.good
            print(f"{row.kind:12} {row.way:5} {row.score:6.3f} {row.chance:7.3f}  {row.same}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
