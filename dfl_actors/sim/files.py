"""What a simulation leaves, in the layout of the paper's published results: a row is written when its tick is over, and never changed.

accuracy.csv                   tick, one column a node: the accuracy on test samples
steps.csv                      tick, one column a node: how often it has trained, at the ticks of accuracy.csv
model_weight_diff.csv          tick, one column a layer: equation 5
reputation/NAME_reputation.csv tick, one column a sender: what node NAME thinks of it after an update
reasons/NAME_reasons.csv       tick, one column a sender: what that update took of its model, and why not more, if the algorithm says so
peers.csv                      tick, node, its accuracy, whom it added or dropped as a receiver, and the buffer of that one since
events.csv                     tick, what happened to which node or link, and with which factor or attack
ensemble.csv                   train and test set: how many samples all models together got right, of how many
"""

import contextlib
import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from dfl_actors.config.sections import Event
from dfl_actors.errors import StoreError
from dfl_actors.files import explained
from dfl_actors.sdk.interface import START_REPUTATION
from dfl_actors.sim.about import tables_in
from dfl_actors.sim.checkpoint import ROOM
from dfl_actors.sim.engine import Results
from dfl_actors.sim.peers import Change


class Watcher(Protocol):
    """Who is told of each row of accuracies, and of each event."""

    def measured(self, tick: int, row: list[float]) -> None: ...

    def happened(self, tick: int, event: Event) -> None: ...


class Tables(Results):
    """Writes the tables of a simulation into `out`, and tells `watcher` as it goes. Raises `StoreError` when the disk is full."""

    def __init__(self, out: Path, names: Sequence[str], senders: Sequence[Sequence[str]], watcher: Watcher) -> None:
        self._out, self._names, self._senders, self._watcher = out, names, senders, watcher
        self._accuracy: dict[int, dict[int, float]] = {}
        self._difference: dict[int, dict[str, float]] = {}
        self._updates: dict[int, dict[int, tuple[dict[str, float], dict[str, str]]]] = {}
        self._changes: dict[int, list[Change | Event]] = {}
        self._steps: dict[int, Sequence[int]] = {}
        self._files: dict[Path, IO[str]] = {}

    def accuracy(self, tick: int, node: int, right: int, tested: int) -> None:
        self._accuracy.setdefault(tick, {})[node] = right / tested

    def difference(self, tick: int, by_layer: dict[str, float]) -> None:
        self._difference[tick] = by_layer

    def updated(self, tick: int, node: int, reputations: dict[str, float], reasons: dict[str, str]) -> None:
        self._updates.setdefault(tick, {})[node] = reputations, reasons

    def changed(self, tick: int, change: Change | Event) -> None:
        self._changes.setdefault(tick, []).append(change)

    def steps(self, tick: int, by_node: Sequence[int]) -> None:
        self._steps[tick] = by_node

    def close(self, tick: int) -> None:
        """Write what was said of the tick."""
        found, steps = self._accuracy.pop(tick, None), self._steps.pop(tick)
        if found is not None:
            row = [found[node] for node in range(len(self._names))]
            self._write(Path("accuracy.csv"), self._names, tick, row)
            self._write(Path("steps.csv"), self._names, tick, steps)
            self._watcher.measured(tick, row)
        layers = self._difference.pop(tick, None)
        if layers is not None:
            self._write(Path("model_weight_diff.csv"), list(layers), tick, layers.values())
        for node, (reputations, reasons) in sorted(self._updates.pop(tick, {}).items()):
            self._write_update(tick, node, reputations, reasons)
        for change in self._changes.pop(tick, ()):
            self._write_change(tick, change)

    def _write_update(self, tick: int, node: int, reputations: Mapping[str, float], reasons: Mapping[str, str]) -> None:
        name, others = self._names[node], self._senders[node]
        opinions = (reputations.get(other, START_REPUTATION) for other in others)
        self._write(Path("reputation", f"{name}_reputation.csv"), others, tick, opinions)
        if reasons:
            self._write(Path("reasons", f"{name}_reasons.csv"), others, tick, (reasons.get(other, "") for other in others))

    def _write_change(self, tick: int, change: Change | Event) -> None:
        if isinstance(change, Event):
            parts = [change.do, change.node or "", change.link or "", "" if change.factor is None else change.factor, change.attack or ""]
            self._write(Path("events.csv"), ("do", "node", "link", "factor", "attack"), tick, parts)
            self._watcher.happened(tick, change)
        else:
            names = self._names[change.node], self._names[change.peer]
            changed = names[0], change.accuracy, "add" if change.added else "drop", names[1], change.buffer
            self._write(Path("peers.csv"), ("node", "accuracy", "change", "peer", "buffer"), tick, changed)

    def ensemble(self, found: Iterable[tuple[str, int, int]]) -> None:
        """For each set how many samples all models together got right, and how many there are."""
        for name, right, count in found:
            self._write(Path("ensemble.csv"), ("correct", "tested", "accuracy"), name, (right, count, right / count), first="set")

    def lengths(self) -> dict[str, int]:
        """How many bytes each table has."""
        return {str(path): file.tell() for path, file in self._files.items()}

    def sync(self) -> None:
        """What was written is on the disk. Raises `OSError`."""
        for file in self._files.values():
            os.fsync(file.fileno())

    def restore(self, lengths: Mapping[str, int]) -> None:
        """Go on with tables of these lengths, and with no others. Raises `StoreError`."""
        try:
            for name, length in lengths.items():
                if (self._out / name).stat().st_size < length:
                    raise StoreError(
                        f"{self._out / name} is shorter than when the checkpoint was written: put it back, or simulate it again"
                    )
            for path in tables_in(self._out):
                name = str(path.relative_to(self._out))
                if name in lengths:
                    os.truncate(path, lengths[name])
                else:
                    path.unlink()
            for name in lengths:
                self._files[Path(name)] = self._append(self._out / name)
        except OSError as error:
            raise StoreError(f"{error.filename} cannot be continued ({error.strerror}): simulate it again") from None

    def end(self) -> None:
        """Close the files. Each row was written when it was there: what a full disk refuses now it has refused before."""
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.close()
        self._files = {}

    def _write(self, path: Path, columns: Sequence[str], key: int | str, row: Iterable[object], first: str = "tick") -> None:
        """Numbers have six digits, as the reference program prints them."""
        with explained(f"{self._out / path} cannot be written", ROOM):
            file = self._files.get(path) or self._open(path, (first, *columns))
            csv.writer(file, lineterminator="\n").writerow([key, *map(_printed, row)])
            file.flush()

    def _open(self, path: Path, columns: Sequence[str]) -> IO[str]:
        place = self._out / path
        place.parent.mkdir(exist_ok=True)
        file = self._files[path] = self._append(place)
        csv.writer(file, lineterminator="\n").writerow(columns)
        return file

    def _append(self, place: Path) -> IO[str]:
        return place.open("a", newline="", encoding="utf-8")


def _printed(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
