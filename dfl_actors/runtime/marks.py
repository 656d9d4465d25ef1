"""How far the journals of a node have come, written down beside them: one that lies behind is an older copy, or a new one in the place of
one that was lost, and whoever went on from it would sign once more, and otherwise, what was signed already.

LMDB numbers the commits of a journal. An actor reports the last number once it is on the disk, and its supervisor writes all of them down
every second: so they are never ahead of a journal that is as its actor left it. They stand in the node's directory, which may be moved by
itself, and once more in the run's: so an older copy of a node's whole directory is found too.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from dfl_actors.errors import StoreError
from dfl_actors.files import whole
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import Journal

Marks = dict[str, int]
"""The last commits by actor."""


def read_marks(run: RunDirectory, name: str) -> Marks:
    """Those of a node. None where they were not written, or are damaged: then nothing is known."""
    found: Marks = {}
    with suppress(OSError, msgspec.DecodeError):
        found = msgspec.json.decode(run.marks.read_bytes(), type=dict[str, Marks]).get(name, {})
    with suppress(OSError, msgspec.DecodeError):
        own = msgspec.json.decode(run.node(name).marks.read_bytes(), type=Marks)
        found |= {actor: max(commits, found.get(actor, 0)) for actor, commits in own.items()}
    return found


def leave_marks(run: RunDirectory, marks: Mapping[str, Marks]) -> None:
    """Those of all nodes that run here. A file that cannot be written stays as it was, and keeps no other from being written."""
    files: dict[Path, object] = {run.node(name).marks: own for name, own in marks.items()}
    for path, what in {**files, run.marks: marks}.items():
        with suppress(StoreError, OSError), whole(path) as draft:
            draft.write_bytes(msgspec.json.encode(what))


def check_marks(run: RunDirectory, name: str) -> None:
    """Raises `StoreError` for a journal of the node that is behind its mark, or lost."""
    for actor, had in read_marks(run, name).items():
        path = run.node(name).journal(actor)
        commits = _commits(path) if path.exists() else 0
        if commits < had:
            raise StoreError(
                f"{path} is older than it was, or was lost (it has {commits} commits and had {had}): put the newer one back,"
                " or begin a new run (--out)"
            )


def _commits(path: Path) -> int:
    with Journal(path, readonly=True) as journal:
        return journal.commits
