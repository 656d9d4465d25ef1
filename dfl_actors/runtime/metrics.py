"""The run's `metrics.jsonl`: one write a line, appended by every process, so lines never mix.

When it is long the supervisor renames it to `metrics-0001.jsonl`, and so on, and begins a new one; every writer looks before each line
whether the file is still the one that it has open. What it writes meanwhile stands at the end of the old one.
"""

import os
import time
from pathlib import Path

from dfl_actors.core import events
from dfl_actors.errors import StoreError
from dfl_actors.runtime.rundir import metrics_files, number_of

LARGEST = 64 << 20  # Bytes of metrics.jsonl after which a new one is begun.
LOOKS, MOMENT = 20, 0.005  # How often, and every how many seconds, a line that has no end is looked at before it counts as torn.


class Metrics:
    """What one process writes. `node` and `actor` say whose events they are."""

    def __init__(self, path: os.PathLike[str], node: str, actor: str) -> None:
        self._path, self._node, self._actor = Path(path), node, actor
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, event: events.Event, now: int) -> None:
        """Append one event. Raises `StoreError` when the disk is full.

        A line that was torn, by a full disk or because its writer was killed, costs itself only: the next begins a line of its own.
        """
        line = events.line(event, self._node, self._actor, now)
        try:
            self._follow()
            line = line if self._ends_whole() else b"\n" + line
            if os.write(self._file, line) < len(line):
                raise self._failed("only a part of a line fits")
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from None

    def roll(self, largest: int = LARGEST) -> None:
        """Begin a new file if this one has `largest` bytes; for one process of the run alone. Raises `StoreError`."""
        try:
            if os.fstat(self._file).st_size >= largest:
                earlier = metrics_files(self._path.parent)[:-1]
                number = 1 + (number_of(earlier[-1]) if earlier else 0)
                self._path.rename(self._path.with_name(f"metrics-{number:04d}.jsonl"))
                self._follow()
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from None

    def _follow(self) -> None:
        """Go on in the new file when the one that is open was renamed."""
        try:
            same = os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            same = False
        if not same:
            before, self._file = self._file, self._open()
            os.close(before)

    def _ends_whole(self) -> bool:
        """Whether the last line is whole. Another process may be in the middle of writing it, and gets a moment to end."""
        for _ in range(LOOKS):
            if self._at_end_of_line():
                return True
            time.sleep(MOMENT)
        return False

    def _at_end_of_line(self) -> bool:
        size = os.fstat(self._file).st_size
        return not size or os.pread(self._file, 1, size - 1) == b"\n"

    def _failed(self, why: str) -> StoreError:
        return StoreError(f"{os.fspath(self._path)} cannot be written ({why}): free some space and --resume the run")

    def close(self) -> None:
        os.close(self._file)
