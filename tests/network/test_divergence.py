"""A run whose training diverges says so in one line; a model that is not finite gets nothing right."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dfl_actors.config import load_topology
from dfl_actors.core.codec import model_digest
from dfl_actors.core.control import Evaluate, Evaluated
from dfl_actors.processes.channel import Channel
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.evaluator import Evaluator
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import ModelStore
from tests.network.conftest import Finished
from tests.network.harness import Command, one_line

Start = Callable[..., Command]


def test_a_node_that_diverges_ends_the_run_with_its_name_and_step(start: Start, place: Path) -> None:
    run = start("run", "small.toml", "--out", "run", "-s", "training.learning_rate=1e6", "-s", "training.weight_decay=1", out=place / "run")
    run.ended(5)
    assert " diverged at step " in one_line(run.stderr) and "lower training.learning_rate" in run.stderr
    assert run.events("restarted") == []


def test_a_model_that_is_not_finite_gets_nothing_right(finished: Finished, tmp_path: Path) -> None:
    run = RunDirectory(finished.out)
    config = load_topology(str(finished.out / "config.toml"))
    store = ModelStore(run.node("0").models, config.models_kept("0"))
    weights = np.full(431_080, np.nan, np.float32).tobytes()
    store.put(model_digest(weights), weights)
    store.close()
    parent, end = socket.socketpair()
    with parent:
        evaluator = Evaluator(config, tmp_path, run, 431_080, Channel(end), Clock())
        answer = evaluator._answer(Evaluate(node="0", model=model_digest(weights)))
    assert answer == Evaluated(node="0", model=model_digest(weights), correct=0, tested=500)


def test_a_last_model_is_measured_though_its_store_has_forgotten_it(finished: Finished, tmp_path: Path) -> None:
    """Models of others go on to come until everybody has stopped: in a small store nothing was left to measure."""
    out = tmp_path / "run"
    shutil.copytree(finished.out, out)
    config, run = load_topology(str(out / "config.toml")), RunDirectory(out)
    with ModelStore(run.node("0").models) as store:
        model = store.keys()[-1]
    parent, end = socket.socketpair()
    with parent:
        evaluator = Evaluator(config, tmp_path, run, 431_080, Channel(end), Clock())
        assert not evaluator._answer(Evaluate(node="0", model=model, measure=False, save=True)).missing
        shutil.rmtree(run.node("0").models)
        with ModelStore(run.node("0").models, 1):
            pass
        answer = evaluator._answer(Evaluate(node="0", model=model, whole=True))
        assert answer.tested and not answer.missing
        assert evaluator._answer(Evaluate(node="0", model="ab" * 32, whole=True)).missing
