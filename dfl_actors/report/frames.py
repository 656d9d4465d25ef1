"""Data frames of a run: columns from its events, as pandas has them where that is installed, as an Arrow table otherwise, or as Parquet.

Every frame is tidy: a row is one thing that happened, at `seconds` of a run or at a `tick` of a simulation. All of them are made here, with
the types of `KINDS`, so that a file and a frame are the same table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from dfl_actors.core import events
from dfl_actors.core.events import E
from dfl_actors.errors import ConfigError
from dfl_actors.report.load import Run
from dfl_actors.report.series import accuracies, over_steps
from dfl_actors.sdk.reasons import reasons_in

Frame: TypeAlias = Any
"""A `pandas.DataFrame`, or a `pyarrow.Table`: neither needs to be installed."""

Columns = Mapping[str, Sequence[object] | np.ndarray]
Kind = Literal["text", "whole", "number"]

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("seconds", "tick", "accuracy", "loss", "ms", "reputation", "difference"), "number"),
    **dict.fromkeys(("node", "attack", "transaction", "witness", "block", "other", "reason", "layer"), "text"),
    **dict.fromkeys(("steps", "sequence", "samples", "height", "transactions", "confirmations", "expected", "models"), "whole"),
}
"""What stands in a column, by its name; the values of any other tell."""

UNITS = {
    "seconds": "s since the network was ready, pauses before a resume left out",
    "tick": "ticks of the simulation",
    "ms": "ms",
    "accuracy": "share, 0 to 1 (of a regression the score)",
}


def frame(columns: Columns) -> Frame:
    """The columns as a data frame. Raises `ConfigError` without anything that makes one."""
    if find_spec("pandas") is not None:
        from pandas import DataFrame, Series

        return DataFrame({name: Series(list(values), dtype=_dtype(name, values)) for name, values in columns.items()})
    if find_spec("pyarrow") is not None:
        return arrow(columns)
    raise ConfigError("data frames need pandas or pyarrow: pip install 'dfl-actors[frames]'")


def _dtype(name: str, values: Sequence[object] | np.ndarray) -> str | None:
    """pandas' type of a column; whole numbers some of which are missing have one of their own."""
    if KINDS.get(name) == "whole":
        return "Int64" if any(value is None for value in values) else "int64"
    return "float64" if KINDS.get(name) == "number" else None


def arrow(columns: Columns, said: Mapping[str, str] | None = None) -> Frame:
    """The columns as an Arrow table; what is `said` of it, and the unit of a column, are its metadata and the column's."""
    import pyarrow

    types = {"text": pyarrow.string(), "whole": pyarrow.int64(), "number": pyarrow.float64()}
    arrays = [pyarrow.array(list(values), types[KINDS[name]] if name in KINDS else None) for name, values in columns.items()]
    units = [{"unit": UNITS[name]} if name in UNITS else None for name in columns]
    fields = [pyarrow.field(name, array.type, metadata=unit) for name, array, unit in zip(columns, arrays, units, strict=True)]
    return pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields, metadata=dict(said) if said else None))


def write_parquet(run: Run, folder: Path) -> Iterator[tuple[str, int]]:
    """Every frame that the run has as `NAME.parquet`; says which and how many rows. Raises `ConfigError` without pyarrow, and OSError."""
    if find_spec("pyarrow") is None:
        raise ConfigError("Parquet needs pyarrow: pip install 'dfl-actors[frames]'")
    from pyarrow import parquet

    kind = "simulation" if run.simulated else "run"
    said = {"network": run.name, "kind": kind, "seed": str(run.seed), "version": run.version, "started_ms": str(run.started)}
    for name, make in FRAMES.items():
        if not (run.simulated and name in OF_CHAINS):
            table = arrow(make(run), said)
            parquet.write_table(table, folder / f"{name}.parquet")
            yield name, table.num_rows


