"""The directory of a sweep.

    sweep.json           the plan
    cells/NAME/          a simulation that is over, or has diverged; it appears by one rename
    part/NAME/           one under way, or broken off, with its checkpoint
    results.csv ...      the tables and the picture (`table.py`)
    lock                 while a sweep uses the directory

So a sweep that is killed anywhere loses and doubles nothing: what lies in `cells` is whole, and all else is done again, or gone on with.
"""

import shutil
from pathlib import Path

import msgspec

from dfl_actors.api.sweeps.plan import Cell, Plan, cells_of
from dfl_actors.errors import StoreError
from dfl_actors.files import explained, sync, sync_tree, whole
from dfl_actors.sim.about import load_about

FILE = "sweep.json"
FULL = "free some space, and call the same sweep again"


class Folder:
    """The directory of one sweep, as paths."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path / FILE
        self._over, self._part = path / "cells", path / "part"

    def over(self, cell: Cell) -> Path:
        """Where the cell lies once there is no more to be done."""
        return self._over / cell.name

    def part(self, cell: Cell) -> Path:
        """Where it lies until then."""
        return self._part / cell.name

    def is_done(self, cell: Cell) -> bool:
        """Whether it is over or has diverged."""
        return self.over(cell).is_dir()

    def diverged(self, cell: Cell) -> str:
        """Why it has ended before its last tick; "" where it has not. Raises `StoreError`."""
        return load_about(self.over(cell)).diverged if self.is_done(cell) else ""

    def is_over(self, cell: Cell) -> bool:
        return self.is_done(cell) and not self.diverged(cell)

    def prepare(self, plan: Plan) -> None:
        """Make the directory, or see that it holds this sweep, or a part of it. Raises `StoreError`."""
        with explained(f"{self.path} cannot be written", "choose another --out"):
            self._over.mkdir(parents=True, exist_ok=True)
            self._part.mkdir(exist_ok=True)
        if self.file.exists():
            _check_extends(load_plan(self.path), plan, self.path)
        elif foreign := sorted(entry.name for entry in self.path.iterdir() if entry.name not in ("cells", "part", "lock")):
            raise StoreError(f"{self.path} holds {', '.join(foreign[:3])} and no sweep: choose another --out")
        with whole(self.file) as draft:
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2))


def finish(part: Path, over: Path) -> None:
    """What lies in `part` is whole, also after a power cut: it becomes `over` by one rename. Raises `OSError`."""
    sync_tree(part)
    part.rename(over)
    sync(over.parent)


def clear(part: Path) -> None:
    """An empty directory, whatever a broken simulation left there. Raises `StoreError`."""
    with explained(f"{part} cannot be written", FULL):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)


def is_sweep(path: Path) -> bool:
    """Whether a directory is one of a sweep."""
    return (path / FILE).is_file()


def load_plan(path: Path) -> Plan:
    """The plan of a sweep's directory. Raises `StoreError`."""
    try:
        return msgspec.json.decode((path / FILE).read_bytes(), type=Plan)
    except OSError as error:
        raise StoreError(f"{path} is not the directory of a sweep ({error.strerror}): name one that is") from error
    except msgspec.MsgspecError as error:
        raise StoreError(f"{path / FILE} is damaged ({error}): give the sweep as it was given at first, and another --out") from error


def _check_extends(before: Plan, plan: Plan, path: Path) -> None:
    """A sweep may grow by values and seeds; anything else is another one. Raises `StoreError`."""
    if before == plan:
        return
    old, new = ({cell.name for cell in cells_of(one)} for one in (before, plan))
    if not old <= new:
        raise StoreError(f"{path} holds another sweep, of which this is no extension: choose another --out")
