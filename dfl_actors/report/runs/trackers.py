"""A run in MLflow or in Weights & Biases: its configuration as parameters, its closing figures, and every curve by node.

What is drawn is what the event files of TensorBoard have (`event_files`), as NODE/TAG; what concerns all nodes is network/TAG. Nothing is
sent anywhere unless the address of an MLflow server is given: W&B writes as it does offline, MLflow into an SQLite file, and what both
libraries tell their makers of their use is turned off.
"""

import errno
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report.load import Run
from dfl_actors.report.runs.compare import settings_of
from dfl_actors.report.runs.event_files import scalars
from dfl_actors.report.runs.groups import cpu_seconds
from dfl_actors.report.runs.listing import GOING_ON, state_now
from dfl_actors.report.summary import stands

DATABASE = "mlflow.db"
MOST_METRICS, MOST_PARAMETERS = 1000, 100  # That MLflow takes at once.
SPARE = 1 << 16  # Bytes below which a disk counts as full.
LONGEST = 6000  # Characters of a parameter that MLflow takes.
NETWORK = "network"

STATUSES = {"interrupted": "KILLED", "terminated": "KILLED", "failed": "FAILED", "died": "FAILED"}  # As MLflow says it, by ours.

Tick = Callable[[Run, int], int]


def curves(run: Run) -> Iterator[tuple[int, dict[str, float]]]:
    """What became known when (ms since the epoch), by NODE/TAG, in the order of time; two values of one in a millisecond one by one."""
    names = unique(run.nodes)
    news = [(t, names[node] if node else NETWORK, values) for node, t, values in scalars(run)]
    now, row = 0, dict[str, float]()
    for t, name, values in sorted(news, key=lambda one: one[0]):
        named = {f"{name}/{_plain(tag)}": float(value) for tag, value in values.items()}
        if row and (t != now or row.keys() & named.keys()):
            yield now, row
            row = {}
        now, row = t, row | named
    if row:
        yield now, row


def unique(nodes: Mapping[str, str]) -> dict[str, str]:
    """The nodes' names in signs that both programs take, and each one only once."""
    found: dict[str, str] = {}
    for node in nodes:
        name = wanted = _plain(node).replace("/", "_")
        count = 2
        while name in (NETWORK, *found.values()):
            name, count = f"{wanted}_{count}", count + 1
        found[node] = name
    return found


def _plain(text: str) -> str:
    return re.sub(r"[^\w\-. /]", "_", text, flags=re.ASCII) or "_"


def closing(run: Run) -> dict[str, float]:
    """The figures at the end: of the honest nodes the mean, the worst and the spread, and CPU."""
    head = {f"honest/{name}": value for name in ("mean", "worst", "spread") if (value := stands(run)[name]) is not None}
    spent = cpu_seconds(run)
    return head if spent is None else {**head, "cpu_seconds": spent}


def about(run: Run) -> dict[str, str]:
    """What kind of run it is."""
    counts = {"seed": run.seed, "nodes": len(run.nodes), "attackers": len(run.attacks)}
    words = {name: str(count) for name, count in counts.items()}
    return {"kind": "simulation" if run.simulated else "run", "state": state_now(run), **words, "dfl_actors": run.version}


def _needs(modules: Sequence[str], name: str, extra: str) -> None:
    if any(find_spec(module) is None for module in modules):
        raise ConfigError(f"{name} is not installed: pip install 'dfl-actors[{extra}]'")


# --- MLflow


def write_mlflow(run: Run, out: Path, tick: Tick) -> Iterator[str]:
    """A database of its own. Raises `DflError`."""
    yield from send_mlflow(run, f"sqlite:///{out.resolve() / DATABASE}", tick, DATABASE)


