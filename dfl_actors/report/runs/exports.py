"""The metrics of a run in formats that other programs read. What is what: `docs/metrics.md`.

* `csv`: the layout of the paper's published results, `accuracy.csv`, `model_weight_diff.csv`, `reputation/NAME_reputation.csv`.
  Where a simulation counts ticks a run has time: its tick is a millisecond in which the network ran.
* `jsonl`: metrics.jsonl with names for addresses, with ticks, and without torn lines.
* `parquet`: the data frames of Python's interface, see `report/frames.py`.
* `tensorboard`: see `event_files`; `mlflow`, `wandb`: see `trackers`.

An export is made beside its place and moved there when it is whole. `--force` replaces an export, and nothing but an export.
"""

import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import orjson

from dfl_actors.config.toml_text import counted
from dfl_actors.core.events import Evaluated, Updated, WeightDifference, fields_of, name_of
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report.frames import FRAMES, write_parquet
from dfl_actors.report.load import Run, by_node
from dfl_actors.report.runs.event_files import write_event_files
from dfl_actors.report.runs.listing import GOING_ON, load_measured, state_now
from dfl_actors.report.runs.trackers import send_mlflow, write_mlflow, write_wandb
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.sim.about import tables_in

Told = Iterator[str]  # What a format wrote and what it could not, a line each, for the person.

OURS = (
    "accuracy.csv", "steps.csv", "model_weight_diff.csv", "peers.csv", "events.csv", "ensemble.csv", "*_reputation.csv",
    "*_reasons.csv", "metrics.jsonl", "events.out.tfevents.*", "mlflow.db", "run-*.wandb", *(f"{name}.parquet" for name in FRAMES),
)  # fmt: skip


def export(path: Path, format: str, out: Path | None, force: bool) -> tuple[Path, list[str]]:
    """Write the metrics of the run in `path` as `format` into the directory `out` (none: one in the run's own, named after the format).

    Returns that directory and a line for each thing that was written, or could not be. Raises `DflError`.
    """
    if format not in FORMATS:
        raise ConfigError(f"unknown format {format!r}: choose {', '.join(FORMATS)}")
    run = load_measured(path)
    for name in run.nodes:
        RunDirectory(path).node(name)  # raises what cannot name a file
    place = out or path / format
    with _made(place, force) as draft:
        lines = list(FORMATS[format](run, draft))
    return place, [*lines, *_remarks(run, format)]


def send(path: Path, format: str, address: str) -> list[str]:
    """Give the run to the MLflow at this address; what it was given. Raises `DflError`."""
    if format != "mlflow":
        raise ConfigError(f"--out {address} is an address, and {format} is written into a directory: name one")
    run = load_measured(path)
    return [*send_mlflow(run, address, tick), *_remarks(run, format)]


def _remarks(run: Run, format: str) -> Told:
    """What is not in it."""
    if format != "jsonl":  # which has the lines as they are, and counts those that are none
        yield from run.left_out
    if state_now(run) in GOING_ON:
        yield "the run goes on: this is what it had written until now"


@contextmanager
def _made(place: Path, force: bool) -> Iterator[Path]:
    """A new directory whose content becomes that of `place` at the end; after an error `place` is as it was. Raises StoreError."""
    _check_place(place, force)
    home = place if place.is_dir() else place.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="part-", dir=home, ignore_cleanup_errors=True) as workshop:
            draft = Path(workshop) / "new"
            draft.mkdir()
            yield draft
            _move(draft, place)
    except OSError as error:
        raise StoreError(f"{place} cannot be written ({error.strerror}): choose another --out, or make room") from error


def _move(draft: Path, place: Path) -> None:
    """Make `draft` to `place`, or put its files in the place of those that are there."""
    if not place.is_dir():
        draft.rename(place)
        return
    for old in place.iterdir():
        if old != draft.parent:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for new in draft.iterdir():
        new.rename(place / new.name)


def _check_place(place: Path, force: bool) -> None:
    if place.exists() and not place.is_dir():
        raise StoreError(f"{place} is there and is no directory: choose another --out")
    files = [file for _, _, files in os.walk(place) for file in files]
    if files and not force:
        raise StoreError(f"{place} is there already: replace it with --force, or choose another --out")
    foreign = sorted(file for file in files if not any(fnmatch(file, ours) for ours in OURS))
    if foreign:
        raise StoreError(f"{place} holds {', '.join(foreign[:3])}, which no export wrote, and is not replaced: choose another --out")


# --- csv