def accuracy(run: Run) -> Columns:
    """Every measurement on the test samples: when, which node, after how many training steps of its own, the accuracy, and its attack."""
    found = accuracies(run, run.of(events.Evaluated))
    steps = over_steps(run, found)
    return {
        run.unit: _joined([when for when, _ in found.values()]),
        "node": [name for name, (when, _) in found.items() for _ in when],
        "steps": _joined([done for done, _ in steps.values()]).astype(np.int64),
        "accuracy": _joined([values for _, values in found.values()]),
        "attack": [run.attacks.get(name, "") for name, (when, _) in found.items() for _ in when],
    }


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.array([])


def transactions(run: Run) -> Columns:
    """Every transaction; `accuracy` is the node's own, on samples that it received. A simulation has none."""
    of = [event for event in run.of(events.Trained) if event.tx]
    return _table(
        run,
        of,
        sequence=lambda event: event.sequence,
        transaction=lambda event: event.tx,
        steps=lambda event: event.steps,
        samples=lambda event: event.samples,
        accuracy=lambda event: event.correct / event.tested if event.tested else None,
        loss=lambda event: event.loss,
    )


def receipts(run: Run) -> Columns:
    """Every receipt for a transaction of `node`: who measured it and found which accuracy, and `ms` after it was created."""
    return _table(
        run,
        run.of(events.ReceiptArrived),
        transaction=lambda event: event.tx,
        witness=lambda event: run.node_named(event.creator),
        accuracy=lambda event: event.correct / event.tested if event.tested else None,
        ms=lambda event: event.ms,
    )


def blocks(run: Run) -> Columns:
    """Every final block of each node's chain."""
    return _table(
        run,
        list({event.block: event for event in run.of(events.Final)}.values()),
        height=lambda event: event.height,
        block=lambda event: event.block,
        transactions=lambda event: event.transactions,
        confirmations=lambda event: event.confirmations,
        expected=lambda event: event.expected,
        ms=lambda event: event.ms,
    )


def updates(run: Run) -> Columns:
    """Every average that a node made: whose models went in where that is known, and the mean reputation that it then saw."""
    return _table(
        run,
        run.of(events.Updated),
        models=lambda event: event.models or None,
        reputation=lambda event: sum(event.reputations.values()) / len(event.reputations) if event.reputations else None,
    )


def reputations(run: Run) -> Columns:
    """What a node thought of each other one after each average."""
    return _of_others(run, "reputation", lambda event: event.reputations)


def reasons(run: Run) -> Columns:
    """What an update took of each other one's model, and why not more, where the algorithm says so."""
    return _of_others(run, "reason", lambda event: reasons_in(event.notes))


def _of_others(run: Run, name: str, said: Callable[[events.Updated], Mapping[str, object]]) -> Columns:
    """What updates say of others, by their addresses."""
    of = [(event, other, value) for event in run.of(events.Updated) for other, value in said(event).items()]
    return {
        run.unit: [run.seconds(event.t) for event, _, _ in of],
        "node": [event.node for event, _, _ in of],
        "other": [run.node_named(other) for _, other, _ in of],
        name: [value for *_, value in of],
    }


def weight_difference(run: Run) -> Columns:
    """How far apart the models were (equation 5), by layer."""
    of = [(event, layer, value) for event in run.of(events.WeightDifference) for layer, value in event.layers.items()]
    return {
        run.unit: [run.seconds(event.t) for event, _, _ in of],
        "layer": [layer for _, layer, _ in of],
        "difference": [value for *_, value in of],
    }


def _table(run: Run, happened: Iterable[E], **columns: Callable[[E], object]) -> Columns:
    """When and at which node, and what else a column says of each event."""
    rows = sorted(happened, key=lambda event: event.t)
    return {
        run.unit: [run.seconds(event.t) for event in rows],
        "node": [event.node for event in rows],
        **{name: [column(event) for event in rows] for name, column in columns.items()},
    }


FRAMES: Mapping[str, Callable[[Run], Columns]] = {
    "accuracy": accuracy,
    "updates": updates,
    "transactions": transactions,
    "receipts": receipts,
    "blocks": blocks,
    "reputations": reputations,
    "reasons": reasons,
    "weight_difference": weight_difference,
}
"""All of them, by the name that each has in Python and as a file."""

OF_CHAINS = ("transactions", "receipts", "blocks")  # What a simulation has not.