def send_mlflow(run: Run, address: str, tick: Tick, called: str = "") -> Iterator[str]:
    """A run of the experiment that has the network's name, at an MLflow server or in a database, which is `called` so where something is
    wrong with it. Raises `DflError`."""
    _needs(("mlflow", "alembic", "sqlalchemy") if address.startswith("sqlite:") else ("mlflow",), "MLflow", "mlflow")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    try:
        count = _log(MlflowClient(tracking_uri=address), run, tick)
    except (MlflowException, *_of_databases()) as error:
        said = str(error).splitlines()[0][:200]
        remedy = "choose another --out, or make room" if called else "choose another --out, or see that it runs"
        raise StoreError(f"MLflow at {called or address} does not take it ({said}): {remedy}") from error
    yield f"experiment {run.name}, run {run.path.resolve().name}: {count} values"


def _of_databases() -> tuple[type[Exception], ...]:
    """What else goes wrong where MLflow writes into a database itself."""
    if find_spec("sqlalchemy") is None:
        return ()
    from sqlalchemy.exc import SQLAlchemyError

    return (SQLAlchemyError,)


def _log(client: Any, run: Run, tick: Tick) -> int:
    """How many values there were."""
    from mlflow.entities import Metric, Param

    known = client.get_experiment_by_name(run.name)
    experiment = client.create_experiment(run.name) if known is None else known.experiment_id
    name = run.path.resolve().name
    made = client.create_run(experiment, start_time=run.started, run_name=name, tags=about(run)).info.run_id
    end = run.sessions[-1].end
    parameters = [Param(_plain(key), value[:LONGEST]) for key, value in (settings_of(run.path) or {}).items()]
    metrics = [Metric(key, value, t, tick(run, t)) for t, values in curves(run) for key, value in values.items()]
    metrics += [Metric(key, value, end, tick(run, end)) for key, value in closing(run).items()]
    for begin in range(0, len(parameters), MOST_PARAMETERS):
        client.log_batch(made, params=parameters[begin : begin + MOST_PARAMETERS])
    for begin in range(0, len(metrics), MOST_METRICS):
        client.log_batch(made, metrics=metrics[begin : begin + MOST_METRICS])
    state = state_now(run)
    if state not in GOING_ON:  # which another export may end
        client.set_terminated(made, status=STATUSES.get(state, "FINISHED"), end_time=end)
    return len(metrics)


# --- Weights & Biases


def write_wandb(run: Run, out: Path, tick: Tick) -> Iterator[str]:
    """An offline run, which `wandb sync` sends when its owner wants that. Raises `DflError`, and OSError for a full disk."""
    _needs(("wandb",), "Weights & Biases", "wandb")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    with TemporaryDirectory(dir=out.parent) as workshop, _unlogged():
        try:
            count = _offline(run, workshop)
        except wandb.Error as error:
            raise StoreError(f"Weights & Biases does not take it ({error}): choose another --out, or make room") from error
        finally:
            wandb.teardown()
        if shutil.disk_usage(workshop).free < SPARE:  # its own process says nothing of what it could not write
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield from _kept(Path(workshop), out, count)


def _offline(run: Run, workshop: str) -> int:
    """How many values there were."""
    import wandb

    quiet = wandb.Settings(
        silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True, x_disable_meta=True, x_save_requirements=False
    )
    name = run.path.resolve().name
    config = {**(settings_of(run.path) or {}), **about(run)}
    logged = wandb.init(project=_project(run.name), name=name, dir=workshop, mode="offline", config=config, settings=quiet)
    logged.define_metric("*", step_metric=run.unit)
    count = 0
    for t, values in curves(run):
        logged.log({run.unit: run.seconds(t), **values})
        count += len(values)
    logged.summary.update(closing(run))
    logged.finish()
    return count


@contextmanager
def _unlogged() -> Iterator[None]:
    """What a library cannot write into its log on a full disk is not told besides."""
    before, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        yield
    finally:
        logging.raiseExceptions = before


def _project(name: str) -> str:
    """W&B's names of projects are short and without some signs."""
    return re.sub(r"[/\\#?%:]", "_", name)[:128] or "dfl-actors"


def _kept(workshop: Path, out: Path, count: int) -> Iterator[str]:
    """The record alone, without logs and links."""
    for record in workshop.rglob("run-*.wandb"):
        place = out / record.parent.name
        place.mkdir()
        shutil.copyfile(record, place / record.name)
        yield f"{record.parent.name}: {count} values; `wandb sync` sends it"
