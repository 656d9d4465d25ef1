"""What a simulation leaves, in the layout of the paper's published results: a row is written when its tick is over, and never changed.

accuracy.csv                   tick, one column a node: the accuracy on test images
model_weight_diff.csv          tick, one column a layer: equation 5
reputation/NAME_reputation.csv tick, one column a neighbour: what node NAME thinks of it after an update
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from dfl_actors.errors import StoreError
from dfl_actors.sim.engine import Results


class Tables(Results):
    """Writes the tables of a simulation into `out`; `watch` is told each row of accuracies. Raises `StoreError` when the disk is full."""

    def __init__(
        self, out: Path, names: Sequence[str], neighbours: Sequence[Sequence[str]], watch: Callable[[int, list[float]], None]
    ) -> None:
        self._out, self._names, self._neighbours, self._watch = out, names, neighbours, watch
        self._accuracy: dict[int, dict[int, float]] = {}
        self._difference: dict[int, dict[str, float]] = {}
        self._reputations: dict[int, dict[int, dict[str, float]]] = {}
        self._files: dict[Path, IO[str]] = {}

    def accuracy(self, tick: int, node: int, right: int, tested: int) -> None:
        self._accuracy.setdefault(tick, {})[node] = right / tested

    def difference(self, tick: int, by_layer: dict[str, float]) -> None:
        self._difference[tick] = by_layer

    def updated(self, tick: int, node: int, reputations: dict[str, float]) -> None:
        self._reputations.setdefault(tick, {})[node] = reputations

    def close(self, tick: int) -> None:
        """Write what was said of the tick."""
        found = self._accuracy.pop(tick, None)
        if found is not None:
            row = [found[node] for node in range(len(self._names))]
            self._write(Path("accuracy.csv"), self._names, tick, row)
            self._watch(tick, row)
        layers = self._difference.pop(tick, None)
        if layers is not None:
            self._write(Path("model_weight_diff.csv"), list(layers), tick, layers.values())
        for node, reputations in sorted(self._reputations.pop(tick, {}).items()):
            others = self._neighbours[node]
            self._write(Path("reputation", f"{self._names[node]}_reputation.csv"), others, tick, (reputations[name] for name in others))

    def end(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files = {}

    def _write(self, path: Path, columns: Sequence[str], tick: int, row: Iterable[Any]) -> None:
        """Numbers have six digits, as the reference program prints them."""
        try:
            file = self._files.get(path) or self._open(path, columns)
            csv.writer(file, lineterminator="\n").writerow([tick, *(f"{value:.6g}" for value in row)])
            file.flush()
        except OSError as error:
            raise StoreError(f"{self._out / path} cannot be written ({error.strerror}): free some space and run it again") from None

    def _open(self, path: Path, columns: Sequence[str]) -> IO[str]:
        place = self._out / path
        place.parent.mkdir(exist_ok=True)
        file = self._files[path] = place.open("w", newline="", encoding="utf-8")
        csv.writer(file, lineterminator="\n").writerow(["tick", *columns])
        return file
