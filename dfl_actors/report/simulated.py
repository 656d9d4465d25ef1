"""A simulation's directory read back as a `Run`: its tables become the events that a run would have told.

A tick is what a second is to a run: `Run.seconds` of an event is its tick, and `Run.unit` says so. Accuracies, which the tables have with
six digits, are given in millionths. There are no transactions, receipts and blocks: a simulation has no chain.
"""

import csv
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dfl_actors.config import Config, load_topology
from dfl_actors.config.events import tick as tick_of
from dfl_actors.config.events import told as in_words
from dfl_actors.config.sections import Event as OnPurpose
from dfl_actors.core.events import Evaluated, Event, Happened, Noised, Ready, Stopped, Trained, Updated, WeightDifference
from dfl_actors.learning.score import word_for
from dfl_actors.report.load import Run
from dfl_actors.report.series import Numbers
from dfl_actors.report.sessions import Session
from dfl_actors.report.tally import tally
from dfl_actors.sim import checkpoint
from dfl_actors.sim.about import About, load_about

Table = dict[str, Numbers]
Rows = Callable[[Path], Iterator[dict[str, str]]]

MILLION = 1_000_000  # What accuracies are counted of.
TICK = 1000  # As many ms as a second has.


def load_simulation(path: Path, only: Collection[type[Event]] = ()) -> Run:
    """The simulation in a directory that `is_simulation`, also one under way; `only` events of these kinds, if any. Raises `DflError`."""
    config, about = load_topology(path / "config.toml"), load_about(path)
    events: dict[type[Event], list[Event]] = {}
    for event in told(lambda table: rows_of(path / table), config, about.started):
        if not only or type(event) in only:
            events.setdefault(type(event), []).append(event)
    end = about.started + TICK * (config.sim.ticks if about.over else _last_tick(path))
    events[Noised] = list(about.noised)
    events[Ready] = [Ready(t=about.started)]
    if stops := ended(path, about, end):
        events[Stopped] = [*stops]
    return Run(
        path=path,
        sessions=(Session(about.started, end),),
        events=events,
        tally=tally(event for group in events.values() for event in group),
        **fields_of(config, about),
    )


def ended(path: Path, about: About, end: int) -> list[Stopped]:
    """That it is over, or has diverged or failed, or was interrupted, at `end`, if that is so."""
    interrupted = any(path.glob(f"{checkpoint.FOLDER}*"))
    reason = "ticks" if about.over else "failed" if about.diverged else about.broken or ("interrupted" if interrupted else "")
    return [Stopped(t=end, reason=reason)] if reason else []


def fields_of(config: Config, about: About) -> dict[str, Any]:
    """What a `Run` says of a simulation besides its events."""
    return {
        "name": config.network.name,
        "started": about.started,
        "nodes": {node.name: node.name for node in config.nodes},
        "links": tuple(config.links),
        "seed": config.network.seed,
        "version": about.version,
        "skipped": 0,
        "unknown": 0,
        "elsewhere": {},
        "roles": {node.name: node.role for node in config.nodes if node.role != "normal"},
        "attacks": {node.name: attack for node in config.nodes if (attack := config.attack_of(node.name))},
        "unit": "tick",
        "ticks": config.sim.ticks,
        "score": word_for(config.data.task),
    }


def _in_words(config: Config, now: int, row: Mapping[str, str]) -> str:
    """A row of the events; one of a kind that is not known as it stands. What a node drifts to stands in the configuration alone."""
    try:
        happened = msgspec.convert({key: value for key, value in row.items() if value}, OnPurpose, strict=False)
    except msgspec.ValidationError:
        return f"{row['do']} {row['node'] or row['link']}"
    drifts = [one for one in config.events if one.do == "drift" and one.node == happened.node and tick_of(one, config.sim.tick_s) == now]
    return in_words(drifts[-1] if happened.do == "drift" and drifts else happened)


def told(rows: Rows, config: Config, started: int) -> Iterator[Event]:
    """What the tables say, table by table; `rows` gives those of a table, or those of them that are new."""
    batch = config.training.batch
    for tick, row in _numbers(rows(Path("accuracy.csv"))):
        for node, value in row.items():
            yield Evaluated(t=started + TICK * tick, node=node, correct=round(MILLION * value), tested=MILLION)
    for tick, row in _numbers(rows(Path("steps.csv"))):
        for node, steps in row.items():
            yield Trained(t=started + TICK * tick, node=node, tx="", steps=int(steps), samples=batch * int(steps))
    for name in (node.name for node in config.nodes):
        # An update's reasons are written after its reputations: read in this order, none is missed that belongs to a row.
        updates = list(_numbers(rows(Path("reputation", f"{name}_reputation.csv"))))
        reasons = {row["tick"]: _said(row) for row in rows(Path("reasons", f"{name}_reasons.csv"))}
        for tick, row in updates:
            said = reasons.get(str(tick), {})
            yield Updated(t=started + TICK * tick, node=name, reputations=row, notes={"senders": said} if said else {})
    for change in rows(Path("events.csv")):
        do, node, link, now = change["do"], change["node"], change["link"], int(change["tick"])
        yield Happened(t=started + TICK * now, node=node, link=link, do=do, what=_in_words(config, now, change))
    for tick, row in _numbers(rows(Path("model_weight_diff.csv"))):
        yield WeightDifference(t=started + TICK * tick, layers=row, overall=sum(row.values()))


def _numbers(rows: Iterator[dict[str, str]]) -> Iterator[tuple[int, dict[str, float]]]:
    """Tick and values of each whole row."""
    for row in rows:
        try:
            yield int(row.pop("tick")), {name: float(value) for name, value in row.items()}
        except (TypeError, ValueError):  # the last one, which is being written
            return


def _said(row: Mapping[str, str | None]) -> dict[str, str]:
    """What an update said of each sender whose model it had; of a row that is being written what is there."""
    return {sender: words for sender, words in row.items() if sender and words and sender != "tick"}


def _last_tick(path: Path) -> int:
    return max((tick for tick, _ in _numbers(rows_of(path / "accuracy.csv"))), default=0)


def read_table(path: Path) -> Table:
    """The columns of a table of numbers, none if it was not made."""
    rows = list(rows_of(path))
    return {name: np.array([float(row[name]) for row in rows]) for name in (rows[0] if rows else {})}


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table as text, none if it was not made."""
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def ensemble_of(path: Path) -> list[Mapping[str, str]]:
    """What all models together got right: `set`, `correct`, `tested`, `accuracy`."""
    return list(rows_of(path / "ensemble.csv"))