def write_csv(run: Run, out: Path) -> Told:
    """The layout of the paper's published results, which a simulation has already."""
    if run.simulated:
        yield from _copied(run, out)
        return
    accuracy = ((event.t, {event.node: event.correct / event.tested}) for event in run.of(Evaluated) if event.tested)
    yield _table(run, out / "accuracy.csv", list(run.nodes), accuracy, "the nodes were not measured on the test samples")
    differences = run.of(WeightDifference)
    layers = list(dict.fromkeys(layer for event in differences for layer in event.layers))
    rows = ((event.t, event.layers) for event in differences)
    yield _table(run, out / "model_weight_diff.csv", layers, rows, "this run has no weight differences")
    yield _reputations(run, out / "reputation")


def _copied(run: Run, out: Path) -> Told:
    for path in tables_in(run.path):
        place = out / path.relative_to(run.path)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, place)
        yield f"{path.relative_to(run.path)}: as the simulation wrote it"


def _reputations(run: Run, folder: Path) -> str:
    updates = by_node(run.of(Updated))
    nodes = [name for name in run.nodes if name in updates]
    if not nodes:
        return "no reputation/: no node has averaged models"
    folder.mkdir()
    for name in nodes:
        known = [address for other, address in run.nodes.items() if other != name]
        addresses = list(dict.fromkeys([*known, *(address for event in updates[name] for address in event.reputations)]))
        rows = ((event.t, {run.node_named(address): value for address, value in event.reputations.items()}) for event in updates[name])
        _table(run, folder / f"{name}_reputation.csv", [run.node_named(address) for address in addresses], rows, "")
    return f"reputation/: {len(nodes)} of {len(run.nodes)} nodes"


def _table(run: Run, path: Path, columns: Sequence[str], news: Iterable[tuple[int, Mapping[str, float]]], missing: str) -> str:
    """A row for each moment at which something was new, with the latest value of each column; empty before the first.

    Numbers have six digits, as the reference program prints them.
    """
    rows: dict[int, dict[str, float]] = {}
    latest: dict[str, float] = {}
    for t, values in sorted(news, key=lambda one: one[0]):
        latest = {**latest, **values}
        rows[tick(run, t)] = latest
    if not rows:
        return f"no {path.name}: {missing}"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["tick", *columns])
        writer.writerows([at, *(f"{row[name]:.6g}" if name in row else "" for name in columns)] for at, row in rows.items())
    return f"{path.name}: {len(rows)} x {len(columns)}"


def tick(run: Run, t: int) -> int:
    """Milliseconds in which the network ran before `t`: since it was ready, the pauses before a resume left out. Or a simulation's tick."""
    return round((1 if run.simulated else 1000) * run.seconds(t))


# --- jsonl


def write_jsonl(run: Run, out: Path) -> Told:
    """Every event, also those this version does not know, in the order of metrics.jsonl; of a simulation what its tables say, by tick."""
    if run.simulated:
        yield _simulated(run, out)
        return
    names = {address: name for name, address in run.nodes.items()}
    written = torn = 0
    files = [file for file in RunDirectory(run.path).metrics_files() if file.exists()]
    with (out / "metrics.jsonl").open("wb") as file, ExitStack() as stack:
        for line in (line for each in files for line in stack.enter_context(each.open("rb"))):
            try:
                fields = orjson.loads(line)
                named = {"tick": tick(run, fields["t"]), **{key: _named(value, names) for key, value in fields.items()}}
            except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError):
                torn += 1
                continue
            file.write(orjson.dumps(named, option=orjson.OPT_APPEND_NEWLINE))
            written += 1
    yield f"metrics.jsonl: {counted(written, 'event')}" + (f" ({counted(torn, 'torn line')} left out)" if torn else "")


def _simulated(run: Run, out: Path) -> str:
    events = sorted((event for group in run.events.values() for event in group), key=lambda event: event.t)
    with (out / "metrics.jsonl").open("wb") as file:
        for event in events:
            fields = {"tick": tick(run, event.t), "node": event.node, "event": name_of(type(event)), **fields_of(event)}
            file.write(orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE))
    return f"metrics.jsonl: {counted(len(events), 'event')}"


def _named(value: object, names: Mapping[str, str]) -> object:
    """The same with a node's name for each address, in values and in keys."""
    if isinstance(value, dict):
        return {names.get(key, key): _named(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


# --- tensorboard


def write_tensorboard(run: Run, out: Path) -> Told:
    """One event file a node, and one for the network."""
    counts = write_event_files(run, out, tick)
    told = f"{counted(len(counts), 'event file')} with {counted(sum(counts.values()), 'value')}; TensorBoard shows them"
    yield told if counts else "no event files: nothing was measured, trained or averaged"


# --- tables and trackers


def write_frames(run: Run, out: Path) -> Told:
    """A file a frame."""
    for name, count in write_parquet(run, out):
        yield f"{name}.parquet: {counted(count, 'row')}"


FORMATS: Mapping[str, Callable[[Run, Path], Told]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_frames,
    "tensorboard": write_tensorboard,
    "mlflow": partial(write_mlflow, tick=tick),
    "wandb": partial(write_wandb, tick=tick),
}
